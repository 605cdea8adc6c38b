"""How far apart two measurements of one thing lie, and the error that leaves for any predictor.

Two questions: how far do measurements of one configuration differ when they are repeated (`noise_floors`),
and how far do they differ from ones that take much longer (`protocol_differences`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from math import sqrt
from typing import Literal

import numpy as np
import pandas as pd

from perfseer.errors import require
from perfseer.graphs.perfgraph import FloatArray, IntArray
from perfseer.measure.table import CONFIGURATION
from perfseer.plain_data import json_object
from perfseer.targets import TARGET_NAMES, TARGETS

# What makes two rows measurements of the same thing in the same way.
SAME = (*CONFIGURATION, "environment", "protocol", "protocol_version")
# Two phases of 30 s of warm-up and 30 s of counting each (METHODS 1.1).
PAPER_S = 120.0
_RESAMPLES = 2000
# Weights of the two gaps between three measurements in order; see `expected_error`.
_LARGER, _SMALLER = 1 / 3, (1 + sqrt(2) - sqrt(3)) / (3 * (2 - sqrt(3)))


@dataclass(frozen=True)
class NoiseFloor:
    """What is irreducible in one label.

    Attributes:
        target: name of the label.
        mape_pct: MAPE of a predictor that knows the true median of every configuration, scored against single
            measurements [%]; see `expected_error`.
        low_pct: lower end of its bootstrap interval over configurations [%].
        high_pct: upper end, likewise [%].
        median_pct: median relative difference of two measurements of one configuration [%].
        p95_pct: 95th percentile of that [%].
        configurations: measured more than once.
        measurements: of those, first and repeated.
    """

    target: str
    mape_pct: float
    low_pct: float
    high_pct: float
    median_pct: float
    p95_pct: float
    configurations: int
    measurements: int


@dataclass(frozen=True)
class ProtocolDifference:
    """One label by the short protocol against the long one's, on the same configurations.

    Attributes:
        target: name of the label.
        against: which figure of the long protocol: its ``label``, or for times the ``mean`` as well, which is
            the paper's (seconds / iterations).
        median_pct: median of |short / long − 1| [%].
        p95_pct: 95th percentile of it [%].
        bias_pct: median of short / long − 1, sign kept [%].
        configurations: that both protocols measured.
    """

    target: str
    against: Literal["label", "mean"]
    median_pct: float
    p95_pct: float
    bias_pct: float
    configurations: int


@dataclass(frozen=True)
class ProtocolComparison:
    """A protocol study.

    Attributes:
        differences: per label, and per time twice.
        configurations: that both protocols measured.
        short_s: mean seconds a configuration took by the short protocol, building it included.
        long_s: likewise by the long one.
        cost_ratio: ``long_s / short_s``.
        paper_cost_ratio: `PAPER_S` over ``short_s``: reckoned, not measured.
    """

    differences: tuple[ProtocolDifference, ...]
    configurations: int
    short_s: float
    long_s: float
    cost_ratio: float
    paper_cost_ratio: float


def noise_floors(table: pd.DataFrame, repeats: pd.DataFrame, confidence: float) -> dict[str, NoiseFloor]:
    """The noise floor of every label that was measured repeatedly.

    Args:
        table: measurement table, or the rows of it that a dataset has kept.
        repeats: measurement table of `measure.trust.repeats`: configurations of ``table`` measured again;
            those that ``table`` has no finished row of are left out.
        confidence: of the bootstrap interval, a share in (0, 1).

    Returns:
        By label's name; without labels that fewer than two configurations have at least twice, finite and
        positive as the metric needs them.

    Raises:
        PerfseerError: no repeat has a row of the same configuration, environment and protocol in ``table``.
    """
    measured = _measured_repeatedly(table, repeats)
    floors = {name: _floor(name, _groups(measured, name), confidence) for name in TARGET_NAMES}
    return {name: floor for name, floor in floors.items() if floor is not None}


def expected_error(measurements: Sequence[float] | FloatArray) -> float:
    """Estimate of E |t − y| / y: the mean relative error of always saying the true median t.

    With three measurements y₁ ≤ y₂ ≤ y₃ and the gaps a = (y₂ − y₁) / y₁, b = (y₃ − y₂) / y₃ it is

        max(a, b) / 3 + w min(a, b),   w = (1 + √2 − √3) / (3 (2 − √3)) = 0.849,

    averaged over all triples if there are more. Their median stands for t. The larger gap weighs 1/3, which
    is what one stray measurement among three contributes; that the median of three itself misses t is made up
    for by the weight of the smaller gap, which a single stray does not touch. w follows from the expected
    gaps of three normal variables, smaller 3 (2 − √3) / √π and larger 3 (√3 − 1) / √π standard deviations,
    and from E |y − t| = √(2/π) of them.

    Bias by simulation (test_noise.py): normal noise of 1 to 5 % and log-normal of 5 to 20 %, under
    1 %; a tenth of the measurements 1.5 or 2 times slower, +1 to +2 %; Laplace +5 %; a tenth faster by 0.7,
    −5 %; a third 1.5 times slower, −10 %. The mean over pairs of |a − b| / b over √2 is as good for normal
    noise, but 30 to 80 % too high with a tenth slow; leaving one out and predicting it by the median of the
    other two is 22 to 150 % too high; the deviation from their own median is 29 % too low for normal noise.

    Two measurements cannot tell strays from spread: for them it is the mean over both orders of |a − b| / b,
    over √2, with the bias just given.

    A predictor that minimises MAPE aims somewhat below the median and can be better by a term of second order
    in the noise.

    Args:
        measurements: two or more positive values of one configuration.
    """
    y = np.sort(np.asarray(measurements, dtype=np.float64))
    if len(y) == 2:
        return float((y[1] - y[0]) * (1 / y[0] + 1 / y[1]) / 2 / sqrt(2))
    low, middle, high = y[_triples(len(y))]
    below, above = (middle - low) / low, (high - middle) / high
    return float((_LARGER * np.maximum(below, above) + _SMALLER * np.minimum(below, above)).mean())


@lru_cache
def _triples(n: int) -> IntArray:
    """[3, n over 3] positions of all triples among ``n`` in ascending order."""
    return np.array(list(combinations(range(n), 3))).T


def bootstrap_interval(values: Sequence[float], confidence: float) -> tuple[float, float]:
    """Percentile interval of the mean of ``values``, resampled 2000 times; the same for the same values.

    Args:
        values: one per configuration.
        confidence: share in (0, 1).
    """
    array = np.asarray(values, dtype=np.float64)
    drawn = np.random.default_rng(0).integers(0, len(array), (_RESAMPLES, len(array)))
    low, high = np.quantile(array[drawn].mean(axis=1), [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def protocol_differences(protocol_table: pd.DataFrame) -> ProtocolComparison:
    """Compare the short protocol with the long one.

    Args:
        protocol_table: measurement table of `measure.trust.protocol_study`.

    Raises:
        PerfseerError: the table does not hold exactly two protocols, or nothing finished by both of them.
    """
    short, long = _by_length(protocol_table)
    identity = [name for name in SAME if name != "protocol"]
    both = short.merge(long, on=identity, suffixes=("_short", "_long"), validate="one_to_one")
    require(len(both) > 0, "no configuration of the protocol study finished by both of its protocols")
    differences = [_difference(both, target.name, target.name, "label") for target in TARGETS]
    means = [(f"{phase}_time_ms", f"{phase}_time_mean_ms") for phase in ("train", "infer")]
    differences += [_difference(both, label, mean, "mean") for label, mean in means]
    short_s, long_s = (float(both[f"measured_s_{which}"].mean()) for which in ("short", "long"))
    return ProtocolComparison(
        differences=tuple(difference for difference in differences if difference is not None),
        configurations=len(both),
        short_s=short_s,
        long_s=long_s,
        cost_ratio=long_s / short_s,
        paper_cost_ratio=PAPER_S / short_s,
    )


def _measured_repeatedly(table: pd.DataFrame, repeats: pd.DataFrame) -> pd.DataFrame:
    """Finished rows of both tables that have a repeat, first measurements first, numbered by ``group``."""
    same = list(SAME)
    finished = table[table["status"] == "ok"]
    keys = repeats[same].drop_duplicates().assign(group=lambda frame: np.arange(len(frame)))
    first = finished.merge(keys, on=same)
    require(
        len(first) > 0 or len(keys) == 0,
        f"none of the {len(keys)} repeated configurations is among the table's finished ones of the same "
        "environment and protocol; run `perfseer remeasure` on this table",
    )
    again = repeats[repeats["status"] == "ok"].merge(keys, on=same).sort_values("order")
    again = again[again["group"].isin(first["group"])]
    return pd.concat([first, again], ignore_index=True)


def _groups(measured: pd.DataFrame, name: str) -> list[FloatArray]:
    """Values of one label, per configuration that has it at least twice."""
    values = measured[name].to_numpy(dtype=np.float64, na_value=np.nan)
    usable = np.isfinite(values) & (values > 0)
    groups = pd.Series(values[usable]).groupby(measured["group"].to_numpy()[usable])
    return [group.to_numpy() for _, group in groups if len(group) > 1]


def _floor(name: str, groups: list[FloatArray], confidence: float) -> NoiseFloor | None:
    if len(groups) < 2:
        return None
    errors = [100 * expected_error(group) for group in groups]
    pairs = [abs(second / first - 1) for group in groups for first, second in combinations(group, 2)]
    low, high = bootstrap_interval(errors, confidence)
    return NoiseFloor(
        target=name,
        mape_pct=float(np.mean(errors)),
        low_pct=low,
        high_pct=high,
        median_pct=100 * float(np.median(pairs)),
        p95_pct=100 * float(np.quantile(pairs, 0.95)),
        configurations=len(groups),
        measurements=sum(len(group) for group in groups),
    )


def _by_length(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Finished rows of the shorter and of the longer protocol."""

    def seconds(text: str) -> float:
        protocol = json_object(text) or {}
        parts = [
            float(part)
            for name in ("warmup_s", "phase_budget_s")
            if isinstance(part := protocol.get(name), int | float)
        ]
        require(
            len(parts) == 2,
            f"the table of the protocol study has the protocol {str(text)[:60]!r}, expected JSON with "
            "warmup_s and phase_budget_s in numbers; `perfseer protocol-study` writes such a table",
        )
        return sum(parts)

    protocols = sorted(table["protocol"].unique(), key=seconds)
    require(
        len(protocols) == 2,
        f"the table of the protocol study holds {len(protocols)} protocols, expected a short and a long one; "
        "`perfseer protocol-study` writes such a table",
    )
    finished = table[table["status"] == "ok"]
    short, long = (finished[finished["protocol"] == protocol] for protocol in protocols)
    return short, long


def _difference(
    both: pd.DataFrame, label: str, counterpart: str, against: Literal["label", "mean"]
) -> ProtocolDifference | None:
    short, long = (
        both[f"{name}_{which}"].to_numpy(dtype=np.float64, na_value=np.nan)
        for name, which in ((label, "short"), (counterpart, "long"))
    )
    usable = np.isfinite(short) & np.isfinite(long) & (long > 0)
    if not usable.any():
        return None
    change = 100 * (short[usable] / long[usable] - 1)
    return ProtocolDifference(
        target=label,
        against=against,
        median_pct=float(np.median(np.abs(change))),
        p95_pct=float(np.quantile(np.abs(change), 0.95)),
        bias_pct=float(np.median(change)),
        configurations=int(usable.sum()),
    )
