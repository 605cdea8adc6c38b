import math
from dataclasses import replace

import numpy as np
import pytest

from perfseer.measure.settings import Protocol
from perfseer.measure.stopping import (
    drift,
    group_size,
    is_narrow,
    is_warm,
    median_interval,
    median_rank,
    next_look,
)

PROTOCOL = Protocol(
    warmup_s=0.1,
    warmup_iterations=3,
    warmup_drift=0.1,
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
    ("times_ms", "elapsed_s", "warm"),
    [
        ([], 0.5, False),
        ([1.0] * 6, 0.05, False),  # stationary, but too little time
        ([1.0] * 5, 0.15, False),  # time and iterations, but not two groups of three
        ([1.3, 1.3, 1.3, 1.0, 1.0, 1.0], 0.15, False),  # 30 % faster than before
        ([1.0, 1.0, 1.0, 1.3, 1.3, 1.3], 0.15, False),  # slower counts as well
        ([1.09, 1.09, 1.09, 1.0, 1.0, 1.0], 0.15, True),
        ([9.0, 1.0, 1.0, 1.0, 1.0, 1.0], 0.15, True),  # medians: one slow iteration is none too many
        ([9.0], 0.2, True),  # its budget ends it in any case
    ],
)
def test_warm_up_ends_when_times_are_stationary_or_its_budget_is_used(times_ms, elapsed_s, warm):
    assert is_warm(times_ms, elapsed_s, PROTOCOL) is warm


def test_without_a_limit_to_the_drift_time_and_iterations_suffice():
    protocol = replace(PROTOCOL, warmup_drift=1.0)
    assert not is_warm([3.0, 1.0], 0.15, protocol)
    assert is_warm([9.0, 3.0, 1.0], 0.15, protocol)


def test_drift_compares_the_latest_quarter_with_the_one_before():
    assert drift([1.0] * 5) is None
    assert drift([4.0, 2.0, 3.0, 2.0, 2.0, 2.0]) == pytest.approx(0.5)
    # Of 40 iterations groups have 10: the median of 20…29 is 24.5, that of 30…39 is 34.5.
    assert drift([float(i) for i in range(40)]) == pytest.approx(10 / 34.5)
    assert [group_size(n) for n in (1, 12, 15, 16, 127, 128, 100_000)] == [3, 3, 3, 4, 31, 32, 32]


@pytest.mark.parametrize(
    ("times_ms", "narrow"),
    [
        ([1.0], False),  # no interval
        ([1.0] * 7, True),
        ([1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.06], False),  # width 0.06 of the median
        ([1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.04], True),
    ],
)
def test_an_interval_is_narrow_up_to_the_width_asked_for(times_ms, narrow):
    assert is_narrow(times_ms, PROTOCOL) is narrow


def test_looks_are_half_as_many_iterations_apart_again_each_time():
    looks = [6]
    while looks[-1] < 100:
        looks.append(next_look(looks[-1]))
    assert looks == [6, 9, 14, 21, 32, 48, 72, 108]


@pytest.mark.parametrize("spread", [0.02, 0.03, 0.05, 0.08, 0.12])
def test_an_interval_that_stopped_the_counting_covers_the_median_as_often_as_it_says(spread):
    """Log-normal times of median 1, stopped as the quick preset stops, without a budget of time."""
    protocol = replace(PROTOCOL, min_iterations=6, max_iterations=200)
    draw, covered = np.random.default_rng(0), []
    for _ in range(1500):
        times_ms = np.exp(spread * draw.standard_normal(200)).tolist()
        n = protocol.min_iterations
        while n < 200 and not is_narrow(times_ms[:n], protocol):
            n = min(next_look(n), 200)
        interval = median_interval(times_ms[:n], protocol.confidence)
        covered.append(interval.low <= 1.0 <= interval.high)
    # 95 % less three standard errors of 1,500 draws; a look after every iteration gives 0.92 at worst.
    assert np.mean(covered) > 0.933
