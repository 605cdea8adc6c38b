"""Figures of the report on unseen devices."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from perfseer.reporting.style import BLUE, GREY, ORANGE, log_ticks, panels
from perfseer.studies.devices.study import CONFIDENCES, Study, error_pct
from perfseer.targets import PHASES

_COLUMNS = 4
_WORDS = {"infer": "inference", "train": "training"}
_DECIDES = {"device": (BLUE, "o"), "host": (ORANGE, "^")}
_BINS = 8
_ENTRANTS = {"predicted_ms": (GREY, "device alone"), "answer_ms": (BLUE, "answer")}


def predicted(study: Study) -> Figure:
    """Answers against measurements, a panel per device; orange where the host decides."""
    devices = sorted(study.rows["device"].unique())
    figure, axes = panels(-(-len(devices) // _COLUMNS), _COLUMNS, width=10.0, height=2.6)
    for axis, device in zip(axes, devices, strict=False):
        rows = study.rows[study.rows["device"] == device]
        ends = np.array([rows[["measured_ms", "answer_ms"]].min().min(), rows["measured_ms"].max()])
        axis.plot(ends, ends, color=GREY, linewidth=0.8)
        for who, (colour, marker) in _DECIDES.items():
            part = rows[rows["decides"] == who]
            axis.plot(
                part["measured_ms"],
                part["answer_ms"],
                marker,
                color=colour,
                markersize=3,
                alpha=0.6,
                linestyle="none",
                label=f"bound by the {who}",
            )
        axis.set_xscale("log")
        axis.set_yscale("log")
        log_ticks(axis, "x")
        log_ticks(axis, "y")
        axis.set_title(f"{device}: {error_pct(rows, 'answer_ms'):.3g} %", fontsize=9)
    for spare in axes[len(devices) :]:
        spare.set_visible(False)
    figure.supxlabel("measured [ms]", fontsize=9)
    figure.supylabel("answered [ms]", fontsize=9)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=2)
    return figure


def by_time_per_kernel(study: Study) -> Figure:
    """Error against the time a step takes per kernel, before and after: small batches are on the left."""
    models = study.of_models
    phases = [phase for phase in PHASES if (models["phase"] == phase).any()]
    figure, axes = panels(1, len(phases), width=9.0, height=3.4)
    for axis, phase in zip(axes, phases, strict=True):
        rows = models[models["phase"] == phase]
        us = 1e3 * (rows["measured_ms"] / rows["launches"]).to_numpy()
        edges = np.unique(np.quantile(us, np.linspace(0, 1, _BINS + 1)))
        places = np.clip(np.searchsorted(edges, us, side="right") - 1, 0, len(edges) - 2)
        for column, (colour, label) in _ENTRANTS.items():
            parts = [rows[places == place] for place in range(len(edges) - 1)]
            middles = [float(np.median(us[places == place])) for place in range(len(edges) - 1)]
            errors = [error_pct(part, column) for part in parts]
            axis.plot(middles, errors, marker="o", markersize=4, color=colour, label=label)
        axis.set_xscale("log")
        log_ticks(axis, "x")
        axis.set_ylim(0, None)
        axis.set_title(_WORDS[phase])
        axis.set_xlabel("measured time per kernel started [µs]")
        axis.set_ylabel("MAPE [%]")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure


def coverage(study: Study) -> Figure:
    """Share of rows inside their interval against the confidence, each device left out in turn."""
    figure, axes = panels(1, 2, width=8.0, height=3.4)
    for axis, who in zip(axes, _DECIDES, strict=True):
        _coverage_panel(axis, study, who)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure


def _coverage_panel(axis: Axes, study: Study, who: str) -> None:
    nominal = [100 * level for level in CONFIDENCES]
    axis.plot(nominal, nominal, color=GREY, linewidth=0.8, label="as said")
    models = study.of_models
    for phase, colour in zip(PHASES, (ORANGE, BLUE), strict=True):
        rows = models.index[(models["decides"] == who) & (models["phase"] == phase)]
        if len(rows):
            shares = [100 * float(study.coverage[level].loc[rows].mean()) for level in CONFIDENCES]
            axis.plot(nominal, shares, marker="o", markersize=4, color=colour, label=_WORDS[phase])
    axis.set_ylim(0, 102)
    axis.set_title(f"bound by the {who}")
    axis.set_xlabel("confidence [%]")
    axis.set_ylabel("inside [%]")
