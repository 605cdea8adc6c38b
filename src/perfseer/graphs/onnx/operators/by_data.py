"""Operators whose results are as long as their data say: read where the data are known, refused elsewhere.

Exporters write indices with them (the places of a constant's nonzero elements), which are known.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from perfseer.graphs.declared import torch_type
from perfseer.graphs.onnx.calls import Call, Fact, Handler, depends_on_data

_MOST_KNOWN = 2**16


def _known(call: Call, position: int) -> np.ndarray[Any, Any]:
    value = call.inputs[position] if position < len(call.inputs) else None
    if isinstance(value, Fact):
        return value.values
    raise depends_on_data(call.node, f"the length of its output {call.node.outputs[0]!r}")


def _fact(values: np.ndarray[Any, Any]) -> Fact | Tensor:
    """Something known where it is short; what is long is no shape, and its own length is what matters."""
    if values.size <= _MOST_KNOWN:
        return Fact(values)
    return torch.empty(values.shape, dtype=torch_type(values.dtype.name), device="meta")


def _non_zero(call: Call) -> Fact | Tensor:
    values = _known(call, 0)
    count = np.count_nonzero(values)
    if values.ndim * count > _MOST_KNOWN:
        return torch.empty((values.ndim, count), dtype=torch.int64, device="meta")
    places = np.stack(np.nonzero(np.atleast_1d(values)))
    return Fact(places[: values.ndim].astype(np.int64))


def _compress(call: Call) -> Tensor | Fact:
    chosen = np.flatnonzero(_known(call, 1)).astype(np.int64)
    axis = call.node.attribute("axis")
    given = call.inputs[0]
    if isinstance(given, Fact):
        return _fact(np.take(given.values, chosen, axis))
    source = call.tensor(0)
    source = source.reshape(-1) if axis is None else source
    indices = torch.empty(len(chosen), dtype=torch.int64, device="meta")
    return source.index_select(call.node.integer("axis", 0), indices)


def _unique(call: Call) -> tuple[Fact | Tensor, ...]:
    values = _known(call, 0)
    axis = call.node.attribute("axis")
    found, first, inverse, counts = np.unique(
        values, return_index=True, return_inverse=True, return_counts=True, axis=axis
    )
    if not call.node.integer("sorted", 1):
        order = np.argsort(first)
        found, first, counts = np.take(found, order, axis or 0), first[order], counts[order]
        inverse = np.argsort(order)[inverse]
    return (_fact(found), *(_fact(part.reshape(-1).astype(np.int64)) for part in (first, inverse, counts)))


def _by_data(call: Call) -> Any:
    raise depends_on_data(call.node, f"the length of its output {call.node.outputs[0]!r}")


HANDLERS: Mapping[str, Handler] = {
    **{"NonZero": _non_zero, "Compress": _compress, "Unique": _unique},
    **dict.fromkeys(("NonMaxSuppression", "StringSplit", "ImageDecoder"), _by_data),
}
