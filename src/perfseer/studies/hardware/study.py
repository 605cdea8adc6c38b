"""Everything the document on hardware is made of, and the figures that statistics may rest on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import pandas as pd

from perfseer.errors import require
from perfseer.hardware.specs import IDENTITY, NUMBERS, Specs

MODIFIERS: tuple[str, ...] = ("mig", "vgpu", "maxq", "mixed", "virtual")
# Tables of a study and the columns that are read of them.
FRAMES: dict[str, tuple[str, ...]] = {
    "tiers": ("efficiency_tier", "performance_category", "segments"),
    "ledger": ("source", "title", "licence", "url", "sha256", "present", "n_read", "n_loaded", "n_refused"),
    "quarantine": ("source", "row", "column", "value", "reason"),
    "conflicts": (
        *("key", "figure", "chosen_source", "chosen", "other_source", "other", "ratio", "rule", "decision"),
    ),
    "results": (
        *("round", "submitter", "key", "n_accelerators", "benchmark", "family", "scenario", "division"),
        *("value", "metric", "per_accelerator", "power_w", *MODIFIERS),
    ),
    "coverage": ("metric", "scope", "observed", "derived", "imputed", "missing"),
    "names": ("source", "n_named", "n_mapped"),
    "prices": ("key", "kind", "provider", "usd", "date"),
    "quality": ("expectation", "scope", "before", "after", "of", "wanted", "met"),
}


def blank(name: str) -> pd.DataFrame:
    """A table of `FRAMES` without rows, for what a database does not have."""
    index = pd.Index([], name="key", dtype="object") if name == "tiers" else None
    return pd.DataFrame(columns=list(FRAMES[name]), index=index)


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
        metrics: derived metrics, a row per key, a column per metric; NaN where it cannot be had.
        metric_status: the same shape: observed, derived, imputed or missing.
        matrices: name → accelerators of which all its columns are known.
        tiers: by key; ``segments`` holds names with ``;`` between them, "" where none fits.
        ledger: a row per source, absent ones too (``present`` false, counts 0).
        quarantine: rows set aside.
        conflicts: figures on which sources differ, with the rule that found it and what was decided.
        results: of MLPerf Inference; ``per_accelerator`` is value over number of accelerators.
        coverage: how many accelerators of a scope have each metric, and how it is known.
        names: names of accelerators a source has, and how many are identified.
        prices: US$ of one card (launch, retail) or of one accelerator for an hour (on-demand, spot).
        quality: expectations on the data, counts before and after cleaning; ``wanted`` in words.
        work: benchmark → arithmetic operations of one unit of its result, where they are known.
        judging: how statistics are judged.
    """

    specs: Specs
    metrics: pd.DataFrame
    metric_status: pd.DataFrame
    matrices: Mapping[str, pd.DataFrame]
    tiers: pd.DataFrame
    ledger: pd.DataFrame
    quarantine: pd.DataFrame
    conflicts: pd.DataFrame
    results: pd.DataFrame
    coverage: pd.DataFrame
    names: pd.DataFrame
    prices: pd.DataFrame
    quality: pd.DataFrame = field(default_factory=lambda: blank("quality"))
    work: Mapping[str, float] = field(default_factory=dict)
    judging: Judging = field(default_factory=Judging)

    def __post_init__(self) -> None:
        for name, columns in FRAMES.items():
            missing = [column for column in columns if column not in getattr(self, name).columns]
            require(not missing, f"the table {name} of the hardware study lacks the columns {missing}")
        require(self.tiers.index.is_unique, "an accelerator stands twice among the tiers")

    @cached_property
    def known(self) -> pd.DataFrame:
        """Figures that statistics rest on: published or following exactly, never guessed."""
        known = self.specs.values[list(IDENTITY)].copy()
        for name in NUMBERS:
            there = self.specs.status[name].isin(("observed", "derived"))
            known[name] = self.specs.values[name].astype("float64").where(there)
        return known

    @cached_property
    def dies(self) -> pd.Series:
        """Die of each accelerator, itself where its die is not known: cards of one die are one witness."""
        known = self.specs.values
        own = pd.Series(known.index.astype(str), index=known.index)
        return (known["vendor"] + " " + known["chip"]).where(known["chip"] != "", own)

    @cached_property
    def canonical(self) -> pd.Series:
        """Whether each accelerator stands in the sourced table."""
        return self.specs.values["canonical"].astype(str).str.lower() == "true"

    @cached_property
    def plain_results(self) -> pd.DataFrame:
        """Closed MLPerf results of one kind of accelerator as sold: no slices, no capped or virtual ones."""
        rows = self.results
        if rows.empty:
            return rows
        modified = rows[list(MODIFIERS)].astype(bool).any(axis=1)
        rate = rows["per_accelerator"].astype("float64")
        named = rows["key"].isin(self.specs.values.index)
        kept = (rows["division"].str.lower() == "closed") & ~modified & named & (rate > 0)
        return rows[kept].assign(per_accelerator=rate[kept])

    def name_of(self, key: str) -> str:
        """As its vendor writes it."""
        return str(self.specs.values.at[key, "name"]) or key

    def has(self, source: str) -> bool:
        """Whether a source was there when the database was built."""
        found = self.ledger[self.ledger["source"] == source]
        return bool(len(found) and found["present"].astype(bool).all())
