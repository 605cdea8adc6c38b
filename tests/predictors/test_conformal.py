"""Intervals: coverage on simulated errors, groups, clusters, few rows, hostile input."""

import json

import numpy as np
import pytest

from perfseer.errors import PerfseerError
from perfseer.predictors.conformal import LEVELS, Conformal, Quantiles, coverage
from perfseer.predictors.parts.platforms.widening import MOST, FeatureRange


def simulated(rng, n_clusters, rows_each=3, scale=0.1, shared=0.8):
    """Errors of architectures: a part that their rows share, a part of their own."""
    clusters = np.repeat(np.arange(n_clusters), rows_each)
    errors = shared * rng.standard_normal(n_clusters)[clusters] + 0.6 * rng.standard_normal(len(clusters))
    return scale * errors, clusters


def covered(conformal, errors, difficulty, groups, confidence):
    low, high = conformal.interval(np.ones(len(errors)), difficulty, groups, confidence)
    return (np.exp(errors) >= low) & (np.exp(errors) <= high)


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95])
def test_coverage_of_new_architectures_is_what_was_asked_for(confidence):
    rng, inside = np.random.default_rng(0), []
    for _ in range(150):
        errors, clusters = simulated(rng, 60)
        fitted = Conformal.fit(errors, np.ones(180), ["g"] * 180, clusters)
        fresh, _ = simulated(rng, 40)
        inside.append(covered(fitted, fresh, np.ones(120), ["g"] * 120, confidence).mean())
    # The standard error of the mean of 150 draws is about 0.5 %; validity puts it at or just above.
    assert confidence - 0.015 < np.mean(inside) < confidence + 0.03


def test_quantiles_count_one_more_architecture_at_infinity():
    ten = Quantiles.of(np.arange(1.0, 11.0), np.arange(10))
    at = dict(zip(LEVELS, ten.reach, strict=True))
    assert at[0.9] == 10.0  # 0.9 x 11 = 9.9 architectures
    assert at[0.91] is None
    assert at[0.5] == 6.0
    assert ten.clusters == 10


def test_an_architecture_counts_once_however_many_rows_it_has():
    scores = np.concatenate([np.full(1000, 9.0), np.arange(1.0, 10.0)])
    clusters = np.concatenate([np.zeros(1000), np.arange(1, 10)])
    assert dict(zip(LEVELS, Quantiles.of(scores, clusters).reach, strict=True))[0.5] == 6.0


def test_each_group_is_covered_though_one_errs_ten_times_more():
    rng = np.random.default_rng(1)
    parts = [simulated(rng, 200, scale=scale) for scale in (0.02, 0.2)]
    errors = np.concatenate([part[0] for part in parts])
    clusters = np.concatenate([parts[0][1], parts[1][1]])
    groups = ["calm"] * 600 + ["wild"] * 600
    fitted = Conformal.fit(errors, np.ones(1200), groups, clusters)
    for name, scale in (("calm", 0.02), ("wild", 0.2)):
        fresh, _ = simulated(rng, 400, scale=scale)
        share = covered(fitted, fresh, np.ones(1200), [name] * 1200, 0.9).mean()
        assert 0.86 < share < 0.94, name


def test_difficulty_makes_intervals_as_wide_as_the_errors():
    rng = np.random.default_rng(2)
    difficulty = np.exp(rng.uniform(-4, -1, 2000))
    errors = difficulty * rng.standard_normal(2000)
    fitted = Conformal.fit(errors, difficulty, ["g"] * 2000, np.arange(2000))
    fresh = difficulty * rng.standard_normal(2000)
    inside = covered(fitted, fresh, difficulty, ["g"] * 2000, 0.9)
    for part in (difficulty < np.quantile(difficulty, 0.25), difficulty > np.quantile(difficulty, 0.75)):
        assert 0.86 < inside[part].mean() < 0.94


def test_small_and_unknown_groups_take_the_quantiles_of_all():
    rng = np.random.default_rng(3)
    errors, clusters = simulated(rng, 100)
    groups = ["large"] * 285 + ["small"] * 15
    fitted = Conformal.fit(errors, np.ones(300), groups, clusters)
    assert list(fitted.groups) == ["large"]
    ends = fitted.interval(np.ones(2), np.ones(2), ["small", "never seen"], 0.9)
    assert ends[1][0] == ends[1][1] == pytest.approx(np.exp(fitted.pooled.reach[LEVELS.index(0.9)]))


def test_a_group_too_small_for_a_confidence_takes_that_of_all():
    rng = np.random.default_rng(4)
    errors = np.concatenate([0.01 * rng.standard_normal(30), rng.standard_normal(400)])
    groups = ["thirty"] * 30 + ["many"] * 400
    fitted = Conformal.fit(errors, np.ones(430), groups, np.arange(430))
    narrow = fitted.interval(np.ones(1), np.ones(1), ["thirty"], 0.9)
    wide = fitted.interval(np.ones(1), np.ones(1), ["thirty"], 0.99)
    assert narrow[1][0] < 1.1
    assert wide[1][0] > 5


@pytest.mark.parametrize("n", [1, 2, 5])
def test_few_architectures_give_finite_intervals_that_are_wider(n):
    rng = np.random.default_rng(5)
    inside = []
    for _ in range(500):
        fitted = Conformal.fit(0.1 * rng.standard_normal(n), np.ones(n), ["g"] * n, np.arange(n))
        low, high = fitted.interval(np.ones(1), np.ones(1), ["g"], 0.9)
        assert 0 < low[0] <= 1 <= high[0] < np.inf
        inside.append(low[0] <= np.exp(0.1 * rng.standard_normal()) <= high[0])
    assert np.mean(inside) > 0.87


def test_more_confidence_is_never_narrower():
    errors, clusters = simulated(np.random.default_rng(6), 15)
    fitted = Conformal.fit(errors, np.ones(45), ["g"] * 45, clusters)
    assert (np.diff(np.array(fitted.pooled.reach, dtype=float)) >= 0).all()
    assert fitted.interval(np.ones(1), np.ones(1), ["g"], 0.895) == fitted.interval(
        np.ones(1), np.ones(1), ["g"], 0.9
    )


def test_round_trip_through_json_changes_nothing():
    errors, clusters = simulated(np.random.default_rng(8), 50)
    fitted = Conformal.fit(errors, np.ones(150), ["a"] * 60 + ["b"] * 90, clusters)
    assert set(fitted.groups) == {"a", "b"}
    text = json.dumps(fitted.to_json(), allow_nan=False)
    again = Conformal.from_json(json.loads(text))
    for group in ("a", "b", "c"):
        for confidence in (0.5, 0.9, 0.995):
            one = fitted.interval(np.ones(1), np.ones(1), [group], confidence)
            two = again.interval(np.ones(1), np.ones(1), [group], confidence)
            np.testing.assert_array_equal(one, two)
    with pytest.raises(PerfseerError, match="other levels"):
        Conformal.from_json({**fitted.to_json(), "levels": [0.9]})


def test_enormous_difficulties_stay_finite():
    fitted = Conformal.fit(np.array([5.0]), np.ones(1), ["g"], [0])
    low, high = fitted.interval(np.ones(1), np.full(1, 1e300), ["g"], 0.9, np.full(1, MOST))
    assert low[0] == pytest.approx(1e-6)
    assert high[0] == pytest.approx(1e6)
    empty = fitted.interval(np.ones(0), np.ones(0), [], 0.9)
    assert empty[0].shape == empty[1].shape == (0,)


def test_a_predictor_without_errors_has_intervals_of_no_width():
    fitted = Conformal.fit(np.zeros(30), np.ones(30), ["g"] * 30, np.arange(30))
    assert fitted.interval(np.full(1, 3.0), np.ones(1), ["g"], 0.9) == (3.0, 3.0)


@pytest.mark.parametrize(
    ("errors", "difficulty", "groups", "clusters", "message"),
    [
        ([], [], [], [], "no rows"),
        ([0.1], [0.0], ["g"], [0], "difficulty has values"),
        ([np.nan], [1.0], ["g"], [0], "not all finite"),
        ([0.1], [np.inf], ["g"], [0], "difficulty has values"),
        ([0.1, 0.2], [1.0, 1.0], ["g"], [0, 1], "expected as many"),
        ([0.1], [1.0], ["g"], [0, 1], "expected as many"),
    ],
)
def test_what_cannot_calibrate_is_refused(errors, difficulty, groups, clusters, message):
    with pytest.raises(PerfseerError, match=message):
        Conformal.fit(np.array(errors), np.array(difficulty), groups, np.array(clusters))


@pytest.mark.parametrize("confidence", [0, 1, 0.999, -0.5, 90, float("nan")])
def test_impossible_confidences_are_refused(confidence):
    fitted = Conformal.fit(np.zeros(1), np.ones(1), ["g"], [0])
    with pytest.raises(PerfseerError, match="confidence"):
        fitted.interval(np.ones(1), np.ones(1), ["g"], confidence)


def test_features_outside_the_range_widen_continuously():
    trained = FeatureRange.of(np.array([[0.0, 5.0], [10.0, 5.0]]))  # spread 5, and a constant column
    inside = np.array([[0.0, 5.0], [10.0, 5.0], [3.0, 5.0]])
    assert trained.predict(inside).tolist() == [1, 1, 1]
    outside = np.array([[15.0, 5.0], [-10.0, 5.0], [10.1, 5.0], [1e9, 5.0], [5.0, 6.0]])
    assert trained.predict(outside).tolist() == pytest.approx([2, 3, 1.02, MOST, MOST])
    again = FeatureRange.of_arrays(trained.arrays())
    assert (again.predict(outside) == trained.predict(outside)).all()
    with pytest.raises(PerfseerError, match="finite"):
        FeatureRange.of(np.array([[np.nan]]))


def test_widening_widens():
    fitted = Conformal.fit(np.linspace(0.01, 0.3, 30), np.ones(30), ["g"] * 30, np.arange(30))
    plain = fitted.interval(np.ones(1), np.ones(1), ["g"], 0.9)
    wide = fitted.interval(np.ones(1), np.ones(1), ["g"], 0.9, np.full(1, 3.0))
    assert np.log(wide[1]) == pytest.approx(3 * np.log(plain[1]))
    assert np.log(wide[0]) == pytest.approx(3 * np.log(plain[0]))


def test_coverage_counts_rows_and_bounds_it_by_architectures():
    measured = np.array([1.0, 1.0, 1.0, 5.0])
    found = coverage(measured, np.full(4, 0.5), np.full(4, 2.0), ["a", "a", "b", "c"])
    assert (found.share, found.n, found.n_clusters) == (0.75, 4, 3)
    assert 0 <= found.low <= 0.75 <= found.high <= 1
    assert found == coverage(measured, np.full(4, 0.5), np.full(4, 2.0), ["a", "a", "b", "c"])
    rng = np.random.default_rng(9)
    errors, clusters = simulated(rng, 100, rows_each=10, shared=3.0)
    ends = np.full(1000, np.exp(-0.3)), np.full(1000, np.exp(0.3))
    grouped = coverage(np.exp(errors), *ends, clusters)
    alone = coverage(np.exp(errors), *ends, np.arange(1000))
    assert grouped.high - grouped.low > 1.5 * (alone.high - alone.low)
    with pytest.raises(PerfseerError, match="as many"):
        coverage(measured, measured, measured, ["a"])
    with pytest.raises(PerfseerError, match="not 0"):
        coverage(np.ones(0), np.ones(0), np.ones(0), [])
