"""Normalisation, softmax, reductions, and what picks elements by index."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from perfseer.errors import require
from perfseer.graphs.onnx.calls import Call, Fact, Handler


def _batch_norm(call: Call) -> tuple[Tensor, ...]:
    source, scale, bias, mean, variance = (call.tensor(position) for position in range(5))
    training = call.training
    if training and call.counter is not None:
        call.counter.add_(1)
    out = F.batch_norm(source, mean, variance, scale, bias, training=training)
    # further outputs are the running statistics; nothing of a network reads them
    return out, mean, variance, mean, variance


def _layer_norm(call: Call) -> Tensor:
    source, scale = call.tensor(0), call.tensor(1)
    axis = call.node.integer("axis", -1) % source.dim()
    shape = source.shape[axis:]
    bias = call.optional(2)
    return F.layer_norm(source, shape, scale.reshape(shape), None if bias is None else bias.reshape(shape))


def _rms_norm(call: Call) -> Tensor:
    source, scale = call.tensor(0), call.tensor(1)
    shape = source.shape[call.node.integer("axis", -1) % source.dim() :]
    return F.rms_norm(source, shape, scale.reshape(shape))


def _skip_layer_norm(call: Call) -> tuple[Tensor, ...]:
    """ONNX Runtime's: the sum of two tensors (and a bias), normalised."""
    total = call.tensor(0) + call.tensor(1)
    if call.has(4):
        total = total + call.tensor(4)
    out = F.layer_norm(total, total.shape[-1:], call.tensor(2), call.optional(3))
    return out, out, out, total


def _instance_norm(call: Call) -> Tensor:
    return F.instance_norm(call.tensor(0), weight=call.tensor(1), bias=call.tensor(2))


def _group_norm(call: Call) -> Tensor:
    source = call.tensor(0)
    groups = call.node.integer("num_groups", 1)
    scale, bias = call.tensor(1).reshape(-1), call.tensor(2).reshape(-1)
    if scale.shape[0] != source.shape[1]:  # opset 18 had them per group
        return F.group_norm(source, groups)
    return F.group_norm(source, groups, scale, bias)


def _local_response_norm(call: Call) -> Tensor:
    return F.local_response_norm(call.tensor(0), call.node.integer("size", 1))


def _softmax(function: Callable[..., Tensor]) -> Handler:
    def run(call: Call) -> Tensor:
        source, axis = call.tensor(0), call.node.integer("axis", -1 if call.opset >= 13 else 1)
        require(
            -source.dim() <= axis < source.dim(), f"{call.node}: {tuple(source.shape)} has no axis {axis}"
        )
        return function(source, axis)

    return run


def _reduce(function: Callable[..., Tensor]) -> Handler:
    def run(call: Call) -> Any:
        source, axes = call.tensor(0), call.axes(1)
        if not axes:
            if call.node.integer("noop_with_empty_axes", 0):
                return source
            axes = list(range(source.dim()))
        reduced = function(source, dim=tuple(axes), keepdim=bool(call.node.integer("keepdims", 1)))
        return reduced.to(source.dtype) if call.is_computed else reduced  # PyTorch widens integers

    return run


def _mean(source: Tensor, dim: tuple[int, ...], keepdim: bool) -> Tensor:
    return source.mean(dim, keepdim, dtype=None if source.is_floating_point() else torch.float64)


def _squares(source: Tensor, dim: tuple[int, ...], keepdim: bool) -> Tensor:
    return (source * source).sum(dim, keepdim)


def _product(source: Tensor, dim: tuple[int, ...], keepdim: bool) -> Tensor:
    for axis in sorted((axis % source.dim() for axis in dim), reverse=True):
        source = source.prod(axis, keepdim)
    return source


def _log_sum(source: Tensor, dim: tuple[int, ...], keepdim: bool) -> Tensor:
    return source.sum(dim, keepdim).log()


def _cumulative_sum(call: Call) -> Tensor:
    return call.tensor(0).cumsum(int(call.known(1).item()))


def _top_k(call: Call) -> tuple[Tensor, Tensor]:
    k = int(call.known(1).item()) if call.has(1) else call.node.integer("k", 1)
    values, indices = call.tensor(0).topk(k, call.node.integer("axis", -1))
    return values, indices


def _gather(call: Call) -> Tensor:
    source, axis = call.tensor(0), call.node.integer("axis", 0)
    axis %= max(source.dim(), 1)
    index = call.inputs[1]
    if isinstance(index, Fact) and index.values.ndim == 0:
        return source.select(axis, int(index.values.item()))
    indices = call.tensor(1)
    if isinstance(source, torch.nn.Parameter) and axis == 0 and source.dim() == 2:
        return F.embedding(indices, source)
    if indices.dim() == 1 and not call.is_computed:  # on numbers it would take no negative ones
        return source.index_select(axis, indices)
    return source[(*(slice(None),) * axis, indices)]


def _gather_nd(call: Call) -> Tensor:
    source, indices = call.tensor(0), call.tensor(1)
    skipped = call.node.integer("batch_dims", 0)
    kept = source.shape[:skipped]
    flat = source.reshape(-1, *source.shape[skipped:])[0] if skipped else source
    picked = flat[tuple(indices.select(-1, i) for i in range(indices.shape[-1]))]
    return (
        picked if len(kept) == 0 or picked.shape[: len(kept)] == kept else picked.expand(*kept, *picked.shape)
    )


def _scatter_nd(call: Call) -> Tensor:
    source, indices, updates = call.tensor(0), call.tensor(1), call.tensor(2)
    places = tuple(indices.select(-1, i) for i in range(indices.shape[-1]))
    return source.index_put(places, updates)


def _grid_sample(call: Call) -> Tensor:
    return F.grid_sample(call.tensor(0), call.tensor(1), align_corners=False)


_REDUCTIONS: Mapping[str, Callable[..., Tensor]] = {
    **{"ReduceMean": _mean, "ReduceSum": torch.sum, "ReduceMax": torch.amax, "ReduceMin": torch.amin},
    **{"ReduceProd": _product, "ReduceSumSquare": _squares, "ReduceLogSum": _log_sum},
    **{"ReduceLogSumExp": torch.logsumexp, "ReduceL1": partial(torch.linalg.vector_norm, ord=1)},
    "ReduceL2": partial(torch.linalg.vector_norm, ord=2),
}
HANDLERS: Mapping[str, Handler] = {
    **{"BatchNormalization": _batch_norm, "LayerNormalization": _layer_norm},
    **{"InstanceNormalization": _instance_norm, "GroupNormalization": _group_norm},
    **{"RMSNormalization": _rms_norm, "SimplifiedLayerNormalization": _rms_norm, "LRN": _local_response_norm},
    **{"SkipLayerNormalization": _skip_layer_norm, "perfseer.GroupNorm": _group_norm},
    **{"Softmax": _softmax(torch.softmax), "LogSoftmax": _softmax(torch.log_softmax)},
    **{op: _reduce(function) for op, function in _REDUCTIONS.items()},
    **{"CumSum": _cumulative_sum},
    **{"TopK": _top_k, "Gather": _gather, "GatherND": _gather_nd},
    **{"ScatterND": _scatter_nd, "GridSample": _grid_sample},
}
