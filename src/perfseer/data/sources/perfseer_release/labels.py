"""Labels as the release has them: a text made for ``eval``, read by a grammar (METHODS 1.1).

``{'train': '<seven numbers>', 'infer': '<seven numbers>'}``, the numbers separated by ``|``. Nothing else is
understood: no expression, no escape, no call. What is missing or no number is named, and its value is NaN.
"""

import math
import re
from dataclasses import dataclass

from perfseer.data.sources.perfseer_release.wording import printable
from perfseer.errors import PerfseerError, require
from perfseer.measure.soundness import PLAUSIBLE
from perfseer.targets import PHASES, Phase, Quantity

MAX_CHARACTERS = 4096  # published ones have about 200
FIELDS: tuple[str, ...] = (
    "time",
    "average_sm_util",
    "average_memory_util",
    "average_memory_usage",
    "peak_sm_util",
    "peak_memory_util",
    "peak_memory_usage",
)
# The fields that are labels, as the paper's tables have them (METHODS 1.1), by position.
_TIME, _UTIL, _MEM = FIELDS.index("time"), FIELDS.index("average_sm_util"), FIELDS.index("peak_memory_usage")

_QUANTITIES: dict[int, Quantity] = {_TIME: "time", _UTIL: "util", _MEM: "mem"}
# Python's float takes more than numbers are written in: underscores, digits of other scripts.
_NUMBER = re.compile(
    r"[+-]?(?:[0-9]++(?:\.[0-9]*+)?+|\.[0-9]++)(?:[eE][+-]?[0-9]++)?+|[+-]?inf(?:inity)?", re.IGNORECASE
)

# Possessive throughout, so that no text makes the matching go back and forth.
_TEXT = r"(?:'[^'\\\n]*+'|\"[^\"\\\n]*+\")"
_PAIR = rf"\s*+({_TEXT})\s*+:\s*+({_TEXT}|None)\s*+"
_LITERAL = re.compile(rf"\s*+\{{(?:{_PAIR}(?:,{_PAIR})*+,?+)?+\s*+\}}\s*+")
_PAIRS = re.compile(_PAIR)


@dataclass(frozen=True)
class Fault:
    """Something wrong with one phase of a label file.

    Attributes:
        phase: whose.
        kind: ``no entry``, ``too few fields``, ``too many fields``, ``empty``, ``nan``, ``not a number``,
            ``infinite``, ``negative``, ``zero``, ``above 100 %`` or ``implausible``; there is no value.
        detail: in words, with the field.
    """

    phase: Phase
    kind: str
    detail: str


@dataclass(frozen=True)
class PhaseLabels:
    """The labels of one phase, NaN where there is none.

    Attributes:
        sample_time_ms: milliseconds per sample; times the batch size it is the time of an iteration.
        util_pct: average utilisation of the multiprocessors as NVML gives it, %.
        mem_mib: peak device memory as NVML gives it, MiB.
    """

    sample_time_ms: float
    util_pct: float
    mem_mib: float


@dataclass(frozen=True)
class ReleaseLabels:
    """What one label file says, and what is wrong with it, in the order of the fields."""

    train: PhaseLabels
    infer: PhaseLabels
    faults: tuple[Fault, ...]


def read_labels(text: str, name: str) -> ReleaseLabels:
    """Read the text of a label file.

    Args:
        text: all of it; an empty one has no entries.
        name: of the file, for messages.

    Raises:
        PerfseerError: it is too long, or anything but a dict of texts; names the file.
    """
    entries = _entries(text.removeprefix("\ufeff"), printable(name))
    found = {phase: _phase(phase, entries.get(phase)) for phase in PHASES}
    faults = tuple(fault for _, listed in found.values() for fault in listed)
    return ReleaseLabels(found["train"][0], found["infer"][0], faults)


def _entries(text: str, where: str) -> dict[str, str | None]:
    """The texts by key; keys other than the two phases are of no concern here."""
    require(
        len(text) <= MAX_CHARACTERS,
        f"{where}: refused, it has {len(text)} characters; labels have at most {MAX_CHARACTERS}",
    )
    if not text.strip():
        return {}
    found = _LITERAL.fullmatch(text)
    if found is None:
        raise PerfseerError(
            f"{where}: refused, expected {{'train': '…|…', 'infer': '…|…'}} and nothing else, found "
            f"{printable(text.strip()[:60])!r}; nothing was evaluated"
        )
    pairs = [(key[1:-1], None if value == "None" else value[1:-1]) for key, value in _PAIRS.findall(text)]
    require(len(dict(pairs)) == len(pairs), f"{where}: refused, it has a key twice")
    return dict(pairs)


def _phase(phase: Phase, text: str | None) -> tuple[PhaseLabels, list[Fault]]:
    if text is None or not text.strip():
        kind = "no entry" if text is None else "empty"
        return PhaseLabels(math.nan, math.nan, math.nan), [Fault(phase, kind, f"{phase}: {kind}")]
    parts = text.split("|")
    faults = []
    if len(parts) != len(FIELDS):
        kind = f"too {'few' if len(parts) < len(FIELDS) else 'many'} fields"
        faults.append(Fault(phase, kind, f"{phase}: {len(parts)} fields, expected {len(FIELDS)}"))
        # Which of them is missing nobody can tell, so none can be trusted.
        return PhaseLabels(math.nan, math.nan, math.nan), faults
    values = [_number(parts[place], FIELDS[place], phase, faults) for place in (_TIME, _UTIL, _MEM)]
    return PhaseLabels(*values), faults


def _number(text: str, field: str, phase: Phase, faults: list[Fault]) -> float:
    """The number in ``text``, NaN with a fault where there is none or one that nobody measured."""
    value = float(text) if _NUMBER.fullmatch(text.strip()) else math.nan
    kind = _kind(value, text.strip(), FIELDS.index(field))
    if kind is None:
        return value
    shown = "" if kind in ("empty", "nan", "zero") else f" ({printable(text)[:30]!r})"
    faults.append(Fault(phase, kind, f"{phase}: {field} is {kind}{shown}"))
    return math.nan


def _kind(value: float, text: str, place: int) -> str | None:
    """What is wrong with a number of a field; None if nothing is."""
    if math.isnan(value):
        named = "nan" if text.lower().lstrip("+-") == "nan" else "not a number"
        return named if text else "empty"
    low, high = PLAUSIBLE[_QUANTITIES[place]]
    if math.isinf(value):
        return "infinite"
    if value <= 0:
        return "negative" if value < 0 else "zero"
    if value > high and place == _UTIL:
        return "above 100 %"
    return None if low <= value <= high else "implausible"
