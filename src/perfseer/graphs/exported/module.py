"""An exported program as a PyTorch module on the meta device, and its PerfGraph."""

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from perfseer.errors import PerfseerError, require
from perfseer.graphs.capture import capture
from perfseer.graphs.declared import (
    MOST_ELEMENTS,
    MOST_NODES,
    declared_batch,
    empty,
    empty_inputs,
    torch_type,
)
from perfseer.graphs.exported.program import DTYPES, Program, dtype_of, only, shape_of
from perfseer.graphs.foreign import foreign
from perfseer.graphs.given import input_shapes_of
from perfseer.graphs.perfgraph import PerfGraph

# Arithmetic on sizes. Powers are not among them: a file could ask for a number without end.
_ARITHMETIC: Mapping[str, Callable[..., Any]] = {
    **{
        f"_operator.{name}": getattr(operator, name)
        for name in (
            *("add", "sub", "mul", "floordiv", "mod", "neg", "eq", "ne", "lt", "le", "gt", "ge", "truediv"),
            *("and_", "or_", "not_", "getitem"),
        )
    },
    **{"torch.sym_max": max, "torch.sym_min": min, "torch.sym_int": int, "torch.sym_float": float},
    **{"torch.sym_not": operator.not_, "math.trunc": int, "math.floor": int},
}
# Checks at run time, which cost nothing that counts.
_CHECKS = ("_assert", "sym_constrain_range", "sym_constrain", "_check")
# Reaches outside the program.
_FORBIDDEN = frozenset({"from_file", "_nested_from_padded", "_cuda_getCurrentRawStream"})
# Which argument says whether a network is being trained.
_TRAINING_FLAGS: Mapping[str, str] = {
    **dict.fromkeys(("batch_norm", "_native_batch_norm_legit", "native_batch_norm"), "training"),
    **dict.fromkeys(("dropout", "dropout_", "feature_dropout", "alpha_dropout", "native_dropout"), "train"),
}
_Conversion = Callable[[Any, Mapping[str, Any]], Any]

_COUNTER_SUFFIX = "num_batches_tracked"
_LARGEST_NUMBER = 2**62
_MEMORY_FORMATS = {
    **{1: torch.contiguous_format, 2: torch.channels_last, 3: torch.channels_last_3d},
    4: torch.preserve_format,
}


class ExportedModule(nn.Module):
    """A program that runs on empty tensors, in training or evaluation mode whichever it was exported in.

    Args:
        program: as read.
    """

    def __init__(self, program: Program) -> None:
        super().__init__()
        require(len(program.nodes) <= MOST_NODES, f"the program has more than {MOST_NODES:,} operators")
        self._program = program
        self._keys: dict[str, str] = {}
        self._symbols: dict[str, int] = {}
        for index, state in enumerate(program.states):
            key = self._keys[state.name] = f"tensor{index}"
            tensor = empty(state.shape, torch_type(state.dtype))
            if state.trainable:
                self.register_parameter(key, nn.Parameter(tensor))
            else:
                self.register_buffer(key, tensor)

    def forward(self, *inputs: Tensor) -> tuple[Any, ...]:
        """Run the program on the user's inputs; returns what it returns."""
        program = self._program
        values: dict[str, Any] = {name: getattr(self, key) for name, key in self._keys.items()}
        values |= {declared.name: tensor for declared, tensor in zip(program.inputs, inputs, strict=True)}
        self._symbols = {
            symbol: int(size)
            for declared, tensor in zip(program.inputs, inputs, strict=True)
            for symbol, size in zip(declared.shape or (), tensor.shape, strict=False)
            if isinstance(symbol, str)
        }
        if self.training:
            self._count_batch()
        for node in program.nodes:
            try:
                self._run(node, values)
            except PerfseerError:
                raise
            except Exception as error:
                words = (str(error).strip().splitlines() or [""])[0]
                raise PerfseerError(
                    f"{node.get('target')} cannot run: {type(error).__name__}: {words}"
                ) from error
        return tuple(_argument(output, values) for output in program.outputs)

    def _count_batch(self) -> None:
        for name, key in self._keys.items():
            if name.endswith(_COUNTER_SUFFIX):
                getattr(self, key).add_(1)

    def _run(self, node: Mapping[str, Any], values: dict[str, Any]) -> None:
        target = str(node["target"])
        given = {entry["name"]: _argument(entry["arg"], values) for entry in node["inputs"]}
        function = _ARITHMETIC.get(target)
        if function is not None:
            result = function(*given.values())
        elif any(target.split(".")[-2].startswith(check) for check in _CHECKS):
            return
        else:
            result = self._call(target, given, node)
        _store(node["outputs"], result, values)

    def _call(self, target: str, given: dict[str, Any], node: Mapping[str, Any]) -> Any:
        parts = target.split(".")
        require(
            target.startswith("torch.ops.") and len(parts) == 5, f"{target} is no operator that can be run"
        )
        namespace, name, overload = parts[2:]
        require(
            namespace != "higher_order" and name not in _FORBIDDEN,
            f"{target} cannot be captured; export the model without it",
        )
        if namespace != "aten":
            return self._foreign(f"{namespace}.{name}", given, node)
        function = getattr(getattr(torch.ops.aten, name), overload)
        flag = _TRAINING_FLAGS.get(name)
        if flag is not None:
            given[flag] = self.training
        ordered = [argument for argument in function._schema.arguments if not argument.kwarg_only]
        if any(argument.name == "device" for argument in function._schema.arguments):
            given["device"] = "meta"
        n_positional = max((i + 1 for i, argument in enumerate(ordered) if argument.name in given), default=0)
        args = [_given_or_default(argument, given) for argument in ordered[:n_positional]]
        kwargs = {
            a.name: given[a.name] for a in function._schema.arguments if a.kwarg_only and a.name in given
        }
        return function(*args, **kwargs)

    def _foreign(self, name: str, given: Mapping[str, Any], node: Mapping[str, Any]) -> Any:
        """An operator of another library: its tensors as the program describes them."""
        read = [t for value in given.values() for t in (value if isinstance(value, list) else [value])]
        tensors = [t for t in read if isinstance(t, Tensor)]
        metas = [self._program.tensors[n] for output in node["outputs"] for n in _names(output)]
        specs = [(shape_of(meta, self._symbols), torch_type(dtype_of(meta))) for meta in metas]
        outputs = foreign(name, tensors, specs)
        return outputs[0] if len(outputs) == 1 else outputs


def program_graph(
    program: Program,
    *,
    batch_size: int | None = None,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
    backward: bool = False,
) -> PerfGraph:
    """The graph of a program saved by `torch.export.save`, without its weights.

    Args:
        program: as read.
        batch_size: samples, where the program was exported with a dynamic batch dimension; else its own.
        input_shapes: whole shapes by input, where it was exported with further dynamic dimensions.
        backward: whether to trace a training step too.

    Raises:
        PerfseerError: it does not run at these shapes.
    """
    shapes = input_shapes_of(program.inputs, batch_size, input_shapes or {})
    fixed = declared_batch(program.inputs)
    batch = shapes[0][0] if shapes and shapes[0] else 1
    require(
        fixed is None or fixed == batch,
        f"the program is exported for a batch of {fixed}, given {batch}: export it with dynamic_shapes for "
        "the batch dimension",
    )
    try:
        return capture(ExportedModule(program), empty_inputs(program.inputs, shapes), backward=backward)
    except (OverflowError, ValueError) as error:
        raise PerfseerError(f"the program has sizes that no memory has room for: {error}") from error


def _given_or_default(argument: Any, given: Mapping[str, Any]) -> Any:
    if argument.name in given:
        return given[argument.name]
    require(argument.has_default_value(), f"an operator lacks its argument {argument.name!r}")
    return argument.default_value


def _argument(argument: Mapping[str, Any], values: Mapping[str, Any]) -> Any:
    """The value of an argument, a union tagged with its kind."""
    kind, value = only(argument)
    if re.fullmatch("as_(int|float|bool|string)s?", kind):
        return value
    convert = _CONVERSIONS.get(kind)
    if convert is None:
        raise PerfseerError(f"the program has an argument of kind {kind}, which cannot be captured")
    return convert(value, values)


def _symbol(value: Mapping[str, Any], values: Mapping[str, Any]) -> Any:
    return values[value["as_name"]] if "as_name" in value else next(iter(value.values()))


def _optional(value: Mapping[str, Any], values: Mapping[str, Any]) -> Any:
    if "as_none" in value:
        return None
    return values[(value.get("as_tensor") or value)["name"]]


def _tensor(value: Mapping[str, Any], values: Mapping[str, Any]) -> Any:
    return values[value["name"]]


def _each(convert: _Conversion) -> _Conversion:
    return lambda value, values: [convert(item, values) for item in value]


_CONVERSIONS: Mapping[str, _Conversion] = {
    **{"as_tensor": _tensor, "as_tensors": _each(_tensor)},
    **{"as_optional_tensor": _optional, "as_optional_tensors": _each(_optional)},
    **dict.fromkeys(("as_sym_int", "as_sym_float", "as_sym_bool"), _symbol),
    **dict.fromkeys(("as_sym_ints", "as_sym_floats", "as_sym_bools"), _each(_symbol)),
    "as_none": lambda *_: None,
    "as_scalar_type": lambda value, _: torch_type(DTYPES[value]),
    "as_memory_format": lambda value, _: _MEMORY_FORMATS[value],
    "as_layout": lambda *_: torch.strided,
    "as_device": lambda *_: "meta",
}


def _names(output: Mapping[str, Any]) -> list[str]:
    """Names of the tensors of an output."""
    kind, value = only(output)
    if kind == "as_tensors":
        return [item["name"] for item in value]
    return [value["name"]] if kind == "as_tensor" else []


def _store(outputs: Sequence[Mapping[str, Any]], result: Any, values: dict[str, Any]) -> None:
    """Bind a call's results to their names."""
    several = len(outputs) > 1
    for output, item in zip(outputs, result if several else [result], strict=False):
        kind, value = only(output)
        if kind == "as_tensors":
            values |= dict(zip((entry["name"] for entry in value), item, strict=False))
        elif kind == "as_tensor":
            values[value["name"]] = _checked(item)
        elif kind.startswith("as_sym_") and "as_name" in value:
            values[value["as_name"]] = _checked(item)


def _checked(value: Any) -> Any:
    if isinstance(value, Tensor):
        require(
            value.numel() <= MOST_ELEMENTS,
            f"a tensor of shape {tuple(value.shape)} has no room in any memory",
        )
    elif isinstance(value, int | float):
        require(abs(value) < _LARGEST_NUMBER, "a size grows beyond all bounds")
    return value
