"""Words of the benchmark report: given only where the whole interval agrees."""

import math

import pytest

from perfseer.evaluation.intervals import Interval
from perfseer.reporting.settings import BenchmarkJudgement
from perfseer.studies.benchmark.words import NOT_TESTED, Ratio, growth, ratio, trend

JUDGE = BenchmarkJudgement(
    constant_exponent=0.1,
    linear_exponent=(0.9, 1.1),
    stable_ratio=1.1,
    knee_ratio=1.1,
    throughput_share=0.9,
    busy_share=0.9,
    r2=0.9988,
    fit_limit_s=60,
)


@pytest.mark.parametrize(
    ("value", "half_width", "word"),
    [
        (0.0, 0.05, "**constant**"),
        (0.5, 0.2, "**sub-linear**"),
        (1.0, 0.05, "**linear**"),
        (1.5, 0.2, "**super-linear**"),
        (-0.5, 0.2, "**falling**"),
        (1.0, 0.15, "not decided: sub-linear to super-linear"),
        (0.15, 0.1, "not decided: constant to sub-linear"),
        (1.0, None, NOT_TESTED),
    ],
)
def test_growth(value, half_width, word):
    assert growth(Interval(value, half_width, 9, 0.95), JUDGE) == word


@pytest.mark.parametrize(
    ("value", "factor", "word"),
    [
        (1.0, 1.05, "**stable**"),
        (1.3, 1.1, "**falls with more data**"),
        (0.7, 1.1, "**rises with more data**"),
        (1.3, 1.5, "no difference shown"),
        # Shown to differ, but by too little to matter.
        (1.05, 1.01, "**stable**"),
    ],
)
def test_trend(value, factor, word):
    found = Ratio(Interval(math.log(value), math.log(factor), 3, 0.95))
    assert trend(found, JUDGE) == word


def test_a_ratio_is_paired_by_seed_and_symmetric():
    first, second = {0: 2.0, 1: 40.0, 5: 1.0}, {0: 1.0, 1: 20.0, 7: 1.0}
    found = ratio(first, second, 0.95)
    assert found.value == pytest.approx(2.0)
    assert found.bounds == pytest.approx((2.0, 2.0))
    assert found.above_one
    assert ratio(second, first, 0.95).value == pytest.approx(0.5)
    assert ratio(first, {9: 1.0}, 0.95) is None


def test_one_seed_shows_nothing():
    found = ratio({0: 2.0}, {0: 1.0}, 0.95)
    assert str(found) == "2.00 (1 seed)"
    assert not found.above_one
    assert trend(found, JUDGE) == NOT_TESTED
