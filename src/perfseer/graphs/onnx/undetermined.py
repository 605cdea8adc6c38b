"""What an operator outside our table returns: shapes and types, from the best source there is.

ONNX's own inference is asked for that one node, with the shapes of this run; then the file's declarations;
failing both, the outputs are taken to be like the first input.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from perfseer.errors import PerfseerError
from perfseer.graphs.declared import DeclaredInput, torch_type
from perfseer.graphs.foreign import OutputSpec
from perfseer.graphs.onnx.calls import Call, as_tensor
from perfseer.graphs.onnx.model import OnnxGraph, OnnxNode, Stored
from perfseer.graphs.onnx.parsing import DTYPES, onnx_package

_NUMBERS: Mapping[torch.dtype, int] = {
    torch_type(DTYPES[number]): number for number in sorted(DTYPES, reverse=True)
}


def outputs_of(call: Call, declared: Mapping[str, DeclaredInput]) -> list[OutputSpec]:
    """Shapes and types of what a node writes.

    Args:
        call: the node and its inputs.
        declared: what the file says of its tensors.

    Raises:
        PerfseerError: the node reads no tensor and the file declares none of what it writes.
    """
    inferred = _inferred(call) if not call.node.domain else {}
    # a Loop returns what it carries, which it is given behind the number of rounds and the condition
    given = call.inputs[2:] if call.node.op == "Loop" else call.inputs
    like = [as_tensor(value) for value in given if value is not None]
    outputs = []
    for name in call.node.outputs:
        spec = inferred.get(name) or _declared(declared.get(name), like)
        if spec is None:
            if not like:
                raise PerfseerError(
                    f"{call.node} is unknown here and the file does not declare what it writes"
                )
            spec = tuple(like[0].shape), like[0].dtype
        outputs.append(spec)
    return outputs


def _declared(value: DeclaredInput | None, like: Sequence[Tensor]) -> OutputSpec | None:
    """As declared; an open dimension that the first input has in the same place is that."""
    if value is None or value.shape is None:
        return None
    shape = []
    for axis, size in enumerate(value.shape):
        if isinstance(size, int):
            shape.append(size)
        elif like and axis < like[0].dim():
            shape.append(int(like[0].shape[axis]))
        else:
            return None
    return tuple(shape), torch_type(value.dtype)


def _inferred(call: Call) -> dict[str, OutputSpec]:
    """By ONNX's shape inference of one node; nothing where it does not know."""
    onnx, inference = onnx_package(), onnx_package("onnx.shape_inference")
    types: dict[str, Any] = {}
    data: dict[str, Any] = {}
    for name, value in zip(call.node.inputs, call.inputs, strict=False):
        if value is None:
            continue
        tensor = as_tensor(value)
        types[name] = onnx.helper.make_tensor_type_proto(_NUMBERS[tensor.dtype], list(tensor.shape))
        if not isinstance(value, Tensor) and value.values.size <= 64:
            data[name] = onnx.numpy_helper.from_array(value.values, name)
    try:
        schema = onnx.defs.get_schema(call.node.op, call.opset, "")
        found = inference.infer_node_outputs(schema, _message(call.node), types, data)
    except (
        *(onnx.defs.SchemaError, inference.InferenceError, onnx_package("onnx.checker").ValidationError),
        *(RuntimeError, TypeError, ValueError),
    ):
        return {}
    specs = {name: _spec(kind) for name, kind in found.items()}
    return {name: spec for name, spec in specs.items() if spec is not None}


def _message(node: OnnxNode) -> Any:
    onnx = onnx_package()
    plain = {
        name: value
        for name, value in node.attributes.items()
        if not isinstance(value, Stored | OnnxGraph) and value != ()
    }
    return onnx.helper.make_node(node.op, list(node.inputs), list(node.outputs), **plain)


def _spec(kind: Any) -> OutputSpec | None:
    if not kind.HasField("tensor_type") or not kind.tensor_type.HasField("shape"):
        return None
    dims = kind.tensor_type.shape.dim
    if any(not d.HasField("dim_value") or d.dim_value < 0 for d in dims):
        return None
    return tuple(int(d.dim_value) for d in dims), torch_type(
        DTYPES.get(kind.tensor_type.elem_type, "float32")
    )
