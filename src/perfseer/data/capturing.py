"""Making captures: in several processes, kept as they come, so that an interruption loses little."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from perfseer.data.building import NO_GRAPH, PRELOAD, Captured, Progress, Task, capture_at, prepare_worker
from perfseer.data.captures import INDEX_COLUMNS, KEY, Captures, Key, segment_paths
from perfseer.data.files import write_parquet
from perfseer.data.packed import PackedGraphs
from perfseer.data.processes import mapper
from perfseer.errors import require
from perfseer.graphs.perfgraph import PerfGraph

if TYPE_CHECKING:
    from torch import nn

_SEGMENT_S = 60.0


def capture_missing(
    wanted: pd.DataFrame, captures: Captures, workers: int = 1, progress: Progress | None = None
) -> Captures:
    """Capture what is missing for the rows of ``wanted``, and keep it.

    Args:
        wanted: columns ``model_ref``, ``input_shape`` (``3x224x224``), ``batch_size``, ``precision``.
        captures: what there is.
        workers: processes; 1 captures in this one.
        progress: called with models done and models there are.

    Returns:
        What there is now. Models that cannot be captured are in its index, with the reason.

    Raises:
        PerfseerError: the folder cannot be written, or a worker died.
    """
    while missing := captures.missing(wanted):  # twice at most: families, then what turned out to be none
        name = f"{time.time_ns():x}"
        for number, results in enumerate(_segments(_tasks(missing), workers, progress)):
            _write(captures.folder, f"{name}-{number:04d}", results)
        captures = _joined(captures.folder)
    return captures


def kept_graphs(
    rows: pd.DataFrame, captures: Captures, workers: int = 1, progress: Progress | None = None
) -> tuple[PackedGraphs, pd.DataFrame]:
    """Graphs of a measurement table at each row's precision, captured now as far as they are not kept.

    Args:
        rows: columns ``model_ref``, ``input_shape``, ``batch_size``, ``precision``, ``status``; only those
            that were measured get a graph. TF32 changes no byte, so it is single precision.
        captures: what there is.
        workers: processes; 1 captures in this one.
        progress: called with models done and models there are.

    Returns:
        The graphs, and the index (`data.building.INDEX_COLUMNS` and ``precision``), sorted by key.

    Raises:
        PerfseerError: as `capture_missing`; or no graph at all could be captured.
    """
    wanted = rows.loc[rows["status"] == "ok", list(KEY)].drop_duplicates()
    asked = wanted.assign(precision=wanted["precision"].replace({"tf32": "fp32"}))
    selected = capture_missing(asked, captures, workers, progress).select(asked)
    first = next(iter(selected.reasons), "no row was measured")
    require(bool((selected.numbers != NO_GRAPH).any()), f"no graph could be captured; the first: {first}")
    reasons = pd.Series(selected.reasons, index=wanted.index, dtype=object)
    index = wanted.assign(graph=selected.numbers, reason=reasons.where(reasons != "", None))
    return selected.graphs, index.sort_values(list(KEY), ignore_index=True)


@dataclass(frozen=True)
class _Result:
    """What became of one task: as many captures as batch sizes."""

    task: Task
    captured: tuple[Captured, ...]
    reparameterisable: bool


def _tasks(missing: Sequence[Key]) -> list[Task]:
    sizes: dict[tuple[str, str, str], list[int]] = {}
    for ref, shape, size, precision in sorted(missing):
        sizes.setdefault((ref, shape, precision), []).append(size)
    return [Task(*network, tuple(found)) for network, found in sizes.items()]


def _segments(tasks: list[Task], workers: int, progress: Progress | None) -> Iterator[list[_Result]]:
    """Results in portions of about `_SEGMENT_S` seconds; what there is when interrupted comes last."""
    portion: list[_Result] = []
    begun = time.monotonic()
    with mapper(workers, "captures graphs", PRELOAD, prepare_worker) as apply:
        results = apply(_capture, tasks)
        for done in range(1, len(tasks) + 1):
            try:
                portion.append(next(results))
            except BaseException:
                yield portion
                raise
            if progress is not None:
                progress(done, len(tasks))
            if time.monotonic() - begun >= _SEGMENT_S:
                yield portion
                portion, begun = [], time.monotonic()
    yield portion


def _capture(task: Task) -> _Result:
    """Build a model once and capture it at each batch size; one that cannot be trained, forward only."""
    from perfseer.zoo.libraries import reparameterisable

    module, inputs = task.model(), task.inputs
    if isinstance(module, Captured):
        return _Result(task, (module,) * len(inputs), reparameterisable=False)
    before = _kept_bytes(module)
    captured = [_forward_at_least(module, inputs[0], task.precision)]
    if _kept_bytes(module) != before:  # it keeps something from its first run: show the runs that follow
        captured = [_forward_at_least(module, inputs[0], task.precision)]
    captured += [_forward_at_least(module, given, task.precision) for given in inputs[1:]]
    return _Result(task, tuple(captured), reparameterisable(module))


def _forward_at_least(module: "nn.Module", shape: tuple[int, ...], precision: str) -> Captured:
    trained = capture_at(module, shape, precision=precision)
    if trained.graph is not None:
        return trained
    forward = capture_at(module, shape, precision=precision, backward=False)
    return forward if forward.graph is None else Captured(forward.graph, f"forward only: {trained.reason}")


def _kept_bytes(module: "nn.Module") -> int:
    return sum(buffer.nbytes for buffer in module.buffers())


def _write(folder: Path, name: str, results: Sequence[_Result]) -> None:
    """Write a segment: graphs first, so that an index never names what is not there."""
    if not results:
        return
    rows: list[tuple[object, ...]] = []
    graphs: list[PerfGraph] = []
    for result in results:
        for size, captured in zip(result.task.batch_sizes, result.captured, strict=True):
            number = NO_GRAPH if captured.graph is None else len(graphs)
            key = (result.task.model_ref, result.task.input_shape, size, result.task.precision)
            rows.append((*key, number, captured.reason or "", result.reparameterisable))
            graphs += [] if captured.graph is None else [captured.graph]
    _write_segment(folder, name, PackedGraphs.pack(graphs), pd.DataFrame(rows, columns=list(INDEX_COLUMNS)))


def _write_segment(folder: Path, name: str, graphs: PackedGraphs, index: pd.DataFrame) -> None:
    packed, listed = segment_paths(folder, name)
    graphs.save(packed)
    write_parquet(listed, index)


def _joined(folder: Path) -> Captures:
    """All segments of a folder as one: it opens in a blink, and captures made twice are dropped."""
    whole = Captures.open(folder)
    old = sorted(folder.glob("*.parquet"))
    if len(old) > 1:
        kept = whole.index["graph"].to_numpy()
        found = kept != NO_GRAPH
        index = whole.index.assign(graph=NO_GRAPH)
        index.loc[found, "graph"] = range(int(found.sum()))
        _write_segment(folder, f"{time.time_ns():x}-joined", whole.graphs.take(kept[found]), index)
        for listed in old:
            for path in reversed(segment_paths(folder, listed.stem)):
                path.unlink(missing_ok=True)
    return Captures.open(folder)
