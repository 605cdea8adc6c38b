"""Figures of the main document. Each takes the results and returns a matplotlib figure."""

from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from perfseer.evaluation.predictions import actual_column, predicted_column
from perfseer.predictors.registry import predictor_class
from perfseer.reporting.floors import draw_floor
from perfseer.reporting.style import (
    BLUE,
    GREY,
    ORANGE,
    SKY,
    VERMILION,
    label_colour,
    log_ticks,
    panels,
    say_missing,
)
from perfseer.reporting.units import NOT_APPLICABLE, choose_scale, number
from perfseer.studies.experiment import Experiment
from perfseer.studies.overview.analysis import group_errors
from perfseer.studies.overview.graph_figure import graph_figure
from perfseer.studies.published import DISTRIBUTION, Distribution
from perfseer.targets import TARGETS, TIMES, Target

BINS = 30


def figure_makers(experiment: Experiment) -> dict[str, Callable[[], Figure]]:
    """File stem → function that draws it; scatter and learning curves of the detailed predictors only."""
    makers: dict[str, Callable[[], Figure]] = {
        "label_distributions": partial(label_distributions, experiment),
        "mape_by_predictor": partial(mape_by_predictor, experiment),
        "error_by_style": partial(error_by_group, experiment, grouping="stage style"),
        "error_by_batch_size": partial(error_by_group, experiment, grouping="batch size"),
        "search_space": partial(search_space, experiment),
        "graph": partial(graph_figure, experiment),
    }
    for predictor in experiment.detailed:
        if predictor in experiment.with_history():
            makers[f"learning_curves_{predictor}"] = partial(learning_curves, experiment, predictor=predictor)
        makers[f"predicted_vs_measured_{predictor}"] = partial(scatter, experiment, predictor=predictor)
    return makers


def label_distributions(experiment: Experiment) -> Figure:
    """Histogram of each label over all clean rows; times and memory on logarithmic axes."""
    figure, axes = panels(2, 3)
    for axis, target in zip(axes, TARGETS, strict=True):
        axis.set_xlabel(f"{target.title} [{target.unit}]")
        if target not in experiment.targets:
            say_missing(axis, "not measured")
            continue
        values = experiment.rows[target.name].to_numpy(dtype=np.float64)
        _histogram(axis, values, log=target.quantity != "util", colour=SKY)
        axis.set_ylabel("configurations")
    return figure


def _histogram(axis: Axes, values: npt.NDArray[np.float64], *, log: bool, colour: str) -> None:
    bins = _log_bins(values) if log else np.linspace(0.0, 100.0, BINS + 1)
    axis.hist(values, bins=bins.tolist(), color=colour, edgecolor="white", linewidth=0.3)
    middle = float(np.median(values))
    axis.axvline(middle, color=VERMILION, linewidth=1.2, label=f"median {number(middle)}")
    axis.legend()
    if log:
        axis.set_xlim(bins[0], bins[-1])
        log_ticks(axis, "x")


def _log_bins(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    # A little room on either side also keeps a constant label drawable.
    return np.geomspace(values.min() / 1.05, values.max() * 1.05, BINS + 1)


def scatter(experiment: Experiment, predictor: str) -> Figure:
    """Predicted against measured on the headline split's test rows of all seeds, one panel per label."""
    figure, axes = panels(2, 3, height=3.0)
    table = experiment.predictions(predictor)
    for axis, target in zip(axes, TARGETS, strict=True):
        axis.set_title(target.title)
        if table.empty:
            say_missing(axis)
        elif predicted_column(target.name) not in table.columns:
            say_missing(axis, NOT_APPLICABLE)
        else:
            _scatter(axis, table, target)
    figure.suptitle(f"{predictor}, {experiment.headline} split, test rows of all seeds", fontsize=10)
    return figure


def _scatter(axis: Axes, table: pd.DataFrame, target: Target) -> None:
    actual, predicted = table[actual_column(target.name)], table[predicted_column(target.name)]
    # Utilisation is a share of a whole; times and memory span orders of magnitude.
    bounded = target.quantity == "util"
    lowest, highest = min(actual.min(), predicted.min()), max(actual.max(), predicted.max())
    limits = np.array([0.0, 105.0] if bounded else [lowest / 1.1, highest * 1.1])
    axis.fill_between(limits, limits * 0.9, limits * 1.1, color="#EEEEEE", label="within 10 %", zorder=0)
    axis.plot(limits, limits, color="#888888", linewidth=0.8, zorder=1)
    axis.scatter(actual, predicted, s=7, color=BLUE, alpha=0.45, linewidths=0, zorder=2)
    axis.set_xlim(*limits)
    axis.set_ylim(*limits)
    if not bounded:
        log_ticks(axis, "xy")
    axis.set_xlabel(f"measured [{target.unit}]")
    axis.set_ylabel(f"predicted [{target.unit}]")
    axis.legend(loc="upper left")


def mape_by_predictor(experiment: Experiment) -> Figure:
    """Bars of MAPE with the interval over seeds, per label and detailed predictor, headline split."""
    figure, axes = panels(2, 3)
    names = experiment.detailed
    for axis, target in zip(axes, TARGETS, strict=True):
        for place, name in enumerate(names):
            _bar(axis, experiment, place, name, target)
        draw_floor(axis, experiment.floors, (target.name,), upright=False)
        axis.set_title(target.title)
        axis.set_xticks(range(len(names)), [name.replace("_", "\n") for name in names])
        axis.set_ylabel("MAPE [%]")
        axis.set_xlim(-0.6, len(names) - 0.4)
        axis.margins(y=0.14)
        axis.set_ylim(bottom=0)
        axis.grid(visible=False, axis="x")
    dashed = "; dashed: measurement noise (floor)" if experiment.floors else ""
    figure.suptitle(f"{experiment.headline} split, mean and interval over seeds{dashed}", fontsize=10)
    return figure


def _bar(axis: Axes, experiment: Experiment, place: int, predictor: str, target: Target) -> None:
    found = experiment.mape(predictor, experiment.headline, target.name)
    if found is None:
        axis.text(
            place,
            0,
            experiment.cell(predictor, experiment.headline, target.name, "mape_pct"),
            ha="center",
            va="bottom",
        )
        return
    colour = label_colour(experiment.detailed, predictor)
    axis.bar(place, found.mean, width=0.7, color=colour, yerr=found.half_width, ecolor="#333333", capsize=3)
    axis.annotate(
        number(found.mean, 2),
        (place, found.mean + (found.half_width or 0.0)),
        xytext=(0, 2),
        textcoords="offset points",
        ha="center",
        fontsize=8,
    )


def error_by_group(experiment: Experiment, grouping: str) -> Figure:
    """MAPE by group on the headline split, analysed predictor and reference, both times."""
    figure, axes = panels(1, 2, height=3.0)
    names = tuple(dict.fromkeys((experiment.report.predictor, experiment.report.reference)))
    for axis, target in zip(axes, TIMES, strict=True):
        tables = {name: group_errors(experiment, name, target.name, grouping) for name in names}
        axis.set_title(target.title)
        if all(table.empty for table in tables.values()):
            say_missing(axis)
            continue
        _grouped_bars(axis, tables, experiment.detailed)
        axis.set_xlabel(grouping)
        axis.set_ylabel("MAPE [%]")
        axis.legend()
    return figure


def _grouped_bars(axis: Axes, tables: dict[str, pd.DataFrame], predictors: tuple[str, ...]) -> None:
    groups = sorted({group for table in tables.values() for group in table["group"]})
    width = 0.8 / len(tables)
    for offset, (name, table) in enumerate(tables.items()):
        places = [groups.index(group) + (offset - (len(tables) - 1) / 2) * width for group in table["group"]]
        axis.bar(places, table["mape_pct"], width=width, color=label_colour(predictors, name), label=name)
    sizes = next(iter(tables.values())).set_index("group")["n"]
    axis.set_xticks(range(len(groups)), [f"{group}\nn = {int(sizes.get(group, 0))}" for group in groups])
    axis.grid(visible=False, axis="x")


def learning_curves(experiment: Experiment, predictor: str) -> Figure:
    """Validation (solid) and training (dashed) loss by epoch, one line per seed, one panel per label."""
    runs = experiment.runs_of(predictor, experiment.headline)
    colour = label_colour(experiment.detailed, predictor)
    figure, axes = panels(2, 3)
    for axis, target in zip(axes, TARGETS, strict=True):
        axis.set_title(target.title)
        histories = [run.history[run.history["target"] == target.name] for run in runs]
        histories = [history for history in histories if len(history)]
        if not histories:
            say_missing(axis, NOT_APPLICABLE)
            continue
        for history in histories:
            axis.plot(history["epoch"], history["valid_loss"], color=colour, linewidth=1.1)
            axis.plot(history["epoch"], history["train_loss"], color=GREY, linewidth=0.8, linestyle="--")
        axis.set_xlabel(predictor_class(predictor).curve_step or "")
        axis.set_ylabel("loss")
        log_ticks(axis, "y")
    title = f"{predictor}, {experiment.headline} split: validation solid, training dashed, a line per seed"
    figure.suptitle(title, fontsize=10)
    return figure


def search_space(experiment: Experiment) -> Figure:
    """FLOPs, memory traffic and parameters: surveyed space and measured rows beside the paper's figures."""
    figure, axes = panels(1, 3, height=3.0)
    for axis, entry in zip(axes, DISTRIBUTION, strict=False):
        drawn = {"measured here": (ORANGE, _column(experiment.rows, entry))}
        if experiment.survey is not None:
            drawn = {"search space, surveyed": (SKY, _column(experiment.survey, entry)), **drawn}
        _space_panel(axis, entry, drawn)
    axes[0].set_ylabel("share of configurations [%]")
    axes[-1].legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


def _column(table: pd.DataFrame, entry: Distribution) -> npt.NDArray[np.float64]:
    return table[entry.column].to_numpy(dtype=np.float64)


def _space_panel(
    axis: Axes, entry: Distribution, drawn: dict[str, tuple[str, npt.NDArray[np.float64]]]
) -> None:
    paper = np.array([entry.minimum, entry.maximum])
    everything = np.concatenate([paper, *(values for _, values in drawn.values())])
    scale = choose_scale(everything, entry.kind)
    bins = _log_bins(everything / scale.factor)
    for name, (colour, values) in drawn.items():
        weights = np.full(len(values), 100.0 / len(values))
        axis.hist(
            values / scale.factor, bins=bins.tolist(), weights=weights, color=colour, alpha=0.7, label=name
        )
    axis.axvspan(*(paper / scale.factor), color="#F3F3F3", zorder=0, label="paper, range")
    for style, name, value in (("-", "median", entry.median), (":", "mean", entry.mean)):
        place = value / scale.factor
        axis.axvline(place, color=VERMILION, linewidth=1.2, linestyle=style, label=f"paper, {name}")
    axis.set_xlim(bins[0], bins[-1])
    log_ticks(axis, "x")
    axis.set_xlabel(f"{entry.title} [{scale.unit}]" if scale.unit else entry.title)
