"""The campaign: what a broken installation does to it, with a worker of the test's own."""

import json
from dataclasses import replace

import pytest

from perfseer.errors import PerfseerError
from perfseer.measure import session
from perfseer.measure.kernels import campaign
from perfseer.measure.kernels.settings import KernelSettings
from perfseer.measure.outcomes import Outcome
from tests.helpers.fake_worker import COLLECT, SPACE, StandIn, logbook
from tests.helpers.places import PARAMS

RESULT = {"time_ms": 1.0, "time_ci_low_ms": 0.9, "time_ci_high_ms": 1.1, "iterations": 6, "copies": 1}
ENTRY = {"saving": 0.0, "fuses": False, "applied": False}


class Worker(StandIn):
    """Answers at once; the clock moves by 0.1 s per phase."""

    def __init__(self, fails=()):
        self.fails, self.asked = fails, []

    def environment(self):
        return {"device": "none", "device_kind": "cpu"}

    def ask(self, request, timeout_s):
        self.asked.append(request)
        if request["what"] != "kernel":
            return Outcome(
                "ok", result={**ENTRY, "producer": request["pair"][0], "consumer": request["pair"][1]}
            )
        if request["phase"] in self.fails:
            return Outcome("error", "RuntimeError: no kernel image")
        return Outcome("ok", result={**RESULT, "foreign_cores": 0.0})


def run(folder, monkeypatch, worker, learner=None, **changes):
    clock = iter(range(10**9))
    monkeypatch.setattr(session, "WorkerProcess", worker)
    monkeypatch.setattr(campaign, "_clock", lambda: 0.1 * next(clock))
    settings = replace(KernelSettings.from_mapping(PARAMS["kernels"]), architectures=2, **changes)
    return campaign.run_campaign(SPACE, COLLECT, settings, logbook(folder), learner)


def test_the_budget_counts_fusion_tests_and_kernels(tmp_path, monkeypatch):
    worker = Worker()
    done = run(tmp_path, monkeypatch, worker, time_budget_s=6.0)
    pairs = sum(request["what"] == "pair" for request in worker.asked)
    assert pairs == len(done.fusion["pairs"]) > 0
    assert done.table["measured_s"].sum() + 0.1 * pairs == pytest.approx(6.0, abs=0.21)
    assert done.fusion["rules"] == {"pairs": [], "multiple_outputs": "never"}
    assert done.fusion["multiple_outputs"]["reason"].startswith("no pair")


def test_again_nothing_is_measured(tmp_path, monkeypatch):
    first = run(tmp_path, monkeypatch, Worker(), time_budget_s=6.0)
    worker = Worker()
    second = run(tmp_path, monkeypatch, worker, time_budget_s=6.0)
    assert worker.asked == []
    assert second.tally.fresh == 0
    assert second.table.equals(first.table)


def test_rounds_are_drawn_around_what_the_learner_does_not_tell(tmp_path, monkeypatch):
    def learner(train, test):
        return 2 * test[["train_time_ms", "infer_time_ms"]].to_numpy()

    done = run(tmp_path, monkeypatch, Worker(), learner, time_budget_s=15.0, rounds=2, rounds_share=0.5)
    spent = done.table.groupby("round")["measured_s"].sum()
    assert list(spent.index) == [0, 1, 2]
    assert spent[1] == pytest.approx(spent[2], abs=0.3)
    assert spent[0] == pytest.approx(spent[1] + spent[2], abs=0.5)


def test_what_fails_in_training_is_a_row_with_its_reason(tmp_path, monkeypatch):
    with pytest.raises(PerfseerError, match=r"last 10 .*train: RuntimeError"):
        run(tmp_path, monkeypatch, Worker(fails=("train",)), time_budget_s=50.0)
    (journal,) = tmp_path.glob("*.jsonl")
    bodies = [json.loads(line)["body"] for line in journal.read_text().splitlines()]
    records = [body["record"] for body in bodies if "record" in body and "costs" in body["record"]]
    assert len(records) == 10
    assert {record["status"] for record in records} == {"error"}
    assert all(record["costs"]["bytes"] > 0 for record in records)
