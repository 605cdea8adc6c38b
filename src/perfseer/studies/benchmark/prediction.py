"""Predicting points: time and memory against the number of rows predicted at once."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from perfseer.data.dataset import Dataset
from perfseer.predictors.registry import load
from perfseer.studies.benchmark.footprint import FootprintMeter
from perfseer.studies.benchmark.isolation import run_apart
from perfseer.studies.benchmark.records import Predicted, PredictPoint
from perfseer.studies.benchmark.settings import BenchmarkSettings

MIN_CALLS = 3


def measure_prediction(
    folder: Path, test: Dataset, rows: int, seed: int, study: BenchmarkSettings
) -> PredictPoint:
    """Read a fitted predictor and predict batches, in a process of its own.

    Args:
        folder: where it was saved.
        test: rows the batches are made of, one after the other, from the start again at the end.
        rows: in a batch.
        seed: of the fit.
        study: limits of the point.

    Returns:
        The point; a crash, a timeout or a refusal is in its status and reason.
    """
    outcome = run_apart(partial(_predict_point, folder, test, rows, study.predict_s), study.timeout_s)
    return PredictPoint(**vars(outcome), seed=seed, rows=rows, distinct_rows=min(rows, len(test)))


def _predict_point(folder: Path, test: Dataset, rows: int, budget_s: float) -> dict[str, Any]:
    def call(number: int) -> Callable[[], object]:
        batch = test.subset((number * rows + np.arange(rows)) % len(test))
        return partial(model.predict, batch)

    with FootprintMeter(sampling_s=None) as meter:
        model = load(folder)
        seconds = repeat(call, budget_s)
    result = Predicted(
        first_s=seconds[0],
        median_s=median(seconds[1:]),
        calls=len(seconds) - 1,
        cost=meter.footprint,
    )
    return result.model_dump(mode="json")


def repeat(call: Callable[[int], Callable[[], object]], budget_s: float) -> list[float]:
    """Time calls, one after the other.

    Args:
        call: what is to be timed as the n-th call; making it is not timed.
        budget_s: no further call begins after this long [s], but for the fewest there must be.

    Returns:
        Seconds of each, one more than `MIN_CALLS` at least: the first is not like the others.
    """
    seconds: list[float] = []
    end = time.perf_counter() + budget_s
    while len(seconds) <= MIN_CALLS or time.perf_counter() < end:
        prepared = call(len(seconds))
        start = time.perf_counter()
        prepared()
        seconds.append(time.perf_counter() - start)
    return seconds
