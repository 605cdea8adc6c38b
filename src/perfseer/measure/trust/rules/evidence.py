"""What a rule says of a table: how many rows it looked at, and which of them break it."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from perfseer.measure.table import CONFIGURATION, SETTING, cell_facts
from perfseer.measure.trust.settings import SanitySettings

VIOLATION_COLUMNS = ("model_ref", "batch_size", "order", "detail")

# The kernel counts pages per processor and sums up lazily: smaller differences mean nothing (cpu).
MEMORY_RESOLUTION_MIB = 0.3

# Texts by row number: what is wrong with that row. A row may have several.
Details = pd.Series


@dataclass(frozen=True)
class Evidence:
    """What one rule found.

    Attributes:
        checked: rows the rule could be applied to.
        violations: `VIOLATION_COLUMNS`, one line per violating row, in the order of the table.
        unknown: why it could not be applied to any row; empty if it could.
    """

    checked: int
    violations: pd.DataFrame
    unknown: str


@dataclass(frozen=True)
class Rule:
    """One thing that holds in every sound table.

    Attributes:
        check: applied to a measurement table whose index is the row number; its name says what holds, its
            docstring begins with that as a sentence, with its bounds.
    """

    check: Callable[[pd.DataFrame, SanitySettings], Evidence]

    @property
    def name(self) -> str:
        """What holds, in a few words."""
        return self.check.__name__.replace("_", " ")

    @property
    def meaning(self) -> str:
        """The same as a sentence."""
        sentence, _, _ = (inspect.getdoc(self.check) or "").partition("\n\n")
        return " ".join(sentence.split())


def evidence(
    table: pd.DataFrame, checked: "pd.Series[bool]", parts: Sequence[Details], no_row: str
) -> Evidence:
    """Join what was found.

    Args:
        table: the measurement table, indexed by row number.
        checked: rows the rule could be applied to.
        parts: texts by row number; several of one row are joined.
        no_row: why the rule could be applied to no row, for when that is so.
    """
    details = pd.concat([pd.Series(dtype=object), *parts])
    details = details.groupby(level=0).agg("; ".join) if len(details) else details
    rows = table.loc[details.index.astype(np.int64), list(VIOLATION_COLUMNS[:3])]
    n_checked = int(checked.sum())
    violations = rows.assign(detail=details.to_numpy(dtype=object)).reset_index(drop=True)
    return Evidence(n_checked, violations, "" if n_checked else no_row)


def told(rows: pd.DataFrame, template: str, **names: str) -> Details:
    """``template`` filled in for each row, by row number.

    Args:
        rows: the violating rows; columns are named in the template.
        template: for `str.format`.
        names: further fields, the same for all rows.
    """
    columns = list(map(str, rows.columns))
    records = rows.itertuples(index=False, name=None)
    texts = [template.format(**dict(zip(columns, record, strict=True)), **names) for record in records]
    return pd.Series(texts, index=rows.index, dtype=object)


def every(table: pd.DataFrame) -> "pd.Series[bool]":
    """All rows."""
    return pd.Series(True, index=table.index)


def known(column: "pd.Series[Any]") -> "pd.Series[bool]":
    """Where a text column says something: neither null nor empty."""
    return column.notna() & (column != "")


def series_of(table: pd.DataFrame) -> "pd.Series[int]":
    """A number for each row, equal where only the batch size may differ."""
    keys = [name for name in CONFIGURATION if name != "batch_size"]
    return table.groupby([*keys, *SETTING], sort=False, dropna=False).ngroup()


def device_memory_gib(table: pd.DataFrame) -> "pd.Series[float]":
    """Memory of the device each row was measured on, whole GiB; NaN where its environment does not say."""
    environments = {text: cell_facts(text) or {} for text in table["environment"].dropna().unique()}
    found = {
        text: facts.get("device_memory_gib") or facts.get("memory_gib")
        for text, facts in environments.items()
    }
    return pd.to_numeric(table["environment"].map(found), errors="coerce").astype(np.float64)
