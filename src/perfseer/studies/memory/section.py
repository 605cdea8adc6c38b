"""The report's section on memory: methods on measured memory, and forecasts of what fits."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from perfseer.predictors.conformal import IntervalCoverage
from perfseer.reporting.document import fill
from perfseer.reporting.style import BLUE, GREY, ORANGE, panels, say_missing
from perfseer.reporting.tables import markdown_table
from perfseer.reporting.units import MISSING, choose_scale, count, interval, number, percent
from perfseer.studies.memory.forecasts import Judged
from perfseer.studies.memory.measured import METHODS, TARGETS
from perfseer.studies.memory.study import STUDY_FILE, MemoryStudy, read_study
from perfseer.targets import TARGET_BY_NAME

TEMPLATE = Path(__file__).with_name("section.md.j2")
_CONFIDENCE = 0.95
_WORDS = {
    "analytic": "arithmetic, nothing fitted",
    "learned": "trees that know no arithmetic",
    "both": "trees on what the arithmetic misses",
}


def load(folder: Path) -> MemoryStudy | None:
    """The study in a folder, or None where it was never run.

    Raises:
        PerfseerError: it is damaged or of another version.
    """
    path = folder / STUDY_FILE
    return read_study(path) if path.is_file() else None


def section(study: MemoryStudy | None) -> str:
    """The section as Markdown; empty where there is no study."""
    if study is None:
        return ""
    totals = {name: sum(one[name] for one in study.counts.values()) for name in ("failures", "ambiguous")}
    seeds = {one.mape_pct.n for one in study.accuracies}
    return fill(
        TEMPLATE,
        **{
            "n_measured": count(max((one.n for one in study.accuracies), default=0)),
            "n_seeds": max(seeds, default=0),
            "confidence": f"{100 * _CONFIDENCE:g} %",
            "interval_confidence": f"{100 * study.interval_confidence:g} %",
            "milliseconds": _milliseconds(study),
            "measured": measured_table(study),
            "n_ambiguous": count(totals["ambiguous"]),
            "n_failures": count(totals["failures"]),
            "forecasts": forecast_table(study.judged),
            "reliability": reliability_table(_shown(study)),
            "reliability_grouping": "architecture",
            "files": ", ".join(
                f"{name} {one['failures']} of {count(one['rows'])}" for name, one in study.counts.items()
            ),
        },
    )


def measured_table(study: MemoryStudy) -> str:
    """A row per method, a column per label."""
    found = {(one.method, one.target): one for one in study.accuracies}
    rows = []
    for method in METHODS:
        cells = []
        for target in TARGETS:
            one = found.get((method, target))
            inside = "" if one is None else f" ({percent(100 * one.coverage.share)})"
            cells.append(MISSING if one is None else interval(one.mape_pct) + inside)
        rows.append([_WORDS[method], *cells])
    return markdown_table(["method", *(TARGET_BY_NAME[target].title for target in TARGETS)], rows)


def forecast_table(judged: Sequence[Judged]) -> str:
    """A row per kind of configuration and grouping."""
    header = ["configurations", "unseen", "ran, said to fit [%]", "failed, said not to [%]"]
    header += ["limits", "limit found [%]", "nothing fitted [%]", "Brier score"]
    rows = [
        [
            one.margin,
            one.grouping,
            *(share(part) for part in (one.ran, one.failed)),
            count(one.pairs.n),
            f"**{share(one.pairs)}**",
            share(one.unfitted),
            number(one.brier, 2),
        ]
        for one in judged
    ]
    return markdown_table(header, rows, align="ll")


def reliability_table(judged: Sequence[Judged]) -> str:
    """A row per kind of configuration and range of probability."""
    rows = [
        [
            one.margin,
            f"{100 * part.low:g} to {100 * part.high:g}",
            number(100 * part.forecast, 3),
            number(100 * part.observed, 3),
            count(part.n),
        ]
        for one in judged
        for part in one.reliability
    ]
    return markdown_table(["configurations", "forecast [%]", "mean [%]", "ran [%]", "n"], rows, align="lr")


def share(value: IntervalCoverage) -> str:
    """``88.3 (85.2 to 90.7)``: a share with its interval, in per cent."""
    share_pct, low, high = (100 * part for part in (value.share, value.low, value.high))
    return f"{number(share_pct)} ({number(low)} to {number(high)})"


def figure(study: MemoryStudy | None) -> Figure:
    """Observed against forecast shares; the diagonal is what calibrated probabilities give."""
    drawn, (axis,) = panels(1, 1, width=4.2, height=3.6)
    if study is None:
        say_missing(axis)
        return drawn
    axis.plot([0, 100], [0, 100], color=GREY, linewidth=0.8)
    for one, colour in zip(_shown(study), (BLUE, ORANGE), strict=False):
        forecast, observed = ([100 * getattr(b, name) for b in one.reliability] for name in _AXES)
        axis.plot(forecast, observed, marker="o", markersize=3, color=colour, label=one.margin)
    axis.set_xlabel("forecast probability of fitting [%]")
    axis.set_ylabel("share that ran [%]")
    axis.legend(fontsize=7)
    return drawn


_AXES = ("forecast", "observed")


def _shown(study: MemoryStudy) -> list[Judged]:
    return [one for one in study.judged if one.grouping == "architecture"]


def _milliseconds(study: MemoryStudy) -> str:
    scale = choose_scale(study.milliseconds.values(), "ms")
    words = {"train": "training", "infer": "inference"}
    return " and ".join(
        f"{scale.named(value, 2)} for {words[phase]}" for phase, value in study.milliseconds.items()
    )
