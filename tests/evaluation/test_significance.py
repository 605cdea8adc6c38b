"""Resampling of whole networks and Holm's correction."""

import numpy as np
import pytest

from perfseer.errors import PerfseerError
from perfseer.evaluation.significance import clustered_bootstrap, holm


def resample(values, clusters, resamples=4000, confidence=0.95, seed=0, repeats=None):
    values = np.asarray(values, dtype=np.float64).reshape(len(clusters), -1)
    return clustered_bootstrap(
        values, clusters, confidence=confidence, resamples=resamples, seed=seed, repeats=repeats
    )


def test_holm_by_hand():
    # Sorted 0.01, 0.02, 0.04 times 3, 2, 1; the largest so far counts.
    assert holm([0.04, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.04])
    assert holm([0.5, 0.6, 0.9]) == pytest.approx([1.0, 1.0, 1.0])
    assert holm([0.01, 0.01]) == pytest.approx([0.02, 0.02])
    assert holm([]).size == 0


def test_holm_refuses_what_is_no_probability():
    for value in (1.1, -0.1, np.nan):
        with pytest.raises(PerfseerError, match=r"\[0, 1\]"):
            holm([0.5, value])


def test_the_mean_is_that_of_the_rows_not_of_the_clusters():
    found = resample([1.0, 1.0, 1.0, 5.0], ["a", "a", "a", "b"])
    assert found.mean[0] == pytest.approx(2.0)
    assert (found.clusters[0], found.rows[0]) == (2, 4)


def test_a_constant_difference_is_as_significant_as_the_draws_allow():
    found = resample([-3.0] * 12, range(12), resamples=999)
    assert (found.low[0], found.high[0]) == pytest.approx((-3.0, -3.0))
    assert found.p_value[0] == pytest.approx(2 / 1000)


def test_no_difference_is_not_significant():
    assert resample([0.0] * 8, range(8)).p_value[0] == 1.0
    assert resample([1.0, -1.0] * 20, range(40)).p_value[0] > 0.8


def test_repeated_rows_of_a_network_are_no_evidence():
    rng = np.random.default_rng(0)
    values = rng.normal(0.3, 1.0, 25)
    once = resample(values, range(25))
    often = resample(np.repeat(values, 40), np.repeat(np.arange(25), 40))
    assert often.p_value[0] == pytest.approx(once.p_value[0])
    assert often.high[0] - often.low[0] == pytest.approx(once.high[0] - once.low[0])
    # Taken for independent, the same rows would look certain.
    assert resample(np.repeat(values, 40), range(1000)).p_value[0] < 0.01 < once.p_value[0]


def test_the_interval_agrees_with_the_normal_one_for_many_clusters():
    values = np.random.default_rng(1).normal(1.0, 2.0, 400)
    found = resample(values, range(400), resamples=20000)
    half = 1.96 * values.std(ddof=1) / np.sqrt(400)
    assert found.low[0] == pytest.approx(values.mean() - half, abs=0.02)
    assert found.high[0] == pytest.approx(values.mean() + half, abs=0.02)


def test_columns_may_lack_rows():
    values = np.array([[1.0, np.nan, np.nan], [2.0, 4.0, np.nan], [3.0, 6.0, np.nan]])
    found = resample(values, ["a", "b", "b"])
    assert found.mean[:2] == pytest.approx([2.0, 5.0])
    assert np.isnan([found.mean[2], found.low[2], found.high[2]]).all()
    assert found.clusters.tolist() == [2, 1, 0]
    assert found.rows.tolist() == [3, 2, 0]
    assert found.p_value[2] == 1.0


def test_blocks_of_draws_change_nothing(monkeypatch):
    values = np.random.default_rng(2).normal(size=30)
    whole = resample(values, range(30))
    monkeypatch.setattr("perfseer.evaluation.significance._BLOCK_CELLS", 100)
    assert resample(values, range(30)).low[0] == pytest.approx(whole.low[0])


def test_luck_in_one_training_is_chance_when_trainings_are_drawn_too():
    # Two trainings agree, the third contradicts them on every network; networks alone would be certain.
    values, repeats = np.repeat([-1.0, -1.0, 0.5], 40), np.repeat([0, 1, 2], 40)
    clusters = np.tile(np.arange(40), 3)
    assert resample(values, clusters).p_value[0] < 0.001
    found = resample(values, clusters, repeats=repeats, resamples=20000)
    # The mean is positive only where the third is drawn three times: 1 of 27; twice gives exactly 0: 6 of 27.
    assert found.p_value[0] == pytest.approx(2 * 7 / 27, abs=0.02)
    assert (found.low[0], found.high[0]) == pytest.approx((-1.0, 0.5))


def test_trainings_that_agree_stay_certain():
    found = resample([-1.0] * 60, np.tile(np.arange(20), 3), repeats=np.repeat([0, 1, 2], 20), resamples=999)
    assert found.p_value[0] == pytest.approx(2 / 1000)


def test_a_column_may_lack_a_training():
    values = np.ones((6, 2))
    values[3:, 1] = np.nan
    found = resample(values, [0, 1, 2] * 2, repeats=[0, 0, 0, 1, 1, 1], resamples=999)
    assert found.mean == pytest.approx([1.0, 1.0])
    assert found.rows.tolist() == [6, 3]
    # A quarter of the draws has no row of the second column; the others count.
    assert found.p_value[1] == pytest.approx(2 / 750, rel=0.1)


def test_rows_without_clusters_are_refused():
    with pytest.raises(PerfseerError, match="3 rows and 2"):
        clustered_bootstrap(np.zeros((3, 1)), [0, 1], confidence=0.95, resamples=100, seed=0)
