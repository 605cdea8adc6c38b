"""Metrics: hand-computed values, refusals, and finiteness for whatever is finite and positive."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfseer.errors import PerfseerError
from perfseer.evaluation import metrics

ACTUAL, PREDICTED = [1.0, 2.0, 4.0, 10.0], [1.1, 1.0, 4.0, 12.0]  # relative errors +10, -50, 0, +20 %
POSITIVE = st.floats(min_value=5e-324, max_value=1.7e308, allow_nan=False, allow_infinity=False)
PAIRS = st.lists(st.tuples(POSITIVE, POSITIVE), min_size=1, max_size=20)


def test_hand_computed_errors():
    assert metrics.mape_pct(ACTUAL, PREDICTED) == pytest.approx(20.0)
    assert metrics.rmspe_pct(ACTUAL, PREDICTED) == pytest.approx(100 * math.sqrt(0.30 / 4))
    assert metrics.mae(ACTUAL, PREDICTED) == pytest.approx((0.1 + 1 + 0 + 2) / 4)
    assert metrics.rmse(ACTUAL, PREDICTED) == pytest.approx(math.sqrt((0.01 + 1 + 0 + 4) / 4))


@pytest.mark.parametrize(("tolerance", "share"), [(5, 25), (10, 50), (19.9, 50), (20, 75), (50, 100)])
def test_within_counts_the_bound_itself(tolerance, share):
    assert metrics.within_pct(ACTUAL, PREDICTED, tolerance) == share


def test_spearman_of_one_swap_is_four_fifths():
    # Ranks 1 2 3 4 against 2 1 3 4: 1 - 6 * 2 / (4 * 15).
    assert metrics.spearman(ACTUAL, PREDICTED) == pytest.approx(0.8)


def test_spearman_takes_mean_ranks_of_ties():
    # Ranks 1.5 1.5 3 against 1 2 3: covariance 1.5, scales 1.5 and 2.
    assert metrics.spearman([5, 5, 9], [1, 2, 3]) == pytest.approx(1.5 / math.sqrt(1.5 * 2))


@pytest.mark.parametrize("values", [([3, 3, 3], [1, 2, 3]), ([1, 2, 3], [7, 7, 7]), ([1], [1])])
def test_spearman_of_constants_is_undefined(values):
    assert metrics.spearman(*values) is None


def scores(actual, predicted):
    """Metric → value of all there are."""
    return {name: metric.function(actual, predicted) for name, metric in metrics.metrics([5, 10]).items()}


def test_perfect_prediction():
    assert scores(ACTUAL, ACTUAL) == {
        "mape_pct": 0,
        "rmspe_pct": 0,
        "within_5_pct": 100,
        "within_10_pct": 100,
        "spearman": pytest.approx(1),
        "mae": 0,
        "rmse": 0,
    }
    units = [metric.unit for metric in metrics.metrics([5, 10]).values()]
    assert units == ["%", "%", "%", "%", "1", "", ""]


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("side", ["measured", "predicted"])
def test_refuses_what_cannot_be_scored(bad, side):
    good, faulty = [1.0, 2.0, 3.0], [1.0, bad, 3.0]
    pair = (faulty, good) if side == "measured" else (good, faulty)
    with pytest.raises(PerfseerError, match=rf"{side} .*position 1"):
        metrics.mape_pct(*pair)


@pytest.mark.parametrize("pair", [([], []), ([1.0], [1.0, 2.0]), ([[1.0]], [[1.0]])])
def test_refuses_shapes(pair):
    with pytest.raises(PerfseerError, match="length"):
        metrics.spearman(*pair)


@given(PAIRS)
def test_all_metrics_are_finite_for_all_finite_positive_values(pairs):
    actual, predicted = np.array(pairs).T
    for name, value in scores(actual, predicted).items():
        assert (value is None and name == "spearman") or math.isfinite(value)


@given(PAIRS)
def test_rmspe_is_at_least_mape_and_shares_are_shares(pairs):
    actual, predicted = np.array(pairs).T
    assert metrics.rmspe_pct(actual, predicted) >= metrics.mape_pct(actual, predicted) * (1 - 1e-9)
    assert 0 <= metrics.within_pct(actual, predicted, 5) <= metrics.within_pct(actual, predicted, 10) <= 100
