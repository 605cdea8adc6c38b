"""The table of accelerators' names (``aliases.csv``) and the cards that the words of a spelling name."""

import csv
import difflib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from perfseer.errors import require
from perfseer.hardware.modifiers import Modifiers, Spelled, taken_apart, without_forms

TABLE = Path(__file__).with_name("aliases.csv")
COLUMNS = ("key", "vendor", "names", "forms", "memory_gb", "reduced", "note")

EXACT = "exact alias"
RULE = "rule"

# Of a name in the table.
_MOST_WORDS = 8
# Words that make another product of the name they follow; any other word of letters may stand beside a name.
_VARIANTS = frozenset(
    (
        *(
            "super",
            "ultra",
            "lite",
            "mini",
            "dual",
            "mobile",
            "laptop",
            "plus",
            "nano",
            "thor",
            "drive",
            "max",
        ),
        *(
            "server",
            "workstation",
            "embedded",
            "refresh",
            "slim",
            "compact",
            "enterprise",
            "standard",
            "fhhl",
        ),
        *("dgxs", "notebook", "converged", "fpga", "edge", "extreme", "premium", "titan", "quadro", "jetson"),
        *(
            "trillium",
            "ironwood",
            "flex",
            "data",
            "center",
            "rubin",
            "vera",
            "orin",
            "xavier",
            "maxq",
            "liquid",
        ),
    )
)
# Memory that software sees is less than what the vendor names (ECC, firmware), up to 13 % on a T4.
_LEAST_VISIBLE, _MOST_VISIBLE = 0.87, 1.02
_WHOLE = 0.97


@dataclass(frozen=True)
class Card:
    """A line of the table: names that mean one canonical accelerator, and which of its forms and sizes."""

    key: str
    vendors: frozenset[str]
    names: tuple[str, ...]
    forms: frozenset[str]
    sizes_gb: tuple[float, ...]
    reduced: bool
    note: str

    def has(self, size_gb: float) -> bool:
        """Whether software could see that size of memory on it."""
        return not self.sizes_gb or any(
            _LEAST_VISIBLE * size <= size_gb <= _MOST_VISIBLE * size for size in self.sizes_gb
        )


def named(spelled: Spelled, vendors: frozenset[str]) -> tuple[list[Card], str, str]:
    """Cards of the name that the words are, how they were found, and words that were not understood."""
    seen = spelled.vendors | vendors
    words = spelled.words
    for candidate in (words, without_forms(words)):
        cards = by_name().get("".join(candidate), [])
        if cards:
            plain = candidate == words and spelled.memory_gb is None and spelled.modifiers == Modifiers()
            return _of_vendors(cards, seen), EXACT if plain else RULE, ""
    if not seen:
        return [], RULE, ""
    return _beside_words(without_forms(words), seen)


def spans(words: tuple[str, ...]) -> list[tuple[int, int]]:
    """All runs of words that could be a name, the longest first."""
    starts = range(len(words))
    return [
        (start, start + n) for n in range(_MOST_WORDS, 0, -1) for start in starts if start + n <= len(words)
    ]


def _beside_words(words: tuple[str, ...], seen: frozenset[str]) -> tuple[list[Card], str, str]:
    """The longest name inside the words, where what is beside it makes no other product of it."""
    for start, stop in spans(words):
        beside = words[:start] + words[stop:]
        if not all(word.isalpha() and len(word) > 3 and word not in _VARIANTS for word in beside):
            continue
        cards = _of_vendors(by_name().get("".join(words[start:stop]), []), seen)
        if cards:
            return cards, RULE, f"words not understood: {', '.join(beside)}"
    return [], RULE, ""


def contradiction(card: Card, seen_gb: float | None) -> str:
    """What to say where a column tells another size of memory than the card has; empty where it agrees."""
    if seen_gb is None or not card.sizes_gb:
        return ""
    sizes = " or ".join(f"{size:g}" for size in card.sizes_gb)
    if not card.has(seen_gb):
        return f"the memory column says {seen_gb:g} GB, the card has {sizes} GB"
    if all(not _WHOLE * size <= seen_gb <= _MOST_VISIBLE * size for size in card.sizes_gb):
        return f"{seen_gb:.4g} GB of {sizes} GB are visible"
    return ""


def _of_vendors(cards: list[Card], seen: frozenset[str]) -> list[Card]:
    return [card for card in cards if seen <= card.vendors]


def nearest(spelling: str) -> str:
    """Words for a message: the name most like an unknown one."""
    names = {name: card.key for card in all_cards() for name in card.names}
    close = difflib.get_close_matches("".join(taken_apart(spelling).words), names, n=1, cutoff=0.7)
    return f"; the nearest is {names[close[0]]}" if close else ""


@cache
def by_name() -> dict[str, list[Card]]:
    """Cards by each of their names, all written as one word."""
    found: dict[str, list[Card]] = {}
    for card in all_cards():
        for name in card.names:
            found.setdefault(name, []).append(card)
    return found


@cache
def all_cards() -> tuple[Card, ...]:
    """The table, in its order: of cards of one name, the most common first."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        require(
            tuple(reader.fieldnames or ()) == COLUMNS, f"{TABLE} must have the columns {', '.join(COLUMNS)}"
        )
        return tuple(_card(row) for row in reader)


def _card(row: dict[str, str]) -> Card:
    return Card(
        key=row["key"],
        vendors=frozenset(row["vendor"].split(";")),
        names=tuple("".join(taken_apart(name).words) for name in row["names"].split(";")),
        forms=frozenset(row["forms"].split(";")) - {""},
        sizes_gb=tuple(float(size) for size in row["memory_gb"].split(";") if size),
        reduced=row["reduced"] == "yes",
        note=row["note"],
    )
