"""Tables of the document on hardware."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from perfseer.hardware.assembly.sourced import RULES
from perfseer.hardware.matrices import MATRICES, matrix_counts
from perfseer.hardware.metric_registry import METRICS, Metric
from perfseer.hardware.tiers import segment_conditions
from perfseer.reporting.explorer import Explorer, ExplorerColumn
from perfseer.reporting.tables import Column, escape, table
from perfseer.reporting.units import count, number, percent, share_text
from perfseer.studies.hardware.correlation import CORRELATED, EXPECTED, Pair
from perfseer.studies.hardware.coverage import FIGURES, STATUSES, by_category, by_status
from perfseer.studies.hardware.patterns import PATTERNS, Contrast
from perfseer.studies.hardware.prices import KINDS, Hedonic
from perfseer.studies.hardware.shown_units import shown_value, unit_of
from perfseer.studies.hardware.spread import Floor
from perfseer.studies.hardware.statistics import Statistics
from perfseer.studies.hardware.study import HardwareStudy
from perfseer.studies.hardware.trends import PER_WATT, Trend, segment_members

SENTENCE = (
    "In the page for browsers, hardware.html, every accelerator of the sourced table stands here, to be "
    "searched, sorted and filtered."
)
_NONE = "–"
_UNEXPLAINED = "no rule explains it"
_CONFLICTS = 20
_REASONS = 15
_PLACES = 3
_BEST = 10
_CONTRASTS = 15
_TREND_KINDS = {"all": "all accelerators", "category": "a category", "segment": "a use"}
# Names of which no architecture was known when they were counted before on the same file.
_UNKNOWN_BEFORE = {"passmark": 1187}
# As many as may stay so.
_UNKNOWN_ASKED = {"passmark": 532}
_PATTERN_TITLES = {
    "fp32_per_watt": ("FP32 [TFLOP/s/W]", 1e12),
    "fp16_per_watt": ("FP16 matrix [TFLOP/s/W]", 1e12),
    "ridge_fp32": ("ridge point FP32 [FLOP/byte]", 1.0),
    "ridge_fp16": ("ridge point FP16 matrix [FLOP/byte]", 1.0),
}


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def _text(name: str) -> Callable[[dict[str, Any]], str]:
    return lambda row: escape(str(row[name])) or _NONE


def _count(name: str) -> Callable[[dict[str, Any]], str]:
    return lambda row: count(int(row[name]))


def _interval(low: float, high: float, factor: float = 1.0) -> str:
    """Ends of an interval, or that there is none."""
    if not (np.isfinite(low) and np.isfinite(high)):
        return _NONE
    return f"{_signed(factor * low)} … {_signed(factor * high)}"


def _signed(value: float) -> str:
    """A number with a true minus."""
    return f"{'−' if value < 0 else ''}{number(abs(value))}"


def ledger_table(study: HardwareStudy) -> str:
    """A line per source: its licence, its bytes and what became of its rows."""

    def became(name: str) -> Callable[[dict[str, Any]], str]:
        return lambda row: count(int(row[name])) if row["present"] and row["name"] != RULES else _NONE

    columns: list[Column[dict[str, Any]]] = [
        ("source", _text("name")),
        ("what", lambda row: escape(f"{row['title']} {row['url']}")),
        ("licence", _text("licence")),
        (
            "SHA-256, first digits",
            lambda row: (
                escape(str(row["sha256"])[:12]) or _NONE if row["present"] else f"absent: {_reason(row)}"
            ),
        ),
        ("rows read", became("n_read")),
        ("in the database", became("n_loaded")),
        ("set aside", became("n_quarantined")),
    ]
    return table(_rows(study.ledger), columns, align="llll")


def _reason(row: dict[str, Any]) -> str:
    return escape(str(row["absent_reason"])) or "no reason given"


def quarantine_table(study: HardwareStudy) -> str:
    """Why rows were set aside, the most frequent reasons first; empty text where none was."""
    if study.quarantine.empty:
        return ""
    counted = study.quarantine.groupby(["source", "column", "reason"], sort=True).size()
    found = counted.rename("n").reset_index().sort_values("n", ascending=False, kind="stable")
    columns: list[Column[dict[str, Any]]] = [
        *((title, _text(title)) for title in ("source", "column", "reason")),
        ("rows", _count("n")),
    ]
    rest = found.iloc[_REASONS:]
    last = [["others", "", f"{len(rest)} further reasons", count(int(rest["n"].sum()))]] if len(rest) else []
    return table(_rows(found.head(_REASONS)), columns, align="lll", last=last)


def conflict_kinds_table(study: HardwareStudy) -> str:
    """What differences look like, how many there are of each kind, and on which figures."""
    counted = study.conflicts.assign(rule=study.conflicts["rule"].replace("", _UNEXPLAINED))
    kinds = counted.groupby("rule", sort=True).agg(
        n=("figure", "size"),
        accelerators=("key", "nunique"),
        figures=("figure", lambda part: sorted(set(part))),
    )
    kinds = kinds.reset_index().sort_values("n", ascending=False, kind="stable")
    columns: list[Column[dict[str, Any]]] = [
        ("what it looks like", _text("rule")),
        ("figures", lambda row: ", ".join(f"`{name}`" for name in row["figures"])),
        ("differences", _count("n")),
        ("accelerators", _count("accelerators")),
    ]
    return table(_rows(kinds), columns, align="ll")


def conflict_table(study: HardwareStudy) -> str:
    """The figure on which sources differ most of each accelerator, the greatest first."""
    distance = np.abs(np.log(study.conflicts["ratio"].to_numpy(dtype=np.float64)))
    found = study.conflicts.assign(distance=distance)
    found = found.sort_values(["distance", "key", "figure"], ascending=[False, True, True])
    found = found.assign(further=found.groupby("key")["figure"].transform("size") - 1).drop_duplicates("key")
    columns: list[Column[dict[str, Any]]] = [
        ("accelerator", lambda row: escape(study.name_of(row["key"]))),
        ("figure", lambda row: f"`{row['figure']}`"),
        ("unit", lambda row: unit_of(row["figure"]).shown or _NONE),
        ("taken", lambda row: _from(row, "chosen")),
        ("not taken", lambda row: _from(row, "other")),
        ("ratio", lambda row: number(float(row["ratio"]))),
        ("what it looks like", lambda row: escape(row["rule"] or _UNEXPLAINED)),
        ("further differences of it", _count("further")),
    ]
    return table(_rows(found.head(_CONFLICTS)), columns, align="lllrrrlr")


def _from(row: dict[str, Any], which: str) -> str:
    return f"{shown_value(row['figure'], float(row[f'{which}_value']))} ({escape(row[f'{which}_source'])})"


def quality_table(study: HardwareStudy) -> str:
    """What is expected of figures, and how many break it."""
    columns: list[Column[dict[str, Any]]] = [
        ("expected", _text("what")),
        ("kind", _text("severity")),
        ("checked", _count("checked")),
        ("break it", _count("failed")),
    ]
    return table(_rows(study.quality), columns, align="ll")


def coverage_table(study: HardwareStudy) -> str:
    """How each figure is known over all accelerators, and over the sourced ones."""
    total, shares = by_status(study), by_category(study)
    sourced = shares.get("sourced")
    columns: list[Column[str]] = [
        ("figure", lambda name: FIGURES[name]),
        *((status, _cell(total, status)) for status in STATUSES),
        (
            "known of the sourced",
            lambda name: _NONE if sourced is None else percent(float(sourced[name])),
        ),
    ]
    return table(FIGURES, columns)


def _cell(frame: pd.DataFrame, column: str) -> Callable[[str], str]:
    return lambda name: count(int(frame[column].loc[name]))


def matrix_table(study: HardwareStudy) -> str:
    """Accelerators in each matrix beside the counts others reported."""
    columns: list[Column[dict[str, Any]]] = [
        ("matrix", lambda row: MATRICES[row["matrix"]].title),
        ("its figures, all published", lambda row: _asked(row["matrix"])),
        ("accelerators", _count("accelerators")),
        ("first asked for", _count("seed")),
        ("counted before on these sources", _count("reference")),
    ]
    return table(_rows(matrix_counts(study.specs)), columns, align="ll")


def _asked(name: str) -> str:
    definition = MATRICES[name]
    listed = ", ".join(f"`{column}`" for column in definition.columns)
    return f"{listed}; {definition.condition}" if definition.condition else listed


def tier_table(study: HardwareStudy) -> str:
    """Accelerators of each efficiency tier."""
    return _class_table(study, "efficiency_tier", study.settings.tiers, "TFLOP/s per W at least")


def category_table(study: HardwareStudy) -> str:
    """Accelerators of each performance category."""
    return _class_table(study, "performance_category", study.settings.categories, "TFLOP/s at least")


def _class_table(study: HardwareStudy, column: str, thresholds: dict[str, float], asked: str) -> str:
    named = study.tiers[column]
    sourced = named[study.canonical.reindex(named.index, fill_value=False)]
    columns: list[Column[str]] = [
        ("class", escape),
        (asked, lambda name: number(thresholds[name])),
        ("accelerators", lambda name: count(int((named == name).sum()))),
        ("of them sourced", lambda name: count(int((sourced == name).sum()))),
    ]
    rest = [count(int((part == "").sum())) for part in (named, sourced)]
    return table(thresholds, columns, last=[["none: a figure is missing", _NONE, *rest]])


def segment_table(study: HardwareStudy) -> str:
    """What each use asks, and how many accelerators meet it."""
    members, asked = segment_members(study), segment_conditions(study.settings)
    columns: list[Column[str]] = [
        ("use", escape),
        ("asks", lambda name: escape(asked[name])),
        ("accelerators", lambda name: count(len(members.get(name, [])))),
    ]
    return table(asked, columns, align="ll")


def ranking_table(study: HardwareStudy) -> str:
    """The best sourced accelerators by each derived metric, and how its values are known."""

    def ways(metric: Metric) -> str:
        found = study.metric_status[metric.name].value_counts()
        return " / ".join(count(int(found.get(way, 0))) for way in ("derived", "imputed", "uncalibrated"))

    columns: list[Column[Metric]] = [
        ("metric", lambda metric: metric.title),
        ("unit", lambda metric: "ratio" if metric.display_unit == "1" else metric.display_unit),
        ("of all: derived / imputed / uncalibrated", ways),
        ("ranked here", lambda metric: count(len(_ranked(study, metric)))),
        *((f"{place + 1}.", _place(study, place)) for place in range(_PLACES)),
    ]
    return table(METRICS.values(), columns, align="llrrlll")


def _place(study: HardwareStudy, place: int) -> Callable[[Metric], str]:
    def cell(metric: Metric) -> str:
        found = _ranked(study, metric)
        if place >= len(found):
            return _NONE
        key, value = found.index[place], float(found.iloc[place])
        marks = "†" if study.metric_status.loc[key, metric.name] == "uncalibrated" else ""
        marks += "‡" if _rests_on_one_offer(study, metric, str(key)) else ""
        return f"{escape(study.name_of(str(key)))}: {number(value / metric.scale)}{marks}"

    return cell


def _rests_on_one_offer(study: HardwareStudy, metric: Metric, key: str) -> bool:
    """Whether a metric is made of a cloud's price that no second offer confirms."""
    of_clouds = "cloud_median_usd_per_h" in metric.inputs
    return of_clouds and bool(study.known["cloud_offers"][key] == 1)


def _ranked(study: HardwareStudy, metric: Metric) -> pd.Series:
    """Values of sourced accelerators into which nothing guessed went, the best first."""
    kept = study.canonical & (study.metric_status[metric.name] != "imputed")
    values = study.metrics.loc[kept, metric.name].dropna()
    return values.sort_values(ascending=metric.higher_is_better is False, kind="stable")


def correlation_table(pairs: Sequence[Pair]) -> str:
    """Pairs that were counted before, and what they are here."""
    found = {(pair.first, pair.second): pair for pair in pairs}
    columns: list[Column[Pair]] = [
        ("figures", lambda pair: f"{CORRELATED[pair.first]}, {CORRELATED[pair.second]}"),
        ("accelerators", lambda pair: count(pair.n)),
        ("dies", lambda pair: count(pair.dies)),
        ("Spearman's ρ", lambda pair: _signed(pair.rho)),
        ("interval", lambda pair: _interval(pair.low, pair.high)),
        ("counted before", lambda pair: number(EXPECTED[pair.first, pair.second])),
    ]
    return table([found[names] for names in EXPECTED if names in found], columns)


def trend_table(trends: Sequence[Trend]) -> str:
    """Years to twice the peak per watt."""

    def doubling(trend: Trend) -> str:
        if trend.doubling is None:
            return "no growth shown"
        return f"{number(trend.doubling[0])} ({_interval(*trend.doubling[1:])})"

    columns: list[Column[Trend]] = [
        ("peak per watt", lambda trend: PER_WATT[trend.quantity]),
        ("of", lambda trend: _TREND_KINDS[trend.kind]),
        ("which", lambda trend: _NONE if trend.kind == "all" else escape(trend.scope)),
        ("accelerators", lambda trend: count(trend.fit.n)),
        ("dies", lambda trend: count(trend.fit.clusters)),
        ("years", lambda trend: f"{trend.first:.0f}–{trend.last:.0f}"),
        ("doubles in [years]", doubling),
    ]
    return table(trends, columns, align="lll")


def pattern_table(rows: pd.DataFrame) -> str:
    """Medians of each group with their intervals, the earliest group first."""
    years = rows.groupby("group")["year"].median().sort_values(kind="stable")
    cells = {(row["group"], row["quantity"]): row for row in _rows(rows)}

    def median(quantity: str) -> Callable[[str], str]:
        scale = _PATTERN_TITLES[quantity][1]

        def cell(group: str) -> str:
            row = cells.get((group, quantity))
            if row is None:
                return _NONE
            middle, interval = number(row["median"] / scale), _interval(row["low"], row["high"], 1 / scale)
            return f"{middle} ({interval}; {count(int(row['n']))})"

        return cell

    columns: list[Column[str]] = [
        ("group", escape),
        *((_PATTERN_TITLES[quantity][0], median(quantity)) for quantity in PATTERNS),
    ]
    return table(map(str, years.index), columns)


def contrast_table(study: HardwareStudy, contrasts: Sequence[Contrast]) -> str:
    """Pairs of vendors that differ; empty text where none does."""
    shown = [row for row in contrasts if row.q < study.judging.false_discovery][:_CONTRASTS]
    columns: list[Column[Contrast]] = [
        ("quantity", lambda row: _PATTERN_TITLES[row.quantity][0].split(" [")[0]),
        ("vendors", lambda row: f"{escape(row.first)} ÷ {escape(row.second)}"),
        ("dies", lambda row: f"{count(row.dies[0])}, {count(row.dies[1])}"),
        ("ratio", lambda row: f"{number(row.ratio)} ({_interval(row.low, row.high)})"),
        ("adjusted p", lambda row: number(row.q)),
    ]
    return table(shown, columns, align="ll") if shown else ""


def price_table(statistics: Statistics, kind: str) -> str:
    """The most performance per US$ of one kind of price; empty text where nobody tells prices."""
    rated = KINDS[kind]
    rows = statistics.prices[statistics.prices["kind"] == kind].head(_BEST)
    columns: list[Column[dict[str, Any]]] = [
        ("accelerator", _text("name")),
        (f"price [{rated.paid}]", lambda row: number(row["usd"])),
        ("median of so many prices", _count("offers")),
        (rated.label, lambda row: number(row["performance"] / rated.divisor)),
        (rated.unit, lambda row: number(rated.per * row["per_usd"] / rated.divisor)),
        ("none is cheaper and faster", lambda row: "yes" if row["front"] else "no"),
    ]
    return table(_rows(rows), columns, align="l") if len(rows) else ""


def hedonic_table(hedonics: Sequence[Hedonic]) -> str:
    """How prices change a year at equal figures; empty text where there are too few of every kind."""

    def yearly(model: Hedonic) -> str:
        change, low, high = model.yearly
        return f"{_signed(100 * change)} ({_interval(low, high, 100)})"

    columns: list[Column[Hedonic]] = [
        ("prices", lambda model: KINDS[model.kind].title),
        ("accelerators", lambda model: count(model.fit.n)),
        ("dies", lambda model: count(model.fit.clusters)),
        ("R²", lambda model: number(model.fit.r2)),
        ("change a year at equal figures [%]", yearly),
    ]
    return table(hedonics, columns) if hedonics else ""


def name_table(study: HardwareStudy) -> str:
    """How many names of accelerators in each source are identified."""
    columns: list[Column[dict[str, Any]]] = [
        ("source", _text("source")),
        ("names identified", lambda row: share_text(int(row["n_mapped"]), int(row["n_named"]))),
        (
            "rows with an identified name",
            lambda row: share_text(int(row["n_rows_mapped"]), int(row["n_rows"])),
        ),
        ("architecture unknown, exact names alone", _architecture_unknown("n_exact")),
        ("architecture unknown, with rules", _architecture_unknown("n_architecture")),
        ("unknown when counted before", _stated(_UNKNOWN_BEFORE)),
        ("asked for, at most", _stated(_UNKNOWN_ASKED)),
    ]
    return table(_rows(study.names), columns)


def _architecture_unknown(told: str) -> Callable[[dict[str, Any]], str]:
    """Names that do not tell an architecture, in sources where that is asked."""
    return lambda row: count(int(row["n_named"]) - int(row[told])) if row["n_architecture"] else _NONE


def _stated(counts: Mapping[str, int]) -> Callable[[dict[str, Any]], str]:
    """A count of the sources of which there is one."""
    return lambda row: count(counts[row["source"]]) if row["source"] in counts else _NONE


def floor_table(floors: Sequence[Floor]) -> str:
    """How far one submitter is from the median of the others; empty text where nobody has others."""
    columns: list[Column[Floor]] = [
        ("scenario", lambda floor: escape(floor.scenario)),
        ("results", lambda floor: count(floor.n)),
        ("accelerators", lambda floor: count(floor.accelerators)),
        ("median difference [%]", lambda floor: number(floor.median_pct)),
        ("its interval [%]", lambda floor: _interval(floor.low, floor.high)),
        ("mean [%]", lambda floor: number(floor.mean_pct)),
        ("90th percentile [%]", lambda floor: number(floor.p90_pct)),
    ]
    return table(floors, columns) if floors else ""


def absolute_table(rows: pd.DataFrame) -> str:
    """Share of the peak itself by benchmark and generation; empty text where no work is known."""
    columns: list[Column[dict[str, Any]]] = [
        ("benchmark", _text("benchmark")),
        ("generation", _text("generation")),
        ("accelerators", _count("accelerators")),
        ("share of the peak [%]", lambda row: number(100 * row["share"])),
        ("its interval [%]", lambda row: _interval(row["low"], row["high"], 100)),
    ]
    return table(_rows(rows), columns, align="ll") if len(rows) else ""


_EXPLORED: tuple[ExplorerColumn, ...] = (
    ExplorerColumn("name", "Name", help="as its vendor writes it"),
    ExplorerColumn("vendor", "Vendor", filter="choice", help="who sells it today"),
    ExplorerColumn("generation", "Generation", filter="choice", help="architectures whose units work alike"),
    ExplorerColumn("category", "Category", filter="choice", help="what it is sold for"),
    ExplorerColumn("tier", "Tier", filter="choice", help="by FP16 of the matrix units per watt"),
    ExplorerColumn(
        *("year", "Launched", "", "number", "range", "with the month as a fraction"),
        show=lambda year: f"{np.floor(year):.0f}",
    ),
    ExplorerColumn("fp32", "FP32", "TFLOP/s", "number", "range", "dense peak of the vector units"),
    ExplorerColumn("fp16", "FP16", "TFLOP/s", "number", "range", "dense peak of the matrix units"),
    ExplorerColumn("int8", "INT8", "TOP/s", "number", "range", "dense peak of the matrix units"),
    ExplorerColumn("fp8", "FP8", "TFLOP/s", "number", "range", "dense peak of the matrix units"),
    ExplorerColumn("memory", "Memory", "GiB", "number", "range", "of the whole card"),
    ExplorerColumn("bandwidth", "Bandwidth", "GB/s", "number", "range", "of the memory of the whole card"),
    ExplorerColumn("tdp", "Power limit", "W", "number", "range", "of the whole card"),
    ExplorerColumn(
        *("cloud", "On demand", "US$/h", "number", "range", "median offer per accelerator"),
    ),
)
# Column of the explorer → figure and what it is divided by.
_SHOWN: dict[str, tuple[str, float]] = {
    "year": ("year", 1.0),
    "fp32": ("fp32_flops", 1e12),
    "fp16": ("fp16_flops", 1e12),
    "int8": ("int8_ops", 1e12),
    "fp8": ("fp8_flops", 1e12),
    "memory": ("memory_bytes", 2.0**30),
    "bandwidth": ("bandwidth_bytes_per_s", 1e9),
    "tdp": ("tdp_w", 1.0),
    "cloud": ("cloud_median_usd_per_h", 1.0),
}


def explorer(study: HardwareStudy) -> Explorer:
    """All accelerators of the sourced table with figures that are published or follow exactly."""
    known = study.known[study.canonical]
    figures = {name: known[figure] / divisor for name, (figure, divisor) in _SHOWN.items()}
    rows = known[["name", "vendor", "generation", "category"]].assign(
        tier=study.tiers["efficiency_tier"].reindex(known.index).fillna(""), **figures
    )
    return Explorer("accelerators", "accelerators", SENTENCE, _EXPLORED, rows.sort_values("name"))
