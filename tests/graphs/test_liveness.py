"""Peak memory: by hand on small networks, and against brute force."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F
from torch.profiler import ProfilerActivity, profile

from perfseer.graphs.capture import capture
from perfseer.graphs.liveness import OPTIMISER_STATES_PER_PARAMETER, Ledger, peak_bytes

INTERVALS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 10), st.integers(0, 1000)), max_size=30)


@given(INTERVALS)
def test_peak_equals_brute_force(intervals):
    births, lengths, sizes = np.array(intervals, dtype=np.int64).reshape(-1, 3).T
    expected = max(
        (sum(s for b, n, s in intervals if b <= moment <= b + n) for moment in range(41)), default=0
    )
    assert peak_bytes(births, births + lengths, sizes) == expected


def test_a_storage_dies_after_its_last_use():
    ledger = Ledger()
    ledger.write(1, 0, 100)
    ledger.write(2, 1, 10)
    ledger.read(1, 1)
    ledger.write(3, 2, 100)  # 1 is dead, 2 is not read again: 100 alone
    assert ledger.peak_bytes() == 110
    ledger.read(1, 2)
    assert ledger.peak_bytes() == 200


def test_writing_again_is_no_second_birth():
    ledger = Ledger()
    ledger.write(1, 0, 100)
    ledger.write(1, 5, 100)
    ledger.write(2, 3, 7)
    assert ledger.peak_bytes() == 107


def test_resident_and_unwritten_storages_are_not_counted():
    ledger = Ledger(resident=[1])
    ledger.write(1, 0, 100)
    ledger.read(2, 1)
    assert ledger.peak_bytes() == 0


def test_forgotten_storages_are_not_counted():
    ledger = Ledger()
    ledger.write(1, 0, 100)
    ledger.forget(1)
    assert ledger.peak_bytes() == 0


# An MLP 4 -> 8 -> 2 at batch 3 in fp32: parameters (32 + 8 + 16 + 2) * 4 = 232 bytes, input 48,
# hidden activations 96 each, output 24.
PARAMETERS, INPUT, HIDDEN, OUTPUT = 232, 48, 96, 24


def mlp(*, inplace: bool) -> nn.Module:
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(inplace=inplace), nn.Linear(8, 2))


def test_inference_peak_by_hand():
    graph = capture(mlp(inplace=False), (torch.empty(3, 4),), backward=False)
    assert graph.peak_infer_bytes == PARAMETERS + INPUT + 2 * HIDDEN  # at the ReLU
    assert graph.peak_train_bytes == 0


def test_inference_peak_in_place_by_hand():
    graph = capture(mlp(inplace=True), (torch.empty(3, 4),), backward=False)
    assert graph.peak_infer_bytes == PARAMETERS + INPUT + HIDDEN + OUTPUT  # at the second layer


def test_training_peak_by_hand():
    graph = capture(mlp(inplace=False), (torch.empty(3, 4),))
    # At the ReLU's backward: its result (saved), the gradient of it and the gradient of its input, and
    # the second layer's gradients (64 + 8). The hidden pre-activation is gone: ReLU saves its result.
    alive = 3 * HIDDEN + 64 + 8
    momentum = OPTIMISER_STATES_PER_PARAMETER * PARAMETERS
    assert graph.peak_train_bytes == PARAMETERS + INPUT + momentum + alive
    assert graph.peak_infer_bytes == PARAMETERS + INPUT + 2 * HIDDEN


def test_gradients_stay_until_the_end():
    # One layer without activations to speak of: the peak is at the end, when all gradients are there.
    graph = capture(nn.Linear(100, 100), (torch.empty(1, 100),))
    parameters, activation = 4 * 10_100, 400
    assert graph.peak_train_bytes >= 3 * parameters + activation
    assert graph.peak_train_bytes < 3 * parameters + 4 * activation


def test_frozen_parameters_have_no_gradient_and_no_momentum():
    model = nn.Sequential(nn.Linear(100, 100), nn.Linear(100, 1))
    model[0].requires_grad_(False)
    graph = capture(model, (torch.empty(1, 100),))
    assert graph.n_parameters == 101
    assert graph.peak_train_bytes < 4 * 10_100 + 3 * 4 * 101 + 4 * 400


def test_peak_grows_with_depth_in_training_only():
    def peaks(depth: int) -> tuple[int, int]:
        layers = [nn.Conv2d(8, 8, 3, padding=1, bias=False) for _ in range(depth)]
        graph = capture(nn.Sequential(*layers), (torch.empty(2, 8, 16, 16),))
        weights = graph.parameter_bytes
        return graph.peak_infer_bytes - weights, graph.peak_train_bytes - 3 * weights

    (infer2, train2), (infer6, train6) = peaks(2), peaks(6)
    activation = 2 * 8 * 16 * 16 * 4
    assert infer2 == infer6 == 3 * activation  # input, one operand, one result
    assert train6 - train2 >= 3 * activation


# -- against a real run -----------------------------------------------------------------------------------


def allocated_peak(step) -> int:
    """Peak of the bytes the cpu allocator handed out while ``step`` ran."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        step()
    events = [e for e in profiler.profiler.kineto_results.events() if e.name() == "[memory]"]
    changes = [event.nbytes() for event in sorted(events, key=lambda event: event.start_ns())]
    return int(np.cumsum(changes).max())


REAL = {
    "mlp": (
        lambda: [nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10)],
        (128, 64),
    ),
    "cnn": (
        lambda: [
            *(nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(inplace=True), nn.MaxPool2d(2)),
            *(nn.Conv2d(16, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU()),
            *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10)),
        ],
        (32, 3, 32, 32),
    ),
}


@pytest.mark.filterwarnings("ignore:TF32 acceleration")
@pytest.mark.parametrize("name", REAL)
def test_training_peak_is_what_the_allocator_sees(name):
    layers, shape = REAL[name]
    model, inputs = nn.Sequential(*layers()), torch.rand(shape)
    target = torch.zeros(len(inputs), dtype=torch.int64)
    graph = capture(model, (inputs,))

    def step() -> None:
        F.cross_entropy(model(inputs), target).backward()

    with torch.backends.mkldnn.flags(enabled=False):  # its layouts and workspaces are not the model's
        step()
        model.zero_grad()
        seen = allocated_peak(step)
    held = graph.parameter_bytes + graph.buffer_bytes + inputs.nbytes
    momentum = OPTIMISER_STATES_PER_PARAMETER * graph.parameter_bytes
    assert graph.peak_train_bytes - held - momentum == pytest.approx(seen, rel=0.02)
