"""Whatever a model raises is one sentence with the exception and the line of its code."""

import sys
import warnings

import pytest
import torch
from torch import nn

from perfseer.errors import PerfseerError
from perfseer.graphs.capture import capture

INPUT = (torch.empty(3, 4),)


class Own(nn.Module):
    """Runs what it is given."""

    def __init__(self, run):
        super().__init__()
        self.layer, self.run = nn.Linear(4, 2), run

    def forward(self, x):
        return self.run(self.layer(x))


def _fails(model, inputs=INPUT, **how):
    with pytest.raises(PerfseerError) as caught:
        capture(model, inputs, **how)
    return str(caught.value)


def _endless(x):
    return _endless(x)


def _asserts(x):
    assert x is None


@pytest.mark.parametrize(
    ("run", "kind"),
    [
        (lambda x: {}["heads"], "KeyError: 'heads'"),
        (_asserts, "AssertionError"),
        (_endless, "RecursionError"),
        (lambda x: sys.exit(7), "SystemExit: 7"),
        (lambda x: x.no_such_thing, "AttributeError"),
        (lambda x: (_ for _ in ()).throw(GeneratorExit("over")), "GeneratorExit: over"),
        (lambda x: x @ x, "RuntimeError"),
    ],
)
def test_an_exception_of_any_kind_with_its_line(run, kind):
    message = _fails(Own(run))
    assert "cannot capture Own with input 3x4" in message
    assert kind in message
    line = run.__code__.co_firstlineno + (run is not _endless) * (run.__name__ != "<lambda>")
    assert any(f"test_failures.py:{n}" in message for n in (line, line + 1))
    assert "\n" not in message


def test_ctrl_c_ends_the_run():
    def interrupted(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        capture(Own(interrupted), INPUT)


def test_without_code_of_its_own_the_layer_is_named():
    assert "linear.py:" in _fails(nn.Sequential(nn.Linear(5, 2)))


def test_a_script_names_its_line():
    class Scripted(nn.Module):
        def forward(self, x):
            return x @ x

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated
        model = torch.jit.script(Scripted())
    message = _fails(model, backward=False)
    assert "test_failures.py:" in message
    assert "\n" not in message


def test_a_sparse_tensor_is_refused_by_its_name():
    model = nn.Module()
    model.register_buffer("adjacency", torch.eye(3).to_sparse())
    message = _fails(model)
    assert "adjacency" in message
    assert "sparse_coo" in message
    assert "sparse_coo" in _fails(nn.Linear(3, 2), (torch.eye(3).to_sparse(),))


def test_lazy_layers_take_their_shapes_from_the_input():
    model = nn.Sequential(nn.LazyConv2d(8, 3, bias=False), nn.Linear(6, 6), nn.Flatten(), nn.LazyLinear(10))
    inputs = (torch.empty(2, 3, 8, 8),)
    graph = capture(model, inputs)
    assert graph.n_parameters == 8 * 3 * 9 + 42 + (8 * 36 + 1) * 10
    products = 2 * 8 * 36 * 27 + 2 * 8 * 6 * 6 * 6 + 2 * 288 * 10
    assert graph.flops.sum() == 2 * products
    assert capture(model, inputs, backward=False).flops.sum() == 2 * products
    assert isinstance(model[0], nn.LazyConv2d)  # is still to be initialised
    assert not model[1].weight.is_meta


def test_a_lazy_layer_that_cannot_take_the_input():
    assert "LazyConv2d" in _fails(nn.Sequential(nn.LazyConv2d(8, 3)))


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("low", [None, torch.float16])
def test_an_exported_module_runs_as_it_was_exported(backward, low):
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU()).eval()
    inputs = (torch.zeros(2, 3, 8, 8),)
    exported = torch.export.export(model, inputs).module()
    graph = capture(exported, inputs, backward=backward, autocast=low)
    assert graph.flops.sum() == capture(model, inputs, backward=backward, autocast=low).flops.sum()
    assert graph.n_parameters == 8 * 3 * 9 + 8 + 2 * 8


def test_frozen_script_is_refused():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated
        model = torch.jit.freeze(torch.jit.script(nn.Sequential(nn.Linear(4, 2)).eval()))
    assert "torch.jit.freeze" in _fails(model, backward=False)
