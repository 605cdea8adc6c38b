"""Reductions with written-out gradients against autograd's own."""

import pytest
import torch
import torch.nn.functional as F
from torch_geometric.utils import softmax

from perfseer.nn.segments import linear_max, scored_sum, segment_max, segment_sum, shared_sum

SEGMENT = torch.tensor([0, 0, 0, 1, 2, 2])


def rows(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_segment_sum_leaves_an_empty_segment_at_zero():
    values = torch.tensor([[1.0], [2.0], [4.0]])
    assert segment_sum(values, torch.tensor([0, 0, 2]), 3)[:, 0].tolist() == [3, 0, 4]


def test_segment_max_says_which_row_won_and_of_equal_ones_the_last():
    values = torch.tensor([[1.0, 7.0], [3.0, 7.0], [2.0, -1.0], [-5.0, -8.0], [0.0, 1.0], [0.0, 2.0]])
    maxima, winners = segment_max(values, SEGMENT, 3)
    assert maxima.tolist() == [[3, 7], [-5, -8], [0, 2]]
    assert winners.tolist() == [[1, 1], [3, 3], [5, 5]]


def test_linear_max_is_the_maximum_of_mapped_rows_there_and_back():
    inputs = [
        rows(6, 4).requires_grad_(),
        rows(3, 4, seed=1).requires_grad_(),
        rows(3, seed=2).requires_grad_(),
    ]
    mapped = F.linear(*inputs)
    expected = torch.stack([mapped[segment == SEGMENT].amax(0) for segment in range(3)])
    found = linear_max(*inputs, SEGMENT, 3)
    torch.testing.assert_close(found, expected)
    upstream = rows(3, 3, seed=3)
    for one, two in zip(
        torch.autograd.grad(found, inputs, upstream),
        torch.autograd.grad(expected, inputs, upstream),
        strict=True,
    ):
        torch.testing.assert_close(one, two)


@pytest.mark.parametrize("shift", [0.0, 800.0])
def test_scored_sum_there_and_back(shift):
    """A common shift of all scores cancels and does not overflow."""
    values, weight = rows(6, 4).requires_grad_(), rows(4, seed=1).requires_grad_()
    bias = torch.tensor([shift], dtype=torch.float64, requires_grad=True)
    weights = softmax(values @ weight, SEGMENT)
    expected = segment_sum(weights[:, None] * values, SEGMENT, 3)
    found = scored_sum(values, weight, bias, SEGMENT, 3)
    torch.testing.assert_close(found, expected)
    upstream = rows(3, 4, seed=2)
    *gradients, to_bias = torch.autograd.grad(found, [values, weight, bias], upstream)
    for one, two in zip(gradients, torch.autograd.grad(expected, [values, weight], upstream), strict=True):
        torch.testing.assert_close(one, two)
    torch.testing.assert_close(to_bias, torch.zeros(1, dtype=torch.float64))


def test_scored_sum_of_inputs_that_want_no_gradient():
    weight, bias = rows(2, seed=1).requires_grad_(), rows(1, seed=2).requires_grad_()
    assert torch.autograd.gradcheck(lambda *given: scored_sum(rows(6, 2), *given, SEGMENT, 3), (weight, bias))


def test_shared_sum_is_a_mean_where_the_share_is_one_over_the_size():
    values = rows(6, 2).requires_grad_()
    share = torch.tensor([[1 / 3], [1.0], [1 / 2]], dtype=torch.float64)
    expected = torch.stack([values[segment == SEGMENT].mean(0) for segment in range(3)])
    torch.testing.assert_close(shared_sum(values, SEGMENT, share), expected)
    assert torch.autograd.gradcheck(lambda given: shared_sum(given, SEGMENT, share), values)
