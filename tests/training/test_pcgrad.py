import pytest
import torch
from torch import nn

from perfseer.training.gradients import PCGradRule, sum_rule
from perfseer.training.pcgrad import project_conflicts, random_orders
from perfseer.training.seeds import generator

ORDER = torch.tensor([[0, 1], [0, 1]])


def test_gradients_that_agree_are_added():
    gradients = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    assert project_conflicts(gradients, ORDER).tolist() == [2.0, 1.0]


def test_two_conflicting_gradients_by_hand():
    # g1 = (1, 0), g2 = (-1, 1): g1.g2 = -1.
    # g1' = g1 + 1/2 g2 = (0.5, 0.5); g2' = g2 + 1/1 g1 = (0, 1).
    gradients = torch.tensor([[1.0, 0.0], [-1.0, 1.0]])
    assert project_conflicts(gradients, ORDER).tolist() == [0.5, 1.5]


def test_projection_uses_the_original_gradients_in_the_order_given():
    # g1 = (1, 0), g2 = (-1, 1), g3 = (-1, -1).
    # Task 1 visits 2, then 3: (0.5, 0.5) . g3 = -1, so + 1/2 g3 gives (0, 0).
    # Task 2 visits 1, then 3: (0, 1) . g3 = -1, so + 1/2 g3 gives (-0.5, 0.5).
    # Task 3 visits 2, then 1: g3 . g2 = 0 stays; g3 . g1 = -1, so + g1 gives (0, -1).
    gradients = torch.tensor([[1.0, 0.0], [-1.0, 1.0], [-1.0, -1.0]])
    orders = torch.tensor([[0, 1, 2], [0, 2, 1], [1, 0, 2]])
    orders[1] = torch.tensor([0, 1, 2])
    torch.testing.assert_close(project_conflicts(gradients, orders), torch.tensor([-0.5, -0.5]))


def loop(gradients, orders):
    """METHODS 1.4, word for word."""
    projected = gradients.double().clone()
    originals = gradients.double()
    for i, order in enumerate(orders.tolist()):
        for j in order:
            if j != i and projected[i] @ originals[j] < 0:
                projected[i] -= (projected[i] @ originals[j]) / originals[j].square().sum() * originals[j]
    return projected.sum(dim=0).float()


@pytest.mark.parametrize("seed", range(5))
def test_vectorised_form_equals_the_loop(seed):
    random = torch.Generator().manual_seed(seed)
    gradients = torch.randn(6, 40, generator=random)
    orders = random_orders(6, random)
    torch.testing.assert_close(project_conflicts(gradients, orders), loop(gradients, orders))


def test_zero_gradient_divides_by_nothing():
    gradients = torch.tensor([[0.0, 0.0], [-1.0, 1.0]])
    assert project_conflicts(gradients, ORDER).tolist() == [-1.0, 1.0]


def test_orders_are_permutations_drawn_from_the_seed():
    orders = random_orders(6, generator(3))
    assert torch.equal(orders.sort(dim=1).values, torch.arange(6).expand(6, 6))
    assert torch.equal(orders, random_orders(6, generator(3)))
    assert not torch.equal(orders, random_orders(6, generator(4)))


def two_headed():
    torch.manual_seed(0)
    trunk, heads = nn.Linear(3, 4), nn.ModuleList([nn.Linear(4, 1), nn.Linear(4, 1)])
    inputs = torch.randn(5, 3)
    hidden = torch.tanh(trunk(inputs))
    errors = [head(hidden) - goal for head, goal in zip(heads, (1.0, -1.0), strict=True)]
    return trunk, heads, torch.stack([error.square().mean() for error in errors])


def test_rule_projects_on_the_trunk_and_leaves_the_heads_alone():
    trunk, heads, losses = two_headed()
    single = [torch.autograd.grad(loss, list(trunk.parameters()), retain_graph=True) for loss in losses]
    flat = torch.stack([torch.cat([part.flatten() for part in parts]) for parts in single])
    own = torch.autograd.grad(losses.sum(), list(heads.parameters()), retain_graph=True)
    PCGradRule(list(trunk.parameters()), list(heads.parameters()), generator(0))(losses)
    combined = torch.cat([parameter.grad.flatten() for parameter in trunk.parameters()])
    torch.testing.assert_close(combined, loop(flat, ORDER))
    for parameter, gradient in zip(heads.parameters(), own, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)


def test_sum_rule_is_plain_backpropagation():
    trunk, _, losses = two_headed()
    expected = torch.autograd.grad(losses.sum(), list(trunk.parameters()), retain_graph=True)
    sum_rule(losses)
    for parameter, gradient in zip(trunk.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)
