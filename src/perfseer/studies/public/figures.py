"""Figures of the report on published results."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import product
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from perfseer.evaluation.group_folds import Grouping
from perfseer.evaluation.intervals import Interval
from perfseer.reporting.style import BLUE, GREEN, GREY, ORANGE, VERMILION, log_ticks, panels, say_missing
from perfseer.reporting.units import number
from perfseer.studies.memory import section as memory
from perfseer.studies.public import devices
from perfseer.studies.public.breakdown import Group, by_batch_size, by_family, by_size, coverage
from perfseer.studies.public.goals import COVERAGE_PCT, goal_of
from perfseer.studies.public.study import Study
from perfseer.studies.public.wording import short_title, title

_FAMILIES = 14  # shown at most in a panel
_GOAL = "goal"
# How means with their intervals are drawn.
_WITH_ERRORS: dict[str, Any] = {"marker": "o", "markersize": 4, "capsize": 2}
_COLOURS: dict[str, str] = {"architecture": BLUE, "family": ORANGE}


def figure_makers(study: Study) -> dict[str, Callable[[], Figure]]:
    """File stem → function that draws it."""
    return {
        "public_errors": partial(errors, study),
        "public_families": partial(families, study),
        "public_sizes": partial(sizes, study),
        "public_coverage": partial(intervals, study),
        "public_unseen": partial(curves, study),
        "public_memory": partial(memory.figure, study.memory),
    }


def errors(study: Study) -> Figure:
    """MAPE of everyone on the headline files beside what was to be reached, a row per grouping."""
    files, groupings = study.settings.headline, study.settings.groupings
    figure, axes = panels(len(groupings), len(files), width=10.0, height=0.9 + 0.24 * len(study.names))
    for axis, (grouping, file) in zip(axes, product(groupings, files), strict=True):
        _error_panel(axis, study, grouping, file)
    lines = {str(line.get_label()): line for axis in axes for line in axis.lines if line.get_gid() == _GOAL}
    if lines:
        figure.legend(handles=list(lines.values()), loc="outside lower center", ncols=2)
    return figure


def _error_panel(axis: Axes, study: Study, grouping: Grouping, file: str) -> None:
    axis.set_title(f"{short_title(file)}, by {grouping}", fontsize=9)
    errors = {name: mean for name in study.names if (mean := study.mean(name, grouping, file))}
    if not errors:
        say_missing(axis)
        return
    means = sorted(error.mean for error in errors.values())
    edge = min(means[-1] * 1.2, 4 * means[len(means) // 2])
    for place, (name, error) in enumerate(errors.items()):
        _error_bar(axis, place, error, edge, BLUE if name == study.settings.subject else GREY)
    _goal_lines(axis, grouping, file)
    _name_rows(axis, list(errors), "MAPE [%]")
    axis.set_xlim(0, edge)


def _name_rows(axis: Axes, names: Sequence[str], label: str) -> None:
    """Rows from above, at 0, 1, …; ``label`` says what lies along them."""
    axis.set_yticks(range(len(names)), names)
    axis.invert_yaxis()
    axis.set_xlabel(label)
    axis.grid(visible=False, axis="y")


def _error_bar(axis: Axes, place: int, error: Interval, edge: float, colour: str) -> None:
    """One bad baseline must not squeeze the others: its bar ends at the edge, its number stands inside."""
    axis.barh(place, error.mean, height=0.7, color=colour, xerr=error.half_width, ecolor="#333333", capsize=2)
    end, cut = error.mean + (error.half_width or 0.0), error.mean > edge
    axis.annotate(
        f"{number(error.mean, 2)} →" if cut else number(error.mean, 2),
        (edge if cut else end, place),
        xytext=(-3 if cut else 3, 0),
        textcoords="offset points",
        ha="right" if cut else "left",
        va="center",
        fontsize=7,
        color="white" if cut else "black",
    )


def _goal_lines(axis: Axes, grouping: str, file: str) -> None:
    goal = goal_of(file, grouping)
    if goal is not None:
        axis.axvline(goal.reach, color=VERMILION, linewidth=1.1, label="to be reached", gid=_GOAL)
        axis.axvline(goal.aim, color=GREEN, linewidth=1.1, linestyle="--", label="aim", gid=_GOAL)


def families(study: Study) -> Figure:
    """MAPE of each large family that training never saw, a panel per headline file."""
    files = study.settings.headline
    figure, axes = panels(1, len(files), width=10.0, height=3.6)
    for axis, file in zip(axes, files, strict=True):
        axis.set_title(short_title(file))
        worst = by_family(study, file)[:_FAMILIES]
        if not worst:
            say_missing(axis)
            continue
        means = [group.mape_pct for group in worst]
        axis.barh(range(len(worst)), means, color=_COLOURS["family"], height=0.7)
        names = [f"{group.name} ({group.architectures})" for group in worst]
        _name_rows(axis, names, "MAPE [%], family unseen")
    return figure


def sizes(study: Study) -> Figure:
    """MAPE against FLOPs of a sample (above) and against batch size (below), a panel per headline file."""
    files = study.settings.headline
    figure, axes = panels(2, len(files), width=10.0, height=2.7)
    rows = ((by_size, "forward FLOPs of a sample, up to [GFLOPs]"), (by_batch_size, "batch size"))
    for axis, ((split, label), file) in zip(axes, product(rows, files), strict=True):
        _size_panel(axis, {grouping: split(study, grouping, file) for grouping in study.settings.groupings})
        axis.set_title(short_title(file))
        axis.set_xlabel(label)
    return figure


def _size_panel(axis: Axes, drawn: Mapping[Grouping, Sequence[Group]]) -> None:
    if not any(drawn.values()):
        say_missing(axis)
        return
    names = list(dict.fromkeys(group.name for groups in drawn.values() for group in groups))
    for offset, (grouping, groups) in enumerate(drawn.items()):
        places = [names.index(group.name) + 0.12 * (offset - 0.5) for group in groups]
        means = [group.mape_pct for group in groups]
        below = [group.mape_pct - group.low_pct for group in groups]
        above = [group.high_pct - group.mape_pct for group in groups]
        look = {**_WITH_ERRORS, "color": _COLOURS[grouping], "label": grouping}
        axis.errorbar(places, means, [below, above], **look)
    axis.set_xticks(range(len(names)), [name.removeprefix("≤ ") for name in names])
    axis.set_xlim(-0.5, len(names) - 0.5)
    axis.set_ylim(bottom=0)
    axis.set_ylabel("MAPE [%]")
    axis.legend()


def intervals(study: Study) -> Figure:
    """Share of measurements inside their intervals, by file, with its interval over groups."""
    subject = study.settings.subject
    files = study.files(subject) or study.settings.headline
    figure, (axis,) = panels(1, 1, width=9.0, height=1.2 + 0.26 * len(files))
    wanted = 100 * study.settings.confidence
    for offset, grouping in enumerate(study.settings.groupings):
        for place, file in enumerate(files):
            covered = coverage(study, grouping, (file,))
            if covered is not None:
                mean, low, high = covered.only
                look = {**_WITH_ERRORS, "color": _COLOURS[grouping]}
                label = f"by {grouping}" if place == 0 else None
                height, spread = place + 0.22 * (offset - 0.5), [[mean - low], [high - mean]]
                axis.errorbar(mean, height, xerr=spread, label=label, **look)
    if not axis.containers:
        say_missing(axis)
        return figure
    axis.axvspan(*COVERAGE_PCT, color="#E6F2EC", zorder=0)
    axis.axvline(wanted, color=GREEN, linewidth=1.0)
    _name_rows(axis, [title(file) for file in files], f"measurements inside the {wanted:g} % interval [%]")
    axis.legend(loc="lower left")
    return figure


def curves(study: Study) -> Figure:
    """MAPE against the number of measured models, a panel per device."""
    scored = devices.cases(study)
    figure, axes = panels(1, max(len(scored), 1), width=9.0, height=3.0)
    if not scored:
        say_missing(axes[0])
    for axis, (device, file) in zip(axes, scored, strict=False):
        _curve_panel(axis, study, device, file)
    return figure


def _curve_panel(axis: Axes, study: Study, device: str, file: str) -> None:
    axis.set_title(title(file))
    for known, colour in ((False, BLUE), (True, GREY)):
        points = devices.curve(study, device, file, known=known)
        if points:
            places, means = range(len(points)), [point.mape_pct for point in points]
            widths = [mean.half_width or 0.0 for mean in means]
            look = {**_WITH_ERRORS, "color": colour, "label": devices.KINDS[known]}
            axis.errorbar(places, [mean.mean for mean in means], widths, **look)
            axis.set_xticks(places, [str(point.measured) for point in points])
    if not axis.containers:
        say_missing(axis)
        return
    reached = devices.trained(study, device, file)
    if reached:
        axis.axhline(reached.mean, color=GREEN, linestyle="--", linewidth=1.1, label="device in training")
    log_ticks(axis, "y")  # a first guess may be ten times worse than what five measurements give
    axis.set_xlabel("models measured on the device")
    axis.set_ylabel("MAPE [%]")
    axis.legend()
