"""What is expected of figures: rules with the rows that break them, and coverage."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
import pandas as pd

from perfseer.hardware.derivation import check_derivation
from perfseer.hardware.settings import QualitySettings
from perfseer.hardware.specs import NUMBERS, Specs

Severity = Literal["error", "warning", "note"]
FAILURE_COLUMNS = ("key", "figure", "value", "reason")
# Figures that people ask for first; coverage is told for these.
KEY_FIGURES: tuple[str, ...] = (
    *("fp32_flops", "fp16_vector_flops", "fp16_flops", "int8_ops", "fp8_flops", "memory_bytes"),
    *("bandwidth_bytes_per_s", "tdp_w", "year", "process_nm", "die_mm2", "transistors", "multiprocessors"),
    *("boost_clock_hz", "l2_bytes", "g3d", "opencl", "price_retail_usd", "cloud_median_usd_per_h"),
)


@dataclass(frozen=True)
class Failures:
    """What became of one expectation.

    Attributes:
        checked: accelerators (or figures) that it says something of.
        rows: those that break it, `FAILURE_COLUMNS`.
    """

    checked: int
    rows: pd.DataFrame


@dataclass(frozen=True)
class Expectation:
    """One rule.

    Attributes:
        name: of it.
        what: is expected, in words.
        severity: error: a figure is wrong; warning: somebody should look; note: known, and counted.
        check: of specifications and tolerances.
    """

    name: str
    what: str
    severity: Severity
    check: Callable[[Specs, QualitySettings], Failures]


# The fastest signalling of each kind of memory, bit/s per line: JEDEC's standard or the fastest product sold.
FASTEST_PIN_BITS_PER_S: dict[str, float] = {
    **{"SDR": 0.25e9, "DDR": 1.0e9, "DDR2": 1.4e9, "DDR3": 2.133e9, "DDR4": 3.2e9},
    **{"GDDR2": 1.0e9, "GDDR3": 2.6e9, "GDDR4": 2.8e9, "GDDR5": 9e9, "GDDR5X": 14e9},
    **{"GDDR6": 24e9, "GDDR6X": 24e9, "GDDR7": 36e9},
    **{"LPDDR3": 2.133e9, "LPDDR4": 4.267e9, "LPDDR4X": 4.267e9, "LPDDR5": 6.4e9, "LPDDR5X": 9.6e9},
    **{"HBM": 1.0e9, "HBM2": 2.4e9, "HBM2e": 3.6e9, "HBM3": 6.4e9, "HBM3e": 9.2e9},
}
# Architectures whose lanes do two of these operations per cycle of the stated clock, and why.
_TWICE = {
    **dict.fromkeys(("RDNA 3.0", "RDNA 3.5", "RDNA 4.0"), "lanes issue two operations"),
    **dict.fromkeys(("Fermi", "Fermi 2.0", "Tesla", "Tesla 2.0"), "lanes have a faster clock of their own"),
}
_SEVERAL_GPUS = re.compile(r"\b(?:X2|Dual|Duo|K80|A16|M10|K1|G?B[23]00)\b|\dX2\b")


def _failures(checked: int, rows: list[pd.DataFrame]) -> Failures:
    filled = [part for part in rows if len(part)]
    found = pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=list(FAILURE_COLUMNS))
    return Failures(checked, found)


def _broken(figure: str, values: pd.Series, reason: pd.Series | str) -> pd.DataFrame:
    """Rows of what breaks a rule; ``reason`` is one text for all of them, or has one for each."""
    reasons = reason if isinstance(reason, str) else [str(text) for text in reason.reindex(values.index)]
    rows = {"key": values.index, "figure": figure, "value": values.to_numpy(), "reason": reasons}
    return pd.DataFrame(rows)


def _texts(pattern: str, *parts: pd.Series) -> pd.Series:
    """The pattern filled row by row."""
    filled = [pattern.format(*row) for row in zip(*parts, strict=True)]
    return pd.Series(filled, index=parts[0].index, dtype=object)


def _positive(specs: Specs, _: QualitySettings) -> Failures:
    numbers = specs.table[list(NUMBERS)]
    bad = ~((numbers > 0) & np.isfinite(numbers)) & numbers.notna()
    rows = [_broken(name, numbers.loc[bad[name], name], "not a positive number") for name in NUMBERS]
    return _failures(int(numbers.notna().to_numpy().sum()), rows)


def _fp32(specs: Specs, settings: QualitySettings) -> Failures:
    values = specs.table
    ratio = (values["fp32_flops"] / (2 * values["shaders"] * values["boost_clock_hz"])).dropna()
    off = ratio[(ratio - 1).abs() > settings.fp32_within]
    why = values["architecture"].map(_TWICE).fillna("no reason known")
    reason = _texts("{:.3g} times 2 x lanes x boost clock; {}", off, why.loc[off.index])
    return _failures(len(ratio), [_broken("fp32_flops", values.loc[off.index, "fp32_flops"], reason)])


def _tdp(specs: Specs, settings: QualitySettings) -> Failures:
    watts = specs.table["tdp_w"].dropna()
    low, high = settings.tdp_w
    reason = f"outside {low:g} to {high:g} W"
    return _failures(len(watts), [_broken("tdp_w", watts[(watts < low) | (watts > high)], reason)])


def _pin_rate(specs: Specs, settings: QualitySettings) -> Failures:
    values = specs.table
    rate = 8 * values["bandwidth_bytes_per_s"] / values["bus_bits"]
    fastest = values["memory_type"].map(FASTEST_PIN_BITS_PER_S).astype("float64")
    both = (rate / fastest).dropna()
    over = both[both > settings.pin_slack]
    reason = _texts(
        "{:.3g} Gbit/s per line, {} reaches {:.3g}: both directions, or more dies than the width is of",
        *(rate.loc[over.index] / 1e9, values.loc[over.index, "memory_type"], fastest.loc[over.index] / 1e9),
    )
    name = "bandwidth_bytes_per_s"
    return _failures(len(both), [_broken(name, values.loc[over.index, name], reason)])


def _card_or_die(specs: Specs, settings: QualitySettings) -> Failures:
    values = specs.table
    dies = values["dies_per_card"].fillna(1.0)
    density = (values["tdp_w"] / (values["die_mm2"] * dies)).dropna()
    low, high = settings.watt_per_mm2
    odd = density[(density < low) | (density > high)]
    reason = _texts("{:.3g} W/mm²: power of the card beside figures of a die", odd)
    named = values["name"].str.contains(_SEVERAL_GPUS) & values["dies_per_card"].isna()
    rest = values.loc[named & ~values.index.isin(odd.index), "tdp_w"]
    unsaid = "its name says several GPUs, and nobody says how many: figures may be of one"
    return _failures(
        int((density.notna() | named).sum()),
        [_broken("tdp_w", values.loc[odd.index, "tdp_w"], reason), _broken("dies_per_card", rest, unsaid)],
    )


def _matrix_rule(specs: Specs, settings: QualitySettings) -> Failures:
    both = check_derivation(specs).set_index("key")
    off = both[(both["ratio"] - 1).abs() > settings.derived_within]
    rows = []
    for figure, part in off.groupby("figure"):
        doubled = (part["ratio"] - 0.5).abs() < 0.5 * settings.derived_within
        hint = doubled.map({True: "; sparse, or accumulating in FP16?", False: ""})
        reason = _texts("{:.3g} times the rule of {}{}", 1 / part["ratio"], part["generation"], hint)
        rows.append(_broken(str(figure), part["published"], reason))
    return _failures(len(both), rows)


def _order(specs: Specs, settings: QualitySettings) -> Failures:
    rows, checked = [], 0
    for slower, faster in (
        ("tf32_flops", "fp16_flops"),
        ("fp64_flops", "fp32_flops"),
        ("base_clock_hz", "boost_clock_hz"),
    ):
        pair = specs.table[[slower, faster]].dropna()
        checked += len(pair)
        wrong = pair[pair[slower] > pair[faster] * (1 + settings.sources_within)]
        rows.append(_broken(slower, wrong[slower], f"above {faster}"))
    return _failures(checked, rows)


def _launch(specs: Specs, _: QualitySettings) -> Failures:
    day = pd.to_datetime(specs.table["launched"], format="%Y-%m-%d", errors="coerce")
    year = specs.table["year"]
    written = specs.table["launched"] != ""
    unread = year[written & day.isna()]
    apart = year[(day.dt.year - np.floor(year)).abs() > 1]
    early = year[(year < 1980) | (year > 2040)]
    return _failures(
        int((written | year.notna()).sum()),
        [
            _broken("launched", unread, "not a day as ISO text"),
            _broken("year", apart, "more than a year from the day of launch"),
            _broken("year", early, "before 1980 or after 2040"),
        ],
    )


def _duplicates(specs: Specs, _: QualitySettings) -> Failures:
    values = specs.table
    plain = values["vendor"].str.lower() + " " + values["name"].str.lower().str.replace(r"\W", "", regex=True)
    several = plain.duplicated(keep=False)
    rows = values.loc[several, "memory_bytes"]
    reason = _texts("another accelerator is called {!r} too", plain[several])
    return _failures(len(plain), [_broken("name", rows, reason)])


def _architecture(specs: Specs, _: QualitySettings) -> Failures:
    values = specs.table
    unknown = values.loc[values["architecture"] == "", "year"]
    return _failures(len(values), [_broken("architecture", unknown, "nobody says which")])


_EXPECTATIONS = (
    Expectation("positive", "every number is positive and finite", "error", _positive),
    Expectation("fp32_rule", "FP32 is 2 x lanes x boost clock", "note", _fp32),
    Expectation("tdp_range", "the power limit is one of a card", "warning", _tdp),
    Expectation("pin_rate", "no memory is faster than its kind can be", "error", _pin_rate),
    Expectation("card_or_die", "power and figures are of the same: card or die", "warning", _card_or_die),
    Expectation("matrix_rule", "matrix peaks are what their generation gives", "warning", _matrix_rule),
    Expectation(
        *("order", "TF32 is no faster than FP16, FP64 than FP32, base than boost clock", "warning", _order)
    ),
    Expectation("launch", "days are days, and years are theirs", "error", _launch),
    Expectation("duplicates", "no two accelerators of a vendor have one name", "warning", _duplicates),
    Expectation("architecture", "every accelerator's architecture is known", "note", _architecture),
)
EXPECTATIONS: Mapping[str, Expectation] = MappingProxyType(
    {expectation.name: expectation for expectation in _EXPECTATIONS}
)


def check_all(specs: Specs, settings: QualitySettings) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Hold specifications against all expectations.

    Returns:
        A row per expectation: ``expectation``, ``what``, ``severity``, ``checked``, ``failed`` (figures of
        accelerators); and every failure: ``expectation``, ``severity`` and `FAILURE_COLUMNS`.
    """
    summary, parts = [], []
    for expectation in EXPECTATIONS.values():
        found = expectation.check(specs, settings)
        summary.append(
            (expectation.name, expectation.what, expectation.severity, found.checked, len(found.rows))
        )
        parts.append(found.rows.assign(expectation=expectation.name, severity=expectation.severity))
    columns = ["expectation", "what", "severity", "checked", "failed"]
    failures = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
    return pd.DataFrame(summary, columns=columns), failures[["expectation", "severity", *FAILURE_COLUMNS]]


def published_alone(specs: Specs) -> Specs:
    """The same without what rules and guesses gave: specifications as the sources have them."""
    there = specs.status[list(NUMBERS)] == "observed"
    table = specs.table.copy()
    table[list(NUMBERS)] = table[list(NUMBERS)].where(there)
    return Specs(table, specs.status.where(there, "missing"))


def coverage(before: Specs, after: Specs) -> pd.DataFrame:
    """How much of each key figure is known, and how, before and after rules and guesses.

    Returns:
        A row per scope (``all``, ``since 2012``, ``canonical``) and figure of `KEY_FIGURES`:
        ``accelerators``, ``before`` (known before), then after ``observed``, ``derived``, ``imputed``,
        ``missing``.
    """
    rows = []
    earlier, later = _scopes(before), _scopes(after)
    for scope, inside in later.items():
        known = before.status.loc[earlier[scope]] != "missing"
        status = after.status.loc[inside]
        for figure in KEY_FIGURES:
            counts = status[figure].value_counts()
            ways = [int(counts.get(way, 0)) for way in ("observed", "derived", "imputed", "missing")]
            rows.append((scope, figure, len(status), int(known[figure].sum()), *ways))
    columns = ["scope", "figure", "accelerators", "before", "observed", "derived", "imputed", "missing"]
    return pd.DataFrame(rows, columns=columns)


def _scopes(specs: Specs) -> dict[str, pd.Series]:
    values = specs.table
    return {
        "all": pd.Series(True, index=values.index),
        "since 2012": values["year"] >= 2012,
        "canonical": values["canonical"].astype(bool),
    }
