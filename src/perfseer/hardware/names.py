"""Which accelerators a spelling means, how that is known, and how many spellings are understood."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import lru_cache

from perfseer.hardware.cards import (
    EXACT,
    RULE,
    Card,
    all_cards,
    by_name,
    contradiction,
    named,
    nearest,
    spans,
)
from perfseer.hardware.modifiers import (
    VENDOR_WORDS,
    Modifiers,
    Spelled,
    joined,
    lowered,
    memory_gb,
    profile_memory_gb,
    slice_memory_gb,
    system_modifiers,
    taken_apart,
    with_maxq,
    without_maxq,
)

NOTHING = "nothing named"
UNKNOWN = "unknown"
MEMORY = "memory column"
SYSTEM = "system name"
ASSUMED = "form assumed"

_NOTHING = re.compile(r"|[-?.0]|n/?a|none|null|nan|no|no accelerators?|cpu( only)?|not applicable")
_CPU = re.compile(r"\b(xeon|epyc|ryzen|threadripper|graviton|neoverse|cortex|core i\d|core ultra|cpu)\b")
# What frameworks call whatever accelerator there is.
_GENERIC = re.compile(
    r"tensorflow[- ]metal.*|pluggabledevice|metal|mps|cuda( device)?|rocm|gpu|graphics device"
)
# No accelerator's name, and no list of those in one system, is as long.
_LONGEST = 400
_BETWEEN = re.compile(r"\s*(?:[,;&]|\+| and )\s*")


@dataclass(frozen=True)
class Part:
    """One kind of accelerator in a system.

    Attributes:
        key: of the canonical accelerator.
        count: how many the spelling says there are; None: it does not say.
    """

    key: str
    count: int | None = None


@dataclass(frozen=True)
class Identity:
    """What a spelling means.

    Attributes:
        parts: kinds of accelerators; empty where none is named or none is known by that name.
        modifiers: how they were set up.
        how: exact alias, rule, memory column, system name, form assumed, nothing named or unknown.
        reason: why there are no parts, or what to know about those there are; empty: nothing is doubtful.
    """

    parts: tuple[Part, ...]
    modifiers: Modifiers = field(default_factory=Modifiers)
    how: str = EXACT
    reason: str = ""

    @property
    def names_something(self) -> bool:
        """Whether the spelling speaks of an accelerator, known here or not."""
        return self.how != NOTHING


@dataclass(frozen=True)
class Coverage:
    """How many spellings reached an accelerator.

    Attributes:
        n_rows: spellings looked at, repeated ones each time.
        n_nothing: of these, name no accelerator.
        n_identified: of these, reached a canonical accelerator.
        unknown: spelling → number of rows, of those that name one we do not know.
    """

    n_rows: int
    n_nothing: int
    n_identified: int
    unknown: dict[str, int]

    @property
    def share(self) -> float:
        """Identified among those that name an accelerator; 1 where none does."""
        named = self.n_rows - self.n_nothing
        return self.n_identified / named if named else 1.0


def identify(
    spelling: str,
    *,
    memory: str = "",
    vendor: str = "",
    system_name: str = "",
    platform: str = "",
    total: int | None = None,
) -> Identity:
    """The canonical accelerators that free text means.

    A name has to be the whole of what the spelling says once vendor, form, memory and modifiers are taken
    off, or stand in it beside words that make no other product of it. Nothing is ever matched by likeness.

    Args:
        spelling: as a submitter, a shop or a paper writes it.
        memory: what a column beside it says of the accelerator's memory; it decides where the spelling leaves
            several cards open, and never against the spelling.
        vendor: who makes it, where the source says so; a card of another vendor is never taken.
        system_name: of the system it is in; MaxQ and often the form stand only there.
        platform: another name of the system.
        total: number of accelerators of the whole system, for a system with one kind.
    """
    return _identified(spelling, memory[:_LONGEST], vendor, f"{system_name} {platform}", total)


@lru_cache(maxsize=100_000)
def _identified(spelling: str, memory: str, vendor: str, system: str, total: int | None) -> Identity:
    around = system_modifiers(system[:_LONGEST])
    if len(spelling) > _LONGEST:
        return Identity((), around, UNKNOWN, f"{len(spelling)} characters are no name: {spelling[:40]!r} …")
    text = lowered(spelling)
    if _NOTHING.fullmatch(text):
        return Identity((), around, NOTHING, "names no accelerator")
    if _GENERIC.fullmatch(text):
        return _from_system(spelling, system, around)
    vendors = _vendors(vendor)
    found = _one(taken_apart(spelling), vendors, memory, system)
    if not found.parts:
        found = _several(text, vendors, system) or found
    if not found.parts and _CPU.search(text):
        return Identity((), around, NOTHING, f"{spelling!r} is a processor")
    if not found.parts:
        return Identity((), around, UNKNOWN, f"no accelerator {spelling!r} is known{nearest(spelling)}")
    if len(found.parts) == 1 and found.parts[0].count is None and total is not None:
        found = replace(found, parts=(Part(found.parts[0].key, total),))
    return replace(found, modifiers=joined(found.modifiers, around))


def count_accelerators(n_nodes: float | None, per_node: float | None, total: float | None) -> int | None:
    """Accelerators of a whole system: the total where it is stated, else those of a node times the nodes.

    MLPerf's ``a#`` is per node (mlcommons/inference#1828). A total stands for clusters whose nodes are not
    all full. None where neither is stated, or what is stated is no whole number above zero.
    """
    whole = [
        int(n) if n is not None and n > 0 and float(n).is_integer() else None for n in (n_nodes, per_node)
    ]
    if total is not None and total > 0 and float(total).is_integer():
        return int(total)
    nodes, each = whole
    return None if nodes is None or each is None else nodes * each


def coverage(identities: Iterable[tuple[str, Identity]]) -> Coverage:
    """How many of the spellings, each with its identity, reached an accelerator."""
    n_rows = n_nothing = n_identified = 0
    unknown: dict[str, int] = {}
    for spelling, identity in identities:
        n_rows += 1
        n_nothing += not identity.names_something
        n_identified += bool(identity.parts)
        if identity.names_something and not identity.parts:
            unknown[spelling] = unknown.get(spelling, 0) + 1
    return Coverage(n_rows, n_nothing, n_identified, dict(sorted(unknown.items(), key=lambda pair: -pair[1])))


def canonical_keys() -> tuple[str, ...]:
    """Keys that `identify` can give, in the order of the table."""
    return tuple(dict.fromkeys(card.key for card in all_cards()))


def _one(spelled: Spelled, vendors: frozenset[str], memory: str, system: str) -> Identity:
    """One kind of accelerator; without parts where the words name none."""
    cards, how, extra = named(spelled, vendors)
    modifiers = spelled.modifiers
    if not cards and (calmer := without_maxq(spelled.words)) != spelled.words:
        cards, how, extra = named(replace(spelled, words=calmer), vendors)
        # A GeForce or Quadro named Max-Q is another chip, not a power limit.
        cards = [card for card in cards if not card.names[0].startswith(("rtx", "gtx", "quadro", "titan"))]
        modifiers = with_maxq(modifiers)
    if spelled.forms:
        cards = [card for card in cards if not card.forms or card.forms & spelled.forms]
    if spelled.memory_gb is not None:
        cards = [card for card in cards if card.has(spelled.memory_gb)]
    if not cards:
        return Identity((), modifiers, UNKNOWN)
    seen = memory_gb(memory)
    stated = [seen if not modifiers.mig else None, slice_memory_gb(modifiers.mig), _profile(modifiers)]
    cards, how, doubts = _decided(cards, how, stated, system)
    if not cards:
        return Identity((), modifiers, UNKNOWN)
    card = cards[0]
    notes = [*doubts, card.note, extra, "" if modifiers.mig else contradiction(card, seen)]
    return Identity(
        (Part(card.key, spelled.count),),
        replace(modifiers, reduced=card.reduced),
        how,
        "; ".join(note for note in notes if note),
    )


def _decided(
    cards: list[Card], how: str, stated: list[float | None], system: str
) -> tuple[list[Card], str, list[str]]:
    """The one card of several: by memory beside the name, by the system's name, else the most common."""
    column, *profiles = stated
    for size, by in ((column, MEMORY), *((profile, RULE) for profile in profiles)):
        if len(cards) > 1 and size is not None:
            fitting = [card for card in cards if card.has(size)]
            if fitting and len(fitting) < len(cards):
                cards, how = fitting, by
    if len({card.key for card in cards}) > 1:
        told = _in_system(cards, system)
        if told:
            cards, how = told, SYSTEM
    keys = list(dict.fromkeys(card.key for card in cards))
    if len(keys) == 1:
        return cards[:1], how, []
    if len({card.names[0] for card in cards}) > 1:
        return [], UNKNOWN, []
    return cards[:1], ASSUMED, [f"could be {' or '.join(keys)}; the most common is taken"]


def _in_system(cards: list[Card], system: str) -> list[Card]:
    """Those of one family whose form and memory a system's name gives."""
    text = lowered(system)
    family = r"[ -]*".join(re.findall(r"[a-z]+|\d+", cards[0].names[0]))
    pattern = rf"(?<![a-z0-9]){family}(?![a-z0-9])[ -]*(pcie|sxm|nvl)?\d?[ -]*(\d+)?(?=gb|[cq]|\b)"
    for found in re.finditer(pattern, text):
        form, size = found[1], found[2]
        told = [card for card in cards if form is None or not card.forms or form in card.forms]
        told = [card for card in told if size is None or card.has(float(size))]
        if len({card.key for card in told}) == 1:
            return told
    return []


def _several(text: str, vendors: frozenset[str], system: str) -> Identity | None:
    """A system with several kinds of accelerators; None where a piece is not known, or only one kind is."""
    pieces = [piece for piece in _BETWEEN.split(text) if piece]
    if len(pieces) < 2:
        return None
    each = [_one(taken_apart(piece), vendors, "", system) for piece in pieces]
    known = [identity for identity in each if identity.parts]
    for piece, identity in zip(pieces, each, strict=True):
        if not identity.parts and not _CPU.search(piece):
            return None
    if len(known) == 1:
        return known[0]
    modifiers = Modifiers(mixed=len({identity.parts[0].key for identity in known}) > 1)
    for identity in known:
        modifiers = joined(modifiers, identity.modifiers)
    notes = dict.fromkeys(identity.reason for identity in known if identity.reason)
    parts = tuple(part for identity in known for part in identity.parts)
    return Identity(parts, modifiers, RULE, "; ".join(notes)) if parts else None


def _from_system(spelling: str, system: str, around: Modifiers) -> Identity:
    """The one accelerator whose name stands in a system's name, where the spelling is a framework's word."""
    words = tuple(re.findall(r"[a-z0-9+]+", lowered(system[:_LONGEST])))
    for start, stop in spans(words):
        cards = by_name().get("".join(words[start:stop]), [])
        if len({card.key for card in cards}) == 1:
            return Identity(
                (Part(cards[0].key),), around, SYSTEM, f"{spelling!r} is no model; the system's name is"
            )
    return Identity((), around, UNKNOWN, f"{spelling!r} says no model, and neither does the system's name")


def _profile(modifiers: Modifiers) -> float | None:
    return profile_memory_gb(modifiers.vgpu) if modifiers.vgpu else None


def _vendors(vendor: str) -> frozenset[str]:
    """The vendor a source names; one that we know nothing of stands for itself, so that nothing is taken."""
    text = lowered(vendor)
    if not text:
        return frozenset()
    known = {VENDOR_WORDS[word] for word in re.findall(r"[a-z0-9]+", text) if word in VENDOR_WORDS}
    return frozenset(known - {"nvidia"} if text == "tesla" else known) or frozenset({text})
