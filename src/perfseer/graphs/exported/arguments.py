"""Arguments of an exported program's nodes: unions tagged with their kind, read and bound to names."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from perfseer.errors import PerfseerError, require
from perfseer.graphs.declared import MOST_ELEMENTS, torch_type
from perfseer.graphs.exported.archive import DTYPES
from perfseer.graphs.exported.program import only

Values = dict[str, Any]
_Conversion = Callable[[Any, Mapping[str, Any]], Any]

LARGEST_NUMBER = 2**62
_MOST_DIMENSIONS = 64
_MEMORY_FORMATS = {
    **{1: torch.contiguous_format, 2: torch.channels_last, 3: torch.channels_last_3d},
    4: torch.preserve_format,
}
# Numbers that JSON has no way to write.
_NOT_FINITE = {name: float(name) for name in ("Infinity", "-Infinity", "NaN")}


def value_of(argument: Mapping[str, Any], values: Mapping[str, Any]) -> Any:
    """The value of an argument.

    Args:
        argument: a union tagged with its kind.
        values: what has been computed so far, by name.

    Raises:
        PerfseerError: it is of a kind that has no value here, or reads a name that nothing provides.
    """
    kind, value = only(argument)
    if re.fullmatch("as_(int|bool|string)s?|as_int_lists", kind):
        return value
    convert = _CONVERSIONS.get(kind)
    if convert is None:
        raise PerfseerError(f"the program has an argument of kind {kind!r}, which cannot be captured")
    return convert(value, values)


def bind(outputs: Sequence[Mapping[str, Any]], result: Any, values: Values) -> None:
    """Bind a call's results to their names.

    Raises:
        PerfseerError: a tensor or number is beyond all bounds.
    """
    several = len(outputs) > 1
    for output, item in zip(outputs, result if several else [result], strict=False):
        kind, value = only(output)
        if kind == "as_tensors":
            values |= {entry["name"]: _checked(part) for entry, part in zip(value, item, strict=False)}
        elif kind == "as_tensor":
            values[value["name"]] = _checked(item)
        elif kind.startswith("as_sym_") and "as_name" in value:
            values[value["as_name"]] = _checked(item)


def bind_each(outputs: Sequence[Mapping[str, Any]], results: Sequence[Any], values: Values) -> None:
    """Bind the results of a graph inside the program, one by one."""
    bind([{"as_tensors": [{"name": name} for name in names_of(outputs)]}], results, values)


def names_of(arguments: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names that arguments or outputs have, lists of tensors taken apart."""
    return [name for argument in arguments for name in _names(argument)]


def tensor_names(output: Mapping[str, Any]) -> list[str]:
    """Names of the tensors of an output."""
    return list(_names(output)) if only(output)[0] in ("as_tensor", "as_tensors") else []


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _names(item)
    elif isinstance(value, Mapping) and "as_graph" not in value:
        for key, inner in value.items():
            if key in ("name", "as_name"):
                yield str(inner)
            else:
                yield from _names(inner)


def _named(name: Any, values: Mapping[str, Any]) -> Any:
    if name not in values:
        raise PerfseerError(f"it reads {name!r}, which nothing before it provides")
    return values[name]


def _symbol(value: Mapping[str, Any], values: Mapping[str, Any]) -> Any:
    return _named(value["as_name"], values) if "as_name" in value else next(iter(value.values()))


def _optional(value: Mapping[str, Any], values: Mapping[str, Any]) -> Any:
    if "as_none" in value:
        return None
    return _tensor(value.get("as_tensor") or value, values)


def _tensor(value: Mapping[str, Any], values: Mapping[str, Any]) -> Any:
    return _named(value["name"], values)


def _float(value: Any, _: Mapping[str, Any]) -> float:
    return _NOT_FINITE[value] if isinstance(value, str) else float(value)


def _each(convert: _Conversion) -> _Conversion:
    return lambda value, values: [convert(item, values) for item in value]


_CONVERSIONS: Mapping[str, _Conversion] = {
    **{"as_tensor": _tensor, "as_tensors": _each(_tensor)},
    **{"as_optional_tensor": _optional, "as_optional_tensors": _each(_optional)},
    "as_nested_tensors": _each(_each(_tensor)),
    **{"as_float": _float, "as_floats": _each(_float), "as_float_lists": _each(_each(_float))},
    "as_complex": lambda value, values: complex(_float(value["real"], values), _float(value["imag"], values)),
    **dict.fromkeys(("as_sym_int", "as_sym_float", "as_sym_bool"), _symbol),
    **dict.fromkeys(("as_sym_ints", "as_sym_floats", "as_sym_bools"), _each(_symbol)),
    "as_none": lambda *_: None,
    "as_scalar_type": lambda value, _: torch_type(DTYPES[value]),
    "as_memory_format": lambda value, _: _MEMORY_FORMATS[value],
    "as_layout": lambda *_: torch.strided,
    "as_device": lambda *_: "meta",
    "as_graph": lambda value, _: value["graph"],
}


def _checked(value: Any) -> Any:
    if isinstance(value, Tensor):
        require(
            value.numel() <= MOST_ELEMENTS and value.dim() <= _MOST_DIMENSIONS,
            f"a tensor of shape {tuple(value.shape[:_MOST_DIMENSIONS])} has no room in any memory",
        )
    elif isinstance(value, int | float):
        require(abs(value) < LARGEST_NUMBER, "a size grows beyond all bounds")
    return value
