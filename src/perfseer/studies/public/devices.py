"""Devices that training never saw: errors against the number of models measured there."""

from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from perfseer.evaluation.intervals import Interval, mean_interval
from perfseer.reporting.style import BLUE, GREEN, GREY, log_ticks, panels, say_missing
from perfseer.reporting.tables import markdown_table
from perfseer.reporting.units import MISSING, count, interval, number
from perfseer.studies.public.records import INTERVAL
from perfseer.studies.public.study import Study
from perfseer.studies.public.wording import title

_KINDS = {False: "architecture unseen too", True: "architecture known from other devices"}


@dataclass(frozen=True)
class Point:
    """Error on a device after so many measured models.

    Attributes:
        measured: models.
        mape_pct: mean over seeds [%].
        median_pct: of all rows and seeds [%].
        coverage_pct: share of measurements inside their intervals [%]; None without intervals.
        rows: configurations scored.
    """

    measured: int
    mape_pct: Interval
    median_pct: float
    coverage_pct: float | None
    rows: int


def curve(study: Study, device: str, file: str, *, known: bool) -> list[Point]:
    """Errors on one file of a device that was left out, by the number of models measured.

    Args:
        study: with the device's predictions.
        device: a key of ``unseen.devices``.
        file: one of its files.
        known: rows whose architecture other devices have shown, or rows where nothing was seen.
    """
    table = study.unseen.get(device)
    if table is None:
        return []
    rows = table[(table["source"] == file) & (table["known"] == known)]
    return [_point(study, rows, measured) for measured in sorted(rows["measured"].unique().tolist())]


def _point(study: Study, rows: pd.DataFrame, measured: int) -> Point:
    rows = rows[rows["measured"] == measured]
    errors = rows["error_pct"].abs()
    means = errors.groupby(rows["seed"]).mean().tolist()
    covered = None
    if set(INTERVAL) <= set(rows.columns) and rows[list(INTERVAL)].notna().all(axis=None):
        inside = (rows[INTERVAL[0]] <= rows["actual_ms"]) & (rows["actual_ms"] <= rows[INTERVAL[1]])
        covered = 100.0 * float(inside.mean())
    return Point(
        measured,
        mean_interval(means, study.settings.seed_confidence),
        float(errors.median()),
        covered,
        rows["configuration"].nunique(),
    )


def trained(study: Study, device: str, file: str) -> Interval | None:
    """The subject's error where the device was in training, on the same rows that were held out here."""
    rows = study.rows(study.settings.subject, "architecture", file)
    table = study.unseen.get(device)
    if rows.empty or table is None:
        return None
    held_out = table[~table["known"].astype(bool) & (table["source"] == file)]
    pairs = held_out[["seed", "configuration"]].drop_duplicates()
    same = rows.merge(pairs, on=["seed", "configuration"])
    if same.empty:
        return None
    means = same["error_pct"].abs().groupby(same["seed"]).mean().tolist()
    return mean_interval(means, study.settings.seed_confidence)


def cases(study: Study) -> list[tuple[str, str]]:
    """Device and file of everything that was scored."""
    unseen = study.settings.unseen
    if unseen is None:
        return []
    return [(device, file) for device, files in unseen.devices.items() for file in files[: unseen.scored]]


def device_table(study: Study) -> str:
    """MAPE, median and coverage after each number of measured models, and with the device in training."""
    header = ["device left out", "rows are", "measured", "n", "MAPE [%]", "median [%]", "inside [%]"]
    rows = []
    for device, file in cases(study):
        for known, words in _KINDS.items():
            for one in curve(study, device, file, known=known):
                covered = MISSING if one.coverage_pct is None else number(one.coverage_pct)
                rows.append(
                    [
                        title(file),
                        words,
                        "none" if one.measured == 0 else count(one.measured),
                        count(one.rows),
                        interval(one.mape_pct),
                        number(one.median_pct),
                        covered,
                    ]
                )
        found = trained(study, device, file)
        shown = interval(found) if found else MISSING
        rows.append([title(file), "in training; the first rows of these", "all", "", shown, "", ""])
    return markdown_table(header, rows, align="ll")


def curves(study: Study) -> Figure:
    """MAPE against the number of measured models, a panel per device."""
    found = cases(study)
    figure, axes = panels(1, max(len(found), 1), width=9.0, height=3.0)
    if not found:
        say_missing(axes[0])
    for axis, (device, file) in zip(axes, found, strict=False):
        _panel(axis, study, device, file)
    return figure


def _panel(axis: Axes, study: Study, device: str, file: str) -> None:
    axis.set_title(title(file))
    for known, colour in ((False, BLUE), (True, GREY)):
        points = curve(study, device, file, known=known)
        if points:
            axis.errorbar(
                range(len(points)),
                [one.mape_pct.mean for one in points],
                [one.mape_pct.half_width or 0.0 for one in points],
                color=colour,
                marker="o",
                markersize=4,
                capsize=2,
                label=_KINDS[known],
            )
            axis.set_xticks(range(len(points)), [str(one.measured) for one in points])
    if not axis.containers:
        say_missing(axis)
        return
    reached = trained(study, device, file)
    if reached:
        axis.axhline(reached.mean, color=GREEN, linestyle="--", linewidth=1.1, label="device in training")
    log_ticks(axis, "y")  # a first guess may be ten times worse than what five measurements give
    axis.set_xlabel("models measured on the device")
    axis.set_ylabel("MAPE [%]")
    axis.legend()
