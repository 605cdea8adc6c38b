"""Differences between variants, tested over seeds and resampled networks, corrected for their number.

A difference is shown when its p-value over resampled networks, after Holm's correction, is at most
1 − confidence, it has the same sign in every seed, and seeds and networks are not too few
(``report.comparison``): the rule of the comparison report.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from perfseer.evaluation.intervals import Interval, mean_interval
from perfseer.evaluation.significance import clustered_bootstrap, holm
from perfseer.graphs.perfgraph import FloatArray
from perfseer.reporting.ablation.study import Study

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
        low: lower end of the interval over resampled networks.
        high: upper end.
        p_value: over resampled networks, for this contrast alone.
        p_holm: the same after correction for all contrasts of its family.
        networks: distinct networks among the rows.
        same_sign: whether the difference has one sign in all seeds.
        verdict: whether the first has the ``larger`` or ``smaller`` error.
    """

    seeds: Interval
    low: float
    high: float
    p_value: float
    p_holm: float
    networks: int
    same_sign: bool
    verdict: Verdict = "not shown"

    @property
    def over_seeds(self) -> bool:
        """Whether the Student-t interval over seeds, uncorrected, excludes zero."""
        return self.seeds.half_width is not None and abs(self.seeds.mean) > self.seeds.half_width


def compare(study: Study, contrasts: Sequence[Contrast]) -> list[Tested | None]:
    """Test contrasts as one family; None for those of which a variant has no records.

    Args:
        study: variants and records.
        contrasts: any number; the p-values of those that can be computed are corrected for their number.
    """
    errors = study.errors()
    there = [{*one.first, *one.second} <= set(errors.columns) for one in contrasts]
    gaps = [_gap(errors, one) for one, computed in zip(contrasts, there, strict=True) if computed]
    tested = iter(_tested(study, errors, np.stack(gaps, axis=1)) if gaps else [])
    return [next(tested) if computed else None for computed in there]


def _gap(errors: pd.DataFrame, contrast: Contrast) -> FloatArray:
    """[n] mean error of the first minus mean error of the second; NaN where one is missing."""
    first, second = (
        errors[list(names)].to_numpy().mean(axis=1) for names in (contrast.first, contrast.second)
    )
    return np.asarray(first - second)


def _tested(study: Study, errors: pd.DataFrame, gaps: FloatArray) -> list[Tested]:
    """One `Tested` per column of ``gaps`` [n, contrasts]."""
    resampled = clustered_bootstrap(
        gaps,
        errors["architecture"].to_numpy(dtype=str),
        confidence=study.evaluation.confidence,
        resamples=study.comparison.resamples,
        seed=study.comparison.resample_seed,
    )
    corrected = holm(resampled.p_value)
    by_seed = pd.DataFrame(gaps).groupby(errors.index.get_level_values(0)).mean()
    found = []
    for column in range(gaps.shape[1]):
        values = by_seed[column].dropna().to_numpy()
        one = Tested(
            seeds=mean_interval(values.tolist(), study.evaluation.confidence),
            low=float(resampled.low[column]),
            high=float(resampled.high[column]),
            p_value=float(resampled.p_value[column]),
            p_holm=float(corrected[column]),
            networks=int(resampled.clusters[column]),
            same_sign=bool((values > 0).all() or (values < 0).all()),
        )
        found.append(replace(one, verdict=_verdict(study, one)))
    return found


def _verdict(study: Study, one: Tested) -> Verdict:
    """What the rule at the head of this module says."""
    few = one.seeds.n < study.comparison.min_seeds or one.networks < study.comparison.min_networks
    if few or not one.same_sign or one.p_holm > 1 - study.evaluation.confidence:
        return "not shown"
    return "larger" if one.seeds.mean > 0 else "smaller"
