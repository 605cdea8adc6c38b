"""From cells to figures: each column read by a rule, every row that breaks one set aside with the reason."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from perfseer.hardware.cells import shown
from perfseer.hardware.source import REFUSED_COLUMNS, Reading
from perfseer.text import plain

LONGEST_NAME = 200
_Mask = npt.NDArray[np.bool_]


class _Column(NamedTuple):
    """A column with each of its texts once: what a rule says of a text it says of all its rows.

    Attributes:
        codes: [n] of each row, its text.
        texts: without blanks around them; the last, "", is that of rows without a cell.
    """

    codes: npt.NDArray[np.intp]
    texts: "pd.Series[str]"

    def rows(self, of_texts: Any) -> Any:
        """[n] of each row, what is said of its text."""
        return np.asarray(of_texts)[self.codes]


class Checks:
    """Reads columns of one table of cells and remembers which rows are at fault.

    Rows count from 1. A row may break several rules; it is set aside once, with a line for each.
    """

    def __init__(self, cells: pd.DataFrame) -> None:
        """Take the cells of a file, each a text or NaN, or a value that a package holds."""
        self.cells = cells.reset_index(drop=True)
        self._columns: dict[str, _Column] = {}
        self._refused: list[pd.DataFrame] = []
        self._good = np.ones(len(cells), dtype=np.bool_)

    def refuse(self, where: Any, column: str, reason: str | Sequence[str]) -> None:
        """Set rows aside.

        Args:
            where: [n] which rows.
            column: of the cells that is at fault.
            reason: for all of them, or for each row that is at fault.
        """
        mask = np.asarray(where, dtype=np.bool_)
        if not mask.any():
            return
        rows = np.flatnonzero(mask)
        cells = self.cells[column].iloc[rows].astype(object)
        values = cells.map({cell: shown(cell) for cell in cells.dropna().unique()}).where(cells.notna(), "")
        reasons = [reason] * len(rows) if isinstance(reason, str) else list(reason)
        self._refused.append(
            pd.DataFrame({"row": rows + 1, "column": column, "value": values.to_numpy(), "reason": reasons})
        )
        self._good &= ~mask

    def name(self, column: str) -> "pd.Series[str]":
        """Texts that must be there: a line each, without what acts on a terminal, not too long."""
        found = self._column(column)
        self.refuse(found.rows(found.texts == ""), column, "there is no name")
        return self.text(column)

    def text(self, column: str) -> "pd.Series[str]":
        """Texts that may be missing: "" there."""
        found = self._column(column)
        acting = [not text.isprintable() for text in found.texts]
        self.refuse(found.rows(acting), column, "a line break or control character")
        long = found.texts.str.len() > LONGEST_NAME
        self.refuse(found.rows(long), column, f"longer than {LONGEST_NAME} characters")
        return self._plain(column)

    def note(self, column: str) -> "pd.Series[str]":
        """Texts of any length, with line breaks and tabs, but nothing else that acts; "" where missing."""
        found = self._column(column)
        lines = found.texts.str.replace("\r\n", "\n", regex=False)
        self.refuse(found.rows([plain(text) != text for text in lines]), column, "a control character")
        return self._plain(column)

    def _plain(self, column: str) -> "pd.Series[str]":
        found = self._column(column)
        return found.texts.take(found.codes).set_axis(self.cells.index)

    def one_of(self, column: str, allowed: Sequence[str]) -> "pd.Series[str]":
        """Texts out of a list; "" where missing."""
        found = self._column(column)
        foreign = ~found.texts.isin(["", *allowed])
        self.refuse(found.rows(foreign), column, f"expected one of {', '.join(allowed)}")
        return self._plain(column)

    def number(
        self,
        column: str,
        low: float,
        high: float,
        unit: str,
        *,
        scale: float = 1.0,
        required: bool = False,
        zero_is_unknown: bool = False,
        whole: bool = False,
    ) -> "pd.Series[float]":
        """Numbers of a plausible size.

        Args:
            column: of the cells.
            low: least that is plausible, in the unit of the file.
            high: greatest, likewise.
            unit: of the file, for the reason.
            scale: from that unit to what is returned.
            required: refuse rows without the number.
            zero_is_unknown: zero stands for "not known".
            whole: refuse what is no whole number.

        Returns:
            float64, NaN where unknown.
        """
        values, empty = self._numbers(column)
        known = ~empty
        if required:
            self.refuse(empty, column, "there is no number")
        self.refuse(known & np.isnan(values), column, "no number")
        if zero_is_unknown:
            values[values == 0] = np.nan
        outside = (values < low) | (values > high)
        self.refuse(outside, column, f"not within {low:.12g} to {high:.12g} {unit}".rstrip())
        values[outside] = np.nan  # what is refused breaks no further rule
        if whole:
            broken = np.isfinite(values) & (values % 1 != 0)
            self.refuse(broken, column, "no whole number")
            values[broken] = np.nan
        return pd.Series(values * scale, index=self.cells.index, dtype=np.float64)

    def date(self, column: str, first: str = "1980-01-01", last: str = "2035-12-31") -> "pd.Series[str]":
        """Days as ISO text; "" where missing.

        Args:
            column: of the cells: YYYY-MM-DD, or `datetime.date`.
            first: earliest that is plausible.
            last: latest.
        """
        found = self._column(column)
        text = found.texts
        days = pd.to_datetime(text.where(text != ""), format="%Y-%m-%d", errors="coerce")
        self.refuse(found.rows((text != "") & days.isna()), column, "no day as YYYY-MM-DD")
        outside = (days < pd.Timestamp(first)) | (days > pd.Timestamp(last))
        self.refuse(found.rows(outside), column, f"not within {first} to {last}")
        return text.where(days.notna(), "").take(found.codes).set_axis(self.cells.index)

    def unique(self, columns: Sequence[str], *, folded: bool = False) -> None:
        """Refuse each row whose key stood in an earlier row.

        Args:
            columns: that together are the key.
            folded: upper and lower case are the same.
        """
        keys = pd.DataFrame({name: self._codes(name, folded) for name in columns})
        again = keys.duplicated().to_numpy()
        if not again.any():
            return
        groups = keys.groupby(list(columns), sort=False).ngroup().to_numpy()  # numbered as they first appear
        first = np.flatnonzero(~again)[groups] + 1
        whole = pd.DataFrame({name: self._codes(str(name)) for name in self.cells}).duplicated().to_numpy()
        reasons = [
            f"the same as row {number}" if same else f"of the key of row {number}, with other values"
            for number, same in zip(first[again], whole[again], strict=True)
        ]
        self.refuse(again, columns[0], reasons)

    def reading(
        self, rows: pd.DataFrame, *, findings: dict[str, Any] | None = None, where: str = ""
    ) -> Reading:
        """What was read.

        Args:
            rows: a line for each of the cells; those at fault are left out here.
            findings: what was checked → [n] which rows do not agree; counted among those taken.
            where: as in `Reading`.
        """
        refused = pd.concat(self._refused) if self._refused else pd.DataFrame(columns=list(REFUSED_COLUMNS))
        return Reading(
            rows=rows[self._good].reset_index(drop=True),
            n_read=len(self.cells),
            refused=refused.sort_values("row", kind="stable", ignore_index=True),
            findings={
                what: int((np.asarray(mask, dtype=np.bool_) & self._good).sum())
                for what, mask in (findings or {}).items()
            },
            where=where,
        )

    def _column(self, name: str) -> _Column:
        if name not in self._columns:
            codes, different = pd.factorize(self.cells[name])
            texts = pd.concat([pd.Series(different), pd.Series([""])], ignore_index=True).astype("str")
            self._columns[name] = _Column(codes, texts.str.strip())
        return self._columns[name]

    def _codes(self, name: str, folded: bool = False) -> npt.NDArray[np.intp]:
        """[n] numbers that are equal where the texts are."""
        found = self._column(name)
        codes, _ = pd.factorize(found.texts.str.casefold() if folded else found.texts)
        return codes[found.codes]

    def _numbers(self, column: str) -> tuple[npt.NDArray[np.float64], _Mask]:
        """Values, NaN where there is none or it is not finite; and where nothing is written."""
        found = self._column(column)
        numbers = pd.to_numeric(found.texts, errors="coerce").to_numpy(np.float64, na_value=np.nan).copy()
        numbers[~np.isfinite(numbers)] = np.nan
        return numbers[found.codes], found.rows(found.texts == "")
