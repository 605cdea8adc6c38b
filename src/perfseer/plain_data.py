"""Text that strangers may have written, YAML or JSON, as plain data: bounded work, and faults as messages.

Every YAML and JSON that perfseer did not write a moment ago comes through here. The standard readers raise a
dozen kinds of error, follow aliases that multiply (a few hundred bytes become gigabytes), take ``NaN`` for a
number and keep the last of two equal keys without a word.
"""

import json
import math
import re
from collections.abc import Mapping
from typing import Any, Never

import yaml

from perfseer.errors import require

MAX_YAML_BYTES = 256 * 1024  # params.yaml has 18 thousand
# Of YAML with its aliases written out: a character per character, and one per node.
_MOST_EXPANDED = 1 << 20
MAX_DEPTH = 64
_INTEGERS = range(-(2**63), 2**63)
# What the standard library's and PyYAML's constructors raise of a value they cannot make.
_UNMADE = (ValueError, ArithmeticError, LookupError, TypeError, AttributeError)


class PlainDataError(ValueError):
    """The text is no YAML or JSON, or one that is refused; the message says which and where."""


def parse_yaml(text: str) -> Any:
    """Plain data of one YAML document.

    Args:
        text: at most `MAX_YAML_BYTES` characters.

    Raises:
        PlainDataError: it is no YAML, too long, too deep, grows by its aliases, has a key twice, or a tag
            whose value cannot be made.
    """
    if len(text) > MAX_YAML_BYTES:
        raise PlainDataError(f"it has {len(text)} characters, at most {MAX_YAML_BYTES} are read")
    try:
        loader = _Loader(text)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except (yaml.YAMLError, *_UNMADE) as error:  # the scanner lets some of the latter through
        raise PlainDataError(str(error)) from error


def parse_json(text: str | bytes, *, finite: bool = True) -> Any:
    """Plain data of a JSON text.

    Args:
        text: of one value; bytes are UTF-8.
        finite: refuse numbers that are NaN or beyond a float.

    Raises:
        PlainDataError: it is no JSON, nests too deeply, or has a number that is refused.
    """
    hooks: dict[str, Any] = {"parse_float": _finite, "parse_constant": _no_constant} if finite else {}
    try:
        decoded = text.decode("utf-8") if isinstance(text, bytes) else text
        return json.loads(decoded, parse_int=_integer, **hooks)
    except RecursionError:
        raise PlainDataError("it nests too deeply") from None
    except ValueError as error:
        raise PlainDataError(str(error)) from error


def json_object(text: object) -> dict[str, Any] | None:
    """The object that a cell of a table holds as JSON; None of a cell that holds no such thing."""
    try:
        value = parse_json(str(text))
    except PlainDataError:
        return None
    return value if isinstance(value, dict) else None


def require_plain(value: Any, where: str = "", depth: int = 0) -> None:
    """Refuse what is no plain data, and numbers that are not finite.

    Args:
        value: mappings with text for keys, lists, text, numbers, booleans, None.
        where: dotted path of ``value``, for messages.
        depth: of mappings and lists around it.

    Raises:
        PerfseerError: names the parameter.
    """
    name = where or "the parameters"
    require(depth <= MAX_DEPTH, f"{where[:60]}… nests more than {MAX_DEPTH} levels")
    if isinstance(value, Mapping):
        for key, inner in value.items():
            require(isinstance(key, str), f"{name} has the key {key!r:.60}, expected text: put it in quotes")
            _require_text(key, name)
            require_plain(inner, f"{where}.{key}" if where else key, depth + 1)
    elif isinstance(value, list | tuple):
        for place, inner in enumerate(value):
            require_plain(inner, f"{where}.{place}", depth + 1)
    elif isinstance(value, float):
        require(math.isfinite(value), f"{name} = {value}: expected a finite number")
    elif isinstance(value, int):
        require(value in _INTEGERS, f"{name} is an integer beyond 64 bits")
    elif isinstance(value, str):
        _require_text(value, name)
    else:
        require(
            value is None,
            f"{name} is a {type(value).__name__}, expected text, a number, true, false, null, a list or "
            "a mapping",
        )


def _require_text(value: str, name: str) -> None:
    """Half a surrogate pair, which JSON and YAML can write, no file and no terminal takes."""
    require(value.isascii() or _encodes(value), f"{name} has text that is no Unicode: {value[:40]!r}")


def _encodes(value: str) -> bool:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, with bounds and with its errors in one type."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.name = "the text"  # in messages
        self._depth = 0
        self._sizes: dict[int, int] = {}  # of composed nodes with their aliases written out

    def compose_node(self, parent: Any, index: Any) -> Any:
        self._depth += 1
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if self._depth > MAX_DEPTH:
            raise _fault(f"nests more than {MAX_DEPTH} levels", event.start_mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        if not isinstance(event, yaml.AliasEvent):
            self._sizes[id(node)] = self._expanded(node)
        size = self._sizes.get(id(node))
        if size is None:
            raise _fault("an alias stands inside what it is an alias of", event.start_mark)
        if size > _MOST_EXPANDED:
            raise _fault("its aliases written out are too much to read", event.start_mark)
        return node

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except _UNMADE:
            kind = str(node.tag).rpartition(":")[2]
            raise _fault(f"this is no {kind}: {str(node.value)[:40]!r}", node.start_mark) from None

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        _refuse_repeats(node)
        return super().construct_mapping(node, deep)

    def _expanded(self, node: Any) -> int:
        """Size of a node whose parts are composed; that of a part that is an alias is what it stands for."""
        if isinstance(node, yaml.ScalarNode):
            return 1 + len(node.value)
        pairs = isinstance(node, yaml.MappingNode)
        parts = [part for pair in node.value for part in pair] if pairs else node.value
        return 1 + sum(self._sizes[id(part)] for part in parts)


def _integer_of_yaml(loader: _Loader, node: Any) -> int:
    value = yaml.SafeLoader.construct_yaml_int(loader, node)
    if value not in _INTEGERS:
        raise ValueError
    return int(value)


_Loader.add_constructor("tag:yaml.org,2002:int", _integer_of_yaml)
# As in YAML 1.2 and in JSON; to PyYAML, which knows 1.1, an exponent without a point or a sign is text.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?[0-9]+(?:\.[0-9]*)?[eE][-+]?[0-9]+\Z"),
    list("-+0123456789"),
)


def _refuse_repeats(node: Any) -> None:
    """A mapping's own keys may stand once; what ``<<`` brings gives way to them, as YAML has it."""
    seen = set()
    for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
        if isinstance(key, yaml.ScalarNode):
            if (key.tag, key.value) in seen:
                raise _fault(f"the key {key.value[:60]!r} stands twice", key.start_mark)
            seen.add((key.tag, key.value))


def _fault(what: str, mark: Any) -> yaml.YAMLError:
    return yaml.constructor.ConstructorError(None, None, what, mark)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {text[:40]} is beyond what a number can be")
    return number


def _integer(text: str) -> int:
    if len(text) > 20 or int(text) not in _INTEGERS:
        raise ValueError(f"the integer {text[:40]} is beyond 64 bits")
    return int(text)


def _no_constant(text: str) -> Never:
    raise ValueError(f"{text} is no number of JSON")
