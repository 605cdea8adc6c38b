"""Figure of the report on NAS-Bench-201: how much lies within which tolerance."""

from itertools import product

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from perfseer.data.sources.nasbench201.cells import DEVICES
from perfseer.evaluation.metrics import within_name
from perfseer.reporting.style import label_colour, panels, say_missing
from perfseer.studies.nasbench201.study import Study

_COLUMNS = 3
_LINES = {"executed": "-", "pruned": "--"}


def shares(study: Study) -> Figure:
    """Share within each tolerance, a panel per device, a colour per predictor, a line style per reading."""
    devices = study.settings.devices
    figure, axes = panels(-(-len(devices) // _COLUMNS), _COLUMNS, width=10.0, height=2.9)
    for axis, device in zip(axes, devices, strict=False):
        _panel(axis, study, device)
    for spare in axes[len(devices) :]:
        spare.set_visible(False)
    fullest = max(axes, key=lambda axis: len(axis.lines))
    handles, labels = fullest.get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=4)
    return figure


def _panel(axis: Axes, study: Study, device: str) -> None:
    tolerances = study.settings.within_pct
    for reading, predictor in product(study.settings.readings, study.settings.predictor_names):
        known = [study.mean(reading, predictor, device, within_name(x)) for x in tolerances]
        means = [share.mean for share in known if share is not None]
        if len(means) == len(known):
            axis.plot(
                range(len(means)),
                means,
                _LINES[reading],
                color=label_colour(study.settings.predictor_names, predictor),
                marker="o",
                markersize=3,
                label=f"{predictor}, {reading}",
            )
    axis.set_title(DEVICES[device].title)
    if not axis.lines:
        say_missing(axis)
        return
    axis.set_xticks(range(len(tolerances)), [f"{x:g} %" for x in tolerances])
    axis.set_ylim(0, 102)
    axis.set_ylabel("share of cells [%]")
