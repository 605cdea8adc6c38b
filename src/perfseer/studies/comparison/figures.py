"""Figures of comparison.md. Each draws all predictors, top to bottom in the registered order or by error."""

from collections.abc import Callable
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, LogNorm
from matplotlib.figure import Figure

from perfseer.evaluation.breakdowns import GROUPINGS
from perfseer.graphs.perfgraph import FloatArray
from perfseer.reporting.floors import draw_floor
from perfseer.reporting.style import BLUE, GREY, ORANGE, SKY, log_ticks, panels, say_missing
from perfseer.reporting.units import number
from perfseer.studies.accuracy import costs
from perfseer.studies.comparison.aligned import Aligned
from perfseer.studies.comparison.failures import Groups
from perfseer.studies.comparison.pairs import Pairs
from perfseer.studies.comparison.ranking import ranking
from perfseer.studies.experiment import Experiment
from perfseer.targets import TARGETS, TIMES

LINE = 0.2  # inches of figure height per predictor


def figure_makers(aligned: Aligned, pairs: Pairs, groups: Groups) -> dict[str, Callable[[], Figure]]:
    """File stem → function that draws it."""
    return {
        "comparison_mape": partial(mape_bars, aligned),
        "comparison_cost": partial(cost_dots, aligned.experiment),
        "comparison_pairs": partial(pair_matrices, aligned, pairs),
        "comparison_groups": partial(group_maps, aligned, groups),
    }


def mape_bars(aligned: Aligned) -> Figure:
    """MAPE of every predictor with its interval over seeds, one panel per label, headline split."""
    experiment = aligned.experiment
    names = experiment.predictors
    figure, axes = panels(2, 3, height=0.9 + LINE * len(names))
    for place, (axis, target) in enumerate(zip(axes, TARGETS, strict=True)):
        found = [experiment.mape(name, experiment.headline, target.name) for name in names]
        _bars(
            axis, aligned, target.name, [(None, None) if x is None else (x.mean, x.half_width) for x in found]
        )
        draw_floor(axis, experiment.floors, (target.name,), upright=True)
        axis.set_title(target.title)
        axis.set_xlabel("MAPE [%]")
        _predictor_axis(axis, names, labelled=place % 3 == 0)
    dashed = "; dashed: measurement noise (floor)" if experiment.floors else ""
    figure.suptitle(f"{experiment.headline} split, mean and interval over seeds{dashed}", fontsize=10)
    return figure


def _bars(axis: Axes, aligned: Aligned, target: str, found: list[tuple[float | None, float | None]]) -> None:
    """Horizontal bars; an interval that reaches past the largest mean is cut at the panel's edge."""
    means = [mean for mean, _ in found if mean is not None]
    edge = 1.25 * max(means, default=1.0)
    names = aligned.experiment.predictors
    for place, (mean, half) in enumerate(found):
        if mean is not None:
            axis.barh(place, mean, height=0.7, color=SKY, xerr=half, ecolor="#333333", capsize=2)
        shown = aligned.experiment.absent(names[place], target) if mean is None else number(mean, 2)
        # Beside the panel, where no interval can cross it.
        side = axis.get_yaxis_transform()
        axis.text(1.01, place, shown, va="center", fontsize=7, transform=side)
    axis.set_xlim(0, edge)
    axis.grid(visible=False, axis="y")


def _predictor_axis(axis: Axes, names: tuple[str, ...], *, labelled: bool) -> None:
    axis.set_yticks(range(len(names)), names) if labelled else axis.set_yticks([])
    axis.tick_params(axis="y", length=0)
    axis.set_ylim(len(names) - 0.4, -0.6)


def cost_dots(experiment: Experiment) -> Figure:
    """Error of both times, fitting time, predicting time and learned numbers, the smallest error on top."""
    rows = [row for name in experiment.predictors if (row := _cost_row(experiment, name)) is not None]
    rows.sort(key=lambda row: row[1])
    figure, axes = panels(1, 4, height=1.1 + LINE * max(len(rows), 3))
    titles = (
        ("MAPE of times [%]", BLUE),
        ("fitting all its labels [s]", ORANGE),
        ("predicting, per row [ms]", ORANGE),
        ("learned numbers", GREY),
    )
    for place, (axis, (title, colour)) in enumerate(zip(axes, titles, strict=True)):
        axis.set_title(title)
        if not rows:
            say_missing(axis)
            continue
        values = np.array([row[place + 1] for row in rows], dtype=np.float64)
        _dots(axis, values, colour)
        _predictor_axis(axis, tuple(row[0] for row in rows), labelled=place == 0)
    if rows:
        draw_floor(axes[0], experiment.floors, [target.name for target in TIMES], upright=True)
    figure.suptitle(f"{experiment.headline} split, means over seeds", fontsize=10)
    return figure


def _cost_row(experiment: Experiment, name: str) -> tuple[str, float, float, float, float] | None:
    """Name, mean MAPE of the times it predicts [%], fitting [s], predicting [ms per row], learned numbers."""
    errors = experiment.mean_mape(name, experiment.headline, [target.name for target in TIMES])
    if not errors:
        return None
    fit, predict = (float(np.mean(costs(experiment, name, key))) for key in ("fit_s", "predict_ms_per_row"))
    learned = costs(experiment, name, "n_parameters")[0]
    return name, float(np.mean(list(errors.values()))), fit, predict, learned


def _dots(axis: Axes, values: FloatArray, colour: str) -> None:
    """A dot and its number per line on a logarithmic axis; zeros, which have no place there, as text only."""
    positive = values > 0
    lowest, highest = (values[positive].min(), values[positive].max()) if positive.any() else (0.5, 1.0)
    places = np.arange(len(values))
    axis.hlines(places[positive], lowest / 2, values[positive], color="#DDDDDD", linewidth=1, zorder=1)
    axis.scatter(values[positive], places[positive], s=22, color=colour, zorder=2)
    axis.set_xlim(lowest / 2, highest * 12)
    log_ticks(axis, "x")
    axis.tick_params(axis="x", labelsize=6)
    for place, value in enumerate(values.tolist()):
        at = value if value > 0 else lowest / 2
        axis.annotate(
            number(value, 2), (at, place), xytext=(5, 0), textcoords="offset points", va="center", fontsize=7
        )
    axis.grid(visible=False, axis="y")


def pair_matrices(aligned: Aligned, pairs: Pairs) -> Figure:
    """Which differences are shown: the row against the column, one panel per label, best predictors first."""
    figure, axes = panels(3, 2, height=1.6 + LINE * len(aligned.experiment.predictors))
    for axis, target in zip(axes, TARGETS, strict=True):
        names = [rank.predictor for rank in ranking(aligned, pairs, target.name)]
        constant = "" if target.name in aligned.varying else " (practically constant)"
        axis.set_title(target.title + constant)
        if len(names) < 2:
            say_missing(axis)
            continue
        _matrix(axis, pairs, target.name, names)
    figure.suptitle(
        "the row is shown to be better (blue), worse (orange) than the column; grey: not shown", fontsize=10
    )
    return figure


_SIGNS = {"better": -1.0, "not shown": 0.0, "worse": 1.0}


def _matrix(axis: Axes, pairs: Pairs, target: str, names: list[str]) -> None:
    cells = np.full((len(names), len(names)), np.nan)
    for i, first in enumerate(names):
        for j, second in enumerate(names):
            pair = pairs.get(target, first, second)
            if pair is None:
                continue
            cells[i, j] = _SIGNS[pair.verdict]
            _cell_text(axis, i, j, abs(pair.mean), 4.5)
    colours = ListedColormap([SKY, "#EEEEEE", ORANGE])
    axis.imshow(cells, cmap=colours, vmin=-1, vmax=1, aspect="auto")
    axis.set_xticks(range(len(names)), names, rotation=60, ha="right", fontsize=6)
    axis.set_yticks(range(len(names)), names, fontsize=6)
    axis.grid(visible=False)


def group_maps(aligned: Aligned, groups: Groups) -> Figure:
    """MAPE of every predictor in every group, both times; darker is worse on a logarithmic scale."""
    figure, axes = panels(len(TIMES), len(GROUPINGS), height=1.5 + LINE * len(aligned.experiment.predictors))
    for place, axis in enumerate(axes):
        target, grouping = TIMES[place // len(GROUPINGS)], tuple(GROUPINGS)[place % len(GROUPINGS)]
        found = groups.get((target.name, grouping))
        axis.set_title(f"{target.title}: {grouping}", fontsize=8)
        if found is None or found.mape.empty:
            say_missing(axis)
            continue
        _map(axis, found.mape.to_numpy(dtype=np.float64).T)
        words = [str(group).replace(" quarter", "\nquarter") for group in found.sizes.index]
        axis.set_xticks(range(len(words)), words, fontsize=6)
        names = [str(name) for name in found.mape.columns]
        labelled = place % len(GROUPINGS) == 0
        axis.set_yticks(range(len(names)), names, fontsize=7) if labelled else axis.set_yticks([])
    figure.suptitle(f"MAPE [%], {aligned.experiment.headline} split, test rows of all seeds", fontsize=10)
    return figure


def _map(axis: Axes, errors: FloatArray) -> None:
    """[predictors, groups] as coloured cells with their numbers."""
    positive = errors[np.isfinite(errors) & (errors > 0)]
    low, high = (positive.min(), positive.max()) if len(positive) else (0.5, 1.0)
    axis.imshow(errors, cmap="YlOrBr", norm=LogNorm(low, max(high, low * 1.01) * 2), aspect="auto")
    for (i, j), value in np.ndenumerate(errors):
        if np.isfinite(value):
            _cell_text(axis, i, j, float(value), 5.5)
    axis.grid(visible=False)


def _cell_text(axis: Axes, row: int, column: int, value: float, size: float) -> None:
    shown = axis.text(column, row, number(value, 2), ha="center", va="center", fontsize=size)
    shown.set_in_layout(False)  # inside its cell: hundreds of them would slow the layout down
