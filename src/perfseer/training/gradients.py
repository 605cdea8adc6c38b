"""From the losses of T labels to the gradients of the parameters: their sum, plain or weighted, or PCGrad."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from perfseer.training.pcgrad import project_conflicts, random_orders

# Takes [T] losses and leaves gradients in ``.grad`` of the parameters.
GradientRule = Callable[[Tensor], None]


def sum_rule(losses: Tensor) -> None:
    """Gradient of the sum of the losses."""
    losses.sum().backward()


class PCGradRule:
    """PCGrad over shared parameters; parameters of one label's head keep that label's gradient.

    Args:
        shared: parameters all labels depend on.
        own: parameters that one label alone depends on.
        generator: draws the orders of the tasks.
    """

    def __init__(
        self, shared: Sequence[nn.Parameter], own: Sequence[nn.Parameter], generator: torch.Generator
    ) -> None:
        self._shared = list(shared)
        self._own = list(own)
        self._generator = generator

    def __call__(self, losses: Tensor) -> None:
        """Leave PCGrad's gradients in ``.grad``."""
        own = torch.autograd.grad(losses.sum(), self._own, retain_graph=True)
        gradients = torch.stack([self._flat(loss) for loss in losses])
        combined = project_conflicts(gradients, random_orders(len(losses), self._generator))
        sizes = [parameter.numel() for parameter in self._shared]
        for parameter, part in zip(self._shared, combined.split(sizes), strict=True):
            parameter.grad = part.view_as(parameter)
        for parameter, gradient in zip(self._own, own, strict=True):
            parameter.grad = gradient

    def _flat(self, loss: Tensor) -> Tensor:
        parts = torch.autograd.grad(loss, self._shared, retain_graph=True)
        return torch.cat([part.flatten() for part in parts])


class UncertaintyRule:
    r"""Gradient of the sum of the losses, weighted by learned uncertainties (Kendall et al., CVPR 2018).

    .. math:: \sum_t \tfrac{1}{2} e^{-s_t} L_t + \tfrac{1}{2} s_t

    Equation (7) of the source with s = log sigma^2. The log-variances start at 0 and follow an Adam of their
    own, at a constant learning rate; they are no part of the network.

    Args:
        n_tasks: T.
        learning_rate: of the log-variances.
    """

    def __init__(self, n_tasks: int, learning_rate: float) -> None:
        self.log_variances = nn.Parameter(torch.zeros(n_tasks))
        self._optimiser = torch.optim.Adam([self.log_variances], lr=learning_rate)

    def __call__(self, losses: Tensor) -> None:
        """Leave the weighted gradients in ``.grad`` and move the log-variances by one step."""
        self._optimiser.zero_grad(set_to_none=True)
        weighted = torch.exp(-self.log_variances) * losses + self.log_variances
        (0.5 * weighted.sum()).backward()
        self._optimiser.step()
