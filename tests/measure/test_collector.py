"""The collector with a worker that answers at once: what is measured, repeated, skipped and tabulated."""

import io
import json
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from perfseer.digests import canonical_json
from perfseer.errors import PerfseerError
from perfseer.measure import collector, session
from perfseer.measure.collector import collect, configuration_ids
from perfseer.measure.outcomes import Outcome
from perfseer.measure.plan import plan
from perfseer.measure.progress import Lines, describe, disturbance, share_done, summary
from perfseer.measure.table import read_table, write_table
from perfseer.measure.tally import Tally
from tests.helpers.fake_worker import COLLECT, PHASE, SPACE, PhaseWorker, logbook
from tests.helpers.reading import counts, numbers

HERE = {"device": "a processor", "device_kind": "cpu", "digest": "abc"}


class FakeJournal:
    """Keeps records in memory."""

    path = Path("nowhere")

    def __init__(self):
        self.records = {}

    def append(self, identifier, record):
        self.records[identifier] = record


class FakeInterrupts:
    """Nobody interrupts."""

    def check(self):
        pass


@pytest.fixture
def worker(monkeypatch):
    fake = PhaseWorker()
    monkeypatch.setattr(session, "WorkerProcess", fake)
    return fake


@pytest.fixture
def run(tmp_path, worker):
    def call(budget_s=10.0, settings=COLLECT, *, limit=None, skip=frozenset(), **options):
        worker.asked.clear()
        settings = replace(settings, time_budget_s=budget_s)
        book = logbook(tmp_path / "journal", **options)
        return collect(SPACE, settings, book, limit=limit, skip=skip)

    return call


def opened(worker):
    environment = {"device": "a processor", "device_kind": "cpu"}
    return session.Session(
        worker("cpu", 1, None), FakeJournal(), FakeInterrupts(), environment, Tally(), logbook(None)
    )


def test_the_budget_counts_measuring_seconds_and_ends_the_table(run):
    collection = run(10.0)  # two seconds a configuration
    assert list(collection.table["order"]) == [0, 1, 2, 3, 4]
    assert collection.table["measured_s"].sum() == 10.0
    assert collection.tally.fresh == 5


def test_the_same_call_again_measures_nothing_and_gives_the_same_table(run, worker):
    first = run(10.0)
    second = run(10.0)
    assert worker.asked == []
    assert second.tally.fresh == 0
    assert second.table.equals(first.table)


def test_a_larger_budget_goes_on_and_a_smaller_one_is_a_prefix(run, worker):
    five = run(10.0).table
    assert len(run(16.0).table) == 8
    assert [order for order, _, _ in worker.asked] == [5, 5, 6, 6, 7, 7]
    assert run(10.0).table.equals(five)
    assert run(4.0).table.equals(five.iloc[:2])


def test_rows_follow_the_plan_and_fit_the_table(run, tmp_path):
    table = run(10.0).table
    write_table(table, tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet").equals(table)
    wanted = [next_ for next_, _ in zip(plan(SPACE, COLLECT), range(5), strict=False)]
    assert list(table["model_ref"]) == [configuration.model_ref for configuration in wanted]
    assert list(table["batch_size"]) == [configuration.batch_size for configuration in wanted]
    assert (table["infer_mem_mib"] == 30.0).all()
    assert table["train_time_ci_high_ms"].isna().all()
    assert set(table["environment"]) == {canonical_json(HERE)}


@pytest.mark.parametrize("status", ["oom", "timeout", "error"])
def test_a_failure_is_a_row_and_what_was_measured_before_it_stays(run, status, worker):
    worker.outcomes = {(1, "train"): Outcome(status, "why"), (2, "infer"): Outcome(status, "why")}
    table = run(10.0).table
    assert list(table["status"][:4]) == ["ok", status, status, "ok"]
    assert list(table["reason"][:4]) == ["", "train: why", "infer: why", ""]
    assert table["infer_time_ms"][1] == 2.0
    assert np.isnan(table["train_time_ms"][1])
    assert table["train_iterations"][1] == 0
    # Training is not tried where inference failed: one second instead of two.
    assert table["measured_s"][2] == 1.0


def test_both_phases_share_the_timeout(run, worker):
    run(2.0)
    limit = COLLECT.protocol.timeout_s
    assert worker.asked == [(0, "infer", limit), (0, "train", limit - 1)]


def test_failed_rows_are_kept_unless_a_retry_is_asked_for(run, worker):
    worker.outcomes = {(1, "train"): Outcome("error", "why")}
    run(10.0)
    worker.outcomes = {}
    assert run(10.0).table["status"][1] == "error"
    again = run(10.0, retry_failed=True)
    assert [order for order, _, _ in worker.asked] == [1, 1]
    assert (again.table["status"] == "ok").all()
    assert (run(10.0).table["status"] == "ok").all()


def test_a_retry_takes_the_place_of_what_it_repeats(run, worker):
    worker.outcomes = {(1, "infer"): Outcome("error", "why")}
    assert list(run(9.0).table["measured_s"]) == [2.0, 1.0, 2.0, 2.0, 2.0]
    worker.outcomes = {}
    # The failed second is replaced, not added to: four rows of two seconds do not use up the budget.
    again = run(9.0, retry_failed=True)
    assert list(again.table["measured_s"]) == [2.0] * 5
    assert list(again.table["order"]) == [0, 1, 2, 3, 4]
    assert (again.tally.used_s, again.tally.rows, again.tally.fresh) == (10.0, 5, 1)
    assert run(9.0).table.equals(again.table)


def test_what_restarts_took_counts_for_the_budget_but_not_against_the_time_out(run, monkeypatch, worker):
    real = worker.ask

    def slow(request, timeout_s):
        if request["phase"] == "infer" and request["configuration"]["order"] == 0:
            worker.clock.seconds += 7.0
            worker.lost_s += 7.0
        return real(request, timeout_s)

    monkeypatch.setattr(worker, "ask", slow)
    collection = run(10.0)
    assert list(collection.table["measured_s"]) == [9.0, 2.0]
    assert collection.tally.seconds["restarts"] == 7.0
    assert sum(collection.tally.seconds.values()) == 11.0
    limit = COLLECT.protocol.timeout_s
    assert worker.asked[:2] == [(0, "infer", limit), (0, "train", limit - 1)]


def test_no_measurement_can_be_asked_for_twice_in_one_run(run, worker):
    (configuration,) = islice(plan(SPACE, COLLECT), 1)
    task = session.Task("id", configuration, COLLECT.protocol)
    with pytest.raises(ValueError, match="id id"):
        session.measure_all([task, task], opened(worker))


def test_one_configuration_may_be_measured_twice_under_two_names_and_protocols(run, worker):
    (configuration,) = islice(plan(SPACE, COLLECT), 1)
    long = replace(COLLECT.protocol, phase_budget_s=1.0)
    tasks = [
        session.Task("short", configuration, COLLECT.protocol),
        session.Task("long", configuration, long),
    ]
    one = opened(worker)
    rows = session.measure_all(tasks, one)
    assert [json.loads(row["protocol"])["phase_budget_s"] for row in rows] == [0.2, 1.0]
    assert list(one.journal.records) == ["short", "long"]
    table = one.collection(rows).table
    assert list(table["model_ref"]) == [configuration.model_ref] * 2


def test_a_broken_installation_stops_early_and_keeps_its_rows(run, tmp_path, worker):
    worker.outcomes = {(order, "infer"): Outcome("error", "no kernel") for order in range(99)}
    with pytest.raises(PerfseerError, match=r"last 10 .*infer: no kernel.*--retry-failed"):
        run(50.0)
    (journal,) = (tmp_path / "journal").glob("*.jsonl")
    assert len(journal.read_text().splitlines()) == 11


def test_limit_ends_the_table(run):
    assert len(run(1e6, limit=3).table) == 3


def test_configurations_of_an_earlier_table_are_left_out(run):
    earlier = run(6.0).table
    later = run(4.0, skip=configuration_ids(earlier)).table
    assert list(earlier["order"]) == [0, 1, 2]
    assert list(later["order"]) == [3, 4]


def test_another_protocol_has_another_journal(run, tmp_path):
    run(4.0)
    protocol = replace(COLLECT.protocol, phase_budget_s=0.123)
    assert run(4.0, replace(COLLECT, protocol=protocol)).tally.fresh == 2
    assert len(list((tmp_path / "journal").glob("*.jsonl"))) == 2


def test_another_version_of_the_protocol_has_another_journal(run, tmp_path, monkeypatch):
    run(4.0)
    monkeypatch.setattr(collector, "PROTOCOL_VERSION", collector.PROTOCOL_VERSION + 1)
    assert run(4.0).tally.fresh == 2
    assert len(list((tmp_path / "journal").glob("*.jsonl"))) == 2


def test_what_an_earlier_table_holds_twice_is_left_out_once(run):
    earlier = run(6.0).table
    twice = pd.concat([earlier, earlier.iloc[::-1]])
    assert configuration_ids(twice) == configuration_ids(earlier)
    assert list(run(4.0, skip=configuration_ids(twice)).table["order"]) == [3, 4]


def test_progress_is_told_in_rows_and_seconds(run, capsys, worker):
    seen = []
    worker.outcomes = {(1, "infer"): Outcome("oom", "why")}
    tally = run(7.0, report=lambda counts: seen.append((counts.rows, share_done(counts)))).tally
    assert seen == [(1, 2 / 7), (2, 3 / 7), (3, 5 / 7), (4, 1.0)]
    assert numbers(describe(tally)) == [4, 1, 7, 7]
    assert counts(summary(tally)) == {"configurations": 4, "ok": 3, "oom": 1, "now": 4}
    assert numbers(summary(tally))[4:6] == [7.0, 34]  # seconds, configurations per minute


def test_a_log_gets_a_line_every_ten_seconds(run, monkeypatch, tmp_path, worker):
    from perfseer.measure import progress as module

    monkeypatch.setattr(module.time, "monotonic", lambda: worker.clock.seconds)
    with (tmp_path / "log").open("w") as stream:
        run(30.0, report=Lines(stream))
    lines = (tmp_path / "log").read_text().splitlines()
    assert lines == [f"collect: {n} configurations, {2 * n} of 30 s" for n in (5, 10, 15)]


def test_a_log_that_cannot_be_written_ends_nothing(run, monkeypatch, worker):
    from perfseer.measure import progress as module

    monkeypatch.setattr(module.time, "monotonic", lambda: worker.clock.seconds)

    class Full(io.StringIO):
        def write(self, text):
            raise OSError(28, "No space left on device")

    assert len(run(60.0, report=Lines(Full())).table) == 30


def test_a_busy_machine_is_pointed_out(run, monkeypatch):
    assert disturbance(run(4.0).tally) == ""
    monkeypatch.setitem(PHASE, "foreign_cores", 1.24)
    # Two quiet rows of the journal, six disturbed ones: (4 x 0.1 + 12 x 1.24) / 16.
    assert numbers(disturbance(run(16.0).tally))[0] == 1.0
    monkeypatch.setitem(PHASE, "foreign_cores", None)
    assert disturbance(run(4.0, retry_failed=True).tally) == ""
