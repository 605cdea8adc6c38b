"""Models measured by name: how they are built, which phases, and that the journal is gone on with."""

from dataclasses import replace

import pytest
import torch

from perfseer.measure import construction, session
from perfseer.measure.construction import construct_named, warm_library
from perfseer.measure.interrupts import InterruptError
from perfseer.measure.named import measure_named
from perfseer.measure.outcomes import Outcome
from perfseer.measure.plan import Configuration
from perfseer.measure.worker import builder_of
from perfseer.zoo.sampler import sample
from tests.helpers.fake_worker import COLLECT, SPACE, logbook, worker

__all__ = ["worker"]
VIT = "module:perfseer.zoo.reference.vit_tiny"
ONE = Configuration(VIT, "", "vit_tiny", "vit", "3x224x224", 2, "fp32", "nchw", "eager", 0)
THREE = [replace(ONE, batch_size=size, order=order) for order, size in enumerate((1, 2, 4))]


def run(folder, configurations=THREE, *, retry_failed=False, **options):
    place = ("cpu", 1, logbook(folder, retry_failed=retry_failed))
    return measure_named(lambda session: configurations, COLLECT.protocol, *place, **options)


def test_a_named_model_has_memory_on_the_cpu_and_always_the_same_weights():
    first, second = (
        construct_named("module:perfseer.zoo.reference.mobilenet_v1", (3, 224, 224)) for _ in "ab"
    )
    weights = [model.state_dict() for model in (first, second)]
    assert {value.device.type for value in weights[0].values()} == {"cpu"}
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert first is not second


def test_a_model_that_cannot_be_built_is_not_the_machines_fault():
    with pytest.raises(RuntimeError, match="'nonesuch'"):
        construct_named("module:nonesuch.net", (3, 8, 8))


def test_a_configuration_with_a_description_is_built_from_it():
    (spec,) = sample(SPACE, 1)
    described = replace(ONE, model_ref=f"zoo:{spec.id}", model_spec=spec.to_json())
    assert builder_of(described).func is construction.construct
    assert builder_of(ONE).func is construct_named
    assert builder_of(ONE).args == (VIT, (3, 224, 224))


def test_libraries_are_imported_before_the_fork_and_others_left_alone(monkeypatch):
    imported = []
    monkeypatch.setattr(construction, "import_library", imported.append)
    warm_library.cache_clear()
    assert [warm_library(kind) for kind in ("timm", "torchvision", "module", "zoo", "timm")] == [
        *(True, True, False, False, True)
    ]
    assert imported == ["timm", "torchvision.models"]
    warm_library.cache_clear()

    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(construction, "import_library", missing)
    assert warm_library("timm") is False
    warm_library.cache_clear()


def test_only_the_phases_asked_for_are_measured(worker, tmp_path):
    table = run(tmp_path, phases=("infer",)).table
    assert table["infer_time_ms"].notna().all()
    assert table["train_time_ms"].isna().all()
    both = run(tmp_path).table
    assert both["train_time_ms"].notna().all()
    assert len(worker.asked) == 6  # another journal: what lacks a phase does not answer for it


def test_phases_are_asked_in_the_order_given():
    asked = []

    class Asked:
        clock = type("Clock", (), {"read": staticmethod(lambda: 0.0)})
        lost_s = 0.0

        def ask(self, request, timeout_s):
            asked.append(request["phase"])
            return Outcome("ok", result={"time_ms": 1.0, "seconds": {}})

    record = session.measure(Asked(), session.Task("id", ONE, COLLECT.protocol, ("infer",)))
    assert asked == ["infer"]
    assert list(record["phases"]) == ["infer"]


def test_an_interrupted_run_goes_on_where_it_stopped(worker, tmp_path):
    worker.raises = {2: InterruptError("SIGINT")}
    with pytest.raises(InterruptError):
        run(tmp_path)
    assert len(worker.asked) == 3
    table = run(tmp_path).table
    assert len(worker.asked) == 4
    assert table["batch_size"].tolist() == [1, 2, 4]
    assert (table["status"] == "ok").all()


def test_a_budget_and_a_limit_end_the_run(worker, tmp_path):
    assert len(run(tmp_path, budget_s=3.0).table) == 2  # two seconds each
    assert len(run(tmp_path, limit=1).table) == 1
    assert len(worker.asked) == 2


def test_failed_models_are_rows_and_are_measured_again_on_request(worker, tmp_path):
    worker.status = "oom"
    assert run(tmp_path).table["status"].tolist() == ["oom"] * 3
    worker.status = "ok"
    assert run(tmp_path).table["status"].tolist() == ["oom"] * 3
    assert run(tmp_path, retry_failed=True).table["status"].tolist() == ["ok"] * 3


def test_what_is_measured_is_chosen_when_the_device_is_known(worker, tmp_path):
    def choose(session):
        assert session.environment["device"] == "a processor"
        return THREE[1:]

    table = measure_named(choose, COLLECT.protocol, "cpu", 1, logbook(tmp_path)).table
    assert table["batch_size"].tolist() == [2, 4]
