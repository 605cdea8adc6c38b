"""The smooth function of five numbers, its rows and the scores on them."""

import numpy as np
import pytest

from perfseer.predictors.settings import Mlp5dSettings
from perfseer.studies.benchmark.regression5d import regression_scores, run_regression
from perfseer.studies.benchmark.settings import BenchmarkSettings
from perfseer.studies.benchmark.smooth import BOUND, TEST_STREAM, draw, function

SETTINGS = Mlp5dSettings(hidden=(16, 8), learning_rate=0.01, max_epochs=30, batch_size=32, patience=30)
STUDY = BenchmarkSettings.model_validate(
    {
        "split": "architecture",
        "targets": ["train_time_ms"],
        "shares": [1.0],
        "batch_rows": [1],
        "predict_s": 0.001,
        "timeout_s": 60,
        "sampling_s": 0.01,
        "overrides": {},
        "regression": {
            "samples": [100, 600],
            "valid_share": 0.1,
            "test_rows": 300,
            "noise_sd": 0.05,
            "batch_rows": [10, 400],
        },
    }
)


def test_values_worked_out_by_hand():
    x = np.array([[0, 0, 0, 0, 0], [np.pi / 2, 0, 0, 0, 0], [0, np.pi, 2, 1, -2]], dtype=float)
    # x1 + 2 sin x1 + 2 cos x2 + x3² / 2 + 0.4 x4 x5
    assert function(x) == pytest.approx([2, np.pi / 2 + 2 + 2, -2 + 2 - 0.8])


def test_fewer_rows_are_the_first_of_more_and_streams_differ():
    few, many = draw(10, 3, 0.1), draw(50, 3, 0.1)
    assert (few.x == many.x[:10]).all()
    assert (few.y == many.y[:10]).all()
    assert (draw(10, 3, 0.1, TEST_STREAM).x != few.x).any()
    assert np.abs(many.x).max() <= BOUND


def test_noise_is_of_the_stated_size_and_the_spread_near_the_old_reports():
    rows = draw(20_000, 0, 0.05)
    assert (rows.y - function(rows.x)).std() == pytest.approx(0.05, rel=0.03)
    assert rows.y.std() == pytest.approx(2.9, rel=0.05)


def test_scores_worked_out_by_hand():
    # Errors 1, -1, 0, 0; values 1 to 4 have a variance of 1.25.
    scores = regression_scores(np.array([1.0, 2, 3, 4]), np.array([2.0, 1, 3, 4]))
    assert (scores.mse, scores.mae) == (0.5, 0.5)
    assert scores.rmse == pytest.approx(0.5**0.5)
    assert scores.r2 == pytest.approx(1 - 0.5 / 1.25)


def test_every_point_has_both_libraries_with_equal_epochs():
    lines = []
    points, noise_r2 = run_regression(SETTINGS, [0], STUDY, lines.append)
    assert [(point.samples, point.library) for point in points] == [
        *((100, "perfseer"), (100, "scikit-learn")),
        *((600, "perfseer"), (600, "scikit-learn")),
    ]
    assert {point.status for point in points} == {"ok"}
    assert {point.result.epochs for point in points} == {30}
    assert len(lines) == 4
    # More samples help both, and both learn most of the function in thirty epochs.
    r2 = [point.result.scores.r2 for point in points]
    assert r2[2] > r2[0]
    assert min(r2[2:]) > 0.9
    assert noise_r2 == pytest.approx(1 - 0.05**2 / 2.9**2, abs=1e-4)
    assert set(points[0].result.predict_s) == {10, 400}
