"""Operators on quantised tensors: each is what it stands for, on bytes.

Scales and zero points are arguments beside the operands. Those of ONNX Runtime have its domain.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from perfseer.errors import require
from perfseer.graphs.declared import torch_type
from perfseer.graphs.onnx.calls import Call, Handler
from perfseer.graphs.onnx.operators import layout, pointwise, products, statistics
from perfseer.graphs.onnx.operators.attention import RUNTIME, attended, projected
from perfseer.graphs.onnx.parsing import DTYPES
from perfseer.graphs.onnx.stand_in import as_floats, run_as, unpacked_shape, weight_of, without_products

_FLOAT_HANDLERS: Mapping[str, Handler] = {
    **layout.HANDLERS,
    **pointwise.HANDLERS,
    **products.HANDLERS,
    **statistics.HANDLERS,
}
Result = Callable[[Call, int], torch.dtype]


def _like_operand(call: Call, position: int) -> torch.dtype:
    return call.tensor(position).dtype


def _accumulated(_: Call, __: int) -> torch.dtype:
    return torch.int32


def _dequantised(call: Call, _: int) -> torch.dtype:
    """As the scales, which are the floating-point numbers among the arguments."""
    floats = (call.tensor(i).dtype for i in range(len(call.inputs)) if call.has(i))
    return next((dtype for dtype in floats if dtype.is_floating_point), torch.float32)


def _stands_for(op: str, *positions: int, result: Result = _like_operand) -> Handler:
    """An operator that is ``op`` on the arguments at ``positions``."""

    def run(call: Call) -> Tensor:
        return run_as(
            _FLOAT_HANDLERS[op],
            call,
            as_floats(call, *positions),
            result(call, positions[0]),
            channels_last=bool(call.node.integer("channels_last", 0)),
        )

    return run


def _concat(call: Call) -> Tensor:
    """Scale and zero point of the result, then triples of a tensor and its own."""
    positions = range(2, len(call.inputs), 3)
    require(len(positions) > 0, f"{call.node} joins nothing")
    return run_as(_FLOAT_HANDLERS["Concat"], call, as_floats(call, *positions), call.tensor(2).dtype)


def _quantise(call: Call) -> Tensor:
    source, given = call.tensor(0), call.node.integer("output_dtype", 0)
    dtype = torch_type(DTYPES[given]) if given in DTYPES else torch.uint8
    dtype = call.tensor(2).dtype if call.has(2) else dtype
    return without_products(call, [(tuple(source.shape), dtype)])[0]


def _dequantise(call: Call) -> Tensor:
    return without_products(call, [(unpacked_shape(call.tensor(0)), call.tensor(1).dtype)])[0]


def _quantise_dynamically(call: Call) -> tuple[Tensor, ...]:
    shape = tuple(call.tensor(0).shape)
    return without_products(call, [(shape, torch.uint8), ((), torch.float32), ((), torch.uint8)])


def _gemm(call: Call) -> Tensor:
    """A, its scale and zero point, B likewise, C, and those of a result that is quantised."""
    dtype = call.tensor(8).dtype if call.has(8) else call.tensor(1).dtype
    return run_as(_FLOAT_HANDLERS["Gemm"], call, as_floats(call, 0, 3, 6), dtype)


def _packed_matmul(call: Call) -> Tensor:
    """A product with a matrix of a few bits an element, whose sizes are attributes."""
    source, node = call.tensor(0), call.node
    inner, outer = node.integer("K", 0), node.integer("N", 0)
    require(inner > 0 and outer > 0, f"{node} lacks its sizes K and N")
    return run_as(_linear, call, [*as_floats(call, 0), weight_of((outer, inner))], source.dtype)


def _linear(call: Call) -> Tensor:
    return F.linear(call.tensor(0), call.tensor(1))


def _packed_gather(call: Call) -> Tensor:
    """Rows of a packed table of embeddings, as floating-point numbers."""
    table, indices, scales = call.tensor(0), call.tensor(1), call.tensor(2)
    node = call.node
    axis = node.integer("gather_axis", 0) % max(table.dim(), 1)
    packed = 8 // node.integer("bits", 4) if table.dtype == torch.uint8 else 1
    shape = [*table.shape[:-1], table.shape[-1] * packed]
    rows = min(table.shape[axis], indices.numel())
    read = [table.narrow(axis, 0, rows), indices, scales]
    result = (*shape[:axis], *indices.shape, *shape[axis + 1 :])
    return without_products(call, [(result, scales.dtype)], "embedding", read)[0]


def _attention(call: Call) -> tuple[Tensor | None, ...]:
    """ONNX Runtime's attention with its projection in integers."""
    projection = run_as(_FLOAT_HANDLERS["MatMul"], call, as_floats(call, 0, 1), _dequantised(call, 0))
    return attended(call, *projected(call, projection), past=call.optional(8))


HANDLERS: Mapping[str, Handler] = {
    **{"QuantizeLinear": _quantise, "DequantizeLinear": _dequantise},
    "DynamicQuantizeLinear": _quantise_dynamically,
    "QLinearConv": _stands_for("Conv", 0, 3, 8),
    "QLinearMatMul": _stands_for("MatMul", 0, 3),
    "ConvInteger": _stands_for("Conv", 0, 1, result=_accumulated),
    "MatMulInteger": _stands_for("MatMul", 0, 1, result=_accumulated),
    **{f"{RUNTIME}QuantizeLinear": _quantise, f"{RUNTIME}DequantizeLinear": _dequantise},
    f"{RUNTIME}QLinearConv": _stands_for("Conv", 0, 3, 8),
    f"{RUNTIME}MatMulInteger16": _stands_for("MatMul", 0, 1, result=_accumulated),
    f"{RUNTIME}MatMulIntegerToFloat": _stands_for("MatMul", 0, 1, result=_dequantised),
    f"{RUNTIME}DynamicQuantizeMatMul": _stands_for("MatMul", 0, 1),
    f"{RUNTIME}QGemm": _gemm,
    **{f"{RUNTIME}MatMulNBits": _packed_matmul, f"{RUNTIME}MatMulBnb4": _packed_matmul},
    f"{RUNTIME}GatherBlockQuantized": _packed_gather,
    f"{RUNTIME}QAttention": _attention,
    **{f"{RUNTIME}QLinear{op}": _stands_for(op, 0, 3) for op in ("Add", "Mul")},
    **{
        f"{RUNTIME}QLinear{op}": _stands_for(op, 0)
        for op in ("Sigmoid", "LeakyRelu", "Softmax", "ReduceMean")
    },
    **{f"{RUNTIME}QLinear{op}": _stands_for(op, 0) for op in ("AveragePool", "GlobalAveragePool")},
    f"{RUNTIME}QLinearConcat": _concat,
    f"{RUNTIME}QLinearWhere": _stands_for("Where", 0, 1, 4, result=lambda call, _: call.tensor(1).dtype),
}
