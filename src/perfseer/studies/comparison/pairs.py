"""Which of two predictors is better: paired tests over networks and seeds, corrected for their number.

P-values are over resampled networks and seeds, corrected for all pairs of a label; what is called shown is
said by `Comparison.shows`. The Student-t interval over seeds stands beside it.
"""

from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

import numpy as np

from perfseer.evaluation.intervals import Interval
from perfseer.evaluation.significance import Resampled, clustered_bootstrap, holm
from perfseer.graphs.perfgraph import FloatArray
from perfseer.studies.comparison.aligned import Aligned
from perfseer.studies.experiment import Experiment

Verdict = Literal["better", "worse", "not shown"]
_MIRRORED: dict[Verdict, Verdict] = {"better": "worse", "worse": "better", "not shown": "not shown"}
Key = tuple[str, str, str]


@dataclass(frozen=True)
class Pair:
    """MAPE of ``first`` minus that of ``second`` on one label, over the test rows both have.

    Attributes:
        mean: difference over all rows [percentage points]; negative means that ``first`` is better.
        low: lower end of its interval over resampled networks and seeds.
        high: upper end.
        p_value: over resampled networks and seeds, for this pair alone.
        p_holm: the same after correction for all pairs of the label.
        networks: distinct networks among the rows.
        rows: test rows both have.
        seeds: mean difference of the seeds' MAPE with its Student-t interval; None without a common seed.
        verdict: what is shown about ``first``.
    """

    target: str
    first: str
    second: str
    mean: float
    low: float
    high: float
    p_value: float
    p_holm: float
    networks: int
    rows: int
    seeds: Interval | None
    verdict: Verdict

    @property
    def over_seeds(self) -> bool:
        """Whether the Student-t interval over seeds, uncorrected, excludes zero."""
        return self.seeds is not None and self.seeds.excludes_zero

    def mirrored(self) -> "Pair":
        """The same seen from ``second``."""
        return replace(
            self,
            first=self.second,
            second=self.first,
            mean=-self.mean,
            low=-self.high,
            high=-self.low,
            seeds=None if self.seeds is None else replace(self.seeds, mean=-self.seeds.mean),
            verdict=_MIRRORED[self.verdict],
        )


@dataclass(frozen=True)
class Pairs:
    """All pairs of all labels, both ways round, by (target, first, second)."""

    found: dict[Key, Pair]

    def get(self, target: str, first: str, second: str) -> Pair | None:
        """The pair as seen from ``first``; None where they have no row of the label in common."""
        return self.found.get((target, first, second))

    def once(self, target: str | None = None) -> list[Pair]:
        """Each pair once, in the order of predictors, of one label or of all."""
        seen: dict[tuple[str, frozenset[str]], Pair] = {}
        for (label, first, second), pair in self.found.items():
            if target in (None, label):
                seen.setdefault((label, frozenset((first, second))), pair)
        return list(seen.values())


def compare_all(aligned: Aligned) -> Pairs:
    """Test every pair of predictors on every label both predict."""
    keys = [
        (target, first, second)
        for target in aligned.errors
        for first, second in combinations(aligned.predictors(target), 2)
    ]
    if not keys:
        return Pairs({})
    settings = aligned.experiment.report.comparison
    tested = clustered_bootstrap(
        np.stack([_gap(aligned, key) for key in keys], axis=1),
        aligned.rows["architecture"].to_numpy(dtype=str),
        confidence=aligned.experiment.evaluation.confidence,
        resamples=settings.resamples,
        seed=settings.resample_seed,
        repeats=aligned.rows["seed"].to_numpy(),
    )
    corrected = _corrected(keys, tested)
    found: dict[Key, Pair] = {}
    for place, key in enumerate(keys):
        if tested.rows[place]:
            pair = _pair(aligned, key, tested, place, float(corrected[place]))
            mirrored = pair.mirrored()
            found[key] = pair
            found[mirrored.target, mirrored.first, mirrored.second] = mirrored
    return Pairs(found)


def _gap(aligned: Aligned, key: Key) -> FloatArray:
    """[n] absolute error of the first minus that of the second [percentage points]."""
    target, first, second = key
    table = aligned.absolute[target]
    return table[first].to_numpy() - table[second].to_numpy()


def _corrected(keys: list[Key], tested: Resampled) -> FloatArray:
    """[pairs] p-values after Holm's correction within each label."""
    labels = np.array([target for target, _, _ in keys])
    corrected = np.ones(len(keys))
    for target in dict.fromkeys(labels.tolist()):
        own = (labels == target) & (tested.rows > 0)
        corrected[own] = holm(tested.p_value[own])
    return corrected


def _pair(aligned: Aligned, key: Key, tested: Resampled, place: int, p_holm: float) -> Pair:
    target, first, second = key
    experiment = aligned.experiment
    difference = experiment.difference(first, second, experiment.headline, target)
    pair = Pair(
        target=target,
        first=first,
        second=second,
        mean=float(tested.mean[place]),
        low=float(tested.low[place]),
        high=float(tested.high[place]),
        p_value=float(tested.p_value[place]),
        p_holm=p_holm,
        networks=int(tested.clusters[place]),
        rows=int(tested.rows[place]),
        seeds=None if difference is None else difference.interval,
        verdict="not shown",
    )
    own, other = (
        experiment.values(name, experiment.headline, target, "mape_pct") for name in (first, second)
    )
    gaps = [own[seed] - other[seed] for seed in sorted(own.keys() & other.keys())]
    return replace(pair, verdict=_verdict(pair, gaps, experiment))


def _verdict(pair: Pair, gaps: list[float], experiment: Experiment) -> Verdict:
    """What is shown; ``gaps`` are the differences of the seeds."""
    same_sign = all(gap * pair.mean > 0 for gap in gaps)
    rule, confidence = experiment.report.comparison, experiment.evaluation.confidence
    if not rule.shows(len(gaps), pair.networks, same_sign, pair.p_holm, confidence):
        return "not shown"
    return "better" if pair.mean < 0 else "worse"
