from dataclasses import dataclass

import pytest
import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor, nn

from perfseer.errors import PerfseerError
from perfseer.training.loop import EarlyStopping, evaluate, train_network
from perfseer.training.losses import mse
from perfseer.training.seeds import generator, seeded
from perfseer.training.settings import Recipe, TrainingSettings

RECIPE = {
    "batch_size": 8,
    "optimiser": "adam",
    "learning_rate": 0.05,
    "weight_decay": 0,
    "lr_factor": 0.5,
    "lr_patience": 2,
    "lr_threshold": 1e-4,
    "lr_min": 1e-3,
    "max_epochs": 60,
    "patience": 10,
    "loss": "mse",
}


def recipe(**changes):
    return TrainingSettings.model_validate(RECIPE | changes)


@dataclass
class Points:
    """Rows of plain inputs instead of graphs: the loop does not look inside a batch."""

    inputs: Tensor
    labels: Tensor

    def __len__(self):
        return len(self.inputs)

    def batch(self, rows):
        return self.inputs[rows], self.labels[rows]


def line(n, seed=0):
    inputs = torch.randn(n, 2, generator=torch.Generator().manual_seed(seed))
    return Points(inputs, inputs @ torch.tensor([[2.0], [-1.0]]) + 0.5)


def linear(seed=0):
    with seeded(seed):
        return nn.Linear(2, 1)


def run(network, train=None, valid=None, seed=0, log=lambda text: None, **changes):
    train = line(40) if train is None else train
    valid = line(10, 1) if valid is None else valid
    return train_network(network, mse, train, valid, recipe(**changes), seed=seed, log=log)


def test_learns_a_line():
    network = linear()
    history = run(network)
    torch.testing.assert_close(network.weight, torch.tensor([[2.0, -1.0]]), atol=0.05, rtol=0)
    assert history[-1]["valid_loss"] < 1e-2 < history[0]["valid_loss"]
    assert [row["epoch"] for row in history] == list(range(1, len(history) + 1))
    assert set(history[0]) == {"epoch", "train_loss", "valid_loss", "lr", "seconds"}


def test_same_seed_same_bits_and_another_seed_other_bits():
    weights = []
    for seed in (0, 0, 1):
        network = linear()
        run(network, seed=seed, max_epochs=5)
        weights.append(network.weight.detach())
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_seeded_weights_do_not_disturb_the_caller():
    before = torch.random.get_rng_state()
    assert torch.equal(linear(3).weight, linear(3).weight)
    assert not torch.equal(linear(3).weight, linear(4).weight)
    assert torch.equal(torch.random.get_rng_state(), before)
    streams = [torch.rand(3, generator=generator(*key)) for key in ((0, 0), (0, 1), (1, 0))]
    assert len({tuple(stream.tolist()) for stream in streams}) == 3


def test_best_weights_come_back_and_patience_ends_training():
    """Validation wants the opposite line, so every step after the first makes it worse."""
    valid = line(10, 1)
    valid.labels = -valid.labels
    network = linear()
    history = run(network, valid=valid, patience=3)
    losses = [row["valid_loss"] for row in history]
    best = losses.index(min(losses))
    assert len(losses) == best + 1 + 3 < RECIPE["max_epochs"]
    assert evaluate(network, mse, valid) == pytest.approx(min(losses), rel=1e-6)


def test_early_stopping_counts_epochs_without_gain():
    network = linear()
    stopping = EarlyStopping(network, patience=2)
    assert [stopping.exhausted(epoch, loss) for epoch, loss in enumerate([3.0, 2.0, 2.0, 2.5], 1)] == [
        False,
        False,
        False,
        True,
    ]
    assert (stopping.best, stopping.best_epoch) == (2.0, 2)


def test_learning_rate_halves_on_a_plateau_down_to_its_floor():
    valid = line(10, 1)
    valid.labels = -valid.labels
    rates = [row["lr"] for row in run(linear(), valid=valid, patience=40, lr_min=0.02)]
    assert rates[0] == 0.05
    assert sorted(set(rates), reverse=True) == [0.05, 0.025, 0.02]


def test_decay_pulls_the_weights_to_zero_besides_the_gradient():
    """At zero loss AdamW multiplies every weight by 1 - rate x decay in each of the five steps."""
    points = Points(torch.zeros(40, 2), torch.zeros(40, 1))
    network = linear()
    nn.init.zeros_(network.bias)
    before = network.weight.detach().clone()
    changes = {"optimiser": "adamw", "weight_decay": 0.5, "learning_rate": 0.1, "patience": 1}
    run(network, train=points, valid=line(10, 1), max_epochs=1, **changes)
    torch.testing.assert_close(network.weight.detach(), before * 0.95**5)


def test_dropout_acts_in_training_only():
    class Flags(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(1))
            self.seen = []

        def forward(self, batch):
            self.seen.append(self.training)
            return self.weight * batch[:, :1]

    network = Flags()
    run(network, max_epochs=2, batch_size=40)
    assert network.seen == [True, False, True, False]
    assert not network.training


def test_a_recipe_changes_what_it_names():
    assert set(Recipe.__annotations__) == set(TrainingSettings.model_fields)
    changed = recipe().changed({"loss": "l1", "batch_size": 1})
    assert changed.model_dump() == RECIPE | {"loss": "l1", "batch_size": 1}
    with pytest.raises(PerfseerError, match=r"lr_min .*learning_rate"):
        recipe().changed({"learning_rate": 1e-4})


@pytest.mark.parametrize("wrong", [{"epochs": 3}, {"batch_size": 0}, {"loss": "l3"}])
def test_a_recipe_refuses_what_training_refuses(wrong):
    with pytest.raises(ValidationError):
        TypeAdapter(Recipe).validate_python(wrong)


def test_evaluation_is_the_mean_over_rows_however_they_are_cut(monkeypatch):
    network, points = linear(), line(50)
    whole = (network(points.inputs) - points.labels).square().mean().item()
    assert evaluate(network, mse, points) == pytest.approx(whole, rel=1e-6)
    monkeypatch.setattr("perfseer.training.loop.EVALUATION_BATCH", 7)
    assert evaluate(network, mse, points) == pytest.approx(whole, rel=1e-6)


def test_training_loss_of_the_log_is_the_mean_over_the_epoch():
    points = line(40)
    history = run(linear(), train=points, max_epochs=1, batch_size=40)
    loss = mse(linear()(points.inputs), points.labels).item()
    assert history[0]["train_loss"] == pytest.approx(loss, rel=1e-6)


@pytest.mark.parametrize("which", ["train", "valid"])
def test_non_finite_loss_stops_with_advice(which):
    points = {"train": line(40), "valid": line(10, 1)}
    points[which].labels[3] = float("nan")
    with pytest.raises(PerfseerError, match=r"loss .*nan"):
        run(linear(), **points)


def test_non_finite_gradient_stops():
    class Root(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(1))

        def forward(self, batch):
            return (self.weight**2).sqrt() + 0 * batch[:, :1]  # the slope at zero is NaN, the value is not

    with pytest.raises(PerfseerError, match=r"gradient .*nan"):
        run(Root())


def test_keyboard_interrupt_passes_through():
    def interrupt(text):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(linear(), log=interrupt)


def test_one_line_of_log_every_ten_epochs():
    lines = []
    run(linear(), max_epochs=25, patience=30, log=lines.append)
    assert [text.split(":")[0] for text in lines[:-1]] == ["epoch 10", "epoch 20", "epoch 25"]
    assert lines[-1].startswith("best epoch")


def test_no_rows_is_an_error():
    with pytest.raises(PerfseerError, match=r"0 training .*10 "):
        run(linear(), train=line(0))


@pytest.mark.parametrize(
    "changes",
    [
        {"learning_rate": 0},
        {"batch_size": 0},
        {"loss": "l3"},
        {"weight_decay": -1},
        {"optimiser": "sgd"},
        {"lr_min": 1.0},
        {"epochs": 3},
        {"lr_factor": 1.0},
    ],
)
def test_settings_refuse_what_is_out_of_range(changes):
    with pytest.raises(ValidationError):
        recipe(**changes)
