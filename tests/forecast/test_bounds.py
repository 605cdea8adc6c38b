"""Whatever a predictor says, an answer keeps what physics says; inference does not depend on training."""

from dataclasses import replace
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from perfseer.forecast.ask import Ask
from perfseer.forecast.bounds import no_less_than_inference
from perfseer.forecast.models import ModuleModel
from perfseer.forecast.predictor import Predictor
from perfseer.graphs.capture import capture
from perfseer.predictors.memory import MemorySetup, least_bytes, will_it_fit
from tests.helpers.forecasts import CPU, IMAGE, R3090, R3090_OLD, R4090, Convolution, LawPredictor, law

MIB = 2**20
WIDTH, DEPTH, BATCH = 256, 4, 16
# Weights and biases in bytes, and an input or a result.
WEIGHTS, ROWS = 4 * DEPTH * (WIDTH * WIDTH + WIDTH), 4 * BATCH * WIDTH


def layers() -> nn.Sequential:
    return nn.Sequential(*(part for _ in range(DEPTH) for part in (nn.Linear(WIDTH, WIDTH), nn.ReLU())))


def normalised() -> nn.Module:
    parts = [
        nn.Conv2d(3, 8, 3),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.Flatten(),
        nn.Linear(288, 5),
    ]
    return nn.Sequential(*parts)


def freeze(module: nn.Module, kept: int) -> nn.Module:
    """Only the last parameters are trained."""
    parameters = list(module.parameters())
    for parameter in parameters[: len(parameters) - kept]:
        parameter.requires_grad_(False)
    return module


MODELS = {
    "dense": (layers, torch.empty(BATCH, WIDTH)),
    "wide": (lambda: nn.Linear(4096, 4096), torch.empty(1, 4096)),
    "widening": (lambda: nn.Linear(2, 100_000, bias=False), torch.empty(64, 2)),
    "words": (lambda: nn.Embedding(100_000, 64), torch.zeros(4, 8, dtype=torch.int64)),
    "normalised": (normalised, torch.empty(4, 3, 8, 8)),
    "convolution": (Convolution, IMAGE),
}


BOTH = Ask(phases=("infer", "train"))


@pytest.fixture(scope="module")
def shipped():
    return Predictor.load()


def needs_graphs_of_training() -> Predictor:
    """The law, in which inference depends on all there is in a graph."""

    class Greedy(LawPredictor):
        def _predict(self, dataset):
            graphs = [dataset.graph(row) for row in range(len(dataset))]
            sums = np.array([g.n_parameters + g.backward_flops.sum() + g.peak_train_bytes for g in graphs])
            return super()._predict(dataset) * np.log(2.0 + sums)[:, None]

    predictor = law()
    predictor.model.__class__ = Greedy
    return predictor


@pytest.mark.parametrize("kept", [0, 1, 4])
@pytest.mark.parametrize("known", ["shipped", "greedy"])
@pytest.mark.parametrize("make", [layers, normalised])
def test_inference_does_not_depend_on_what_is_trained_or_asked_besides(shipped, known, kept, make):
    predictor = shipped if known == "shipped" else needs_graphs_of_training()
    example = torch.empty(BATCH, WIDTH) if make is layers else torch.empty(4, 3, 8, 8)
    plain = predictor.predict(make(), example)
    other = freeze(make(), kept).train(kept == 1)
    alone = predictor.predict(other, example)
    model = ModuleModel("Sequential", other, (example,))
    beside = next(iter(predictor.predict_many([model], BOTH)))
    assert alone == plain
    assert beside.estimates == plain.estimates
    assert beside.coverage == plain.coverage


@pytest.mark.parametrize("kept", [1, 2])
def test_an_answer_counts_all_parameters_whatever_is_trained(shipped, kept):
    module = freeze(layers(), kept)
    answers = shipped.predict_many([ModuleModel("some", module, (torch.empty(BATCH, WIDTH),))], BOTH)
    assert {answer.input.parameters for answer in answers} == {sum(p.numel() for p in module.parameters())}


def test_what_only_training_runs_is_not_inferred(shipped):
    class Heads(nn.Module):
        def __init__(self):
            super().__init__()
            self.main, self.aside = nn.Linear(512, 512), nn.Linear(512, 512)

        def forward(self, x):
            return (self.main(x), self.aside(x)) if self.training else self.main(x)

    model = ModuleModel("heads", Heads().train(), (torch.empty(8, 512),))
    infer, train = shipped.predict_many([model], Ask(phases=("infer", "train")))
    assert infer.input.forward_flops == 2 * 8 * 512 * 512
    assert train.input.forward_flops == 2 * infer.input.forward_flops


@pytest.mark.parametrize("name", MODELS)
def test_numbers_and_ends_of_intervals_keep_the_bounds(shipped, name):
    make, example = MODELS[name]
    targets = tuple(platform.key for platform in shipped.platforms)
    for confidence in (0.5, 0.9, 0.99):
        ask = Ask(phases=("infer", "train"), targets=targets, confidence=confidence)
        answers = list(shipped.predict_many([ModuleModel(name, make(), (example,))], ask))
        graph = capture(make(), (example,))
        held = graph.parameter_bytes + graph.buffer_bytes + example.nbytes
        for infer, train in zip(answers[: len(targets)], answers[len(targets) :], strict=True):
            for less, more in ((infer.time, train.time), (infer.memory, train.memory)):
                assert 0 < less.low <= less.value <= less.high
                assert more.low <= more.value <= more.high
                assert (less.low, less.value, less.high) <= (more.low, more.value, more.high)
                assert less.value <= more.value
                assert less.high <= more.high
            assert infer.memory.low * MIB >= held
            assert infer.memory_fit is None or infer.memory_fit.probability >= train.memory_fit.probability


class Wild(LawPredictor):
    """Training in no time, in no memory, on devices three times as busy as they can be."""

    name: ClassVar[str] = "law"
    supported: ClassVar[frozenset[str]] = frozenset(
        {
            "infer_time_ms",
            "infer_mem_mib",
            "infer_util_pct",
            "train_time_ms",
            "train_mem_mib",
            "train_util_pct",
        }
    )

    def _predict(self, dataset):
        said = {"infer_time_ms": 5.0, "infer_mem_mib": 1e-3, "train_time_ms": 2.0, "train_mem_mib": 1e-4}
        return np.tile([said.get(name, 300.0) for name in self.targets], (len(dataset), 1))

    def intervals(self, dataset, confidence):
        ends = {"low": 0.1, "high": 1.5}
        predicted = self.predict(dataset)
        return pd.DataFrame(
            {f"{name}_{e}": predicted[name] * by for name in self.targets for e, by in ends.items()}
        )


def test_a_predictor_without_measure_is_kept_within_the_bounds():
    predictor = law()
    predictor.model.__class__ = Wild
    predictor.model.targets = tuple(sorted(Wild.supported))
    model = ModuleModel("dense", layers(), (torch.empty(BATCH, WIDTH),))
    ask = Ask(phases=("infer", "train"), targets=(CPU.key,))
    infer, train = predictor.predict_many([model], ask)
    assert (train.time.low, train.time.value, train.time.high) == (0.5, 5.0, 7.5)
    assert infer.utilisation.value == infer.utilisation.high == 100
    assert infer.utilisation.low == 30
    # Weights, the batch and the result; then weights, state and gradients beside the batch.
    assert infer.memory.value == infer.memory.low == infer.memory.high == (WEIGHTS + 2 * ROWS) / MIB
    assert train.memory.value == train.memory.low == (3 * WEIGHTS + ROWS) / MIB


@pytest.mark.parametrize(
    ("platform", "infer", "train"),
    [
        (CPU, WEIGHTS + 2 * ROWS, 3 * WEIGHTS + ROWS),
        (replace(CPU, precision="bf16"), (WEIGHTS + 2 * ROWS) // 2, (3 * WEIGHTS + ROWS) // 2),
        (R3090, WEIGHTS + ROWS + ROWS // 2, 3 * WEIGHTS + ROWS),  # autocast gives its result in 16 bits
    ],
)
def test_least_memory_by_hand(platform, infer, train):
    graph = capture(nn.Sequential(*list(layers())[:-1]), (torch.empty(BATCH, WIDTH),))
    setup = MemorySetup.of(platform)
    assert least_bytes(graph, "infer", setup) == infer
    assert least_bytes(graph, "train", setup) == train


def test_frozen_weights_have_neither_gradient_nor_state():
    frozen = freeze(layers(), 2)
    graph = capture(frozen, (torch.empty(BATCH, WIDTH),))
    trained = 4 * (WIDTH * WIDTH + WIDTH)
    assert least_bytes(graph, "train", MemorySetup("cpu")) == WEIGHTS + 2 * trained + ROWS


@pytest.mark.parametrize("platform", [R3090, R3090_OLD, R4090, CPU, replace(R4090, device="rtx3080")])
def test_forecasts_of_memory_keep_the_bounds_at_every_confidence(platform):
    graph = capture(
        freeze(nn.Sequential(*(nn.Linear(2048, 2048) for _ in range(6))), 2), (torch.empty(1, 2048),)
    )
    for confidence in (0.5, 0.9, 0.99, 0.999999):
        infer, train = (
            will_it_fit(graph, phase, platform, 2.0**34, confidence=confidence)
            for phase in ("infer", "train")
        )
        least = (graph.parameter_bytes + infer.terms.context) / MIB
        assert least <= infer.mem_low_mib <= infer.mem_mib <= infer.mem_high_mib
        assert infer.mem_low_mib <= train.mem_low_mib <= train.mem_mib
        assert infer.mem_mib <= train.mem_mib
        assert infer.mem_high_mib <= train.mem_high_mib
        assert train.probability <= infer.probability


def test_what_certainly_does_not_fit_hardly_fits():
    graph = capture(nn.Linear(2048, 2048), (torch.empty(1, 2048),))
    small = will_it_fit(graph, "infer", CPU, graph.parameter_bytes * 0.9)
    assert small.probability < 0.01


def test_training_takes_inferences_values_where_they_are_greater():
    forward = {"infer_time_ms": 2.0, "infer_time_ms_low": 1.0, "infer_util_pct": 90.0}
    values = {
        "train_time_ms": 1.5,
        "train_time_ms_low": 1.2,
        "train_time_ms_high": 9.0,
        "train_util_pct": 50.0,
    }
    assert no_less_than_inference(values, forward) == {**values, "train_time_ms": 2.0}
