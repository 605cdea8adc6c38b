"""Differences between variants, tested over seeds and resampled networks, corrected for their number.

What is called shown is said by `Comparison.shows`, as in the comparison report.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from perfseer.evaluation.intervals import Interval, mean_interval
from perfseer.evaluation.significance import clustered_bootstrap, holm
from perfseer.graphs.perfgraph import FloatArray
from perfseer.studies.ablation.study import Study

Verdict = Literal["larger", "smaller", "not shown"]


@dataclass(frozen=True)
class Contrast:
    """Mean error of some variants minus that of others.

    Attributes:
        first: names of variants.
        second: names of variants.
    """

    first: tuple[str, ...]
    second: tuple[str, ...]


@dataclass(frozen=True)
class Tested:
    """A contrast that could be computed; errors are MAPE over the base's labels [percentage points].

    Attributes:
        seeds: mean of the seeds' differences with its Student-t interval.
        reference: mean error of the second [%].
        low: lower end of the interval over resampled networks and seeds.
        high: upper end.
        p_value: over resampled networks and seeds, for this contrast alone.
        p_holm: the same after correction for all contrasts of its family.
        networks: distinct networks among the rows.
        same_sign: whether the difference has one sign in all seeds.
        verdict: whether the first has the ``larger`` or ``smaller`` error.
    """

    seeds: Interval
    reference: float
    low: float
    high: float
    p_value: float
    p_holm: float
    networks: int
    same_sign: bool
    verdict: Verdict = "not shown"

    @property
    def before_correction(self) -> bool:
        """Whether the p-value alone, not corrected for the number of comparisons, would show it."""
        return self.same_sign and self.p_value <= 1 - self.seeds.confidence


def compare(study: Study, contrasts: Iterable[Contrast]) -> dict[Contrast, Tested | None]:
    """Test contrasts as one family; None for those whose variants have no test row in common.

    Args:
        study: variants and records.
        contrasts: any number; equal ones count once, and the p-values of those that can be computed are
            corrected for their number.
    """
    errors = study.errors()
    sides = {contrast: _sides(errors, contrast) for contrast in dict.fromkeys(contrasts)}
    computed = [values for values in sides.values() if values is not None]
    tested = iter(_tested(study, errors, np.stack(computed, axis=1)) if computed else [])
    return {contrast: None if values is None else next(tested) for contrast, values in sides.items()}


def _sides(errors: pd.DataFrame, contrast: Contrast) -> FloatArray | None:
    """[n, 2] mean error of the first and of the second, NaN in rows that not all have; None without a row."""
    if not {*contrast.first, *contrast.second} <= set(errors.columns):
        return None
    sides = [errors[list(names)].to_numpy().mean(axis=1) for names in (contrast.first, contrast.second)]
    together = np.stack(sides, axis=1)
    complete = np.isfinite(together).all(axis=1, keepdims=True)
    return np.where(complete, together, np.nan) if complete.any() else None


def _tested(study: Study, errors: pd.DataFrame, sides: FloatArray) -> list[Tested]:
    """One `Tested` per contrast of ``sides`` [n, contrasts, 2]."""
    gaps = sides[:, :, 0] - sides[:, :, 1]
    seeds = errors.index.get_level_values("seed")
    resampled = clustered_bootstrap(
        gaps,
        errors.index.get_level_values("architecture").to_numpy(dtype=str),
        confidence=study.evaluation.confidence,
        resamples=study.comparison.resamples,
        seed=study.comparison.resample_seed,
        repeats=seeds.to_numpy(),
    )
    corrected = holm(resampled.p_value)
    by_seed = pd.DataFrame(gaps).groupby(seeds).mean()
    found = []
    for column in range(gaps.shape[1]):
        values = by_seed[column].dropna().to_numpy()
        tested = Tested(
            seeds=mean_interval(values.tolist(), study.evaluation.confidence),
            reference=float(np.nanmean(sides[:, column, 1])),
            low=float(resampled.low[column]),
            high=float(resampled.high[column]),
            p_value=float(resampled.p_value[column]),
            p_holm=float(corrected[column]),
            networks=int(resampled.clusters[column]),
            same_sign=bool((values > 0).all() or (values < 0).all()),
        )
        found.append(replace(tested, verdict=_verdict(study, tested)))
    return found


def _verdict(study: Study, tested: Tested) -> Verdict:
    """What is shown, by the rule of the comparison report."""
    confidence = study.evaluation.confidence
    if not study.comparison.shows(
        tested.seeds.n, tested.networks, tested.same_sign, tested.p_holm, confidence
    ):
        return "not shown"
    return "larger" if tested.seeds.mean > 0 else "smaller"
