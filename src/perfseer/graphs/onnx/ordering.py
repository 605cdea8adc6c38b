"""The order in which a graph's nodes can run."""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any

from perfseer.errors import PerfseerError, require
from perfseer.graphs.onnx.model import OnnxGraph, OnnxNode


def in_running_order(nodes: Sequence[OnnxNode], known: frozenset[str] | None) -> tuple[OnnxNode, ...]:
    """Nodes with every sender before its receivers; the file's own order where that is one already.

    Args:
        nodes: as the file has them.
        known: names that exist beforehand (inputs, initialisers, tensors of outer graphs); None for any.

    Raises:
        PerfseerError: two nodes write one name, a node reads what nobody writes, or there is a cycle.
    """
    writers = _writers(nodes, known)
    needs = [[writers[name] for name in names_read(node) if name in writers] for node in nodes]
    if known is not None:
        _check_reads(nodes, writers, known)
    if all(sender < node for node, senders in enumerate(needs) for sender in senders):
        return tuple(nodes)
    return tuple(nodes[i] for i in _sorted(needs, nodes))


def names_read(node: OnnxNode) -> Iterator[str]:
    """Names a node reads, those of its bodies among them; some of them twice."""
    yield from (name for name in node.inputs if name)
    for body in bodies(node.attributes):
        inside = {value.name for value in body.inputs} | body.stored.keys()
        inside.update(name for inner in body.nodes for name in inner.outputs)
        yield from (name for inner in body.nodes for name in names_read(inner) if name not in inside)
        yield from (name for name in body.outputs if name not in inside)


def bodies(attributes: Mapping[str, Any]) -> Iterator[OnnxGraph]:
    """Graphs among attributes: the branches of If, the bodies of Loop and Scan."""
    for value in attributes.values():
        for item in value if isinstance(value, tuple) else (value,):
            if isinstance(item, OnnxGraph):
                yield item


def _writers(nodes: Sequence[OnnxNode], known: frozenset[str] | None) -> dict[str, int]:
    writers: dict[str, int] = {}
    for index, node in enumerate(nodes):
        for name in filter(None, node.outputs):
            require(
                name not in writers and (known is None or name not in known),
                f"the tensor {name!r} is written twice (by {node}, the second time)",
            )
            writers[name] = index
    return writers


def _check_reads(nodes: Sequence[OnnxNode], writers: Mapping[str, int], known: frozenset[str]) -> None:
    for node in nodes:
        for name in names_read(node):
            if name not in writers and name not in known:
                raise PerfseerError(
                    f"{node} reads {name!r}, which no operator, input or initialiser provides"
                )


def _sorted(needs: Sequence[Sequence[int]], nodes: Sequence[OnnxNode]) -> list[int]:
    """Among those that can run, the file's order."""
    sorter = TopologicalSorter(dict(enumerate(needs)))
    try:
        sorter.prepare()
    except CycleError as error:
        stuck = nodes[error.args[1][0]]
        raise PerfseerError(f"the graph has a cycle: {stuck} waits for its own result") from error
    ready: list[int] = []
    order: list[int] = []
    while sorter.is_active():
        for node in sorter.get_ready():
            heapq.heappush(ready, node)
        order.append(heapq.heappop(ready))
        sorter.done(order[-1])
    return order
