"""Sources as they were had, and the tables they fill."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from perfseer.hardware.rows import Row
from perfseer.hardware.source import HardwareSource, Reading

# The source that figures by rules stand under.
RULES = "rules"
Tables = dict[str, list[Row]]


@dataclass(frozen=True)
class Sourced:
    """One source and what it gave.

    Attributes:
        kind: the source.
        reading: what was read; None: it could not be had.
        absent: why, where it could not.
    """

    kind: type[HardwareSource]
    reading: Reading | None
    absent: str = ""

    @property
    def rows(self) -> pd.DataFrame:
        """What was taken; empty with the declared columns where nothing was."""
        if self.reading is None:
            return pd.DataFrame(columns=list(self.kind.columns))
        return self.reading.rows


@dataclass(frozen=True)
class Numbers:
    """Numbers that rows refer to each other by.

    Attributes:
        gpus: key of an accelerator → its number.
        sources: name of a source → its number.
    """

    gpus: Mapping[str, int]
    sources: Mapping[str, int]
