"""What answers for unseen devices were meant to reach, beside what they reach."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from perfseer.reporting.tables import Column, table
from perfseer.reporting.units import number
from perfseer.studies.devices.study import Study, error_pct, inside, median_device

LARGE, _SMALL = 32, 16
_COVERED = (85.0, 95.0)


@dataclass(frozen=True)
class Goal:
    """One figure that was set before anything was measured.

    Attributes:
        title: what it is of.
        rows: picks the rows it is of, those of one seed.
        measured: the figure of those rows.
        least: it should not be below.
        most: nor above.
    """

    title: str
    rows: Callable[[Study], pd.DataFrame]
    measured: Callable[[pd.DataFrame], float]
    most: float
    least: float = 0.0

    def values(self, study: Study) -> list[float]:
        """The figure reached with each seed; none where there are no such rows."""
        rows = self.rows(study)
        return [self.measured(part) for _, part in rows.groupby("seed")]

    def value(self, study: Study) -> float:
        """Mean over the seeds; NaN where there are no such rows."""
        return float(np.mean(values)) if (values := self.values(study)) else float("nan")


def _median_device(rows: pd.DataFrame) -> float:
    return median_device(rows, "answer_ms")


def _worst_device(rows: pd.DataFrame) -> float:
    return max(error_pct(part, "answer_ms") for _, part in rows.groupby("device"))


def _covered(rows: pd.DataFrame) -> float:
    return 100 * float(inside(rows).mean())


def _width(rows: pd.DataFrame) -> float:
    return float((rows["answer_high_ms"] / rows["answer_low_ms"]).median())


def _inference(study: Study) -> pd.DataFrame:
    rows = study.of_models
    return rows[(rows["phase"] == "infer") & (rows["device_kind"] == "cuda")]


def _large(study: Study) -> pd.DataFrame:
    rows = _inference(study)
    return rows[rows["batch_size"] >= LARGE]


def _small(study: Study) -> pd.DataFrame:
    rows = _inference(study)
    return rows[(rows["batch_size"] <= _SMALL) & (rows["source"] != "neusight_models")]


def _transformers(phase: str) -> Callable[[Study], pd.DataFrame]:
    def chosen(study: Study) -> pd.DataFrame:
        rows = study.of_models
        return rows[(rows["source"] == "neusight_models") & (rows["phase"] == phase)]

    return chosen


def _training(study: Study) -> pd.DataFrame:
    rows = study.of_models
    return rows[rows["phase"] == "train"]


def _measured(known: int) -> Callable[[Study], pd.DataFrame]:
    """Of settings at large batches, errors after so many models were measured."""

    def chosen(study: Study) -> pd.DataFrame:
        large = _large(study)
        places = set(zip(large["platform"], large["source"], strict=True))
        after = study.measured
        after = after[(after["known"] == known) & (after["phase"] == "infer")]
        kept = [place in places for place in zip(after["platform"], after["source"], strict=True)]
        return after[np.array(kept, dtype=bool)]

    return chosen


def _median_after(rows: pd.DataFrame) -> float:
    return float(rows.groupby("device")["error_pct"].mean().median())


GOALS: tuple[Goal, ...] = (
    Goal(f"inference at batch {LARGE} and more, median device [%]", _large, _median_device, 10.0),
    Goal("… worst device [%]", _large, _worst_device, 18.0),
    Goal("… median device, 5 models measured [%]", _measured(5), _median_after, 5.0),
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
    """Every goal with a verdict on the mean over seeds."""
    rows = [(goal, goal.values(study)) for goal in GOALS]
    columns: list[Column[tuple[Goal, list[float]]]] = [
        ("goal", lambda row: row[0].title),
        ("asked", lambda row: _asked(row[0])),
        ("reached", lambda row: number(float(np.mean(row[1]))) if row[1] else "n/a"),
        ("least and most of the seeds", lambda row: _range(row[1])),
        ("devices", lambda row: str(row[0].rows(study)["device"].nunique())),
        ("verdict", lambda row: _verdict(*row)),
    ]
    return table(rows, columns, "lrrrrl")


def _range(values: list[float]) -> str:
    return f"{number(min(values))} to {number(max(values))}" if values else "n/a"


def _asked(goal: Goal) -> str:
    return f"{goal.least:g} to {goal.most:g}" if goal.least else f"at most {goal.most:g}"


def _verdict(goal: Goal, values: list[float]) -> str:
    if not values:
        return "not measured"
    value = float(np.mean(values))
    if goal.least <= value <= goal.most:
        return "reached"
    return f"missed by {number(max(goal.least - value, value - goal.most))}"
