"""Settings as plain frozen dataclasses, checked without pydantic.

The measuring path runs where pydantic does not exist. A field's bounds stand once, in its metadata, in
pydantic's own words (``ge``, ``le``, ``multiple_of``, ``description``): pydantic reads them there where it is
installed, `check_bounds` and `load_settings` read them everywhere.
"""

import dataclasses
import functools
import math
import types
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self, TypeVar, Union, get_args, get_origin, get_type_hints

from perfseer.errors import PerfseerError

T = TypeVar("T")


def number(description: str, *, ge: int, le: int, multiple_of: int = 1) -> Any:
    """A dataclass field holding an integer between ``ge`` and ``le``, both inclusive."""
    bounds = {"ge": ge, "le": le} | ({"multiple_of": multiple_of} if multiple_of > 1 else {})
    return dataclasses.field(metadata={"description": description, **bounds})


def described(description: str) -> Any:
    """A dataclass field with a description and no bounds of its own."""
    return dataclasses.field(metadata={"description": description})


def check_bounds(settings: Any) -> None:
    """Check every field of a dataclass against the bounds in its metadata.

    Raises:
        ValueError: names the field, its value and the allowed range.
    """
    for item in dataclasses.fields(settings):
        if "ge" in item.metadata:
            bounds = {key: item.metadata[key] for key in ("ge", "le")}
            step = item.metadata.get("multiple_of", 1)
            check_range(item.name, getattr(settings, item.name), **bounds, multiple_of=step)


def check_range(name: str, value: int, *, ge: int, le: int, multiple_of: int = 1) -> None:
    """Check one integer.

    Raises:
        ValueError: names the field, its value and the allowed range.
    """
    if not ge <= value <= le or value % multiple_of:
        step = f" in multiples of {multiple_of}" if multiple_of > 1 else ""
        raise ValueError(f"{name} is {value}, expected {ge} to {le}{step}")


class Section:
    """Base of the dataclasses that hold a section of the parameters; no key that they lack is taken.

    Attributes:
        section: how messages name it, dotted.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}
    section: ClassVar[str]

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any] | None) -> Self:
        """Build from what the parameters hold; None is a section that is missing, and refused.

        Raises:
            PerfseerError: a key is unknown or missing, or a value ill-typed or out of range.
        """
        return load_settings(cls, mapping, cls.section)

    def check(self, field: str, good: bool, allowed: str) -> None:
        """Check what bounds alone cannot say.

        Args:
            field: one of the fields.
            good: whether its value is allowed.
            allowed: in words, what is.

        Raises:
            ValueError: it is not; names the field, its value and what is allowed.
        """
        if not good:
            value = getattr(self, field)
            shown = list(value) if isinstance(value, tuple) else value
            raise ValueError(f"{field} is {shown!r}, allowed: {allowed}")


def load_settings(cls: type[T], mapping: Any, where: str) -> T:
    """Build a settings dataclass from plain data, refusing whatever it does not know.

    Args:
        cls: a dataclass of int, float, bool, str, literal, optional and tuple fields, or of such dataclasses.
        mapping: the keys and values, as read from YAML or JSON.
        where: how messages name the mapping, for example ``zoo``.

    Raises:
        PerfseerError: an unknown or missing key, a wrong type or a value out of range.
    """
    if mapping is None:
        raise PerfseerError(f"there is no {where}, expected a mapping of settings; compare params.yaml")
    if not isinstance(mapping, Mapping):
        raise PerfseerError(f"{where} is {type(mapping).__name__}, expected a mapping of settings")
    fields = {item.name: item for item in dataclasses.fields(cls)}  # type: ignore[arg-type]
    required = {name for name, item in fields.items() if item.default is dataclasses.MISSING}
    unknown, missing = sorted(set(map(str, mapping)) - set(fields)), sorted(required - set(mapping))
    if unknown:
        raise PerfseerError(f"{where} has unknown keys {unknown}; known are {sorted(fields)}")
    if missing:
        raise PerfseerError(f"{where} lacks the keys {missing}")
    hints = _hints(cls)  # type: ignore[arg-type]  # a class is hashable
    values = {name: typed(value, hints[name], f"{where}.{name}") for name, value in mapping.items()}
    try:
        return cls(**values)
    except ValueError as error:
        raise PerfseerError(f"{where}: {error}") from error


@functools.cache
def _hints(cls: type) -> dict[str, Any]:
    """Evaluating annotations takes longer than all the rest, and a table names thousands of networks."""
    return get_type_hints(cls)


def typed(value: Any, hint: Any, where: str) -> Any:
    """``value`` as the annotated type, with lists turned into tuples and integers into floats.

    Raises:
        PerfseerError: ``value`` is not of that type; the message starts with ``where``.
    """
    origin, args = get_origin(hint), get_args(hint)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type) and not isinstance(value, hint):
        return load_settings(hint, value, where)
    if origin is tuple:
        return _typed_tuple(value, args, where)
    if origin is Literal:
        return _expect(
            any(value is a or (type(value) is type(a) and value == a) for a in args), value, where, args
        )
    if origin in (Union, types.UnionType):
        inner = [arg for arg in args if arg is not types.NoneType]
        return None if value is None and len(inner) < len(args) else typed(value, inner[0], where)
    if hint is float and type(value) is int:
        return float(_expect(abs(value) < 2**63, value, where, "a number within 64 bits"))
    if hint is float and type(value) is float:
        return _expect(math.isfinite(value), value, where, "a finite number")
    # bool is a subclass of int, but True is no integer here.
    matches = isinstance(value, hint) and (hint is bool or not isinstance(value, bool))
    return _expect(matches, value, where, hint.__name__)


def _typed_tuple(value: Any, args: tuple[Any, ...], where: str) -> tuple[Any, ...]:
    _expect(isinstance(value, (list, tuple)), value, where, "a list")
    variadic = len(args) == 2 and args[1] is Ellipsis
    _expect(variadic or len(value) == len(args), value, where, f"a list of {len(args)}")
    hints = [args[0]] * len(value) if variadic else args
    return tuple(
        typed(item, hint, f"{where}[{i}]") for i, (item, hint) in enumerate(zip(value, hints, strict=True))
    )


def _expect(condition: bool, value: Any, where: str, expected: Any) -> Any:
    if not condition:
        named = f"one of {list(expected)}" if isinstance(expected, tuple) else expected
        raise PerfseerError(f"{where} is {str(value)[:60]!r} ({type(value).__name__}), expected {named}")
    return value
