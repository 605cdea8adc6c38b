"""Warm-up and counting on a clock of the tests' own."""

import time

import pytest

from perfseer.measure.meters import EXTENSION_S, Count, Timing, WarmUp, count, warm_up
from perfseer.measure.settings import Protocol
from perfseer.measure.stopping import drift

PROTOCOL = Protocol(
    warmup_s=0.05,
    warmup_iterations=2,
    warmup_drift=0.1,
    warmup_budget_s=0.3,
    probe_slack=0.03,
    ci_width=0.05,
    confidence=0.95,
    min_iterations=6,
    max_iterations=50,
    phase_budget_s=0.2,
    timeout_s=10,
)


class Machine:
    """Iterations of scripted lengths in ms, the last one for ever, on a clock that only they move."""

    def __init__(self, monkeypatch, times_ms, slow=()):
        self.now, self.ran, self.times_ms, self.slow = 0.0, 0, times_ms, frozenset(slow)
        monkeypatch.setattr(time, "perf_counter", lambda: self.now)

    def run(self):
        taken = self.times_ms[min(self.ran, len(self.times_ms) - 1)]
        self.now += taken / 1e3
        self.ran += 1
        return [taken]

    def steady(self):
        return self.ran - 1 not in self.slow


def test_warm_up_lasts_until_times_are_stationary(monkeypatch):
    machine = Machine(monkeypatch, [50.0, 20.0, 15.0, 12.0, 10.0])
    warm = warm_up(machine.run, PROTOCOL)
    # 12, 10, 10 against 10, 10, 10: the first two groups of three within 10 %, after nine iterations.
    assert warm.times_ms == [50.0, 20.0, 15.0, 12.0, *[10.0] * 5]
    assert warm.seconds == pytest.approx(0.147)
    assert drift(warm.times_ms) == 0


def test_a_slow_model_is_warm_after_the_iteration_it_is_in(monkeypatch):
    warm = warm_up(Machine(monkeypatch, [400.0]).run, PROTOCOL)
    assert (warm.times_ms, drift(warm.times_ms)) == ([400.0], None)


def test_counting_stops_at_the_first_look_that_finds_the_interval_narrow(monkeypatch):
    counted = count(Machine(monkeypatch, [1.0]).run, PROTOCOL)
    assert counted == Count([1.0] * 6, pytest.approx(0.006), 0)
    # The second slow one falls outside the interval's ranks at 14, not at 9 iterations.
    counted = count(Machine(monkeypatch, [2.0, 2.0, 1.0]).run, PROTOCOL)
    assert len(counted.times_ms) == 14


def test_counting_ends_at_its_budget_and_at_most_iterations(monkeypatch):
    assert len(count(Machine(monkeypatch, [50.0]).run, PROTOCOL).times_ms) == 4
    noisy = Machine(monkeypatch, [1.0, 2.0] * 50)
    assert len(count(noisy.run, PROTOCOL).times_ms) == PROTOCOL.max_iterations


def test_disturbed_iterations_are_set_apart_and_made_up_for(monkeypatch):
    machine = Machine(monkeypatch, [*[2.0] * 60, 1.0], slow=range(60))
    assert count(machine.run, PROTOCOL, machine.steady) == Count([1.0] * 6, pytest.approx(0.126), 60)


def test_only_undisturbed_time_counts_against_the_budget(monkeypatch):
    machine = Machine(monkeypatch, [51.0], slow=[0, 1, 4])
    counted = count(machine.run, PROTOCOL, machine.steady)
    # Four undisturbed ones of 51 ms use the budget up, as on a quiet machine, though they are fewer than six.
    assert (len(counted.times_ms), counted.disturbed) == (4, 3)


def test_all_iterations_count_where_hardly_any_was_undisturbed(monkeypatch):
    machine = Machine(monkeypatch, [2.0, 1.0, 2.0], slow=set(range(9999)) - {1})
    counted = count(machine.run, PROTOCOL, machine.steady)
    assert counted.seconds == pytest.approx(PROTOCOL.phase_budget_s + EXTENSION_S, abs=0.003)
    assert counted.disturbed == 0
    assert sorted(counted.times_ms)[:2] == [1.0, 2.0]
    summary = Timing(WarmUp([2.0], 0.1), counted).summary(PROTOCOL.confidence)
    assert (summary["time_ms"], summary["time_ci_high_ms"], summary["iterations"]) == (2.0, 2.0, 50)


def test_a_summary_is_about_the_iterations_that_count():
    timing = Timing(WarmUp([9.0, 2.0, 2.0, 1.0, 1.0, 1.0], 0.1), Count([1.0, 2.0, 6.0], 0.1, 4))
    assert timing.summary(0.95) == {
        "time_ms": 2.0,
        "time_ci_low_ms": None,
        "time_ci_high_ms": None,
        "time_mean_ms": 3.0,
        "iterations": 3,
        "disturbed_iterations": 4,
        "warmup_iterations": 6,
        "warmup_drift_pct": 100.0,
    }
