"""A batch family against captures at other batch sizes."""

import numpy as np
import pytest
import torch
from torch import nn

from perfseer.errors import PerfseerError
from perfseer.graphs.batch_family import AFFINE, CONVEX, LARGE, SMALL, STRUCTURE, BatchFamily, slopes
from perfseer.graphs.capture import capture
from perfseer.zoo.reference import Bottleneck, EncoderBlock


def convolutions():
    head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))
    return nn.Sequential(nn.Conv2d(3, 16, 3, 2), Bottleneck(16, 16, 2), Bottleneck(64, 16, 1), *head)


class Tokens(nn.Module):
    """Tokens first, as in `nn.MultiheadAttention`: for one sample the copy is a view."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 8, 8)
        self.block = nn.Sequential(EncoderBlock(16, 2), nn.Linear(16, 16))
        self.head = nn.Linear(16, 10)

    def forward(self, x):
        x = self.block(self.stem(x).flatten(2).transpose(1, 2))
        return self.head(x.transpose(0, 1).contiguous().mean(dim=0))


class Windows(nn.Module):
    """Attention in windows: the batch is folded into another dimension, as in Swin."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 4, 4)
        self.mix = nn.Linear(8, 8)
        self.head = nn.Linear(8, 10)

    def forward(self, x):
        x = self.stem(x).permute(0, 2, 3, 1)
        n, h, w, c = x.shape
        windows = x.view(n, 2, h // 2, 2, w // 2, c).permute(0, 1, 3, 2, 4, 5).reshape(4 * n, -1, c)
        mixed = torch.softmax(windows @ windows.transpose(1, 2), dim=-1) @ self.mix(windows)
        return self.head(mixed.reshape(n, -1, c).mean(dim=1))


def take(model, batch_size, size=64):
    return capture(model, (torch.empty(batch_size, 3, size, size, device="meta"),))


@pytest.fixture(scope="module", params=[convolutions, Tokens, Windows])
def network(request):
    with torch.device("meta"):
        return request.param()


@pytest.mark.parametrize(("first", "second"), [(SMALL, LARGE), (4, 2)])
def test_every_count_is_that_of_a_capture(network, first, second):
    family = BatchFamily.of(take(network, first), take(network, second))
    for batch_size in (3, 1000):
        given, captured = family.at(batch_size), take(network, batch_size)
        assert given.batch_size == captured.batch_size == batch_size
        for name in (*STRUCTURE, *AFFINE):
            np.testing.assert_array_equal(getattr(given, name), getattr(captured, name), err_msg=name)


def test_peak_memory_is_bounded_from_above_between_the_captures_and_from_below_beyond(network):
    family = BatchFamily.of(take(network, SMALL), take(network, LARGE))
    for name in CONVEX:
        assert getattr(family.at(SMALL), name) == getattr(take(network, SMALL), name)
        assert getattr(family.at(LARGE), name) == getattr(take(network, LARGE), name)
        between, beyond = take(network, 32), take(network, 1024)
        assert getattr(between, name) <= getattr(family.at(32), name) <= 1.1 * getattr(between, name)
        assert 0.99 * getattr(beyond, name) <= getattr(family.at(1024), name) <= getattr(beyond, name)


def test_batch_1_is_no_member():
    network = Tokens()
    low, high = take(network, SMALL), take(network, LARGE)
    assert take(network, 1).n_nodes < low.n_nodes  # a copy became a view
    with pytest.raises(PerfseerError, match="batch 1 "):
        BatchFamily.of(low, high).at(1)
    with pytest.raises(PerfseerError, match="given 1 and 256"):
        BatchFamily.of(take(network, 1), high)
    with pytest.raises(PerfseerError, match="given 2 and 2"):
        BatchFamily.of(low, low)


def test_a_network_whose_structure_depends_on_the_batch_is_refused():
    class Fickle(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 3)

        def forward(self, x):
            x = self.layer(x.mean(dim=(2, 3)))
            return torch.relu(x) if len(x) > 100 else x

    network = Fickle()
    with pytest.raises(PerfseerError, match=r"2 and 256 .* operators"):
        BatchFamily.of(take(network, 256), take(network, 2))


def test_two_captures_cannot_tell_a_network_that_looks_at_all_pairs_of_samples():
    class Pairs(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 3)

        def forward(self, x):
            x = self.layer(x.mean(dim=(2, 3)))
            return x @ x.T

    network = Pairs()
    family = BatchFamily.of(take(network, 2), take(network, 4))
    assert family.at(8).total_flops < take(network, 8).total_flops


def test_slopes_are_whole_and_not_negative():
    values = np.array([10, 20])
    np.testing.assert_array_equal(slopes(values, np.array([10, 28]), 2, 4), [0, 4])
    assert slopes(values, np.array([10, 21]), 2, 4) is None
    assert slopes(values, np.array([10, 18]), 2, 4) is None
