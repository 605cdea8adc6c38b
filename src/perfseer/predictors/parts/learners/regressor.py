"""A small perceptron on plain arrays: the network of `mlp5d`, without graphs.

Inputs and output are z-scored with statistics of the training rows; ReLU between the layers; Adam with a
constant learning rate; the weights of the best validation epoch are kept.
"""

import time
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from perfseer.errors import PerfseerError, require
from perfseer.graphs.perfgraph import FloatArray
from perfseer.predictors.settings import Mlp5dSettings
from perfseer.training.loop import EarlyStopping
from perfseer.training.seeds import generator, seeded


class ArrayRegressor(nn.Module):
    """Perceptron from K numbers to one.

    Its weights and its statistics are all in ``state_dict()``.

    Args:
        n_inputs: K.
        settings: layers and recipe; K = 5 and hidden [64, 32, 16] have 3,009 parameters.

    Attributes:
        n_parameters: weights and biases.
    """

    input_mean: Tensor
    input_scale: Tensor
    output_mean: Tensor
    output_scale: Tensor

    def __init__(self, n_inputs: int, settings: Mlp5dSettings) -> None:
        super().__init__()
        self.settings = settings
        widths = (n_inputs, *settings.hidden)
        hidden: list[nn.Module] = [
            module for pair in pairwise(widths) for module in (nn.Linear(*pair), nn.ReLU())
        ]
        self.layers = nn.Sequential(*hidden, nn.Linear(widths[-1], 1))
        for name, shape in (("input", (n_inputs,)), ("output", (1,))):
            self.register_buffer(f"{name}_mean", torch.zeros(shape, dtype=torch.float64))
            self.register_buffer(f"{name}_scale", torch.ones(shape, dtype=torch.float64))
        self.n_parameters = sum(parameter.numel() for parameter in self.layers.parameters())

    def forward(self, inputs: Tensor) -> Tensor:
        """[n, 1] z-scored outputs of z-scored inputs [n, K]."""
        outputs: Tensor = self.layers(inputs)
        return outputs

    def fit(
        self, x: FloatArray, y: FloatArray, valid: tuple[FloatArray, FloatArray], *, seed: int
    ) -> list[dict[str, Any]]:
        """Draw new weights, train them and keep those of the best validation epoch.

        Args:
            x: [n, K] inputs, n >= 1.
            y: [n] what is to be learned.
            valid: the same of the rows that stop training, at least one.
            seed: of the weights and of the order of the rows.

        Returns:
            One row per epoch: epoch, train_loss, valid_loss (mean squared z-scores), lr, seconds.

        Raises:
            PerfseerError: there are no rows, shapes disagree, a value is not finite, or training diverged.
        """
        for inputs, outputs, rows in ((x, y, "training"), (*valid, "validation")):
            self._check(inputs, outputs, rows)
        self._set_scales(x, y)
        self._draw(seed)
        train, held_out = self._scaled(x, y), self._scaled(*valid)
        optimiser = torch.optim.Adam(self.layers.parameters(), lr=self.settings.learning_rate, fused=True)
        stopping, shuffling = EarlyStopping(self.layers, self.settings.patience), generator(seed)
        history: list[dict[str, Any]] = []
        for epoch in range(1, self.settings.max_epochs + 1):
            start = time.perf_counter()
            losses = {
                "train_loss": self._train_epoch(*train, optimiser, shuffling),
                "valid_loss": self._evaluate(*held_out),
            }
            require(
                bool(np.isfinite(list(losses.values())).all()),
                f"losses became {losses}: training diverged; lower learning_rate",
            )
            seconds = time.perf_counter() - start
            history.append({"epoch": epoch, **losses, "lr": self.settings.learning_rate, "seconds": seconds})
            if stopping.exhausted(epoch, losses["valid_loss"]):
                break
        stopping.restore()
        return history

    def predict(self, x: FloatArray) -> FloatArray:
        """[n] predictions for inputs [n, K], in the unit of what was learned."""
        with torch.inference_mode():
            outputs = self.layers(self._scaled_inputs(x)).double()
            return np.asarray((outputs * self.output_scale + self.output_mean).squeeze(1).numpy())

    def _check(self, x: FloatArray, y: FloatArray, rows: str) -> None:
        expected = (len(y), len(self.input_mean))
        if not len(y) or x.shape != expected:
            raise PerfseerError(
                f"{rows} inputs of shape {x.shape}, expected {expected} with at least one row"
            )
        finite = bool(np.isfinite(x).all() and np.isfinite(y).all())
        require(finite, f"the {rows} rows hold values that are NaN or infinite: leave those rows out")

    def _set_scales(self, x: FloatArray, y: FloatArray) -> None:
        for name, values in (("input", x), ("output", y[:, np.newaxis])):
            scale = values.std(axis=0)
            getattr(self, f"{name}_mean").copy_(torch.from_numpy(values.mean(axis=0)))
            # A constant column becomes 0, also where later rows differ: nothing was learned about it.
            getattr(self, f"{name}_scale").copy_(torch.from_numpy(np.where(scale > 0, scale, np.inf)))
        if not bool(torch.isfinite(self.output_scale).all()):
            self.output_scale.fill_(1.0)

    def _draw(self, seed: int) -> None:
        with seeded(seed):
            for layer in self.layers:
                if isinstance(layer, nn.Linear):
                    layer.reset_parameters()

    def _scaled_inputs(self, x: npt.ArrayLike) -> Tensor:
        values = torch.from_numpy(np.asarray(x, dtype=np.float64))
        return ((values - self.input_mean) / self.input_scale).float()

    def _scaled(self, x: FloatArray, y: FloatArray) -> tuple[Tensor, Tensor]:
        values = torch.from_numpy(np.asarray(y, dtype=np.float64)).unsqueeze(1)
        return self._scaled_inputs(x), ((values - self.output_mean) / self.output_scale).float()

    def _train_epoch(
        self, x: Tensor, y: Tensor, optimiser: torch.optim.Optimizer, shuffling: torch.Generator
    ) -> float:
        """One pass in random order; the mean training loss."""
        order = torch.randperm(len(x), generator=shuffling)
        total = torch.zeros(())
        size = self.settings.batch_size
        for inputs, outputs in zip(x[order].split(size), y[order].split(size), strict=True):
            optimiser.zero_grad(set_to_none=True)
            loss = F.mse_loss(self.layers(inputs), outputs)
            loss.backward()
            optimiser.step()
            total += loss.detach() * len(inputs)
        return float(total) / len(x)

    def _evaluate(self, x: Tensor, y: Tensor) -> float:
        with torch.inference_mode():
            return float(F.mse_loss(self.layers(x), y))
