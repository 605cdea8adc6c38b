"""Figures of the ablation report: differences with their intervals, one line each."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from perfseer.evaluation.intervals import Interval
from perfseer.reporting.style import BLUE, GREEN, GREY, VERMILION, panels
from perfseer.reporting.units import MISSING
from perfseer.studies.ablation.claims import Judged
from perfseer.studies.ablation.contrasts import Tested, Verdict
from perfseer.studies.ablation.study import Study
from perfseer.studies.ablation.tables import label_difference
from perfseer.targets import TARGET_BY_NAME

_LINE_HEIGHT = 0.24
# Differences up to this many points are drawn to scale, larger ones logarithmically.
_LINEAR_POINTS = 1.0
_TICKS = (1, 3, 10, 30, 100, 300, 1000, 10_000)
_WORSE_IS_BAD: dict[Verdict, str] = {"larger": VERMILION, "smaller": GREEN, "not shown": GREY}
_LARGER_AGREES: dict[Verdict, str] = {"larger": GREEN, "smaller": VERMILION, "not shown": GREY}


def differences(study: Study, tested: Mapping[str, Tested | None]) -> Figure:
    """Every variant against the base: on the mean of the labels, then label by label."""
    targets, names = study.base.targets, study.compared
    figure, axes = panels(1, 1 + len(targets), width=10.5, height=1.1 + _LINE_HEIGHT * len(names))
    for place, name in enumerate(names):
        _tested_line(axes[0], place, tested[name], _WORSE_IS_BAD)
        for axis, target in zip(axes[1:], targets, strict=True):
            _interval_line(axis, place, label_difference(study, name, target))
    axes[0].set_title("mean of the labels")
    for axis, target in zip(axes[1:], targets, strict=True):
        axis.set_title(TARGET_BY_NAME[target].title)
    for axis in axes:
        _frame(axis, names if axis is axes[0] else [""] * len(names), "MAPE minus the base's [points]")
    return figure


def claims(judged: Sequence[Judged]) -> Figure:
    """Every claim's difference: to the right of zero agrees with the paper."""
    figure, axes = panels(1, 1, width=9.0, height=1.1 + 1.4 * _LINE_HEIGHT * len(judged))
    for place, outcome in enumerate(judged):
        _tested_line(axes[0], place, outcome.tested, _LARGER_AGREES)
    names = [outcome.claim.says for outcome in judged]
    _frame(axes[0], names, "difference of MAPE in the claimed direction [points]")
    return figure


def _tested_line(axis: Axes, place: int, tested: Tested | None, colours: Mapping[Verdict, str]) -> None:
    """Interval over seeds as a thin line, resampled as a thick one; coloured where shown."""
    if tested is None:
        axis.text(0.0, place, MISSING, va="center", ha="center", color=GREY)
        return
    colour, ends = colours[tested.verdict], [tested.low, tested.high]
    axis.plot(ends, [place, place], color=colour, linewidth=4, alpha=0.45, solid_capstyle="butt")
    _interval_line(axis, place, tested.seeds, colour)


def _interval_line(axis: Axes, place: int, interval: Interval | None, colour: str = BLUE) -> None:
    if interval is None:
        axis.text(0.0, place, MISSING, va="center", ha="center", color=GREY)
        return
    axis.errorbar(
        interval.mean, place, xerr=interval.half_width, color=colour, fmt="o", markersize=4, linewidth=1
    )


def _frame(axis: Axes, names: Sequence[str], title: str) -> None:
    axis.axvline(0.0, color="#333333", linewidth=0.8)
    _ticks(axis)
    axis.set_yticks(range(len(names)), list(names))
    axis.set_ylim(len(names) - 0.4, -0.6)
    axis.grid(visible=False, axis="y")
    axis.set_xlabel(title)


def _ticks(axis: Axes) -> None:
    """A scale on which both small and large differences can be read, with plain numbers."""
    axis.set_xscale("symlog", linthresh=_LINEAR_POINTS)
    low, high = axis.get_xlim()
    places = (
        [-tick for tick in reversed(_TICKS) if -tick >= low] + [0] + [tick for tick in _TICKS if tick <= high]
    )
    axis.set_xticks(places, [f"{place:,}".replace("-", "−") for place in places])
    axis.xaxis.set_minor_locator(NullLocator())
