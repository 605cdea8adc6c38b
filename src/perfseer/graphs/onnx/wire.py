"""An ONNX file without its weights, in bounded memory.

ONNX files are protocol buffers and may hold gigabytes of weights, of which only the shapes matter here. So
the file is walked field by field, as the public wire format has it, and copied without the contents of large
tensors; the rest is what the protobuf library then gets to see. Everything is bounded: how deep messages
nest, how many fields there are, how much may remain. A weight kept in another file is never looked for.
"""

import mmap
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from perfseer.errors import PerfseerError

# A tensor's contents up to this size stay: shapes, axes, scales and indices are far smaller.
KEPT_TENSOR_BYTES = 16 * 1024
# The largest public transformers have some 10,000 operators and take 10 MiB.
LARGEST_STRUCTURE_BYTES = 64 * 1024 * 1024
MOST_FIELDS = 2_000_000
DEEPEST = 48
_SMALL = 1024  # messages up to this size are copied as they are

_VARINT, _EIGHT_BYTES, _BYTES, _FOUR_BYTES = 0, 1, 2, 5


@dataclass(frozen=True)
class _Message:
    """Which fields of a message are messages to walk, and which are dropped when large or always."""

    parts: Mapping[int, str] = field(default_factory=dict)
    dropped_when_large: frozenset[int] = frozenset()
    dropped: frozenset[int] = frozenset()


# Field numbers of onnx.proto (ONNX 1.17, opset 22); training graphs and documentation are not needed.
_MESSAGES: dict[str, _Message] = {
    "model": _Message({7: "graph", 25: "function"}, dropped=frozenset({6, 14, 20})),
    "graph": _Message({1: "node", 5: "tensor", 15: "sparse"}, dropped=frozenset({10, 14, 16})),
    "function": _Message({7: "node", 11: "attribute"}, dropped=frozenset({8, 14})),
    "node": _Message({5: "attribute"}, dropped=frozenset({6, 9})),
    "attribute": _Message(
        {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
        dropped=frozenset({13}),
    ),
    "sparse": _Message({1: "tensor", 2: "tensor"}),
    "tensor": _Message(
        dropped_when_large=frozenset({4, 5, 6, 7, 9, 10, 11}), dropped=frozenset({12, 13, 16})
    ),
}
# Of a model, of a graph, and of a tensor (name and contents).
_GRAPH, _INITIALISER, _NAME, _RAW = 7, 5, 8, 9
# Fields of a model and the wire types they must have: the file has no other mark.
_MODEL_FIELDS = {
    **dict.fromkeys((1, 5), _VARINT),
    **dict.fromkeys((2, 3, 4, 6, 7, 8, 14, 20, 25, 26), _BYTES),
}


def read_structure(path: Path) -> bytes:
    """The model as protobuf bytes without the contents of large tensors.

    Args:
        path: an ONNX file of any size; weights in other files are not opened.

    Returns:
        A serialised ``ModelProto``, at most `LARGEST_STRUCTURE_BYTES` long.

    Raises:
        PerfseerError: the file cannot be read, is no ONNX file, is truncated or exceeds a bound.
    """
    try:
        with path.open("rb") as file, _mapped(file.fileno()) as view:
            return _Walk(view).strip(0, len(view), "model", 0)
    except _MalformedError as error:
        raise PerfseerError(f"{path} is not a readable ONNX file: {error}") from error
    except OSError as error:
        raise PerfseerError(f"cannot read {path}: {error.strerror or error}") from error


def contents_of_weights(path: Path) -> dict[str, tuple[int, int]]:
    """Where the contents of the main graph's weights lie in the file: offset and bytes by name.

    Only contents of one piece are named: not those kept element by element, nor in another file.

    Raises:
        PerfseerError: as in `read_structure`.
    """
    found: dict[str, tuple[int, int]] = {}
    try:
        with path.open("rb") as file, _mapped(file.fileno()) as view:
            walk = _Walk(view)
            for start, end in walk.parts(0, len(view), _GRAPH):
                for at, stop in walk.parts(start, end, _INITIALISER):
                    inside = {number: (a, b) for number, _, _, a, b in walk.fields(at, stop)}
                    if _NAME in inside and _RAW in inside:
                        name = view[slice(*inside[_NAME])].decode("utf-8", errors="replace")
                        found[name] = (inside[_RAW][0], inside[_RAW][1] - inside[_RAW][0])
    except _MalformedError as error:
        raise PerfseerError(f"{path} is not a readable ONNX file: {error}") from error
    except OSError as error:
        raise PerfseerError(f"cannot read {path}: {error.strerror or error}") from error
    return found


def looks_like_onnx(path: Path) -> bool:
    """Whether the file's top level is that of an ONNX model; reads a few bytes per top-level field.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        if not os.fstat(file.fileno()).st_size:
            return False
        with _mapped(file.fileno()) as view:
            return _top_level_is_onnx(view)


def _top_level_is_onnx(view: mmap.mmap) -> bool:
    found = set()
    try:
        for number, wire_type, _, _, _ in _Walk(view).fields(0, len(view)):
            if _MODEL_FIELDS.get(number) != wire_type:
                return False
            found.add(number)
            if {1, 7} <= found or {7, 8} <= found:
                return True
    except _MalformedError:
        # cut off in its graph: still an ONNX file, which reading then refuses in those words
        return 1 in found and view[0] == 8
    return False


def _mapped(descriptor: int) -> mmap.mmap:
    try:
        return mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
    except ValueError as error:
        raise _MalformedError("it is empty") from error


class _MalformedError(Exception):
    """The bytes are not what they should be."""


class _Walk:
    """One pass over a file."""

    def __init__(self, view: mmap.mmap) -> None:
        self._view = view
        self._n_fields = 0
        self._kept = 0

    def strip(self, start: int, end: int, kind: str, depth: int) -> bytes:
        """The message between two offsets without what is dropped."""
        if depth > DEEPEST:
            raise _MalformedError(f"messages nest deeper than {DEEPEST} levels")
        message = _MESSAGES[kind]
        chunks = []
        for number, wire_type, tag_at, value_at, next_at in self.fields(start, end):
            if number in message.dropped:
                continue
            large = next_at - value_at > KEPT_TENSOR_BYTES
            if large and number in message.dropped_when_large:
                continue
            part = message.parts.get(number)
            if part is None or wire_type != _BYTES or next_at - value_at <= _SMALL:
                chunks.append(self._keep(tag_at, next_at))
            else:
                content = self.strip(value_at, next_at, part, depth + 1)
                chunks += [_varint(number << 3 | _BYTES), _varint(len(content)), content]
        return b"".join(chunks)

    def parts(self, start: int, end: int, wanted: int) -> Iterator[tuple[int, int]]:
        """Offsets of the messages in one field of a message."""
        for number, wire_type, _, value_at, next_at in self.fields(start, end):
            if number == wanted and wire_type == _BYTES:
                yield value_at, next_at

    def _keep(self, start: int, end: int) -> bytes:
        self._kept += end - start
        if self._kept > LARGEST_STRUCTURE_BYTES:
            limit = LARGEST_STRUCTURE_BYTES // 2**20
            raise _MalformedError(f"it has more than {limit} MiB besides its weights")
        return self._view[start:end]

    def fields(self, start: int, end: int) -> Iterator[tuple[int, int, int, int, int]]:
        """Number, wire type and offsets (tag, value, next field) of each field of a message."""
        at = start
        while at < end:
            self._n_fields += 1
            if self._n_fields > MOST_FIELDS:
                raise _MalformedError(f"it has more than {MOST_FIELDS:,} fields")
            tag_at = at
            tag, at = self._number(at, end)
            number, wire_type = tag >> 3, tag & 7
            value_at, at = self._value(wire_type, at, end)
            if number == 0 or at > end:
                raise _MalformedError("it is cut off or not in the protobuf format")
            yield number, wire_type, tag_at, value_at, at

    def _value(self, wire_type: int, at: int, end: int) -> tuple[int, int]:
        """Offsets of a value and of what follows it."""
        if wire_type == _BYTES:
            length, at = self._number(at, end)
            return at, at + length
        if wire_type == _VARINT:
            return at, self._number(at, end)[1]
        if wire_type in (_EIGHT_BYTES, _FOUR_BYTES):
            return at, at + (8 if wire_type == _EIGHT_BYTES else 4)
        raise _MalformedError("it is not in the protobuf format")

    def _number(self, at: int, end: int) -> tuple[int, int]:
        value = shift = 0
        while at < end and shift < 64:
            byte = self._view[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value, at
            shift += 7
        raise _MalformedError("it is cut off or not in the protobuf format")


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
