"""Everything the document on hardware is made of, and the figures that statistics may rest on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import pandas as pd

from perfseer.errors import require
from perfseer.hardware.settings import HardwareSettings
from perfseer.hardware.specs import IDENTITY, NUMBERS, Specs

# Columns of results that say an accelerator is not the one that is sold.
MODIFIERS: tuple[str, ...] = ("mig", "vgpu", "maxq", "capped", "mixed", "virtualised")
# Tables of a study and the columns that are read of them.
FRAMES: dict[str, tuple[str, ...]] = {
    "tiers": ("efficiency_tier", "performance_category", "segments"),
    "ledger": (
        *("name", "title", "licence", "url", "sha256", "present", "absent_reason"),
        *("n_read", "n_loaded", "n_quarantined"),
    ),
    "quarantine": ("source", "row", "column", "value", "reason"),
    "conflicts": (
        *("key", "figure", "chosen_source", "chosen_value", "other_source", "other_value", "ratio"),
        *("rule", "decision"),
    ),
    "results": (
        *("round", "submitter", "key", "n_accelerators", "benchmark", "family", "scenario", "division"),
        *("per_accelerator", *MODIFIERS),
    ),
    "names": ("source", "n_named", "n_mapped", "n_exact", "n_architecture", "n_rows", "n_rows_mapped"),
    "prices": ("key", "kind", "usd", "date"),
    "quality": ("what", "severity", "checked", "failed"),
}


@dataclass(frozen=True)
class Judging:
    """How statistics are judged.

    Attributes:
        confidence: of all intervals, a share.
        resamples: draws of a bootstrap.
        seed: of the draws.
        false_discovery: expected share of false differences among those shown.
        least: dies (or accelerators) below which a group gets no interval and is not compared.
    """

    confidence: float = 0.95
    resamples: int = 500
    seed: int = 0
    false_discovery: float = 0.05
    least: int = 5


@dataclass(frozen=True)
class HardwareStudy:
    """What was read of the database.

    Attributes:
        specs: figures of all accelerators and how each is known.
        metrics: derived metrics in SI units, a row per key, a column per metric; NaN where it cannot be had.
        metric_status: the same shape: derived, imputed, uncalibrated or missing.
        settings: thresholds of tiers and categories, and what uses ask.
        tiers: by key; ``segments`` holds names with blanks between them, "" where none fits.
        ledger: a row per source, absent ones too (``present`` false, counts 0).
        quarantine: rows set aside.
        conflicts: figures on which sources differ, with the rule that found it and what was decided.
        results: of MLPerf Inference; ``per_accelerator`` is a throughput over the number of accelerators, NaN
            where the result is none or its number is not known.
        names: spellings of accelerators in a source, how many are identified, how many are the very name of
            one record, and of how many the name tells an architecture; rows with such a spelling.
        prices: US$ of one card (launch, retail) or of one accelerator for an hour (on-demand, spot), and the
            day, month or year it is of.
        quality: expectations on figures, and how many break them.
        work: benchmark → arithmetic operations of one unit of its result, where they are known.
        closed: closed results of MLPerf that name an accelerator, and how many of them reach one.
        judging: how statistics are judged.
    """

    specs: Specs
    metrics: pd.DataFrame
    metric_status: pd.DataFrame
    settings: HardwareSettings
    tiers: pd.DataFrame
    ledger: pd.DataFrame
    quarantine: pd.DataFrame
    conflicts: pd.DataFrame
    results: pd.DataFrame
    names: pd.DataFrame
    prices: pd.DataFrame
    quality: pd.DataFrame
    work: Mapping[str, float] = field(default_factory=dict)
    closed: tuple[int, int] = (0, 0)
    judging: Judging = field(default_factory=Judging)

    def __post_init__(self) -> None:
        for name, columns in FRAMES.items():
            missing = [column for column in columns if column not in getattr(self, name).columns]
            require(not missing, f"the table {name} of the hardware study lacks the columns {missing}")
        require(self.tiers.index.is_unique, "an accelerator stands twice among the tiers")

    @cached_property
    def known(self) -> pd.DataFrame:
        """Figures that statistics rest on: published or following exactly, never guessed."""
        known = self.specs.table[list(IDENTITY)].copy()
        for name in NUMBERS:
            there = self.specs.status[name].isin(("observed", "derived"))
            known[name] = self.specs.table[name].astype("float64").where(there)
        return known

    @cached_property
    def dies(self) -> pd.Series:
        """Die of each accelerator, itself where its die is not known: cards of one die are one witness."""
        known = self.specs.table
        own = pd.Series(known.index.astype(str), index=known.index)
        return (known["vendor"] + " " + known["chip"]).where(known["chip"] != "", own)

    @cached_property
    def canonical(self) -> pd.Series:
        """Whether each accelerator stands in the sourced table."""
        return self.specs.table["canonical"].astype(bool)

    @cached_property
    def plain_results(self) -> pd.DataFrame:
        """Closed MLPerf results of one kind of accelerator as sold: no slices, no capped or virtual ones."""
        rows = self.results
        if rows.empty:
            return rows
        modified = rows[list(MODIFIERS)].astype(bool).any(axis=1)
        rate = rows["per_accelerator"].astype("float64")
        named = rows["key"].isin(self.specs.table.index)
        kept = (rows["division"].str.lower() == "closed") & ~modified & named & (rate > 0)
        return rows[kept].assign(per_accelerator=rate[kept])

    def name_of(self, key: str) -> str:
        """As its vendor writes it."""
        return str(self.specs.table.loc[key, "name"]) or key
