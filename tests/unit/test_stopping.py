import math

import pytest

from perfseer.measure.settings import Protocol
from perfseer.measure.stopping import is_enough, is_warm, median_interval, median_rank

PROTOCOL = Protocol(
    warmup_s=0.1,
    warmup_iterations=3,
    warmup_drift=1.0,
    warmup_budget_s=0.2,
    probe_slack=0.1,
    ci_width=0.05,
    confidence=0.95,
    min_iterations=7,
    max_iterations=50,
    phase_budget_s=1.0,
    timeout_s=10,
)


@pytest.mark.parametrize(
    ("n", "rank"),
    [
        (1, None),
        (5, None),  # 1 - 2/32 = 0.9375
        (6, 1),  # 1 - 2/64 = 0.96875
        (7, 1),  # rank 2 would cover 1 - 2 (1 + 7)/128 = 0.875
        (10, 2),  # 1 - 2 (1 + 10)/1024 = 0.9785; rank 3 would cover 0.8906
        (20, 6),  # published tables of binomial confidence limits: 6 and 15
        (100, 40),  # likewise: 40 and 61
    ],
)
def test_rank_covers_the_median_with_95_percent(n, rank):
    assert median_rank(n, 0.95) == rank


def test_rank_equals_the_definition_computed_with_exact_binomials():
    for n in range(1, 120):
        for confidence in (0.8, 0.95, 0.99):
            covered = [1 - 2 * sum(math.comb(n, i) for i in range(k)) / 2**n for k in range(1, n // 2 + 1)]
            ranks = [k for k, share in enumerate(covered, start=1) if share >= confidence]
            assert median_rank(n, confidence) == (max(ranks) if ranks else None), (n, confidence)


def test_interval_is_made_of_samples_and_ignores_their_order():
    interval = median_interval([5.0, 1.0, 9.0, 3.0, 7.0, 2.0, 8.0], 0.95)
    assert (interval.low, interval.median, interval.high) == (1.0, 5.0, 9.0)
    assert interval.relative_width == pytest.approx(8 / 5)


def test_even_number_of_samples_has_the_mean_of_the_middle_two_as_median():
    interval = median_interval([float(x) for x in range(10, 0, -1)], 0.95)
    assert (interval.low, interval.median, interval.high) == (2.0, 5.5, 9.0)


def test_too_few_samples_have_a_median_but_no_interval():
    interval = median_interval([3.0, 1.0], 0.95)
    assert (interval.low, interval.median, interval.high) == (None, 2.0, None)
    assert interval.relative_width == math.inf


def test_no_samples_are_refused():
    with pytest.raises(ValueError, match="no samples"):
        median_interval([], 0.95)


@pytest.mark.parametrize(
    ("elapsed_s", "iterations", "warm"),
    [
        (0.5, 0, False),
        (0.5, 2, False),  # time, but too few iterations
        (0.05, 30, False),  # iterations, but too little time
        (0.1, 3, True),
        (1.2, 1, True),  # a slow model must not spend its time-out on warming up
    ],
)
def test_warm_up_needs_time_and_iterations_but_ends(elapsed_s, iterations, warm):
    assert is_warm(elapsed_s, iterations, PROTOCOL) is warm


@pytest.mark.parametrize(
    ("times_ms", "elapsed_s", "enough"),
    [
        ([], 5.0, False),  # never without a single iteration
        ([1.0] * 6, 0.1, False),  # fewer than min_iterations
        ([1.0] * 7, 0.1, True),
        ([1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.06], 0.1, False),  # width 0.06 of the median
        ([1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.04], 0.1, True),
        ([1.0, 9.0] * 25, 0.1, True),  # max_iterations, however wide
        ([1.0, 9.0] * 5, 0.1, False),
        ([1.0], 1.0, True),  # the budget ends it in any case
    ],
)
def test_counting_stops_by_width_iterations_or_budget(times_ms, elapsed_s, enough):
    assert is_enough(times_ms, elapsed_s, PROTOCOL) is enough
