"""The worker's part between a request and the meter, with a meter that runs nothing."""

from dataclasses import asdict, replace
from itertools import islice

import pytest
import torch

from perfseer.errors import PerfseerError
from perfseer.measure import worker
from perfseer.measure.construction import construct, materialise, release, skeleton
from perfseer.measure.meters import Meter, PhaseResult
from perfseer.measure.outcomes import Outcome
from perfseer.measure.plan import plan
from perfseer.measure.settings import CollectSettings
from perfseer.zoo.space import ArchitectureSpec, SearchSpace, n_parameters
from tests.helpers.places import PARAMS

SPACE = SearchSpace.from_mapping(PARAMS["zoo"])
SETTINGS = CollectSettings.from_mapping({**PARAMS["collect"], "batches_per_architecture": 3})
FIRST = next(plan(SPACE, SETTINGS))
NOT_MEASURED = dict.fromkeys(PhaseResult.__dataclass_fields__)


class InProcess(Meter):
    """Shares the worker's process, as the cuda meter does; ``largest`` is the batch size that still fits."""

    device_kind = "cpu"
    forks = False

    def __init__(self, largest=10**9):
        self.largest = largest
        self.tried = []
        self.models = []

    def measure(self, build, batch, phase, protocol):
        self.tried.append((phase, batch.shape[0]))
        self.models.append(build())
        if phase == "train" and batch.shape[0] > self.largest:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1.00 GiB.")
        return PhaseResult(**{**NOT_MEASURED, "time_ms": 1.0, "seconds": {}})


@pytest.fixture(autouse=True)
def forget():
    worker._TOO_BIG.clear()
    skeleton.cache_clear()
    yield
    worker._TOO_BIG.clear()
    skeleton.cache_clear()


def ask(meter, batch_size, phase="train", configuration=FIRST):
    changed = replace(configuration, batch_size=batch_size)
    protocol = asdict(SETTINGS.protocol)
    request = {"configuration": asdict(changed), "phase": phase, "protocol": protocol, "timeout_s": 60}
    return worker.measure(meter, request)


def test_batch_sizes_and_phases_of_an_architecture_share_one_skeleton_and_leave_it_empty():
    meter = InProcess()
    for size in (1, 8, 4):
        for phase in ("infer", "train"):
            assert ask(meter, size, phase).status == "ok"
    assert len({id(model) for model in meter.models}) == 1
    assert skeleton.cache_info().misses == 1
    assert {parameter.device.type for parameter in meter.models[0].parameters()} == {"meta"}


def test_what_is_larger_than_what_did_not_fit_is_not_tried_and_the_row_says_so(capsys):
    meter = InProcess(largest=16)
    assert ask(meter, 64).reason.startswith("OutOfMemoryError")
    outcome = ask(meter, 256)
    assert (outcome.status, outcome.result) == ("oom", None)
    assert "size 64 " in outcome.reason
    assert meter.tried == [("train", 64)]


def test_everything_that_may_fit_is_tried(capsys):
    meter = InProcess(largest=16)
    ask(meter, 64)
    assert ask(meter, 32).status == "oom"  # smaller: tried, and failed itself
    assert ask(meter, 16).status == "ok"
    assert ask(meter, 64, "infer").status == "ok"  # another phase
    assert ask(meter, 32).status == "oom"  # the same again, as --retry-failed asks for it
    other = list(islice(plan(SPACE, SETTINGS), SETTINGS.batches_per_architecture + 1))[-1]
    assert other.architecture != FIRST.architecture
    assert ask(meter, 8, configuration=other).status == "ok"
    half = replace(FIRST, precision="bf16")
    assert ask(replace_largest(meter, 10**9), 128, configuration=half).status == "ok"
    sizes = [size for _, size in meter.tried]
    assert sizes == [64, 32, 16, 64, 32, 8, 128]


def replace_largest(meter, largest):
    meter.largest = largest
    return meter


def test_the_smallest_size_that_did_not_fit_counts(capsys):
    meter = InProcess(largest=16)
    ask(meter, 64)
    ask(meter, 32)
    assert "size 32 " in ask(meter, 64).reason


def test_a_missing_compiler_is_a_fault_of_the_machine_and_no_row(monkeypatch):
    def missing(device):
        raise PerfseerError("no C++")

    monkeypatch.setattr(worker, "require_compiler", missing)
    meter = InProcess()
    outcome = ask(meter, 2, configuration=replace(FIRST, mode="compiled"))
    assert (outcome.status, outcome.reason) == ("fault", "no C++")
    assert meter.tried == []


def test_a_configuration_says_what_it_is_run_on():
    one = replace(FIRST, precision="bf16", memory_format="nhwc", mode="compiled", batch_size=6)
    batch = worker.batch_of(one, "cuda")
    assert (batch.shape, batch.device) == ((6, 3, SPACE.resolution, SPACE.resolution), "cuda")
    assert (batch.precision, batch.memory_format, batch.mode) == ("bf16", "nhwc", "compiled")


class Forks(InProcess):
    forks = True

    def measure(self, build, batch, phase, protocol):
        return PhaseResult(**{**NOT_MEASURED, "time_ms": 1.0, "seconds": {"build": 0.5}})


@pytest.mark.parametrize("mode", ["eager", "compiled"])
def test_a_forked_phase_is_compiled_in_a_process_before_its_own(monkeypatch, mode):
    processes = []

    def forked(do, timeout_s):
        processes.append((do(), timeout_s))
        return Outcome("ok", result=processes[-1][0])

    monkeypatch.setattr(worker, "run_forked", forked)
    monkeypatch.setattr(worker, "ready_compiler", lambda device: None)
    monkeypatch.setattr(torch, "compile", lambda model, **how: model)
    outcome = ask(Forks(), 2, configuration=replace(FIRST, mode=mode))
    seconds = outcome.result["seconds"]
    assert len(processes) == (2 if mode == "compiled" else 1)
    assert processes[-1][0]["time_ms"] == 1.0
    if mode == "compiled":
        assert processes[1][1] == pytest.approx(60 - seconds.pop("compile"))
    assert seconds == {"build": 0.5}


def test_what_does_not_compile_is_not_measured(monkeypatch):
    monkeypatch.setattr(worker, "run_forked", lambda do, timeout_s: Outcome("timeout", "still busy"))
    monkeypatch.setattr(worker, "ready_compiler", lambda device: None)
    outcome = ask(Forks(), 2, configuration=replace(FIRST, mode="compiled"))
    assert (outcome.status, outcome.reason) == ("timeout", "still busy")


@pytest.fixture(scope="module")
def cuda_meter():
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    return worker.start("cuda", 1)[0]


@pytest.mark.gpu
def test_cuda_measures_both_phases_of_a_network_of_the_space(cuda_meter):
    parameters_mib = 4 * n_parameters(ArchitectureSpec.from_json(FIRST.model_spec)) / 2**20
    found = {phase: ask(cuda_meter, 8, phase).result for phase in ("infer", "train")}
    assert found["infer"]["mem_mib"] > parameters_mib
    assert found["train"]["mem_mib"] > 3 * parameters_mib
    assert found["train"]["time_ms"] > found["infer"]["time_ms"] > 0
    assert torch.cuda.memory_allocated() < 2**26  # nothing of it is left but workspaces


@pytest.mark.gpu
def test_cuda_weights_are_distributed_as_those_made_on_the_cpu(cuda_meter):
    expected = construct(FIRST.model_spec).state_dict()
    model = materialise(skeleton(FIRST.model_spec, "fp32", "nchw"), "cuda")
    for name, value in model.state_dict().items():
        there, here = value.double().cpu(), expected[name].double()
        assert there.isfinite().all(), name
        if there.numel() > 5000:
            assert there.std() == pytest.approx(here.std(), rel=0.1), name
        if "running" in name:
            assert torch.equal(there, here), name
    release(model)
