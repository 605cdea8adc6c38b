"""Intervals over seeds against hand-computed Student-t values."""

import math

import pytest

from perfseer.errors import PerfseerError
from perfseer.evaluation.intervals import mean_interval, paired_difference


def test_three_seeds():
    found = mean_interval([4.0, 5.0, 6.0], 0.95)
    # t(0.975, 2) = 4.302653, standard deviation 1.
    assert found.mean == 5.0
    assert found.half_width == pytest.approx(4.302653 / math.sqrt(3), rel=1e-6)
    assert found.n == 3


def test_one_seed_has_no_interval():
    assert mean_interval([7.0], 0.95).half_width is None


@pytest.mark.parametrize("values", [[], [1.0, math.nan], [math.inf]])
def test_refuses_nothing_and_non_finite(values):
    with pytest.raises(PerfseerError):
        mean_interval(values, 0.95)


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [
        ({0: 5.0, 1: 5.2, 2: 4.9}, {0: 7.0, 1: 7.1, 2: 7.0}, "better"),
        ({0: 7.0, 1: 7.1, 2: 7.0}, {0: 5.0, 1: 5.2, 2: 4.9}, "worse"),
        ({0: 5.0, 1: 9.0, 2: 4.0}, {0: 7.0, 1: 5.0, 2: 7.0}, "no difference shown"),
        ({0: 5.0}, {0: 7.0, 1: 7.0}, "not tested"),
        ({0: 5.0, 1: 5.0}, {0: 5.0, 1: 5.0}, "no difference shown"),
    ],
)
def test_verdicts(first, second, verdict):
    assert paired_difference(first, second, 0.95).verdict == verdict


def test_pairs_by_seed_and_ignores_the_rest():
    found = paired_difference({0: 1.0, 1: 2.0, 5: 9.0}, {1: 1.0, 0: 3.0}, 0.95)
    assert found.seeds == (0, 1)
    assert found.interval.mean == pytest.approx(((1 - 3) + (2 - 1)) / 2)


def test_without_common_seeds_there_is_no_comparison():
    assert paired_difference({0: 1.0}, {1: 1.0}, 0.95) is None
