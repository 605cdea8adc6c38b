"""From cells to figures: each column read by a rule, every row that breaks one set aside with the reason."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from perfseer.hardware.cells import shown
from perfseer.hardware.source import REFUSED_COLUMNS, Reading

LONGEST_NAME = 200
_Mask = npt.NDArray[np.bool_]


class Checks:
    """Reads columns of one table of cells and remembers which rows are at fault.

    Rows count from 1. A row may break several rules; it is set aside once, with a line for each.
    """

    def __init__(self, cells: pd.DataFrame) -> None:
        """Take the cells of a file, each a text or NaN, or a value that a package holds."""
        self.cells = cells.reset_index(drop=True)
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
        values = ["" if pd.isna(value) else shown(value) for value in self.cells[column].iloc[rows]]
        reasons = [reason] * len(rows) if isinstance(reason, str) else list(reason)
        self._refused.append(
            pd.DataFrame({"row": rows + 1, "column": column, "value": values, "reason": reasons})
        )
        self._good &= ~mask

    def name(self, column: str) -> "pd.Series[str]":
        """Texts that must be there: a line each, without what acts on a terminal, not too long."""
        text = self.text(column)
        self.refuse(text == "", column, "there is no name")
        return text

    def text(self, column: str) -> "pd.Series[str]":
        """Texts that may be missing: "" there."""
        text = self._stripped(column)
        values = text.tolist()
        self.refuse(
            [not value.isprintable() for value in values], column, "a line break or control character"
        )
        self.refuse(text.str.len() > LONGEST_NAME, column, f"longer than {LONGEST_NAME} characters")
        return text

    def note(self, column: str) -> "pd.Series[str]":
        """Texts of any length, with line breaks; "" where missing."""
        return self._stripped(column)

    def one_of(self, column: str, allowed: Sequence[str]) -> "pd.Series[str]":
        """Texts out of a list; "" where missing."""
        text = self._stripped(column)
        self.refuse(~text.isin(["", *allowed]), column, f"expected one of {', '.join(allowed)}")
        return text

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
        if whole:
            self.refuse(np.isfinite(values) & (values % 1 != 0), column, "no whole number")
        return pd.Series(values * scale, index=self.cells.index, dtype=np.float64)

    def date(self, column: str, first: str = "1980-01-01", last: str = "2035-12-31") -> "pd.Series[str]":
        """Days as ISO text; "" where missing.

        Args:
            column: of the cells: YYYY-MM-DD, or `datetime.date`.
            first: earliest that is plausible.
            last: latest.
        """
        text = self._stripped(column)
        days = pd.to_datetime(text.where(text != ""), format="%Y-%m-%d", errors="coerce")
        self.refuse((text != "") & days.isna(), column, "no day as YYYY-MM-DD")
        outside = (days < pd.Timestamp(first)) | (days > pd.Timestamp(last))
        self.refuse(outside, column, f"not within {first} to {last}")
        return text.where(days.notna(), "")

    def unique(self, columns: Sequence[str], *, folded: bool = False) -> None:
        """Refuse each row whose key stood in an earlier row.

        Args:
            columns: that together are the key.
            folded: upper and lower case are the same.
        """
        keys = pd.DataFrame({name: self._stripped(name) for name in columns})
        if folded:
            keys = keys.apply(lambda column: column.str.casefold())
        again = keys.duplicated().to_numpy()
        if not again.any():
            return
        numbers = pd.Series(np.arange(1, len(keys) + 1), index=keys.index)
        first = numbers.groupby([keys[name] for name in columns], sort=False).transform("first")
        whole = self.cells.duplicated().to_numpy()
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

    def _stripped(self, column: str) -> "pd.Series[str]":
        cells = self.cells[column]
        return cells.astype("str").where(cells.notna(), "").str.strip()

    def _numbers(self, column: str) -> tuple[npt.NDArray[np.float64], _Mask]:
        """Values, NaN where there is none or it is not finite; and where nothing is written."""
        cells = self.cells[column]
        if cells.dtype == "str":
            text = cells.str.strip()
            cells = text.where(text != "")
        empty = cells.isna().to_numpy(dtype=np.bool_)
        values = pd.to_numeric(cells, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan).copy()
        values[~np.isfinite(values)] = np.nan
        return values, empty
