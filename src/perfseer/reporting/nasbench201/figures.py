"""Figure of the report on NAS-Bench-201: how much lies within which tolerance."""

from matplotlib.figure import Figure

from perfseer.data.sources.nasbench201 import DEVICES
from perfseer.evaluation.metrics import within_name
from perfseer.reporting.nasbench201.study import Study
from perfseer.reporting.style import label_colour, panels, say_missing

_COLUMNS = 3
_LINES = {"executed": "-", "pruned": "--"}


def shares(study: Study) -> Figure:
    """Share within each tolerance, a panel per device, a colour per predictor, a line style per reading."""
    devices = study.settings.devices
    figure, axes = panels(-(-len(devices) // _COLUMNS), _COLUMNS, width=10.0, height=2.9)
    for axis, device in zip(axes, devices, strict=False):
        drawn = False
        for (reading, predictor, name), runs in study.runs.items():
            found = [
                study.mean((reading, predictor, name), within_name(x)) for x in study.settings.within_pct
            ]
            means = [one.mean for one in found if one is not None]
            if name != device or not runs or len(means) < len(found):
                continue
            drawn = True
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
        if not drawn:
            say_missing(axis)
            continue
        axis.set_xticks(
            range(len(study.settings.within_pct)), [f"{x:g} %" for x in study.settings.within_pct]
        )
        axis.set_ylim(0, 102)
        axis.set_ylabel("share of cells [%]")
    handles, labels = next((axis.get_legend_handles_labels() for axis in axes if axis.lines), ([], []))
    for spare in axes[len(devices) :]:
        spare.set_visible(False)
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=4)
    return figure
