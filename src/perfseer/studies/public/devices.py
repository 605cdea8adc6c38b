"""Devices that training never saw: errors against the number of models measured there."""

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from perfseer.evaluation.intervals import Interval, mean_interval
from perfseer.reporting.tables import markdown_table
from perfseer.reporting.units import MISSING, count, interval, number
from perfseer.studies.public.records import INTERVAL, inside
from perfseer.studies.public.study import Study
from perfseer.studies.public.wording import title

# Of rows: whether other devices have shown the architecture.
KINDS = {False: "architecture unseen too", True: "architecture known from other devices"}


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
    if device not in study.unseen:
        return []
    table = study.unseen[device]
    rows = table[(table["source"] == file) & (table["known"] == known)]
    points = []
    for measured in sorted(rows["measured"].unique().tolist()):
        part = rows[rows["measured"] == measured]
        mean = study.ledger.mean(study.without(device, measured, known=known), file, "mape_pct")
        if mean is not None:
            middle = float(part["error_pct"].abs().median())
            points.append(Point(measured, mean, middle, _coverage_pct(part), part["configuration"].nunique()))
    return points


def _coverage_pct(rows: pd.DataFrame) -> float | None:
    covered = inside(rows)
    if covered is None or rows[list(INTERVAL)].isna().any(axis=None):
        return None
    return 100.0 * float(covered.mean())


def trained(study: Study, device: str, file: str) -> Interval | None:
    """The subject's error where the device was in training, on the same rows that were held out here."""
    if device not in study.unseen:
        return None
    table, rows = study.unseen[device], study.rows(study.settings.subject, "architecture", file)
    held_out = table[~table["known"].astype(bool) & (table["source"] == file)]
    keys = ["seed", "configuration"]
    same = rows[rows.set_index(keys).index.isin(held_out.set_index(keys).index)]
    means = same["error_pct"].abs().groupby(same["seed"]).mean()
    return mean_interval(means.tolist(), study.settings.seed_confidence) if len(means) else None


def cases(study: Study) -> list[tuple[str, str]]:
    """Device and file of everything that was scored."""
    unseen = study.settings.unseen
    if unseen is None:
        return []
    return [(device, file) for device, files in unseen.devices.items() for file in files[: unseen.scored]]


def device_table(study: Study) -> str:
    """MAPE, median and coverage after each number of measured models, and with the device in training."""
    header = ["device left out", "rows are", "measured", "n", "MAPE [%]", "median [%]", "inside [%]"]
    lines = (line for device, file in cases(study) for line in _lines(study, device, file))
    return markdown_table(header, lines, align="ll")


def _lines(study: Study, device: str, file: str) -> Iterator[list[str]]:
    for known, words in KINDS.items():
        for point in curve(study, device, file, known=known):
            yield [
                title(file),
                words,
                count(point.measured) if point.measured else "none",
                count(point.rows),
                interval(point.mape_pct),
                number(point.median_pct),
                MISSING if point.coverage_pct is None else number(point.coverage_pct),
            ]
    shown = interval(trained(study, device, file))
    yield [title(file), "in training; the first rows of these", "all", "", shown, "", ""]
