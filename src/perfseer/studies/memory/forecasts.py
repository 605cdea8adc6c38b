"""Yes-or-no forecasts of memory, judged on groups that their margins were not fitted on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from perfseer.errors import require
from perfseer.evaluation.group_folds import Grouping, draw
from perfseer.graphs.perfgraph import FloatArray
from perfseer.predictors.conformal import IntervalCoverage, coverage
from perfseer.predictors.memory.margins import Margin
from perfseer.studies.memory.shrunk import log_room

# Fewer failures say too little of where the limit is.
FEWEST_FAILURES = 50
_BINS = (0.0, 0.05, 0.2, 0.4, 0.6, 0.8, 0.95, 1.0)


@dataclass(frozen=True)
class Judged:
    """Forecasts of one kind of configuration, each made without its group.

    Attributes:
        margin: key of the margin (`perfseer.predictors.memory.margins.margin_key`).
        grouping: what was kept together.
        ran: share of the runs said to fit.
        failed: share of the failures said not to fit.
        pairs: share of models that stopped at a limit of which both are said right.
        unfitted: the same as ``pairs`` for the arithmetic alone.
        brier: mean squared difference of probability and outcome, over runs and failures.
        reliability: one `Bin` for each range of probabilities.
    """

    margin: str
    grouping: Grouping
    ran: IntervalCoverage
    failed: IntervalCoverage
    pairs: IntervalCoverage
    unfitted: IntervalCoverage
    brier: float
    reliability: "tuple[Bin, ...]"


@dataclass(frozen=True)
class Bin:
    """Forecasts whose probability of fitting lies in a range.

    Attributes:
        low: lower end, included.
        high: upper end, excluded but for 1.
        forecast: mean probability.
        observed: share that ran.
        n: forecasts.
    """

    low: float
    high: float
    forecast: float
    observed: float
    n: int


def fit_margins(table: pd.DataFrame) -> dict[str, Margin]:
    """A margin for every kind of configuration with enough failures.

    Args:
        table: of `shrunk.shrunk_batches`; ambiguous failures are set aside.
    """
    margins = {}
    for key, rows in _kinds(table).items():
        sources = sorted(rows["source"].unique())
        basis = f"batch sizes that ran and that did not, in {', '.join(sources)}"
        margins[key] = _fit(rows, basis, tuple(sorted(rows["device"].unique())))
    return margins


def judge(
    table: pd.DataFrame, grouping: Grouping, seed: int, folds: int = 5, confidence: float = 0.95
) -> list[Judged]:
    """Forecast every row by a margin fitted without its group, for every kind of configuration.

    Args:
        table: of `shrunk.shrunk_batches`.
        grouping: ``architecture`` or ``family``.
        seed: draws the folds.
        folds: how many.
        confidence: of the intervals over architectures.

    Raises:
        PerfseerError: there are no failures to judge by, or fewer groups than folds.
    """
    kinds = _kinds(table)
    require(bool(kinds), f"no kind of configuration has {FEWEST_FAILURES} failures to judge forecasts by")
    drawn = draw(table, grouping, seed, folds, valid_share=0.1)
    return [_judge_kind(key, rows, grouping, drawn.fold_of, confidence) for key, rows in kinds.items()]


def _kinds(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return {
        str(key): rows.reset_index(drop=True)
        for key, rows in table[~table["ambiguous"]].groupby("margin")
        if rows["failed_bytes"].count() >= FEWEST_FAILURES
    }


def _fit(rows: pd.DataFrame, basis: str, devices: tuple[str, ...]) -> Margin:
    return Margin.fit(log_room(rows, "ran"), log_room(rows, "failed"), basis, devices)


def _judge_kind(
    key: str, rows: pd.DataFrame, grouping: Grouping, fold_of: Mapping[str, int], confidence: float
) -> Judged:
    ran, failed = (np.full(len(rows), np.nan) for _ in range(2))
    folds = rows[grouping].map(fold_of).to_numpy()
    for fold in np.unique(folds):
        margin = _fit(rows[folds != fold], key, ())
        test, room = folds == fold, rows["room_bytes"].to_numpy()
        ran[test] = margin.fits(rows["ran_bytes"].to_numpy()[test], room[test])
        failed[test] = margin.fits(rows["failed_bytes"].to_numpy()[test], room[test])
    stopped = np.isfinite(failed)
    owners = rows["architecture"].to_numpy()
    both = (ran >= 0.5) & (failed < 0.5)
    plain = (log_room(rows, "ran") >= 0) & (log_room(rows, "failed") < 0)
    probabilities = np.concatenate([ran, failed[stopped]])
    outcomes = np.repeat([1.0, 0.0], [len(ran), int(stopped.sum())])
    return Judged(
        margin=key,
        grouping=grouping,
        ran=_share(ran >= 0.5, owners, confidence),
        failed=_share(failed[stopped] < 0.5, owners[stopped], confidence),
        pairs=_share(both[stopped], owners[stopped], confidence),
        unfitted=_share(plain[stopped], owners[stopped], confidence),
        brier=float(np.square(probabilities - outcomes).mean()),
        reliability=reliability(probabilities, outcomes),
    )


def reliability(probabilities: FloatArray, outcomes: FloatArray) -> tuple[Bin, ...]:
    """Forecast and observed shares by range of probability; empty ranges are left out.

    Args:
        probabilities: [n] forecasts, 0 to 1.
        outcomes: [n] 1 where it ran, 0 where not.
    """
    places = np.clip(np.searchsorted(_BINS, probabilities, side="right") - 1, 0, len(_BINS) - 2)
    found = []
    for place in np.unique(places):
        inside = places == place
        mean, share = float(probabilities[inside].mean()), float(outcomes[inside].mean())
        found.append(Bin(_BINS[place], _BINS[place + 1], mean, share, int(inside.sum())))
    return tuple(found)


def _share(hits: npt.NDArray[np.bool_], owners: npt.NDArray[Any], confidence: float) -> IntervalCoverage:
    """Share of hits with an interval that counts architectures."""
    one = np.ones(len(hits))
    return coverage(hits.astype(np.float64), one, one, owners, confidence=confidence)
