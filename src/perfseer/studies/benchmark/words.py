"""Words for numbers: each is decided by an interval and a threshold of params.yaml (``report.benchmark``)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from perfseer.evaluation.intervals import Interval, paired_difference
from perfseer.reporting.settings import BenchmarkJudgement
from perfseer.reporting.units import number

NOT_TESTED = "not tested (one seed)"


@dataclass(frozen=True)
class Ratio:
    """How many times one positive quantity is another, paired by seed.

    Attributes:
        log: mean and interval of ln(first / second).
    """

    log: Interval

    @property
    def value(self) -> float:
        """Geometric mean of the ratios."""
        return math.exp(self.log.mean)

    @property
    def bounds(self) -> tuple[float, float]:
        """Lower and upper end of the interval; from 0 to infinity with one seed."""
        if self.log.half_width is None:
            return 0.0, math.inf
        return math.exp(self.log.mean - self.log.half_width), math.exp(self.log.mean + self.log.half_width)

    @property
    def above_one(self) -> bool:
        """Whether the first is shown to be larger."""
        return self.bounds[0] > 1

    @property
    def undecided(self) -> bool:
        """Whether it is shown to be neither larger nor smaller."""
        low, high = self.bounds
        return low <= 1 <= high

    def side(self, larger: str, smaller: str, undecided: str) -> str:
        """The word for what is shown of the first."""
        return undecided if self.undecided else larger if self.above_one else smaller

    def __str__(self) -> str:
        if self.log.half_width is None:
            return f"{number(self.value)} (1 seed)"
        low, high = self.bounds
        return f"{number(self.value)} ({number(low)} to {number(high)})"


def ratio(first: Mapping[int, float], second: Mapping[int, float], confidence: float) -> Ratio | None:
    """Ratio over the seeds both have; None where they share none.

    Args:
        first: positive values by seed.
        second: positive values by seed.
        confidence: of the interval.
    """
    logs = [{seed: math.log(value) for seed, value in values.items()} for values in (first, second)]
    difference = paired_difference(logs[0], logs[1], confidence)
    return None if difference is None else Ratio(difference.interval)


def growth(exponent: Interval, judge: BenchmarkJudgement) -> str:
    """How a cost grows: a word where the whole interval agrees with it, else the span of words."""
    if exponent.half_width is None:
        return NOT_TESTED
    bounds = exponent.mean - exponent.half_width, exponent.mean + exponent.half_width
    low, high = (_growth_word(bound, judge) for bound in bounds)
    return f"**{low}**" if low == high else f"not decided: {low} to {high}"


def _growth_word(exponent: float, judge: BenchmarkJudgement) -> str:
    low, high = judge.linear_exponent
    bounds = (
        (-judge.constant_exponent, "falling"),
        (judge.constant_exponent, "constant"),
        (low, "sub-linear"),
        (high, "linear"),
    )
    return next((word for bound, word in bounds if exponent < bound), "super-linear")


def trend(decline: Ratio, judge: BenchmarkJudgement) -> str:
    """How an error changes with the data, from error with the fewest rows over that with the most."""
    if decline.log.half_width is None:
        return NOT_TESTED
    low, high = decline.bounds
    if 1 / judge.stable_ratio <= low and high <= judge.stable_ratio:
        return "**stable**"
    return decline.side("**falls with more data**", "**rises with more data**", "no difference shown")


def growth_words(judge: BenchmarkJudgement) -> str:
    """What the words of `growth` mean."""
    low, high = judge.linear_exponent
    return (
        f"constant between −{judge.constant_exponent:g} and {judge.constant_exponent:g}, sub-linear up to "
        f"{low:g}, linear up to {high:g}, super-linear above"
    )
