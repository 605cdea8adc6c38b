"""Lines of a journal: a body and its checksum, JSON as a whole; told apart from anything else."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from perfseer.digests import canonical_json

# What surrounds the body of a line, and the digits of its checksum.
_HEAD, _MIDDLE, _END, _DIGITS = b'{"body":', b',"sum":"', b'"}', 12


def encode_line(body: Mapping[str, Any]) -> bytes:
    """One line: ``body`` as canonical JSON and its checksum, JSON as a whole.

    Raises:
        ValueError: a number is NaN or infinite.
    """
    text = canonical_json(body).encode()
    return _HEAD + text + _MIDDLE + _checksum(text) + _END + b"\n"


def decode_line(line: bytes) -> dict[str, Any] | None:
    """The body of a line without its end, or None if the line is not what `encode_line` wrote."""
    text = line[len(_HEAD) : -len(_MIDDLE) - _DIGITS - len(_END)]
    if line != _HEAD + text + _MIDDLE + _checksum(text) + _END:
        return None
    try:
        # Its checksum says that the line is ours, and a journal has hundreds of thousands of them.
        body = json.loads(text)
    except (ValueError, RecursionError):
        return None
    known = isinstance(body, dict) and ("header" in body or {"id", "record"} <= set(body))
    return body if known else None


def _checksum(text: bytes) -> bytes:
    return hashlib.sha256(text).hexdigest()[:_DIGITS].encode()


@dataclass
class Reading:
    """What a journal file holds.

    Attributes:
        headers: what it says it is about, in the order of its lines; one, if all is well.
        places: by id, offset and length of its line; of several with one id, the last.
        corrupt: line number (from 1) and bytes of lines that are none of ours or were changed.
        truncated: bytes after the last line end, the beginning of a line of ours.
        sound: whether it can be appended to as it is: nothing to drop, whole lines, a header first.
    """

    headers: list[dict[str, Any]] = field(default_factory=list)
    places: dict[str, tuple[int, int]] = field(default_factory=dict)
    corrupt: list[tuple[int, bytes]] = field(default_factory=list)
    truncated: bytes = b""
    sound: bool = False


def read_journal(lines: Iterable[bytes]) -> Reading:
    """Sort the lines of a journal into headers, records, corrupt ones and a truncated one.

    Args:
        lines: with their ends, as a file opened in binary mode gives them.
    """
    reading, offset, line = Reading(), 0, b""
    for number, line in enumerate(lines, start=1):
        body = decode_line(line.removesuffix(b"\n"))
        if body is None:
            if not line.endswith(b"\n") and _HEAD.startswith(line[: len(_HEAD)]):
                reading.truncated = line
            else:
                reading.corrupt.append((number, line.removesuffix(b"\n")))
        elif "header" in body:
            reading.headers.append(body["header"])
            reading.sound |= number == 1
        else:
            reading.places[body["id"]] = (offset, len(line))
        offset += len(line)
    # A last line that lacks only its end is whole, but nothing may be appended to it.
    reading.sound &= line.endswith(b"\n") and not reading.corrupt
    return reading
