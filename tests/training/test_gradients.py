"""Uncertainty weighting; PCGrad and the plain sum are in test_pcgrad."""

import pytest
import torch
from torch import nn

from perfseer.training.gradients import UncertaintyRule


def losses_of(network):
    inputs = torch.tensor([[1.0, 2.0], [0.5, -1.0]])
    return (network(inputs) - torch.tensor([[3.0, 0.1], [2.0, -0.1]])).square().mean(dim=0)


def network():
    torch.manual_seed(0)
    return nn.Linear(2, 2)


def test_the_first_step_is_half_the_plain_sum():
    """All log-variances are 0 there, so every loss has weight 1/2."""
    weighted, plain = network(), network()
    UncertaintyRule(2, 0.1)(losses_of(weighted))
    losses_of(plain).sum().backward()
    for one, two in zip(weighted.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(one.grad, two.grad / 2)


def test_weights_follow_the_log_variances_by_hand():
    rule = UncertaintyRule(2, 0.1)
    with torch.no_grad():
        rule.log_variances.copy_(torch.tensor([1.0, -2.0]))
    weighted, plain = network(), network()
    rule(losses_of(weighted))
    losses = losses_of(plain)
    (
        0.5 * torch.exp(torch.tensor(-1.0)) * losses[0] + 0.5 * torch.exp(torch.tensor(2.0)) * losses[1]
    ).backward()
    for one, two in zip(weighted.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(one.grad, two.grad)


def test_log_variances_settle_at_the_logarithms_of_the_losses():
    """The derivative (1 − exp(−s) L) / 2 vanishes at s = ln L."""
    rule = UncertaintyRule(3, 0.05)
    losses = torch.tensor([0.01, 1.0, 50.0])
    for _ in range(2000):
        rule(losses)
    torch.testing.assert_close(rule.log_variances.detach(), losses.log(), rtol=0, atol=0.02)


def test_learning_rate_moves_the_log_variances():
    """Adam's first step is the learning rate, away from a loss above 1 and towards one below."""
    rule = UncertaintyRule(2, 0.25)
    rule(torch.tensor([4.0, 0.1]))
    assert rule.log_variances.tolist() == pytest.approx([0.25, -0.25], rel=1e-4)
