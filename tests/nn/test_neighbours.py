import pytest
import torch

from perfseer.data.links import Links
from perfseer.nn.neighbours import DroppedReLU, linked_mean, linked_sum
from perfseer.training.seeds import seeded


def links(matrix):
    """Links from a dense [M, N] matrix of zeros and ones."""

    def one_way(rows):
        index = [column for row in rows for column, entry in enumerate(row) if entry]
        pointer = torch.tensor([0, *[int(row.sum()) for row in rows]]).cumsum(0)
        return torch.tensor(index, dtype=torch.int32), pointer.int()

    return Links(*one_way(matrix), *one_way(matrix.t()))


MATRIX = torch.tensor([[0.0, 1.0, 1.0, 0.0], [0.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0]])


def test_sum_and_its_gradient_are_those_of_the_matrix():
    rows = torch.randn(4, 3, generator=torch.Generator().manual_seed(0), requires_grad=True)
    weights = torch.arange(9.0).reshape(3, 3)
    found = linked_sum(rows, links(MATRIX))
    torch.testing.assert_close(found, MATRIX @ rows)
    (gradient,) = torch.autograd.grad((found * weights).sum(), rows)
    torch.testing.assert_close(gradient, MATRIX.t() @ weights)


def test_mean_divides_by_the_senders_and_gives_zero_for_none():
    rows = torch.tensor([[1.0], [2.0], [4.0], [5.0]])
    assert linked_mean(rows, links(MATRIX)).tolist() == [[3.0], [0.0], [3.0]]


@pytest.mark.parametrize("shape", [(2, 3), (2, 0), (0, 3)])
def test_without_links_all_sums_are_zero_and_so_are_gradients(shape):
    rows = torch.ones(shape[1], 2, requires_grad=True)
    found = linked_sum(rows, links(torch.zeros(shape)))
    assert torch.equal(found, torch.zeros(shape[0], 2))
    (gradient,) = torch.autograd.grad(found.sum(), rows)
    assert torch.equal(gradient, torch.zeros(shape[1], 2))


@pytest.mark.parametrize("share", [0.002, 0.05, 0.5])
def test_dropout_drops_its_share_in_training(share):
    rows = torch.ones(2000, 500)
    with seeded(1):
        dropped = DroppedReLU(share)(rows.clone())
    deviation = 5 * (share * (1 - share) / rows.numel()) ** 0.5
    assert float((dropped == 0).float().mean()) == pytest.approx(share, abs=deviation)
    assert dropped.unique().tolist() == [0.0, 1.0]


def test_dropout_is_drawn_from_the_seed_and_stops_gradients():
    rows, layer = torch.linspace(-0.5, 1.0, 1000).requires_grad_(), DroppedReLU(0.3)
    outputs = []
    for seed in (0, 0, 1):
        with seeded(seed):
            outputs.append(layer(1.0 * rows))
    assert torch.equal(outputs[0], outputs[1])
    assert not torch.equal(outputs[0], outputs[2])
    (gradient,) = torch.autograd.grad(outputs[0].sum(), rows)
    assert torch.equal(gradient, (outputs[0] > 0).float())
    assert 0 < gradient.sum() < (rows > 0).sum()


def test_outside_training_nothing_is_dropped_and_the_mean_is_kept():
    rows, layer = torch.tensor([[-1.0, 2.0]]), DroppedReLU(0.25)
    assert layer.eval()(rows.clone()).tolist() == [[0.0, 1.5]]
    assert DroppedReLU(0.0)(rows.clone()).tolist() == [[0.0, 2.0]]
    assert layer.train()(torch.zeros(0, 4)).shape == (0, 4)
