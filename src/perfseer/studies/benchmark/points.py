"""Points as tables, one row each, as curves over a size, and as trials of the ledger."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import pandas as pd

from perfseer.evaluation.ledger import MISSING, VALID, VALIDATION_MAPE, Contender, Entry, Trial
from perfseer.studies.benchmark.records import BenchmarkRecord, FitPoint, PredictPoint, RegressionPoint
from perfseer.studies.benchmark.settings import BenchmarkSettings

AnyPoint = FitPoint | PredictPoint | RegressionPoint
_COSTS = ("wall_s", "cpu_s", "peak_mib", "mean_mib", "total_peak_mib")


class Curve(dict[float, dict[int, float]]):
    """A number against a size: size, ascending → seed → number. Failed points are absent."""

    @classmethod
    def of(cls, points: Iterable[AnyPoint], size: str, sizes: Iterable[float], column: str) -> "Curve":
        """A number of some points against the field ``size`` of them."""
        curve = cls({value: {} for value in sizes})
        for point in points:
            number = point.numbers().get(column)
            if number is not None:
                curve[getattr(point, size)][point.seed] = float(number)
        return curve

    @property
    def first(self) -> dict[int, float]:
        """The numbers at the smallest size."""
        return next(iter(self.values()))

    @property
    def last(self) -> dict[int, float]:
        """The numbers at the largest size."""
        return next(reversed(self.values()))

    @property
    def means(self) -> dict[float, float]:
        """Mean over seeds at each size that has numbers."""
        return {size: mean(values) for size, values in self.items() if values}


def mean(values: Mapping[int, float]) -> float:
    """Mean over seeds of at least one value."""
    return sum(values.values()) / len(values)


def fit_rows(points: Iterable[tuple[str, FitPoint]]) -> pd.DataFrame:
    """One row per fit, each with its predictor; what failed has no numbers."""
    asked = ("predictor", "seed", "share", "networks", "train_rows", "status")
    return _rows(points, (*asked, *_COSTS, "rounds", "n_parameters", "valid_mape_pct", "test_mape_pct"))


def prediction_rows(points: Iterable[tuple[str, PredictPoint]]) -> pd.DataFrame:
    """One row per prediction of a batch, likewise."""
    columns = ("predictor", "seed", "rows", "distinct_rows", "status", "call_s", "first_s", "peak_mib")
    return _rows(points, columns).rename(columns={"rows": "batch"})


def regression_rows(points: Sequence[tuple[str, RegressionPoint]]) -> pd.DataFrame:
    """One row per fit to five numbers, likewise; ``predict_<rows>_s`` are times of predicting."""
    scores = ("epochs", "r2", "rmse", "mse", "mae")
    further = (name for _, point in points for name in point.numbers())
    return _rows(points, dict.fromkeys(("library", "seed", "samples", "status", *_COSTS, *scores, *further)))


def _rows(points: Iterable[tuple[str, AnyPoint]], columns: Iterable[str]) -> pd.DataFrame:
    rows = [{"predictor": name, **dict(point), **point.numbers()} for name, point in points]
    return pd.DataFrame(rows, columns=list(columns))


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
        *(Entry("", name, value, point.test_rows) for name, value in point.result.costs().items()),
    )
