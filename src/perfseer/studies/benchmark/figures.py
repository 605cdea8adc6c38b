"""Figures of the benchmark report: every predictor has one colour and marker throughout."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from perfseer.evaluation.intervals import mean_interval
from perfseer.reporting.floors import draw_floor
from perfseer.reporting.style import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    log_ticks,
    panels,
    say_missing,
)
from perfseer.studies.benchmark.points import mean
from perfseer.studies.benchmark.records import LIBRARIES
from perfseer.studies.benchmark.regression import OLD
from perfseer.studies.benchmark.study import Study

_COLOURS = (BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY, GREY)
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_LIGHT = "#D5D5D5"
Points = Iterable[tuple[float, Mapping[int, float]]]


def fitting(study: Study) -> Figure:
    """Fitting time and peak memory against training rows, both axes logarithmic."""
    quantities = {"wall_s": "fitting time [s]", "peak_mib": "peak memory added [MiB]"}
    return _every_predictor(study, partial(_fit_points, study), "training rows", quantities)


def learning(study: Study) -> Figure:
    """One panel per predictor: MAPE on the same test rows against training rows, the others in grey."""
    names = study.measured
    columns = 4
    figure, axes = panels(max(-(-len(names) // columns), 1), columns, height=2.1)
    for axis, name in zip(axes, names, strict=False):
        for other in names:
            if other != name:
                _line(axis, _fit_points(study, "test_mape_pct", other), {"color": _LIGHT, "linewidth": 0.8})
        _errorbar(axis, _fit_points(study, "test_mape_pct", name), study.confidence, _look(study, name))
        draw_floor(axis, study.floors, study.settings.targets, upright=False)
        axis.set_title(name)
        _finish(axis, "training rows", "MAPE [%]")
    for axis in axes[len(names) :]:
        axis.set_visible(False)
    return figure


def predicting(study: Study) -> Figure:
    """Time of a call and throughput against rows predicted at once, all axes logarithmic."""

    def points(column: str, name: str) -> Points:
        return study.called(name, column).items()

    quantities = {"call_s": "time of a call [s]", "rows_per_s": "rows per second"}
    return _every_predictor(study, points, "rows predicted at once", quantities)


def _every_predictor(
    study: Study, points: Callable[[str, str], Points], size: str, quantities: Mapping[str, str]
) -> Figure:
    """A panel per quantity (column → title), in it a line per predictor through its points over the size."""
    figure, axes = panels(1, len(quantities), height=4.2)
    for axis, (column, title) in zip(axes, quantities.items(), strict=True):
        for name in study.measured:
            _line(axis, points(column, name), _look(study, name) | {"label": name})
        _finish(axis, size, title)
    _legend(figure, axes[0])
    return figure


def tradeoff(study: Study) -> Figure:
    """MAPE against fitting time with all rows, with the intervals of both."""
    figure, (axis,) = panels(1, 1, width=7.0, height=4.6)
    for name in study.measured:
        values = [study.fitted(name, column).last for column in ("wall_s", "test_mape_pct")]
        if all(values):
            (x, dx), (y, dy) = (_interval(of_seeds, study.confidence) for of_seeds in values)
            look = {**_look(study, name), "label": name}
            axis.errorbar(x, y, xerr=[[min(dx, 0.9 * x)], [dx]], yerr=dy, capsize=2, **look)
    draw_floor(axis, study.floors, study.settings.targets, upright=False)
    _finish(axis, "fitting time with all rows [s]", "MAPE on test rows [%]")
    # Not beside the points: names of neighbours cover each other.
    _legend(figure, axis)
    return figure


def regression(study: Study) -> Figure:
    """The experiment on five numbers: time, memory and 1 - R² against samples, beside the old report's."""
    figure, axes = panels(1, 3, height=3.0)
    quantities = (
        ("wall_s", "wall_s", "fitting time [s]"),
        ("peak_mib", "peak_mb", "peak memory added [MiB]"),
        ("r2", "r2", "1 − R²"),
    )
    for axis, (column, old_column, label) in zip(axes, quantities, strict=True):
        for library, colour, marker in zip(LIBRARIES, (BLUE, ORANGE), _MARKERS, strict=False):
            ours = {"color": colour, "marker": marker, "label": library}
            _errorbar(axis, _regression_points(study, library, column), study.confidence, ours)
        old = [_scored(values[old_column], old_column) for values in OLD.values()]
        axis.plot([*OLD], old, color=GREY, marker="x", linestyle=":", label="old report (memory in MB)")
        _finish(axis, "samples", label)
    axes[0].legend()
    return figure


def _regression_points(study: Study, library: str, column: str) -> Points:
    curve = study.perceptron(library, column).items()
    return [(n, {seed: _scored(value, column) for seed, value in values.items()}) for n, values in curve]


def _scored(value: float, column: str) -> float:
    """What is drawn: the unexplained share instead of R², which crowds at 1."""
    return 1 - value if column == "r2" else value


def _fit_points(study: Study, column: str, name: str) -> Points:
    curve = study.fitted(name, column).items()
    return [(study.rows_at(share)[1], values) for share, values in curve]


def _line(axis: Axes, points: Points, look: Mapping[str, Any]) -> None:
    drawn = [(x, mean(values)) for x, values in points if values]
    axis.plot([x for x, _ in drawn], [y for _, y in drawn], **look)


def _errorbar(axis: Axes, points: Points, confidence: float, look: Mapping[str, Any]) -> None:
    drawn = [(x, *_interval(values, confidence)) for x, values in points if values]
    if not drawn:
        return
    # An interval that reaches below zero is cut there, or a logarithmic axis could not show it.
    down, up = [min(d, 0.9 * y) for _, y, d in drawn], [d for _, _, d in drawn]
    axis.errorbar([x for x, *_ in drawn], [y for _, y, _ in drawn], yerr=[down, up], capsize=2, **look)


def _interval(values: Mapping[int, float], confidence: float) -> tuple[float, float]:
    middle = mean_interval(list(values.values()), confidence)
    return middle.mean, middle.half_width or 0.0


def _look(study: Study, name: str) -> dict[str, Any]:
    """Colour, marker and line by the predictor's place in the registered order, none like another."""
    place = study.predictors.index(name)
    again, place = divmod(place, len(_COLOURS))
    return {
        "color": _COLOURS[place],
        "marker": _MARKERS[(place + again) % len(_MARKERS)],
        "linestyle": "--" if again else "-",
        "markersize": 4,
        "linewidth": 1.2,
    }


def _finish(axis: Axes, x_label: str, y_label: str) -> None:
    if not axis.has_data():
        say_missing(axis)
        return
    axis.set_xlabel(x_label)
    axis.set_ylabel(y_label)
    log_ticks(axis, "xy")


def _legend(figure: Figure, axis: Axes) -> None:
    handles, labels = axis.get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=5)
