r"""PCGrad, projecting conflicting gradients (METHODS 1.4; SeerNet-Multi).

For each task i take its gradient; visit the other tasks j in random order; where the two point against each
other, remove the component along the *original* g_j:

.. math:: g_i \leftarrow g_i - \frac{g_i \cdot g_j}{\lVert g_j \rVert^2} g_j \quad\text{if } g_i \cdot g_j < 0

and apply the sum of the results.
"""

import torch
from torch import Tensor


def project_conflicts(gradients: Tensor, orders: Tensor) -> Tensor:
    """Sum of the projected gradients of T tasks over P parameters.

    Every projected gradient stays a combination of the original ones, so the projections act on T x T
    coefficients by way of the Gram matrix; the P parameters are touched twice only.

    Args:
        gradients: [T, P] original gradients.
        orders: [T, T] row i: all tasks in the order in which task i visits them; i itself is skipped.

    Returns:
        [P] sum over the tasks.
    """
    originals = gradients.double()
    gram = originals @ originals.t()
    combination = torch.eye(len(gradients), dtype=torch.float64)
    tasks = torch.arange(len(gradients))
    for others in orders.unbind(dim=1):
        products = (combination * gram[others]).sum(dim=1)
        conflict = (products < 0) & (others != tasks)
        share = torch.where(conflict, products / gram.diagonal()[others].clamp(min=1e-300), 0.0)
        combination[tasks, others] -= share
    return (combination.sum(dim=0) @ originals).to(gradients.dtype)


def random_orders(n_tasks: int, generator: torch.Generator) -> Tensor:
    """[T, T] one random order of all tasks for each task."""
    return torch.rand(n_tasks, n_tasks, generator=generator).argsort(dim=1)
