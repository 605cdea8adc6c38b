import pytest
import torch
from torch import nn

from perfseer.errors import PerfseerError
from perfseer.measure import cuda_meter
from perfseer.measure.cuda_meter import CudaMeter, chunk_size, covered_share, require_cuda
from perfseer.measure.settings import Protocol
from perfseer.measure.steps import Batch

PROTOCOL = Protocol(
    warmup_s=0.05,
    warmup_iterations=3,
    warmup_drift=1.0,
    warmup_budget_s=0.2,
    probe_slack=0.1,
    ci_width=0.05,
    confidence=0.95,
    min_iterations=7,
    max_iterations=200,
    phase_budget_s=0.5,
    timeout_s=60,
)


@pytest.mark.parametrize(
    ("intervals", "share"),
    [
        ([], 0.0),
        ([(3.0, 3.0)], 0.0),
        ([(0.0, 1.0)], 1.0),
        ([(0.0, 1.0), (3.0, 4.0)], 0.5),
        ([(3.0, 4.0), (0.0, 1.0)], 0.5),  # any order
        ([(0.0, 2.0), (1.0, 3.0), (3.0, 4.0)], 1.0),  # overlaps and touching ones count once
        ([(0.0, 10.0), (2.0, 3.0), (4.0, 5.0)], 1.0),  # nested
        ([(5.0, 6.0), (5.0, 7.0), (9.0, 10.0)], 0.6),
    ],
)
def test_covered_share_is_union_over_span(intervals, share):
    assert covered_share(intervals) == pytest.approx(share)


@pytest.mark.parametrize(
    ("target_ms", "iteration_ms", "size"), [(20, 2, 10), (20, 500, 1), (20, 0.0, 100), (20, 0.01, 100)]
)
def test_chunks_last_about_as_long_as_asked(target_ms, iteration_ms, size):
    assert chunk_size(target_ms, iteration_ms) == size


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_without_a_device_the_message_says_what_to_do():
    with pytest.raises(PerfseerError, match=r"finds no CUDA device; check nvidia-smi .* or use --device cpu"):
        require_cuda()


def test_readings_become_the_labels(monkeypatch):
    """The arithmetic around the device's counters, with the counters replaced."""
    mib = 2**20
    monkeypatch.setattr(cuda_meter, "empty_device", lambda: 10 * mib)
    monkeypatch.setattr(cuda_meter, "process_memory_bytes", lambda: 500 * mib)
    monkeypatch.setattr(cuda_meter, "timed_chunk", lambda step, iterations: [step() or 4.0] * iterations)
    monkeypatch.setattr(cuda_meter, "busy_share", lambda step, iterations: iterations / 100)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda: 70 * mib)
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda: 90 * mib)

    def build():
        return nn.Sequential(nn.Flatten(), nn.Linear(12, 4))

    result = CudaMeter().measure(build, Batch((2, 3, 2, 2), "fp32", "nchw", "cpu"), "train", PROTOCOL)
    assert (result.mem_mib, result.mem_allocated_mib, result.mem_reserved_mib) == (60, 70, 90)
    assert result.mem_process_mib == 500
    assert (result.time_ms, result.time_ci_low_ms, result.time_ci_high_ms) == (4.0, 4.0, 4.0)
    assert result.iterations == 10  # chunks of 20 ms at 4 ms each; two chunks reach min_iterations
    assert result.util_pct == pytest.approx(25)  # traced for 100 ms at 4 ms each
    assert set(result.seconds) == {"build", "warmup", "count", "trace"}


class Holds(nn.Module):
    """A linear layer whose forward holds 256 MiB for a moment."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(12, 4)

    def forward(self, x):
        held = torch.ones(64 * 1024 * 1024, device=x.device)
        return self.linear(x.flatten(1)) + held[:4] - 1


@pytest.fixture
def meter():
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    return CudaMeter()


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["fp32", "tf32", "amp-fp16"])
@pytest.mark.parametrize("phase", ["train", "infer"])
def test_cuda_reads_known_memory_and_not_its_predecessors(meter, precision, phase):
    batch = Batch((2, 3, 2, 2), precision, "nchw", "cuda")
    result = meter.measure(Holds, batch, phase, PROTOCOL)
    assert result.mem_mib == pytest.approx(256, abs=24)
    assert result.mem_reserved_mib >= result.mem_allocated_mib
    assert result.iterations >= PROTOCOL.min_iterations
    assert 0 < result.util_pct <= 100
    small = meter.measure(lambda: nn.Sequential(nn.Flatten(), nn.Linear(12, 4)), batch, phase, PROTOCOL)
    assert small.mem_mib < 24


@pytest.mark.gpu
def test_cuda_time_agrees_with_the_wall_clock(meter):
    def build():
        return nn.Sequential(
            *[nn.Conv2d(64, 64, 3, padding=1) for _ in range(8)], nn.Flatten(), nn.Linear(1, 1)
        )

    layers = build()[:-1]
    result = meter.measure(lambda: layers, Batch((32, 64, 64, 64), "fp32", "nchw", "cuda"), "infer", PROTOCOL)
    wall_ms = result.seconds["count"] * 1e3 / result.iterations
    assert result.time_ms == pytest.approx(wall_ms, rel=0.3)
