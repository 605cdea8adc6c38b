"""What answers for unseen devices were meant to reach, beside what they reach."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from perfseer.reporting.tables import Column, table
from perfseer.reporting.units import number
from perfseer.studies.devices.study import Study, error_pct, inside

_LARGE, _SMALL = 32, 16
_COVERED = (85.0, 95.0)


@dataclass(frozen=True)
class Goal:
    """One figure that was set before anything was measured.

    Attributes:
        title: what it is of.
        rows: picks the rows it is of.
        measured: the figure of those rows.
        least: it should not be below.
        most: nor above.
    """

    title: str
    rows: Callable[[pd.DataFrame], pd.DataFrame]
    measured: Callable[[pd.DataFrame], float]
    most: float
    least: float = 0.0

    def value(self, study: Study) -> float:
        """The figure reached; NaN where there are no such rows."""
        rows = self.rows(study.rows)
        return self.measured(rows) if len(rows) else float("nan")


def _errors(rows: pd.DataFrame) -> list[float]:
    """Of each device, its mean absolute percentage error."""
    return [error_pct(part, "answer_ms") for _, part in rows.groupby("device")]


def _median_device(rows: pd.DataFrame) -> float:
    return float(np.median(_errors(rows)))


def _worst_device(rows: pd.DataFrame) -> float:
    return max(_errors(rows))


def _covered(rows: pd.DataFrame) -> float:
    return 100 * float(inside(rows).mean())


def _width(rows: pd.DataFrame) -> float:
    return float((rows["answer_high_ms"] / rows["answer_low_ms"]).median())


def _inference(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[(rows["phase"] == "infer") & (rows["device_kind"] == "cuda")]


def _large(rows: pd.DataFrame) -> pd.DataFrame:
    return _inference(rows[rows["batch_size"] >= _LARGE])


def _small(rows: pd.DataFrame) -> pd.DataFrame:
    return _inference(rows[(rows["batch_size"] <= _SMALL) & (rows["source"] != "neusight_models")])


def _transformers(phase: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda rows: rows[(rows["source"] == "neusight_models") & (rows["phase"] == phase)]


def _training(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["phase"] == "train"]


GOALS: tuple[Goal, ...] = (
    Goal(f"inference at batch {_LARGE} and more, median device [%]", _large, _median_device, 10.0),
    Goal("… worst device [%]", _large, _worst_device, 18.0),
    Goal("… inside the interval [%]", _large, _covered, _COVERED[1], _COVERED[0]),
    Goal("… high / low", _large, _width, 2.0),
    Goal(f"images at batch 1 to {_SMALL}, inference, median device [%]", _small, _median_device, 20.0),
    Goal("… inside the interval [%]", _small, _covered, _COVERED[1], _COVERED[0]),
    Goal("… high / low", _small, _width, 3.0),
    Goal(
        "language models end to end, inference, median device [%]",
        _transformers("infer"),
        _median_device,
        6.0,
    ),
    Goal("… training, median device [%]", _transformers("train"), _median_device, 8.0),
    Goal("training, inside the interval [%]", _training, _covered, _COVERED[1], _COVERED[0]),
)


def goals_table(study: Study) -> str:
    """Every goal with a verdict."""
    rows = [(goal, goal.value(study)) for goal in GOALS]

    def devices(row: tuple[Goal, float]) -> str:
        return str(row[0].rows(study.rows)["device"].nunique())

    columns: list[Column[tuple[Goal, float]]] = [
        ("goal", lambda row: row[0].title),
        ("asked", lambda row: _asked(row[0])),
        ("reached", lambda row: "n/a" if np.isnan(row[1]) else number(row[1])),
        ("devices", devices),
        ("verdict", lambda row: _verdict(*row)),
    ]
    return table(rows, columns, "lrrrl")


def _asked(goal: Goal) -> str:
    return f"{goal.least:g} to {goal.most:g}" if goal.least else f"at most {goal.most:g}"


def _verdict(goal: Goal, value: float) -> str:
    if np.isnan(value):
        return "not measured"
    if goal.least <= value <= goal.most:
        return "reached"
    return f"missed by {number(max(goal.least - value, value - goal.most))}"
