r"""A Gaussian process on tables of some thousand rows, as plain arrays: smooth where trees have steps.

.. math::
    k(x, x') = s^2 (1 + \sqrt 3\, d)\, e^{-\sqrt 3\, d}, \qquad d^2 = \sum_c ((x_c - x'_c) / l_c)^2

Matérn's covariance with a length scale for every column (Rasmussen and Williams, *Gaussian Processes for
Machine Learning*, 2006, sections 4.2 and 5.1). There are nearly as many columns as rows, so length scales are
one common scale, times one for each block of columns, times one for each column, and the latter two are
pulled towards 1. They maximise the likelihood on a draw of the rows; all rows are then conditioned on.

Rows whose label is far from what all others say of it (5.4.2: leave-one-out, in closed form) are trusted
less: their noise grows with the square of their distance, as in a distribution with heavy tails.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from perfseer.errors import PerfseerError
from perfseer.graphs.perfgraph import FloatArray, IntArray
from perfseer.training.seeds import generator

_CLIP = 6.0  # columns reach no further than so many standard deviations
_CONSTANT = 1e-6
_RATE = 0.1
_JITTER = 1e-8
# Beyond so many robust standard deviations a label counts as far off.
_FAR = 2.5
_TO_DEVIATION = 0.6745  # of the median of absolute normal errors
_CONDITIONINGS = 3
# ln of: the common length scale, the amplitude, the noise, in standard deviations; where fitting starts.
_START_SCALE, _START_AMPLITUDE, _START_NOISE = 3.0, 1.0, -3.0


@dataclass(frozen=True)
class ProcessSettings:
    """How a process is fitted.

    Attributes:
        rows: drawn to find length scales on; the time grows with the third power.
        steps: of Adam.
        axes: principal axes that distances are kept in.
        block_pull: of a block's ln length scale to that of all, times its square.
        column_pull: of a column's to that of its block.
    """

    rows: int
    steps: int
    axes: int
    block_pull: float = 0.1
    column_pull: float = 3.0


@dataclass(frozen=True, eq=False)
class GaussianProcess:
    """What is left of a fit: n rows in K coordinates, and what each weighs.

    Attributes:
        columns: [F'] columns of a table that are not constant.
        mean: [F'] of the training rows.
        spread: [F'] standard deviation.
        axes: [F', K] columns in standard deviations to coordinates, length scales included; half precision.
        rows: [n, K] coordinates of the training rows, half precision.
        weights: [n] of their covariances.
        offset: what is answered far away from all rows.
    """

    columns: npt.NDArray[np.int16]
    mean: FloatArray
    spread: FloatArray
    axes: npt.NDArray[np.float16]
    rows: npt.NDArray[np.float16]
    weights: FloatArray
    offset: FloatArray

    @classmethod
    def fit(
        cls,
        inputs: FloatArray,
        outputs: FloatArray,
        blocks: IntArray,
        settings: ProcessSettings,
        seed: int,
    ) -> Self:
        """Fit on one set of rows.

        Args:
            inputs: [n, F] finite, best on a scale on which they are spread evenly (sizes as logarithms).
            outputs: [n].
            blocks: [F] block of each column, from 0.
            settings: see there.
            seed: of the draw of rows.
        """
        columns = np.flatnonzero(inputs.std(axis=0) > _CONSTANT)
        single = inputs[:, columns].astype(np.float32).astype(np.float64)
        mean, spread = (
            part.astype(np.float32).astype(np.float64) for part in (single.mean(axis=0), single.std(axis=0))
        )
        scaled = torch.from_numpy(_scaled(single, mean, spread))
        offset, unit = float(np.median(outputs)), max(float(outputs.std()), _CONSTANT)
        labels = torch.from_numpy((outputs - offset) / unit)
        drawn = torch.randperm(len(labels), generator=generator(seed))[: settings.rows]
        found = _find(scaled[drawn], labels[drawn], torch.from_numpy(blocks[columns]), settings)
        with torch.no_grad():
            axes = _principal(scaled / found.length_scales, settings.axes)
            axes = (axes / found.length_scales.unsqueeze(1)).half()
            rows = (scaled @ axes.double()).half()
            weights = unit * found.amplitude**2 * _condition(rows.double(), labels, found)
        return cls(
            columns.astype(np.int16),
            mean,
            spread,
            axes.numpy(),
            rows.numpy(),
            weights.float().double().numpy(),
            np.array([offset], dtype=np.float32).astype(np.float64),
        )

    @property
    def n_parameters(self) -> int:
        """A weight a row, a length scale a column, amplitude, noise and offset."""
        return len(self.weights) + len(self.columns) + 3

    def predict(self, inputs: FloatArray) -> FloatArray:
        """[n, F] to [n]."""
        scaled = torch.from_numpy(_scaled(inputs[:, self.columns], self.mean, self.spread))
        axes, rows = self._in_double
        return np.asarray(self.offset + _matern(_squares(scaled @ axes, rows)).numpy() @ self.weights)

    @cached_property
    def _in_double(self) -> tuple[Tensor, Tensor]:
        """Axes and rows, which one prediction after the other needs."""
        return torch.from_numpy(self.axes).double(), torch.from_numpy(self.rows).double()

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Arrays by name, which `of_arrays` turns into an equal process."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            name: values.astype(np.float32) if values.dtype == np.float64 else values
            for name, values in found.items()
        }

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Self:
        """Read what `arrays` gave.

        Raises:
            PerfseerError: the arrays do not fit together.
        """
        double: dict[str, Any] = {
            name: values.astype(np.float64) if values.dtype == np.float32 else values
            for name, values in arrays.items()
        }
        try:
            one = cls(**double)
        except TypeError as error:
            raise PerfseerError(f"a Gaussian process has other arrays ({error}): train it again") from error
        (width, k), n = one.axes.shape, len(one.weights)
        shapes = {"columns": (width,), "mean": (width,), "spread": (width,), "rows": (n, k), "offset": (1,)}
        wrong = [name for name, shape in shapes.items() if getattr(one, name).shape != shape]
        if wrong:
            raise PerfseerError(f"a Gaussian process's arrays do not fit together ({wrong}): train it again")
        return one


@dataclass(frozen=True, eq=False)
class _Found:
    """Hyper-parameters: [F'] length scales in spreads of the columns, the others in that of the labels."""

    length_scales: Tensor
    amplitude: Tensor
    noise: Tensor


def _scaled(inputs: FloatArray, mean: FloatArray, spread: FloatArray) -> FloatArray:
    return np.asarray(((inputs - mean) / spread).clip(-_CLIP, _CLIP), dtype=np.float64)


def _squares(one: Tensor, other: Tensor) -> Tensor:
    """[n, K] and [m, K] to [n, m] squared distances."""
    own = one.square().sum(dim=1).unsqueeze(1) + other.square().sum(dim=1)
    return torch.addmm(own, one, other.T, alpha=-2).clamp_min(0)


def _matern(squares: Tensor) -> Tensor:
    # The root has no slope at 0, where a row meets itself.
    distance = torch.sqrt(3 * squares + 1e-12)
    return (1 + distance) * torch.exp(-distance)


def _find(scaled: Tensor, labels: Tensor, blocks: Tensor, settings: ProcessSettings) -> _Found:
    """Length scales, amplitude and noise that make the labels likeliest, by gradient."""
    common = torch.tensor(_START_SCALE, dtype=torch.float64, requires_grad=True)
    of_block = torch.zeros(int(blocks.max()) + 1, dtype=torch.float64, requires_grad=True)
    of_column = torch.zeros(scaled.shape[1], dtype=torch.float64, requires_grad=True)
    amplitude = torch.tensor(_START_AMPLITUDE, dtype=torch.float64, requires_grad=True)
    noise = torch.tensor(_START_NOISE, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.Adam([common, of_block, of_column, amplitude, noise], lr=_RATE)
    doubt = torch.ones_like(labels)
    for step in range(1, settings.steps + 1):
        scales = (common + of_block[blocks] + of_column).exp()
        at = scaled / scales
        triangle, solved = _solve(_matern(_squares(at, at)), labels, doubt, amplitude.exp(), noise.exp())
        surprise = labels @ solved / 2 + triangle.diagonal().log().sum()
        pulls = (
            settings.block_pull * of_block.square().sum() + settings.column_pull * of_column.square().sum()
        )
        optimiser.zero_grad()
        (surprise + pulls + (noise - _START_NOISE).square() / 2).backward()
        optimiser.step()
        if step % max(1, settings.steps // 3) == 0:
            doubt = doubt * _far_off(triangle.detach(), solved.detach())
    with torch.no_grad():
        scales = (common + of_block[blocks] + of_column).exp()
        return _Found(scales, amplitude.exp(), noise.exp())


def _solve(
    covariance: Tensor, labels: Tensor, doubt: Tensor, amplitude: Tensor, noise: Tensor
) -> tuple[Tensor, Tensor]:
    """Cholesky factor of the labels' covariance, and [n] the labels solved for."""
    own = torch.diag(noise.square() * doubt + _JITTER)
    triangle = torch.linalg.cholesky(amplitude.square() * covariance + own)
    return triangle, torch.cholesky_solve(labels.unsqueeze(1), triangle).squeeze(1)


def _far_off(triangle: Tensor, solved: Tensor) -> Tensor:
    """[n] factor on the noise of each row, 1 where its label is about what the others say of it."""
    precision = torch.cholesky_inverse(triangle).diagonal()
    error = solved.abs() * precision.rsqrt()  # leave-one-out error in its own standard deviations
    deviation = error.median() / _TO_DEVIATION
    return (error / (_FAR * deviation.clamp_min(_JITTER))).clamp_min(1).square()


def _principal(at: Tensor, axes: int) -> Tensor:
    """[F', K] directions in which [n, F'] rows differ most; all there are if there are no more than K."""
    return torch.linalg.svd(at - at.mean(dim=0), full_matrices=False).Vh[:axes].T


def _condition(rows: Tensor, labels: Tensor, found: _Found) -> Tensor:
    """[n] weights of all rows, doubting those that are far off."""
    covariance, doubt = _matern(_squares(rows, rows)), torch.ones_like(labels)
    solved = labels
    for _ in range(_CONDITIONINGS):
        triangle, solved = _solve(covariance, labels, doubt, found.amplitude, found.noise)
        doubt = doubt * _far_off(triangle, solved)
    return solved
