"""Points as tables, one row each, and as trials of the ledger."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from perfseer.evaluation.ledger import MISSING, VALID, VALIDATION_MAPE, Contender, Entry, Trial
from perfseer.studies.benchmark.records import (
    BenchmarkRecord,
    FitPoint,
    Fitted,
    Predicted,
    RegressionFitted,
    RegressionRecord,
)
from perfseer.studies.benchmark.settings import BenchmarkSettings

Records = Mapping[str, BenchmarkRecord]
# What is measured of a fit.
COST_COLUMNS = ("wall_s", "cpu_s", "peak_mib", "mean_mib", "total_peak_mib")
_FIT = ("seed", "share", "networks", "train_rows", "status")


def fit_rows(records: Records) -> pd.DataFrame:
    """One row per fitting point; MAPE is the mean over the fitted labels."""
    rows = [
        {"predictor": name, **{field: getattr(point, field) for field in _FIT}, **_fit_numbers(point.result)}
        for name, record in records.items()
        for point in record.fits
    ]
    numbers = (*COST_COLUMNS, "rounds", "n_parameters", "valid_mape_pct", "test_mape_pct")
    return pd.DataFrame(rows, columns=["predictor", *_FIT, *numbers])


def prediction_rows(records: Records) -> pd.DataFrame:
    """One row per predicting point; ``call_s`` is the time of the whole batch."""
    rows = [
        (name, point.seed, point.rows, point.distinct_rows, point.status, *_call_numbers(point.result))
        for name, record in records.items()
        for point in record.predictions
    ]
    columns = ("predictor", "seed", "batch", "distinct_rows", "status", "call_s", "first_s", "peak_mib")
    return pd.DataFrame(rows, columns=list(columns))


def regression_rows(record: RegressionRecord | None) -> pd.DataFrame:
    """One row per point of the experiment on five numbers; ``predict_<rows>_s`` are times of predicting."""
    points = record.points if record else ()
    identity = ("library", "seed", "samples", "status")
    rows = [
        {**{field: getattr(point, field) for field in identity}, **_regression_numbers(point.result)}
        for point in points
    ]
    known = dict.fromkeys((*identity, *COST_COLUMNS, "epochs", "r2", "rmse", "mse", "mae"))
    return pd.DataFrame(rows, columns=list(known | {name: None for row in rows for name in row}))


def contender(settings: BenchmarkSettings, predictor: str, share: float) -> Contender:
    """A predictor fitted on a share of the networks, as the ledger names it."""
    return Contender(predictor, f"{share:g}", settings.split)


def trials(
    settings: BenchmarkSettings, seeds: Sequence[int], predictor: str, record: BenchmarkRecord | None
) -> Iterator[Trial]:
    """What there should be of a predictor; a failed point is there and has no numbers."""
    fits = {(point.share, point.seed): point for point in record.fits} if record else {}
    for share in settings.shares if record is None or record.targets else ():
        for seed in seeds:
            point = fits.get((share, seed))
            status = VALID if point else MISSING
            yield Trial(contender(settings, predictor, share), seed, _entries(point), status)


def _entries(point: FitPoint | None) -> tuple[Entry, ...]:
    if point is None or point.result is None:
        return ()
    tested, validated = point.result.test_mape_pct, point.result.valid_mape_pct
    return (
        *(Entry(label, "mape_pct", value, point.test_rows) for label, value in tested.items()),
        *(Entry(label, VALIDATION_MAPE, value, point.valid_rows) for label, value in validated.items()),
        *(Entry("", name, value, point.test_rows) for name, value in _costs(point.result).items()),
    )


def _costs(result: Fitted) -> dict[str, Any]:
    return {**result.cost.model_dump(), "rounds": result.rounds, "n_parameters": result.n_parameters}


def _fit_numbers(result: Fitted | None) -> dict[str, Any]:
    if result is None:
        return {}
    errors = {"valid_mape_pct": result.valid_mape_pct, "test_mape_pct": result.test_mape_pct}
    means = {name: float(np.mean(list(values.values()))) for name, values in errors.items()}
    return {**_costs(result), **means}


def _call_numbers(result: Predicted | None) -> tuple[float | None, ...]:
    return (result.median_s, result.first_s, result.cost.peak_mib) if result else (None, None, None)


def _regression_numbers(result: RegressionFitted | None) -> dict[str, Any]:
    if result is None:
        return {}
    calls = {f"predict_{rows}_s": seconds for rows, seconds in result.predict_s.items()}
    return {**result.cost.model_dump(), "epochs": result.epochs, **result.scores.model_dump(), **calls}
