"""What an operator outside our table returns: shapes and types, from the best source there is.

ONNX's own inference is asked for that one node, with the shapes of this run; then the file's declarations;
failing both, the outputs are taken to be like the first input, which is said. Where the inference finds that
the data decide, nothing is guessed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from perfseer.errors import PerfseerError
from perfseer.graphs.declared import DeclaredInput, torch_type
from perfseer.graphs.foreign import OutputSpec
from perfseer.graphs.onnx.calls import Call, as_tensor, depends_on_data
from perfseer.graphs.onnx.model import OnnxGraph, OnnxNode, Stored
from perfseer.graphs.onnx.parsing import DTYPES, onnx_package

_NUMBERS: Mapping[torch.dtype, int] = {
    torch_type(DTYPES[number]): number for number in sorted(DTYPES, reverse=True)
}
_MOST_KNOWN = 4096  # elements of a value that the inference is told


@dataclass(frozen=True)
class Outputs:
    """What a node writes.

    Attributes:
        specs: shape and type of every output.
        guessed: names of those whose shape nobody says.
    """

    specs: tuple[OutputSpec, ...]
    guessed: tuple[str, ...]


def outputs_of(call: Call, declared: Mapping[str, DeclaredInput], symbols: Mapping[str, int]) -> Outputs:
    """Shapes and types of what a node writes.

    Args:
        call: the node and its inputs.
        declared: what the file says of its tensors.
        symbols: sizes of the file's free dimensions.

    Raises:
        PerfseerError: they depend on the data; or the node reads no tensor and the file declares none of what
            it writes.
    """
    inferred = _inferred(call) if not call.node.domain else {}
    # a Loop returns what it carries, which it is given behind the number of rounds and the condition
    given = call.inputs[2:] if call.node.op == "Loop" else call.inputs
    like = [as_tensor(value) for value in given if value is not None]
    specs, guessed = [], []
    for name in call.node.outputs:
        spec = _spec(inferred[name]) if name in inferred else None
        spec = spec or _declared(declared.get(name), symbols)
        if spec is None and name in inferred and _by_data(inferred[name], call):
            raise depends_on_data(call.node, f"the shape of its output {name!r}")
        if spec is None:
            if not like:
                raise PerfseerError(
                    f"{call.node} is unknown here and the file does not declare what it writes"
                )
            spec = _guessed(declared.get(name), symbols, like[0])
            guessed.append(name)
        specs.append(spec)
    return Outputs(tuple(specs), tuple(name for name in guessed if name))


def _by_data(kind: Any, call: Call) -> bool:
    """Whether a type lacks its shape because of what a tensor holds: all shapes are known."""
    if kind.tensor_type.HasField("shape"):
        return True
    return any(
        isinstance(value, Tensor) and not value.is_floating_point() and value.dim() <= 1
        for value in call.inputs[1:]
    )


def _declared(value: DeclaredInput | None, symbols: Mapping[str, int]) -> OutputSpec | None:
    """As declared, where every dimension is a number or one of the inputs'."""
    if value is None or value.shape is None:
        return None
    sizes = [symbols.get(size) if isinstance(size, str) else size for size in value.shape]
    shape = tuple(size for size in sizes if size is not None)
    return (shape, torch_type(value.dtype)) if len(shape) == len(sizes) else None


def _guessed(value: DeclaredInput | None, symbols: Mapping[str, int], like: Tensor) -> OutputSpec:
    """As declared where it is, else like the first input."""
    dtype = like.dtype if value is None or value.dtype == "undeclared" else torch_type(value.dtype)
    if value is None or value.shape is None or len(value.shape) > like.dim():
        return tuple(like.shape), dtype
    sizes = (symbols.get(size) if isinstance(size, str) else size for size in value.shape)
    return tuple(int(like.shape[axis]) if size is None else size for axis, size in enumerate(sizes)), dtype


def _inferred(call: Call) -> Mapping[str, Any]:
    """Types by ONNX's shape inference of one node; nothing where it cannot be asked."""
    onnx, inference = onnx_package(), onnx_package("onnx.shape_inference")
    types: dict[str, Any] = {}
    data: dict[str, Any] = {}
    for name, value in zip(call.node.inputs, call.inputs, strict=False):
        if value is None:
            continue
        tensor = as_tensor(value)
        types[name] = onnx.helper.make_tensor_type_proto(_NUMBERS[tensor.dtype], list(tensor.shape))
        if not isinstance(value, Tensor) and value.values.size <= _MOST_KNOWN:
            data[name] = onnx.numpy_helper.from_array(value.values, name)
    try:
        schema = onnx.defs.get_schema(call.node.op, call.opset, "")
        found: Mapping[str, Any] = inference.infer_node_outputs(schema, _message(call.node), types, data)
    except (
        *(onnx.defs.SchemaError, inference.InferenceError, onnx_package("onnx.checker").ValidationError),
        *(RuntimeError, TypeError, ValueError),
    ):
        return {}
    return {name: kind for name, kind in found.items() if kind.HasField("tensor_type")}


def _message(node: OnnxNode) -> Any:
    onnx = onnx_package()
    plain = {
        name: value
        for name, value in node.attributes.items()
        if not isinstance(value, Stored | OnnxGraph) and value != ()
    }
    return onnx.helper.make_node(node.op, list(node.inputs), list(node.outputs), **plain)


def _spec(kind: Any) -> OutputSpec | None:
    if not kind.tensor_type.HasField("shape"):
        return None
    dims = kind.tensor_type.shape.dim
    if any(not d.HasField("dim_value") or d.dim_value < 0 for d in dims):
        return None
    return tuple(int(d.dim_value) for d in dims), torch_type(
        DTYPES.get(kind.tensor_type.elem_type, "float32")
    )
