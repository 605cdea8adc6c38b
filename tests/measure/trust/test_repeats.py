"""Measuring again: who is drawn, in which order, by whom, and what is refused."""

import json
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from perfseer.errors import PerfseerError
from perfseer.evaluation.noise import noise_floors
from perfseer.measure.collector import configuration_ids
from perfseer.measure.interrupts import InterruptError
from perfseer.measure.table import read_table, write_table
from perfseer.measure.trust.repeats import draw, remeasure, repetition_tasks
from perfseer.measure.trust.settings import RepeatSettings
from tests.helpers.fake_worker import COLLECT, SHORT, collected, logbook, worker

__all__ = ["worker"]
SETTINGS = RepeatSettings(share=0.25, at_least=2, times=2, seed=0)


@pytest.fixture
def run(tmp_path, worker):
    def call(table, settings=SETTINGS, *, retry_failed=False, **options):
        worker.asked.clear()
        return remeasure(table, settings, logbook(tmp_path / "journal", retry_failed=retry_failed), **options)

    return call


def test_the_draw_is_even_over_the_order_of_the_table():
    table = collected(40)
    orders = [one.order for one in draw(table.sample(frac=1, random_state=0), SETTINGS)]
    assert len(orders) == 10
    # One of every four rows in order, early and late alike.
    assert [order // 4 for order in orders] == list(range(10))
    assert set(np.diff(orders)) == {4}


def test_every_row_is_drawn_as_often_as_every_other_over_the_seeds():
    table = collected(10)
    drawn = [one.order for seed in range(400) for one in draw(table, replace(SETTINGS, seed=seed))]
    counts = np.bincount(drawn, minlength=10)
    assert counts.sum() == 400 * 2  # a quarter of ten
    assert counts.min() > 50  # 80 expected, standard deviation 8
    assert counts.max() < 115


@pytest.mark.parametrize(("share", "at_least", "expected"), [(0.25, 2, 2), (0.01, 5, 5), (1.0, 99, 10)])
def test_the_draw_has_its_share_but_no_fewer_than_asked_and_no_more_than_there_are(share, at_least, expected):
    table = collected(12, failed=(0, 7))
    drawn = draw(table, replace(SETTINGS, share=share, at_least=at_least))
    assert len({one.id for one in drawn}) == len(drawn) == expected
    assert not {0, 7} & {one.order for one in drawn}


def test_repetitions_shuffle_anew_and_number_on():
    drawn = draw(collected(40), SETTINGS)
    first, second = (list(repetition_tasks(drawn, n, 0, COLLECT.protocol)) for n in (0, 1))
    assert [task.configuration.order for task in [*first, *second]] == list(range(20))
    orders = [[task.configuration.id for task in tasks] for tasks in (first, second)]
    assert sorted(orders[0]) == sorted(orders[1]) == sorted(one.id for one in drawn)
    assert orders[0] != orders[1]
    assert len({task.id for task in [*first, *second]}) == 20


def test_every_repetition_measures_all_by_the_tables_protocol_in_a_process_of_its_own(run, worker):
    table = collected(12)
    found = run(table, replace(SETTINGS, times=3)).table
    assert worker.place == ("cpu", 1)
    assert len(found) == 9
    assert configuration_ids(found) < configuration_ids(table)
    assert [process for _, _, process in worker.asked] == [1] * 3 + [2] * 3 + [3] * 3
    assert {protocol for _, protocol, _ in worker.asked} == {COLLECT.protocol}
    assert set(found["protocol"]) == set(table["protocol"])
    assert set(found["environment"]) == set(table["environment"])


def test_a_table_of_a_gpu_asks_for_one(run, worker):
    worker.here = {**worker.here, "device_kind": "cuda", "threads": 8}
    table = collected(12).assign(device_kind="cuda", environment=json.dumps(worker.here))
    assert set(run(table).table["device_kind"]) == {"cuda"}
    assert worker.place == ("cuda", 8)


def test_repeats_are_a_measurement_table_that_gives_floors(run, tmp_path):
    table = collected(12)
    write_table(run(table).table, tmp_path / "r.parquet")
    repeats = read_table(tmp_path / "r.parquet")
    floors = noise_floors(table.assign(infer_time_ms=1.0), repeats, 0.95)
    assert floors["infer_mem_mib"].mape_pct == 0.0
    assert floors["infer_time_ms"].measurements == 9
    assert floors["infer_time_ms"].p95_pct == pytest.approx(100.0)  # 1 ms, then 2 ms twice


def test_the_same_call_again_measures_nothing_and_gives_the_same_table(run, worker):
    first = run(collected(12))
    assert (len(worker.asked), first.tally.fresh) == (6, 6)
    second = run(collected(12))
    assert worker.asked == []
    assert second.table.equals(first.table)


def test_more_times_and_a_longer_table_go_on_where_the_first_call_ended(run, worker):
    run(collected(12))
    run(collected(12), replace(SETTINGS, times=3))
    assert len(worker.ids()) == 3
    known = run(collected(12)).table
    # Of a table twice as long six are drawn, some of which may be known.
    longer = run(collected(24))
    again = configuration_ids(known) & configuration_ids(longer.table)
    assert len(worker.ids()) == 12 - 2 * len(again)


def test_an_interruption_keeps_what_is_finished(run, worker):
    worker.raises = {2: InterruptError()}
    with pytest.raises(InterruptError):
        run(collected(12))
    first = worker.ids()[:2]
    assert run(collected(12)).tally.fresh == 4
    assert len(worker.ids()) == 4
    assert worker.ids()[0] not in first


def test_a_time_budget_cuts_the_repeats_off_and_a_larger_one_goes_on(run, worker):
    whole = run(collected(12), time_budget_s=math.inf).table
    cut = run(collected(12), time_budget_s=6.0).table
    assert len(cut) == 3
    assert cut.equals(whole.iloc[:3])
    with pytest.raises(PerfseerError, match="budget is 0 s"):
        run(collected(12), time_budget_s=0.0)


def test_another_machine_is_refused_with_what_differs_and_leaves_no_journal(run, worker, tmp_path):
    worker.here |= {"torch": "2.12.0", "digest": "def"}
    with pytest.raises(PerfseerError, match=r"torch '2\.11\.0' .*'2\.12\.0'"):
        run(collected(12))
    assert worker.asked == []
    assert not (tmp_path / "journal").exists()


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("environment", ['{"device_kind":"cpu","threads":2}'], "2 values of 'environment': it was merged"),
        ("protocol", ["{}"], "2 values of 'protocol': it was merged"),
        ("protocol_version", [1], "protocol version 1, 2, this program measures version 2"),
        ("protocol_version", [1] * 12, "protocol version 1, this program measures version 2"),
        ("environment", ['{"source":"somebody"}'] * 12, "does not say on which device and how many threads"),
        ("environment", [None] * 12, "'environment' is '', expected what `perfseer collect` writes"),
        ("protocol", ["[1]"] * 12, r"'protocol' is '\[1\]', expected what"),
        ("protocol", ['{"warmup_s":1}'] * 12, "lacks the keys"),
        ("status", ["oom"] * 12, "no finished configuration to measure again"),
    ],
)
def test_tables_that_cannot_be_measured_again_are_refused(run, worker, column, values, message):
    table = collected(12)
    cells = table[column].tolist()
    cells[: len(values)] = values
    with pytest.raises(PerfseerError, match=message):
        run(table.assign(**{column: pd.Series(cells, dtype=object)}))
    assert worker.processes == 0


def test_failed_repeats_are_rows_and_can_be_tried_again(run, worker):
    worker.status = "timeout"
    assert list(run(collected(12)).table["status"]) == ["timeout"] * 6
    worker.status = "ok"
    assert run(collected(12)).tally.fresh == 0
    assert list(run(collected(12), retry_failed=True).table["status"]) == ["ok"] * 6


def test_the_journal_says_what_it_is_of(run, tmp_path):
    path = run(collected(12)).journal
    header = json.loads(path.read_text().splitlines()[0])["body"]["header"]
    assert (header["what"], header["protocol"]) == ("repeats", SHORT)
