"""The noise floor against simulations whose answer is known, and both comparisons on hand-made tables."""

import json
from math import sqrt

import numpy as np
import pandas as pd
import pytest

from perfseer.errors import PerfseerError
from perfseer.evaluation.noise import (
    bootstrap_interval,
    expected_error,
    noise_floors,
    protocol_differences,
)
from tests.helpers.synthetic import make_table

SHORT = json.dumps({"warmup_s": 0.1, "phase_budget_s": 0.4})
LONG = json.dumps({"warmup_s": 1.0, "phase_budget_s": 3.0})


def with_origin(table, protocol=SHORT, measured_s=0.5):
    """``table`` with the columns that say where and how it was measured."""
    means = {f"{phase}_time_mean_ms": 1.1 * table[f"{phase}_time_ms"] for phase in ("train", "infer")}
    return table.assign(
        environment="{}",
        protocol=protocol,
        protocol_version=2,
        order=range(len(table)),
        measured_s=measured_s,
        **means,
    )


def stray(rng, shape, share, factor):
    return np.where(rng.random(shape) < share, factor, 1.0)


NOISES = {
    "normal 1 %": (lambda rng, shape: 1 + 0.01 * rng.normal(size=shape), 0.01),
    "normal 5 %": (lambda rng, shape: 1 + 0.05 * rng.normal(size=shape), 0.01),
    "log-normal 20 %": (lambda rng, shape: np.exp(0.2 * rng.normal(size=shape)), 0.015),
    "a tenth 1.5 times slower": (
        lambda rng, shape: np.exp(0.03 * rng.normal(size=shape)) * stray(rng, shape, 0.1, 1.5),
        0.03,
    ),
    "a tenth twice as slow": (
        lambda rng, shape: np.exp(0.01 * rng.normal(size=shape)) * stray(rng, shape, 0.1, 2.0),
        0.03,
    ),
    "a tenth faster": (
        lambda rng, shape: np.exp(0.03 * rng.normal(size=shape)) * stray(rng, shape, 0.1, 0.7),
        0.07,
    ),
    "a third slower": (
        lambda rng, shape: np.exp(0.03 * rng.normal(size=shape)) * stray(rng, shape, 0.3, 1.5),
        0.12,
    ),
    "Laplace": (lambda rng, shape: np.exp(rng.laplace(0, 0.03, shape)), 0.07),
}


def true_error(draw):
    """E |t − y| / y with t the median, from a million draws."""
    y = draw(np.random.default_rng(1), 1_000_000)
    return float((np.abs(np.median(y) - y) / y).mean())


@pytest.mark.parametrize(("draw", "tolerance"), NOISES.values(), ids=NOISES)
def test_three_measurements_give_the_error_of_who_knows_the_truth(draw, tolerance):
    triples = draw(np.random.default_rng(0), (20_000, 3))
    found = np.mean([expected_error(triple) for triple in triples])
    assert found == pytest.approx(true_error(draw), rel=tolerance)


def test_more_measurements_are_averaged_over_their_triples():
    draw, _ = NOISES["a tenth 1.5 times slower"]
    fives = draw(np.random.default_rng(0), (5_000, 5))
    assert np.mean([expected_error(five) for five in fives]) == pytest.approx(true_error(draw), rel=0.04)


def test_two_measurements_are_right_for_normal_noise_and_too_high_for_strays():
    normal, _ = NOISES["normal 5 %"]
    pairs = normal(np.random.default_rng(0), (20_000, 2))
    assert np.mean([expected_error(pair) for pair in pairs]) == pytest.approx(true_error(normal), rel=0.02)
    strays, _ = NOISES["a tenth twice as slow"]
    pairs = strays(np.random.default_rng(0), (20_000, 2))
    assert 1.6 < np.mean([expected_error(pair) for pair in pairs]) / true_error(strays) < 1.9


def test_expected_error_by_hand():
    weight = (1 + sqrt(2) - sqrt(3)) / (3 * (2 - sqrt(3)))
    # Gaps 1/10 (relative to 10) and 1/12 (relative to 12).
    assert expected_error([12.0, 10.0, 11.0]) == pytest.approx(0.1 / 3 + weight / 12)
    assert expected_error([10.0, 11.0]) == pytest.approx((1 / 10 + 1 / 11) / 2 / sqrt(2))
    assert expected_error([7.0, 7.0, 7.0]) == 0.0
    assert expected_error([1000.0, 1200.0, 1100.0]) == pytest.approx(expected_error([12.0, 10.0, 11.0]))


def test_floors_pair_each_configuration_with_its_own_repeats():
    table = with_origin(make_table(4))
    again = table.iloc[[5, 0]].assign(order=[0, 1])
    again["train_time_ms"] *= [1.1, 0.8]
    floors = noise_floors(table, again, 0.95)
    floor = floors["train_time_ms"]
    errors = [100 * expected_error([1.0, 1.1]), 100 * expected_error([1.0, 0.8])]
    assert floor.mape_pct == pytest.approx(np.mean(errors))
    assert (floor.low_pct, floor.high_pct) == pytest.approx((min(errors), max(errors)))
    assert floor.median_pct == pytest.approx(15.0)  # |1.1 − 1| and |0.8 − 1|
    assert floor.p95_pct == pytest.approx(19.5)
    assert (floor.configurations, floor.measurements) == (2, 4)
    assert floors["infer_mem_mib"].mape_pct == 0.0


def test_difference_of_two_measurements_counts_every_pair_once_over_the_earlier():
    table = with_origin(make_table(2, batch_sizes=(1,))).assign(train_time_ms=[10.0, 10.0])
    first = table.assign(order=[0, 1], train_time_ms=[11.0, 10.0])
    second = table.assign(order=[3, 2], train_time_ms=[12.1, 10.0])
    floor = noise_floors(table, pd.concat([second, first]), 0.9)["train_time_ms"]
    # 11/10, 12.1/10, 12.1/11 and three times 10/10.
    assert floor.median_pct == pytest.approx(5.0)
    assert floor.measurements == 6


def test_failed_repeats_and_values_no_metric_takes_are_left_out():
    table = with_origin(make_table(4))
    again = table.assign(status=["oom", *["ok"] * 7])
    again["train_util_pct"] = [50.0, 0.0, np.nan, *[50.0] * 5]
    floors = noise_floors(table, again, 0.95)
    assert floors["train_time_ms"].configurations == 7
    assert floors["train_util_pct"].configurations == 5


def test_a_label_measured_again_on_fewer_than_two_configurations_is_absent():
    table = with_origin(make_table(4))
    again = table.iloc[:2].assign(infer_time_ms=[1.0, None])
    floors = noise_floors(table, again, 0.95)
    assert "infer_time_ms" not in floors
    assert "train_time_ms" in floors
    assert noise_floors(table, table.iloc[:0], 0.95) == {}


@pytest.mark.parametrize(
    "changed",
    [{"protocol": LONG}, {"environment": '{"cores":8}'}, {"batch_size": 99}, {"protocol_version": 1}],
)
def test_repeats_of_something_else_do_not_count(changed):
    table = with_origin(make_table(4))
    others = table.iloc[2:4].assign(**changed)
    with pytest.raises(PerfseerError, match=r"`perfseer remeasure`"):
        noise_floors(table, others, 0.95)
    floors = noise_floors(table, pd.concat([table.iloc[:2], others]), 0.95)
    assert floors["train_time_ms"].configurations == 2


def test_bootstrap_interval_covers_the_mean_as_often_as_it_says():
    rng = np.random.default_rng(0)
    intervals = [bootstrap_interval(rng.normal(5, 1, 60), 0.9) for _ in range(300)]
    covered = np.mean([low <= 5 <= high for low, high in intervals])
    assert 0.84 < covered < 0.95
    assert bootstrap_interval([3.0, 3.0], 0.9) == (3.0, 3.0)


def study(change):
    """Short and long rows of five configurations; long times are 10 ms, short ones are off by ``change``."""
    plain = make_table(5, batch_sizes=(2,)).assign(train_time_ms=10.0)
    short = with_origin(plain, SHORT, 0.5)
    return pd.concat([with_origin(plain, LONG, 8.0), short.assign(train_time_ms=10.0 * (1 + change))])


def test_short_and_long_protocol_by_hand():
    found = protocol_differences(study(np.array([0.01, -0.02, 0.03, -0.04, 0.05])))
    assert (found.configurations, found.short_s, found.long_s) == (5, 0.5, 8.0)
    assert (found.cost_ratio, found.paper_cost_ratio) == (16.0, 240.0)
    (label,) = [d for d in found.differences if (d.target, d.against) == ("train_time_ms", "label")]
    assert (label.median_pct, label.p95_pct, label.bias_pct) == pytest.approx((3.0, 4.8, 1.0))
    # The long mean is 11 ms: 10.1 / 11 − 1 is the middle one.
    (mean,) = [d for d in found.differences if (d.target, d.against) == ("train_time_ms", "mean")]
    assert mean.bias_pct == pytest.approx(100 * (10.1 / 11 - 1))
    assert [d.against for d in found.differences] == ["label"] * 6 + ["mean"] * 2


def test_a_configuration_that_failed_by_one_protocol_is_left_out_of_both():
    table = study(np.zeros(5))
    table["status"] = ["timeout", *["ok"] * 9]
    assert protocol_differences(table).configurations == 4


def test_a_table_without_two_protocols_is_no_study():
    with pytest.raises(PerfseerError, match="1 protocols"):
        protocol_differences(with_origin(make_table(3)))
    table = study(np.zeros(5))
    table["status"] = ["error"] * 5 + ["ok"] * 5
    with pytest.raises(PerfseerError, match="no configuration"):
        protocol_differences(table)
