"""Networks of the Once-for-all space, against those that their authors' package extracts."""

import pytest
import torch

from perfseer.errors import PerfseerError
from perfseer.graphs.capture import capture
from perfseer.zoo.once_for_all import OnceForAll
from perfseer.zoo.references import build

RANDOM = OnceForAll.of(
    [3, 7, 3, 7, 3, 5, 3, 5, 7, 5, 3, 3, 5, 3, 3, 5, 7, 3, 7, 5],
    [4, 6, 3, 3, 3, 4, 3, 3, 3, 6, 6, 3, 4, 6, 4, 6, 6, 3, 6, 4],
    [3, 3, 4, 2, 3],
)


def uniform(kernel, expansion, depth, width):
    return OnceForAll.of([kernel] * 20, [expansion] * 20, [depth] * 5, width)


# Parameters, and multiply-accumulates at 192 pixels, of what `ofa` 0.1.0 (PyPI) extracts from its networks.
@pytest.mark.parametrize(
    ("network", "parameters", "macs"),
    [
        (uniform(7, 6, 4, 1.0), 7_664_760, 417_292_160),
        (uniform(7, 6, 4, 1.2), 10_701_632, 621_268_416),
        (uniform(3, 3, 2, 1.0), 3_410_792, 89_841_344),
        (uniform(3, 3, 2, 1.2), 4_602_456, 142_834_656),
    ],
    ids=str,
)
def test_sizes_are_those_of_the_authors_networks(network, parameters, macs):
    with torch.device("meta"):
        model = network.build()
    graph = capture(model, (torch.empty(2, 3, 192, 192, device="meta"),), backward=False)
    assert graph.n_parameters == parameters == sum(p.numel() for p in model.parameters())
    assert int(graph.flops.sum()) == 2 * 2 * macs


def test_every_operator_of_theirs_is_one_here():
    graph = capture(uniform(7, 6, 4, 1.2).build(), (torch.empty(2, 3, 64, 64),), backward=False)
    assert len(graph.operators) == 381
    assert len(capture(uniform(3, 3, 2, 1.0).build(), (torch.empty(2, 3, 64, 64),)).operators) == 201


def test_a_network_runs_at_any_size():
    model = RANDOM.build().eval()
    with torch.no_grad():
        assert [model(torch.zeros(1, 3, size, size)).shape for size in (128, 132)] == [(1, 1000)] * 2


def test_what_depths_leave_out_plays_no_part():
    assert RANDOM.stages[3] == ((5, 4), (3, 6))
    assert str(RANDOM) == "w1.2-347633-335433-73563633-5436-763376"
    other = OnceForAll.of(
        [3, 7, 3, 3, 3, 5, 3, 7, 7, 5, 3, 3, 5, 3, 7, 7, 7, 3, 7, 3],
        [4, 6, 3, 6, 3, 4, 3, 6, 3, 6, 6, 3, 4, 6, 3, 3, 6, 3, 6, 3],
        [3, 3, 4, 2, 3],
    )
    assert other == RANDOM


@pytest.mark.parametrize("network", [RANDOM, uniform(5, 4, 3, 1.0)], ids=str)
def test_a_name_says_all(network):
    assert OnceForAll.parse(str(network)) == network
    model = build(f"ofa:{network}")
    assert next(model.parameters()).is_meta
    assert sum(p.numel() for p in model.parameters()) == sum(p.numel() for p in network.build().parameters())


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "w1.2",
            "w1.1-3333-3333-3333-3333-3333",
            "w1.2-3333-3333-3333-3333",
            "w1.2-33-3333-3333-3333-3333",
        ),
        *(
            "w1.2-3333-3333-3333-3333-333",
            "w1.2-3333-3333-3333-3333-9333",
            "w1.2-3333-3333-3333-3333-3333-3333",
        ),
        *("3333-3333-3333-3333-3333", "w1.2-3333-3333-3333-3333-3333333333"),
    ],
)
def test_other_texts_are_refused(text):
    with pytest.raises(PerfseerError):
        OnceForAll.parse(text)
    with pytest.raises(PerfseerError):
        build(f"ofa:{text}")


def test_configurations_of_another_space_are_refused():
    with pytest.raises(PerfseerError, match="given 19, 20 and 5"):
        OnceForAll.of([3] * 19, [3] * 20, [2] * 5)
    for kernel, expansion, depth, width in ((4, 3, 2, 1.2), (3, 5, 2, 1.2), (3, 3, 1, 1.2), (3, 3, 2, 1.3)):
        with pytest.raises(PerfseerError, match="Once-for-all"):
            uniform(kernel, expansion, depth, width)
