"""Architectures that a GPU's name tells where no record of it is found (``architectures.csv``)."""

import csv
import re
from functools import cache
from pathlib import Path

from perfseer.errors import require
from perfseer.hardware.modifiers import lowered

TABLE = Path(__file__).with_name("architectures.csv")
COLUMNS = ("pattern", "architecture", "why")


def architecture_by_name(name: str) -> str | None:
    """The architecture of the first line of the table whose pattern is in ``name``; None where none is."""
    text = lowered(name)
    return next((architecture for pattern, architecture in _rules() if pattern.search(text)), None)


@cache
def _rules() -> tuple[tuple[re.Pattern[str], str], ...]:
    with TABLE.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        require(
            tuple(reader.fieldnames or ()) == COLUMNS, f"{TABLE} must have the columns {', '.join(COLUMNS)}"
        )
        return tuple((re.compile(row["pattern"]), row["architecture"]) for row in reader)
