"""Programs exported with a fixed batch, at other batch sizes: the module's own work there, or a refusal."""

import pytest
import torch
from torch import nn

from perfseer.errors import PerfseerError
from perfseer.graphs.capture import capture
from tests.helpers.exported_programs import saved
from tests.helpers.model_graphs import Lambda, assert_same_work, read_exported

WIDTH = 8


def attention():
    """A class token, heads as a dimension of their own, heads joined to the batch, and a new tensor added."""

    def forward(parts, x):
        n, t, _ = x.shape
        x = torch.cat([parts[0].weight[None, :1].expand(n, -1, -1), x], 1)
        y = parts[0](x).view(n, t + 1, 2, 4).transpose(1, 2).reshape(n * 2, t + 1, 4)
        z = torch.bmm(y, y.transpose(1, 2)).view(n, 2, t + 1, t + 1)
        return z + x.new_zeros(n, 1, t + 1, t + 1)

    return Lambda(forward, nn.Linear(WIDTH, WIDTH))


def windows():
    """Windows of an image, as shifted-window transformers take them."""

    def forward(parts, x):
        n, h, w, c = x.shape
        y = x.view(n, h // 2, 2, w // 2, 2, c).permute(0, 1, 3, 2, 4, 5).reshape(-1, 4, c)
        return parts[0](y).view(n, h, w, c)

    return Lambda(forward, nn.Linear(WIDTH, WIDTH))


def recurrent():
    return Lambda(lambda parts, x: parts[0](x)[0], nn.LSTM(WIDTH, 5, num_layers=2, batch_first=True))


def encoder():
    """Torch's own layer, which joins the length of the sequence and the batch behind it."""
    return Lambda(
        lambda parts, x: parts[0](x), nn.TransformerEncoderLayer(WIDTH, 2, 16, dropout=0.0, batch_first=True)
    )


def biased():
    """A bias that a network makes from parameters alone, as relative positions of Swin V2 are."""
    return Lambda(
        lambda parts, x: parts[0](x) + parts[1](parts[2].weight), *(nn.Linear(8, 8) for _ in range(3))
    )


@pytest.mark.parametrize("declared", [1, 2])
@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (attention, (5, WIDTH)),
        (windows, (4, 4, WIDTH)),
        (recurrent, (3, WIDTH)),
        (biased, (8, WIDTH)),
        (encoder, (5, WIDTH)),
    ],
)
def test_a_fixed_batch_is_scaled(make, shape, declared, tmp_path):
    path = saved(make(), (torch.zeros(declared, *shape),), tmp_path / "a.pt2")
    assert read_exported(path).batch_size == declared
    graph = read_exported(path, batch_size=6, backward=True)
    reference = capture(make(), (torch.zeros(6, *shape),))
    assert (graph.batch_size, graph.total_flops) == (6, reference.total_flops)
    assert graph.backward_flops.sum() == reference.backward_flops.sum()
    if declared > 1 and make is not recurrent:  # whose states a module makes at the right size
        assert_same_work(graph, reference)


def test_a_batch_that_is_no_multiple_is_refused(tmp_path):
    path = saved(windows(), (torch.zeros(2, 4, 4, WIDTH),), tmp_path / "a.pt2")
    with pytest.raises(PerfseerError, match="3 is no multiple"):
        read_exported(path, batch_size=3)


def test_work_that_does_not_grow_with_the_batch_is_refused(tmp_path):
    """One sample of the batch, whatever its size."""
    module = Lambda(lambda parts, x: parts[0](x[1]), nn.Linear(WIDTH, WIDTH))
    path = saved(module, (torch.zeros(2, 3, WIDTH),), tmp_path / "a.pt2")
    with pytest.raises(PerfseerError, match="dynamic_shapes"):
        read_exported(path, batch_size=4)
