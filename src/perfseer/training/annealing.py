"""Training for a fixed time: the rate rises for a tenth of it and then falls to nothing (one cycle).

Smith and Topin, arXiv 1708.07120. Validation rows decide nothing here, so that they can judge afterwards.
"""

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from perfseer.errors import require
from perfseer.training.gradients import sum_rule
from perfseer.training.loop import Examples, evaluate, train_epoch
from perfseer.training.losses import Loss
from perfseer.training.seeds import generator

_RISING_SHARE = 0.1
_LARGEST_NORM = 1.0


def train_annealed(
    network: nn.Module,
    loss: Loss,
    train: Examples,
    valid: Examples,
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    weight_decay: float,
    seed: int,
    log: Callable[[str], None],
) -> list[dict[str, Any]]:
    """Train ``network`` in place with AdamW, gradients clipped to a norm of 1.

    Args, what is returned and raised as of `perfseer.training.loop.train_network`, but:
        valid: rows of the learning curve, which decide nothing.
        epochs: passes over the rows.
        batch_size: rows per step.
        learning_rate: the highest.
        weight_decay: pull of the weights to zero.
        log: receives a line every fifth epoch.
    """
    require(len(train) > 0, "no training rows; a network needs at least one")
    require(len(valid) > 0, "no validation rows for the learning curve")
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=learning_rate, weight_decay=weight_decay, fused=True
    )
    steps = epochs * -(-len(train) // batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, learning_rate, total_steps=steps + 1, pct_start=_RISING_SHARE
    )
    shuffling, history = generator(seed), []

    def clipped(losses: Tensor) -> None:
        sum_rule(losses)
        nn.utils.clip_grad_norm_(network.parameters(), _LARGEST_NORM)

    for epoch in range(1, epochs + 1):
        start, total = time.perf_counter(), 0.0
        rate = optimiser.param_groups[0]["lr"]
        for rows in torch.randperm(len(train), generator=shuffling).split(batch_size):
            total += len(rows) * train_epoch(network, loss, train, [rows], optimiser, clipped)
            schedule.step()
        seconds = time.perf_counter() - start
        losses = {"train_loss": total / len(train), "valid_loss": evaluate(network, loss, valid)}
        history.append({"epoch": epoch, **losses, "lr": rate, "seconds": seconds})
        if epoch % 5 == 0 or epoch == epochs:
            log("epoch {}: train {train_loss:.4g}, valid {valid_loss:.4g}".format(epoch, **losses))
    network.eval()
    return history
