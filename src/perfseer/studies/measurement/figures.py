"""Figures of measurement.md."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from perfseer.evaluation.noise import NoiseFloor
from perfseer.graphs.perfgraph import FloatArray, IntArray
from perfseer.reporting.floors import NOT_MEASURED, Floors
from perfseer.reporting.style import BLUE, GREY, ORANGE, VERMILION, log_ticks, panels, say_missing
from perfseer.reporting.units import PHASE_WORDS
from perfseer.studies.measurement.agreement import pairs, short_and_long
from perfseer.studies.measurement.precision import UNRECORDED, aims_pct
from perfseer.studies.measurement.study import Study
from perfseer.studies.profile import half_widths_pct
from perfseer.targets import PHASES, TARGET_BY_NAME, TARGETS, Phase, Target

# Differences smaller than this cannot be told apart on a logarithmic axis and are drawn at it [%].
_LEAST_PCT = 0.01
# Rows over which the line through the machine's speed is the median.
_WINDOW = 15
# More points than this make a figure heavy and show nothing more.
_MOST_POINTS = 2000


def precision(study: Study) -> Figure:
    """Share of rows within each half width of the median's own interval, both phases, beside the aim."""
    figure, axes = panels(1, 2, height=2.6)
    aims = aims_pct(study)
    for axis, phase in zip(axes, PHASES, strict=True):
        axis.set_title(TARGET_BY_NAME[f"{phase}_time_ms"].title)
        widths = half_widths_pct(study.finished, phase)
        known = np.sort(np.maximum(widths[np.isfinite(widths)], _LEAST_PCT))
        if not len(known):
            say_missing(axis, "no intervals")
            continue
        # Rows without an interval never come within any width, so the curve ends below 100 %.
        drawn = _spread(len(known))
        axis.step(known[drawn], 100 * (drawn + 1) / len(widths), where="post", color=BLUE)
        for aim in np.unique(aims[np.isfinite(aims)]):
            axis.axvline(aim, color=VERMILION, linewidth=1.0, linestyle=(0, (4, 2)))
        axis.set_ylim(0, 102)
        log_ticks(axis, "x")
        axis.set_xlabel("half width of the interval [± % of the median]")
        axis.set_ylabel("configurations [%]")
    figure.suptitle("configurations within each half width; dashed: the aim", fontsize=10)
    return figure


def machine(study: Study) -> Figure:
    """The machine's speed over the run: the probe on a processor, the clock on a GPU."""
    figure, axes = panels(1, 2, height=2.6)
    for axis, phase in zip(axes, PHASES, strict=True):
        axis.set_title(f"while measuring {PHASE_WORDS[phase]}")
        _speed(axis, study.finished, phase)
    return figure


def _speed(axis: Axes, rows: pd.DataFrame, phase: Phase) -> None:
    for column, label in (("probe_ms", "probe [ms]"), ("sm_clock_mhz", "clock [MHz]")):
        values = rows[f"{phase}_{column}"].astype("float64")
        if values.notna().any():
            order = rows["order"].to_numpy()
            smooth = values.rolling(_WINDOW, center=True, min_periods=1).median().to_numpy()
            drawn = _spread(len(values))
            axis.scatter(order[drawn], values.to_numpy()[drawn], s=5, color=BLUE, alpha=0.5, linewidths=0)
            axis.plot(order[drawn], smooth[drawn], color=ORANGE, linewidth=1.4, label=f"median of {_WINDOW}")
            # At least a fifth to either side, so that a steady machine looks steady.
            middle = float(values.median())
            low, high = min(0.8 * middle, 0.95 * values.min()), max(1.2 * middle, 1.05 * values.max())
            axis.set_ylim(float(low), float(high))
            axis.set_xlabel("position in the plan")
            axis.set_ylabel(label)
            axis.legend(loc="lower left")
            return
    say_missing(axis, UNRECORDED)


def _spread(n: int) -> IntArray:
    """Places of at most `_MOST_POINTS` of ``n`` points, evenly spread, the last one among them."""
    return np.unique(np.linspace(0, n - 1, min(n, _MOST_POINTS)).round().astype(np.int64))


def protocol(study: Study) -> Figure:
    """Short against long protocol: difference of every label over its size, a panel per label."""
    return _by_label(
        short_and_long(study),
        partial(_short_and_long, (study.aims.p95_pct, study.aims.median_pct)),
        "short protocol against long; shaded: the aims of median and 95th percentile",
    )


def repeats(study: Study) -> Figure:
    """Two measurements of one configuration: size of the difference over the label, a panel per label."""
    return _by_label(
        pairs(study),
        partial(_first_and_again, study.floors),
        "configurations measured again: solid the median, dashed the 95th percentile of the differences",
    )


def _by_label(
    table: pd.DataFrame, draw: Callable[[Axes, Target, pd.DataFrame, FloatArray], None], title: str
) -> Figure:
    """A panel per label, drawn from its rows and their differences [%]."""
    figure, axes = panels(2, 3)
    for axis, target in zip(axes, TARGETS, strict=True):
        part = table[table["label"] == target.name]
        axis.set_title(target.title)
        if len(part):
            draw(axis, target, part, part["difference_pct"].to_numpy(dtype=np.float64))
        else:
            say_missing(axis, NOT_MEASURED)
    figure.suptitle(title, fontsize=10)
    return figure


def _short_and_long(
    aims: tuple[float, float], axis: Axes, target: Target, part: pd.DataFrame, difference: FloatArray
) -> None:
    for aim, shade in zip(aims, ("#F0F0F0", "#DDDDDD"), strict=True):
        axis.axhspan(-aim, aim, color=shade, linewidth=0, zorder=0)
    axis.axhline(0, color=GREY, linewidth=0.8)
    axis.scatter(part["long"], difference, s=12, color=BLUE, alpha=0.7, linewidths=0)
    reach = 1.15 * max(aims[0], float(np.abs(difference).max()))
    axis.set_ylim(-reach, reach)
    _label_axis(axis, target, "by the long protocol")
    axis.set_ylabel("short − long [%]")


def _first_and_again(
    floors: Floors, axis: Axes, target: Target, part: pd.DataFrame, difference: FloatArray
) -> None:
    size = np.maximum(np.abs(difference), _LEAST_PCT)
    axis.scatter(part["first"], size, s=9, color=BLUE, alpha=0.5, linewidths=0)
    _quantile_lines(axis, floors.get(target.name))
    axis.set_ylim(size.min() / 2, size.max() * 2)
    log_ticks(axis, "y")
    _label_axis(axis, target, "measured first")
    axis.set_ylabel("difference [%]")


def _quantile_lines(axis: Axes, floor: NoiseFloor | None) -> None:
    """Median and 95th percentile over all pairs of measurements; dots are those with the first one."""
    for value, style in ((floor.median_pct, "-"), (floor.p95_pct, "--")) if floor else ():
        axis.axhline(max(value, _LEAST_PCT), color=ORANGE, linewidth=1.2, linestyle=style)


def _label_axis(axis: Axes, target: Target, which: str) -> None:
    if target.quantity != "util":
        log_ticks(axis, "x")
    axis.set_xlabel(f"{which} [{target.unit}]")
