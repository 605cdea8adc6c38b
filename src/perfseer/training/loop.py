"""The training loop: Adam, halved learning rate on a plateau, early stopping (METHODS 1.4).

A plain loop rather than a framework: a run takes seconds, and start-up would be the larger part of it.
"""

import copy
import math
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from perfseer.errors import PerfseerError, require
from perfseer.training.gradients import GradientRule, sum_rule
from perfseer.training.losses import Loss
from perfseer.training.seeds import generator
from perfseer.training.settings import TrainingSettings

# Graphs that are evaluated in one go.
EVALUATION_BATCH = 512
_LOG_EVERY = 10


class Examples(Protocol):
    """Rows to learn from: what the network takes (mostly a `GraphBatch`), with labels."""

    def __len__(self) -> int:
        """Number of rows."""
        ...

    def batch(self, rows: Any) -> tuple[Any, Tensor]:
        """Graphs and labels [B, T] of the given rows."""
        ...


class EarlyStopping:
    """Keeps the weights of the best epoch and says when to stop.

    Args:
        network: whose weights are kept.
        patience: epochs without gain before stopping.
    """

    def __init__(self, network: nn.Module, patience: int) -> None:
        self._network = network
        self._patience = patience
        self._weights: dict[str, Tensor] = {}
        self.best = float("inf")
        self.best_epoch = 0

    def exhausted(self, epoch: int, valid_loss: float) -> bool:
        """Take note of an epoch (counted from 1); true when training should stop."""
        if valid_loss < self.best:
            self.best, self.best_epoch = valid_loss, epoch
            self._weights = copy.deepcopy(self._network.state_dict())
        return epoch - self.best_epoch >= self._patience

    def restore(self) -> None:
        """Put the best epoch's weights back."""
        self._network.load_state_dict(self._weights)


def train_network(
    network: nn.Module,
    loss: Loss,
    train: Examples,
    valid: Examples,
    settings: TrainingSettings,
    *,
    seed: int,
    log: Callable[[str], None],
    gradient_rule: GradientRule = sum_rule,
) -> list[dict[str, Any]]:
    """Train ``network`` in place and leave it with the weights of its best validation epoch.

    Args:
        network: maps a `GraphBatch` of B graphs to [B, T].
        loss: maps outputs and labels to [T].
        train: rows to learn from.
        valid: rows that lower the learning rate and stop training.
        settings: section ``training`` of params.yaml.
        seed: of the order of the rows.
        log: receives a line every ten epochs.
        gradient_rule: how the T losses become gradients.

    Returns:
        One row per epoch: epoch, train_loss, valid_loss (means over the T labels), lr, seconds.

    Raises:
        PerfseerError: there are no rows, or a loss or gradient is not finite.
    """
    require(
        len(train) > 0 and len(valid) > 0,
        f"{len(train)} training and {len(valid)} validation rows; a network needs at least one of each",
    )
    optimiser = make_optimiser(network, settings)
    scheduler = make_scheduler(optimiser, settings)
    stopping = EarlyStopping(network, settings.patience)
    shuffling = generator(seed)
    history: list[dict[str, Any]] = []
    for epoch in range(1, settings.max_epochs + 1):
        start = time.perf_counter()
        order = torch.randperm(len(train), generator=shuffling)
        batches = order.split(settings.batch_size)
        train_loss = train_epoch(network, loss, train, batches, optimiser, gradient_rule)
        valid_loss = evaluate(network, loss, valid)
        rate = optimiser.param_groups[0]["lr"]
        scheduler.step(valid_loss)
        seconds = time.perf_counter() - start
        losses = {"train_loss": train_loss, "valid_loss": valid_loss}
        history.append({"epoch": epoch, **losses, "lr": rate, "seconds": seconds})
        stop = stopping.exhausted(epoch, valid_loss)
        if stop or epoch % _LOG_EVERY == 0 or epoch == settings.max_epochs:
            log(f"epoch {epoch}: train {train_loss:.4g}, valid {valid_loss:.4g}, lr {rate:.2g}")
        if stop:
            break
    stopping.restore()
    network.eval()
    log(f"best epoch {stopping.best_epoch}: valid {stopping.best:.4g}")
    return history


def evaluate(network: nn.Module, loss: Loss, examples: Examples) -> float:
    """Mean loss over all rows and labels, without dropout.

    Raises:
        PerfseerError: it is not finite.
    """
    total = 0.0
    network.eval()
    with torch.inference_mode():
        for rows in torch.arange(len(examples)).split(EVALUATION_BATCH):
            batch, labels = examples.batch(rows)
            total += float(loss(network(batch), labels).mean()) * len(rows)
    return _finite(total / len(examples), "validation loss")


def train_epoch(
    network: nn.Module,
    loss: Loss,
    examples: Examples,
    batches: Sequence[Tensor],
    optimiser: torch.optim.Optimizer,
    gradient_rule: GradientRule = sum_rule,
) -> float:
    """One step for each batch of row numbers, in the given order; what else it takes: see `train_network`.

    Returns:
        The mean training loss, over rows and labels.

    Raises:
        PerfseerError: a loss or gradient is not finite.
    """
    total = 0.0
    network.train()
    for rows in batches:
        batch, labels = examples.batch(rows)
        optimiser.zero_grad(set_to_none=True)
        losses = loss(network(batch), labels)
        total += _finite(float(losses.detach().mean()), "training loss") * len(rows)
        gradient_rule(losses)
        _finite(_gradient_norm(network), "gradient")
        optimiser.step()
    return total / sum(map(len, batches))


def make_optimiser(network: nn.Module, settings: TrainingSettings) -> torch.optim.Optimizer:
    """The optimiser that ``settings`` names, in torch's fused form."""
    kinds = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    return kinds[settings.optimiser](
        network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
    )


def make_scheduler(optimiser: torch.optim.Optimizer, settings: TrainingSettings) -> ReduceLROnPlateau:
    """Lowers the learning rate where the validation loss stands still, as ``settings`` says."""
    return ReduceLROnPlateau(
        optimiser,
        factor=settings.lr_factor,
        patience=settings.lr_patience,
        threshold=settings.lr_threshold,
        min_lr=settings.lr_min,
    )


def _gradient_norm(network: nn.Module) -> float:
    gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
    return float(nn.utils.get_total_norm(gradients))


def _finite(value: float, what: str) -> float:
    if not math.isfinite(value):
        raise PerfseerError(
            f"the {what} became {value}: training diverged; lower training.learning_rate in params.yaml"
        )
    return value


def outputs_of(n: int, outputs: Callable[[Tensor], Tensor], at_once: int = EVALUATION_BATCH) -> Tensor:
    """What a network says of n >= 1 rows, without gradients.

    Args:
        n: rows.
        outputs: maps the numbers of some rows [B] to [B, T].
        at_once: rows in one go.

    Returns:
        [n, T] in double precision.
    """
    with torch.inference_mode():
        return torch.cat([outputs(rows) for rows in torch.arange(n).split(at_once)]).double()
