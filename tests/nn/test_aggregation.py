import pytest
import torch
from torch import nn

from perfseer.errors import PerfseerError
from perfseer.nn.aggregation import AGGREGATIONS, ScoredSum, SynMM, make_aggregation
from perfseer.nn.rows import Rows

# Three nodes of graph 0 and two of graph 1.
X = torch.tensor([[1.0, 8.0], [3.0, -2.0], [2.0, 3.0], [-4.0, 1.0], [-6.0, 5.0]])
INDEX = torch.tensor([0, 0, 0, 1, 1])
PTR = torch.tensor([0, 3, 5])
MAXIMUM = torch.tensor([[3.0, 8.0], [-4.0, 5.0]])
MEAN = torch.tensor([[2.0, 3.0], [-5.0, 3.0]])


def with_weights(synmm, weight, bias):
    with torch.no_grad():
        synmm.mix.weight.copy_(weight)
        synmm.mix.bias.copy_(bias)
    return synmm


def test_synmm_mixes_maximum_and_mean_as_equation_7_says():
    # W = [[1, 0 | 2, 0], [0, 1 | 0, -1]], b = [10, 20]
    weight = torch.tensor([[1.0, 0.0, 2.0, 0.0], [0.0, 1.0, 0.0, -1.0]])
    synmm = with_weights(SynMM(2), weight, torch.tensor([10.0, 20.0]))
    expected = torch.tensor([[3 + 4 + 10, 8 - 3 + 20], [-4 - 10 + 10, 5 - 3 + 20.0]])
    assert torch.equal(synmm(X, index=INDEX), expected)


@pytest.mark.parametrize("name", AGGREGATIONS)
def test_index_and_ptr_agree(name):
    aggregation = make_aggregation(name, 2)
    by_index = aggregation(X, index=INDEX)
    torch.testing.assert_close(aggregation(X, ptr=PTR), by_index)
    torch.testing.assert_close(aggregation(X, index=INDEX, ptr=PTR, dim_size=2), by_index)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("max", MAXIMUM), ("mean", MEAN), ("sum", torch.tensor([[6.0, 9.0], [-10.0, 6.0]]))],
)
def test_plain_aggregations(name, expected):
    torch.testing.assert_close(make_aggregation(name, 2)(X, index=INDEX, ptr=PTR), expected)


@pytest.mark.parametrize("name", AGGREGATIONS)
@pytest.mark.parametrize("present", [None, torch.tensor([[1.0], [0.0], [1.0], [1.0], [1.0]])])
def test_pooling_pending_rows_equals_aggregating_dense_ones(name, present):
    """There and back: values, and gradients of the rows and of the pending map."""
    torch.manual_seed(0)
    aggregation, pending = make_aggregation(name, 4), nn.Linear(2, 4)
    learned = [X.clone().requires_grad_(), *pending.parameters(), *aggregation.parameters()]
    rows = Rows(learned[0], pending, present)
    pooled, aggregated = aggregation.pool(rows, INDEX, 2).dense(), aggregation(rows.dense(), index=INDEX)
    torch.testing.assert_close(pooled, aggregated)
    gradients = [torch.autograd.grad(result.square().sum(), learned) for result in (pooled, aggregated)]
    for lazy, dense in zip(*gradients, strict=True):
        torch.testing.assert_close(lazy, dense)


@pytest.mark.parametrize("name", AGGREGATIONS)
def test_order_within_a_graph_does_not_matter(name):
    aggregation = make_aggregation(name, 2)
    result = aggregation(X, index=INDEX)
    assert result.shape == (2, 2)
    torch.testing.assert_close(aggregation(X[[2, 0, 1, 4, 3]], index=INDEX), result)


def test_synmm_of_an_empty_group_is_its_bias():
    synmm = SynMM(2)
    torch.testing.assert_close(synmm(X, index=INDEX, dim_size=3)[2], synmm.mix.bias)


def test_unknown_aggregation_is_refused():
    with pytest.raises(PerfseerError, match=r"'median' .* synmm, max, mean, sum"):
        make_aggregation("median", 2)


def test_scored_sum_weighs_by_softmax_within_each_graph():
    pool = ScoredSum(2)
    with torch.no_grad():
        pool.score.weight.copy_(torch.tensor([[1.0, 0.0]]))
        pool.score.bias.fill_(7.0)  # the same for every node, so it cancels
    scores = torch.tensor([1.0, 3.0, 2.0]), torch.tensor([-4.0, -6.0])
    weights = torch.cat([torch.softmax(part, 0) for part in scores])
    weighted = weights[:, None] * X
    expected = torch.stack([weighted[:3].sum(0), weighted[3:].sum(0)])
    torch.testing.assert_close(pool(Rows(X), INDEX, 2).dense(), expected)


def test_scored_sum_by_channel_learns_nothing_and_weighs_each_channel_by_itself():
    pool = ScoredSum(2, "channel")
    assert list(pool.parameters()) == []
    expected = torch.stack([(torch.softmax(part, 0) * part).sum(0) for part in (X[:3], X[3:])])
    torch.testing.assert_close(pool(Rows(X), INDEX, 2).dense(), expected)


@pytest.mark.parametrize("score", ["node", "channel"])
def test_scored_sum_of_pending_rows_equals_that_of_dense_rows(score):
    encoder = nn.Linear(2, 5)
    pool = ScoredSum(5, score)
    dense = pool(Rows(encoder(X)), INDEX, 2).dense()
    torch.testing.assert_close(pool(Rows(X, encoder), INDEX, 2).dense(), dense)


def test_unknown_score_is_refused():
    with pytest.raises(PerfseerError, match="'edge'"):
        ScoredSum(2, "edge")
