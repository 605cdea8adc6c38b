"""Losses on normalised labels (the paper's) and in physical units (what MAPE judges).

Every loss maps outputs and labels [B, T], both normalised, to one value per label, [T].
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from perfseer.data.normalisation import LabelNormaliser
from perfseer.errors import PerfseerError, require
from perfseer.graphs.perfgraph import FloatArray

Loss = Callable[[Tensor, Tensor], Tensor]
# Predictions off by more than e^3 = 20 times count as that much: exp must not overflow.
_LARGEST_LOG_RATIO = 3.0


def mse(outputs: Tensor, labels: Tensor) -> Tensor:
    """[T] mean squared error of normalised labels (METHODS 1.4)."""
    return (outputs - labels).square().mean(dim=0)


def l1(outputs: Tensor, labels: Tensor) -> Tensor:
    """[T] mean absolute error of normalised labels (METHODS 3)."""
    return (outputs - labels).abs().mean(dim=0)


def huber(outputs: Tensor, labels: Tensor, delta: float = 1.0) -> Tensor:
    """[T] mean Huber error of normalised labels, quadratic below ``delta`` and linear above (METHODS 4)."""
    return F.huber_loss(outputs, labels, reduction="none", delta=delta).mean(dim=0)


_PLAIN: dict[str, Loss] = {"mse": mse, "l1": l1, "huber": huber}


class RelativeLoss:
    """Mean relative error in physical units, ``mean |y_hat - y| / y``: the loss that MAPE is.

    Args:
        normaliser: of the T labels, in column order.
        spread: [T] if labels are deviations from a baseline divided by this; the baseline cancels in a ratio.

    Raises:
        PerfseerError: a label is not learned on a logarithmic scale.
    """

    def __init__(self, normaliser: LabelNormaliser, spread: FloatArray) -> None:
        scales = list(normaliser.scales.values())
        others = sorted({scale.transform for scale in scales} - {"log"})
        require(
            not others,
            f"loss relative needs labels with transform log (utilisation: logit), given {', '.join(others)}; "
            "choose loss mse or another transform in params.yaml",
        )
        self._means = torch.tensor([scale.mean for scale in scales])
        self._scales = torch.tensor([scale.scale for scale in scales]) * torch.tensor(spread).float()
        self._bounded = torch.tensor([scale.ceiling is not None for scale in scales])

    def __call__(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """[T] mean relative errors."""
        log_ratio = self._log(outputs) - self._log(labels)
        bound = _LARGEST_LOG_RATIO
        # Beyond the bound the error grows with the logarithm, so that there is still a slope.
        excess = (log_ratio.abs() - bound).clamp(min=0)
        return (torch.expm1(log_ratio.clamp(-bound, bound)).abs() + excess).mean(dim=0)

    def _log(self, z: Tensor) -> Tensor:
        """Logarithm of the physical value, up to a constant that cancels in a ratio."""
        transformed = z * self._scales + self._means
        return torch.where(self._bounded, F.logsigmoid(transformed), transformed)


def make_loss(name: str, normaliser: LabelNormaliser, spread: FloatArray) -> Loss:
    """Loss by its name in params.yaml: ``mse``, ``l1``, ``huber`` or ``relative``.

    Args:
        name: of the loss.
        normaliser: of the labels that are learned, in column order.
        spread: see `RelativeLoss`.

    Raises:
        PerfseerError: there is no such loss.
    """
    if name == "relative":
        return RelativeLoss(normaliser, spread)
    if name not in _PLAIN:
        raise PerfseerError(f"loss {name!r} is not known; choose one of {', '.join([*_PLAIN, 'relative'])}")
    return _PLAIN[name]
