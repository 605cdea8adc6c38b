"""Columns of strangers' tables by rules that both sources of MLPerf share."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from perfseer.errors import require
from perfseer.hardware.checks import Checks
from perfseer.hardware.source import REFUSED_COLUMNS, Reading

# Longer than any published; a path has 219 characters, a version of Linux 209.
_LONGEST = 1000
# What people and programs write where they have no number.
_NO_NUMBER = ("-", "NaN", "nan", "None", "none", "null", "N/A", "n/a")


class Columns:
    """Columns of several files laid one below the other; their rows are numbered through.

    Attributes:
        checks: that remember rows at fault.
        files: of each row.
        places: of each row, the file and its number there; the first after the header is 1.
    """

    def __init__(
        self, tables: Sequence[tuple[str, pd.DataFrame]], needed: Sequence[str], known: Sequence[str]
    ) -> None:
        """Lay tables together.

        Args:
            tables: name of each file, and its cells as texts.
            needed: columns each must have.
            known: columns that are read; where a table lacks one, its cells are empty.

        Raises:
            PerfseerError: a table lacks a needed column, or has one twice in different spellings.
        """
        laid = [_canonical(table, name, needed, known) for name, table in tables]
        self.checks = Checks(pd.concat(laid, ignore_index=True))
        self.files = pd.Series([name for name, table in tables for _ in range(len(table))], dtype="str")
        numbers = [number for _, table in tables for number in range(1, len(table) + 1)]
        self.places = self.files + ", row " + pd.Series(numbers).astype("str")

    def text(self, column: str) -> "pd.Series[str]":
        """Texts with plain single spaces, "" where empty; control characters are refused."""
        codes, different = pd.factorize(self.checks.cells[column])
        cleaned = [" ".join(str(cell).split()) for cell in different]
        cleaned = ["" if cell == "NaN" else cell for cell in cleaned]
        text = _spread(cleaned, codes, "str")
        foreign = [not cell.isprintable() or "\ufffd" in cell for cell in cleaned]
        if any(foreign):
            self.checks.refuse(_spread(foreign, codes, "bool"), column, "holds characters that are no text")
        if any(len(cell) > _LONGEST for cell in cleaned):
            self.checks.refuse(text.str.len() > _LONGEST, column, f"longer than {_LONGEST} characters")
        return text

    def needed_text(self, column: str) -> "pd.Series[str]":
        """As `text`; empty cells are refused."""
        text = self.text(column)
        self.checks.refuse(text == "", column, "is missing")
        return text

    def choice(
        self,
        column: str,
        decide: Callable[[str], str | None],
        expected: Sequence[str],
        *,
        needed: bool = True,
    ) -> "pd.Series[str]":
        """What ``decide`` makes of each text; refused where it says None, or empty though ``needed``."""
        text = self.needed_text(column) if needed else self.text(column)
        decided = each(text, lambda cell: decide(cell) if cell else "")
        self.checks.refuse(decided.isna(), column, f"expected one of {', '.join(expected)}")
        return decided.fillna("").astype("str")

    def number(
        self, column: str, low: float, high: float, unit: str = "", *, scale: float = 1.0, whole: bool = False
    ) -> "pd.Series[float]":
        """Numbers of a plausible size, NaN where nobody said; see `Checks.number`."""
        cells = self.checks.cells[column]
        self.checks.cells[column] = cells.where(~cells.str.strip().isin(_NO_NUMBER), "")
        return self.checks.number(column, low, high, unit, scale=scale, whole=whole)

    def switch(self, column: str, *, default: bool) -> "pd.Series[bool]":
        """1, 0, true or false as a switch."""
        words = {"": default, "1": True, "1.0": True, "true": True, "0": False, "0.0": False, "false": False}
        decided = each(self.text(column), lambda cell: words.get(cell.lower()))
        self.checks.refuse(decided.isna(), column, "expected 1, 0, true or false")
        return pd.Series(decided == True, index=decided.index)  # noqa: E712 - of objects, None among them

    def unique(self, keys: pd.DataFrame, column: str) -> None:
        """Refuse each row whose key stood in an earlier one, and say where that is."""
        again = keys.duplicated()
        first = self.places.groupby([keys[name] for name in keys.columns], sort=False).transform("first")
        reasons = ("of the same result as " + first[again]).tolist()
        self.checks.refuse(again, column, reasons)

    def reading(self, rows: pd.DataFrame, findings: dict[str, Any], where: str) -> Reading:
        """What was read; each reason begins with the file and the number of the row in it."""
        found = self.checks.reading(rows, findings=findings, where=where)
        places = found.refused["row"].map(lambda number: self.places.iloc[int(number) - 1])
        reasons = places.astype("str") + ": " + found.refused["reason"].astype("str")
        refused = found.refused.assign(reason=reasons)[list(REFUSED_COLUMNS)]
        return Reading(found.rows, found.n_read, refused, found.findings, found.where)


def each(values: pd.Series, function: Callable[[str], object]) -> pd.Series:
    """``function`` of every text, called once for each different one; gives objects."""
    codes, different = pd.factorize(values)
    return _spread([function(str(text)) for text in different], codes, "object")


def _spread(different: Sequence[object], codes: npt.NDArray[np.intp], dtype: str) -> pd.Series:
    """A value for each row from the different ones."""
    values = np.empty(len(different), dtype=object)
    values[:] = different
    return pd.Series(values[codes], dtype=dtype)


def _canonical(table: pd.DataFrame, name: str, needed: Sequence[str], known: Sequence[str]) -> pd.DataFrame:
    """The known columns of a table, whatever their case; missing ones are empty."""
    spelt: dict[str, str] = {}
    for column in table.columns:
        key = " ".join(str(column).split()).lower()
        require(key not in spelt, f"{name} has the column {column!r} twice")
        spelt[key] = str(column)
    missing = [column for column in needed if column.lower() not in spelt]
    there = ", ".join(str(column)[:40] for column in table.columns[:8])
    require(
        not missing,
        f"{name} has another header than expected: it lacks {', '.join(missing)}, it has {there}…",
    )
    return pd.DataFrame(
        {
            column: table[spelt[column.lower()]] if column.lower() in spelt else ""
            for column in dict.fromkeys([*needed, *known])
        },
        index=table.index,
        dtype="str",
    )
