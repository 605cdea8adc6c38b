"""The protocol study: who is chosen, what the long protocol does, and in which order it is measured."""

import itertools

import numpy as np
import pytest

from perfseer.errors import PerfseerError
from perfseer.evaluation.noise import protocol_differences
from perfseer.measure import meters
from perfseer.measure.table import read_table, write_table
from perfseer.measure.trust.protocol_study import choose, long_protocol, study_protocol
from perfseer.measure.trust.settings import ProtocolStudySettings
from tests.helpers.fake_worker import COLLECT, collected, logbook, worker

__all__ = ["worker"]
SETTINGS = ProtocolStudySettings(configurations=5, warmup_s=1.0, count_s=3.0, seed=0)
LONG = long_protocol(COLLECT.protocol, SETTINGS)


@pytest.fixture
def run(tmp_path, worker):
    def call(table, settings=SETTINGS):
        worker.asked.clear()
        return study_protocol(table, settings, logbook(tmp_path / "journal"))

    return call


@pytest.mark.parametrize("seed", range(5))
def test_the_chosen_are_spread_over_the_training_times_and_share_no_architecture(seed):
    table = collected(40)  # 20 architectures at two batch sizes; times 1 to 40 ms
    chosen = choose(table, ProtocolStudySettings(5, 1.0, 3.0, seed))
    assert len({one.architecture for one in chosen}) == len(chosen) == 5
    # Rows of one architecture are neighbours, so a fifth of the architectures is a fifth of the times.
    assert sorted(one.order // 8 for one in chosen) == [0, 1, 2, 3, 4]


def test_the_order_of_measuring_is_not_that_of_the_times():
    orders = {
        tuple(np.argsort([one.order for one in choose(collected(40), ProtocolStudySettings(5, 1, 3, seed))]))
        for seed in range(8)
    }
    assert len(orders) > 4


def test_both_batch_sizes_of_an_architecture_are_chosen_now_and_then():
    every = [ProtocolStudySettings(5, 1.0, 3.0, seed) for seed in range(20)]
    second = [one.order % 2 for settings in every for one in choose(collected(20), settings)]
    assert 20 < sum(second) < 80  # 50 of 100 expected


def test_fewer_architectures_than_wanted_are_all_taken_and_failed_rows_never():
    table = collected(8, failed=(0, 1))
    chosen = choose(table, SETTINGS)
    assert {one.architecture for one in chosen} == set(table["architecture"][2:])
    with pytest.raises(PerfseerError, match="1 architectures"):
        choose(collected(4, failed=(0, 1)), SETTINGS)


def test_the_long_protocol_warms_up_and_counts_by_the_clock_alone(monkeypatch):
    """Equal times would end the short protocol at once; slow machines would have iterations set apart."""
    clock = itertools.count(step=0.01)
    monkeypatch.setattr(meters.time, "perf_counter", lambda: next(clock))
    # The clock is read once per iteration, so each takes 10 ms of it whatever it says it took.
    warm = meters.warm_up(lambda: [5.0], LONG)
    assert len(warm.times_ms) == pytest.approx(100, abs=2)
    counted = meters.count(lambda: [5.0], LONG)
    assert len(counted.times_ms) == pytest.approx(300, abs=2)
    short = meters.count(lambda: [5.0], COLLECT.protocol)
    assert len(short.times_ms) == COLLECT.protocol.min_iterations


def test_the_long_protocol_allows_for_its_own_length():
    assert LONG.timeout_s == COLLECT.protocol.timeout_s + 2 * (1.0 + 3.0)
    assert (LONG.warmup_s, LONG.warmup_budget_s, LONG.phase_budget_s) == (1.0, 1.0, 3.0)
    paper = long_protocol(COLLECT.protocol, ProtocolStudySettings(5, 30.0, 30.0, 0))
    assert paper.timeout_s > 120


def test_short_and_long_alternate_and_each_comes_first_for_half(run, worker):
    run(collected(40))
    long = [protocol == LONG for _, protocol, _ in worker.asked]
    assert long == [False, True, True, False, False, True, True, False, False, True]
    assert {protocol for _, protocol, _ in worker.asked} == {COLLECT.protocol, LONG}
    assert worker.ids()[::2] == worker.ids()[1::2]
    assert {process for _, _, process in worker.asked} == {1}


def test_the_study_is_a_measurement_table_that_can_be_compared(run, tmp_path):
    collection = run(collected(40))
    assert list(collection.table["order"]) == list(range(10))
    write_table(collection.table, tmp_path / "s.parquet")
    found = protocol_differences(read_table(tmp_path / "s.parquet"))
    assert found.configurations == 5
    assert found.cost_ratio == 1.0  # the fake takes two seconds either way
    assert found.paper_cost_ratio == 60.0
    by_mean = [one.bias_pct for one in found.differences if one.against == "mean"]
    assert by_mean == pytest.approx([100 * (2.0 / 2.1 - 1)] * 2)


def test_the_same_call_again_measures_nothing_but_another_length_does(run, worker):
    first = run(collected(40))
    assert run(collected(40)).table.equals(first.table)
    assert worker.asked == []
    run(collected(40), ProtocolStudySettings(5, 1.0, 4.0, 0))
    assert len(worker.ids()) == 10


def test_another_machine_is_refused(run, worker, tmp_path):
    worker.here |= {"threads": 4}
    with pytest.raises(PerfseerError, match=r"threads 1 .* 4 here"):
        run(collected(40))
    assert not (tmp_path / "journal").exists()
