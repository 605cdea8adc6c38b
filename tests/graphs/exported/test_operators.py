"""Which operators an exported program may call: those on tensors, with arguments of their types."""

import pytest
import torch

from perfseer.errors import PerfseerError
from perfseer.graphs.exported.arithmetic import arithmetic
from perfseer.graphs.exported.operators import call, names_in

TENSOR = torch.empty(2, 3, device="meta")


def run(name, overload="default", **given):
    return call(name, overload, given, training=False)


def test_tensors_and_their_sizes_are_given():
    assert run("add", "Tensor", self=TENSOR, other=1).shape == (2, 3)
    assert run("zeros", size=[4], device="cpu", pin_memory=True).is_meta
    assert run("sym_size", "int", self=TENSOR, dim=1) == 3


@pytest.mark.parametrize(
    ("name", "overload", "given"),
    [
        ("remainder", "int", {"a": 1, "b": 0}),
        ("floordiv", "int", {"a": 1, "b": 0}),
        ("__round_to_zero_floordiv", "int", {"a": 1, "b": 0}),
        ("count", "default", {"self": "abc", "substr": "", "start": 0, "end": -1}),
        ("expandtabs", "default", {"self": "\t", "tabsize": 2**40}),
        ("zfill", "default", {"self": "a", "width": 2**33}),
        ("ljust", "default", {"self": "a", "width": 2**33, "fillchar": " "}),
        ("mul", "left_t", {"l": [1], "n": 2**33}),
        ("from_file", "default", {"filename": "/etc/passwd", "size": 8}),
        ("grad", "default", {"outputs": [TENSOR], "inputs": [TENSOR]}),
        ("conv2d", "out", {}),
        ("_make_dep_token", "default", {}),
    ],
)
def test_functions_on_text_lists_and_numbers_are_refused(name, overload, given):
    with pytest.raises(PerfseerError, match="operator"):
        run(name, overload, **given)


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("clone", {"self": TENSOR, "memory_format": -1}),
        ("relu", {"self": 5}),
        ("repeat", {"self": 5, "repeats": [2**36]}),
        ("cat", {"tensors": TENSOR}),
        ("view", {"self": TENSOR, "size": [2**70]}),
        ("gelu", {"self": TENSOR, "approximate": "x" * 5000}),
    ],
)
def test_arguments_of_other_types_are_refused(name, given):
    """Some of these end the process when PyTorch gets them, or take real memory."""
    with pytest.raises(PerfseerError, match="its argument"):
        run(name, **given)


def test_what_would_take_too_long_on_the_host_is_refused():
    large = torch.empty(2**30, device="meta")
    with pytest.raises(PerfseerError, match="pieces"):
        run("unbind", "int", self=large, dim=0)
    with pytest.raises(PerfseerError, match="pieces"):
        run("split_copy", "Tensor", self=large, split_size=1, dim=0)
    with pytest.raises(PerfseerError, match="at most"):
        run("diff", self=large, n=2**40)


def test_results_that_depend_on_the_data_are_said_to():
    for name in ("nonzero", "item", "_local_scalar_dense"):
        with pytest.raises(PerfseerError, match="depends on the data"):
            run(name, self=TENSOR)


def test_arithmetic_is_on_numbers_alone():
    assert arithmetic("_operator.floordiv", [7, 2]) == 3
    assert arithmetic("torch.sym_max", [7, 2]) == 7
    assert arithmetic("_operator.pow", [3, 4]) == 81
    assert arithmetic("torch.ops.aten.relu.default", []) is NotImplemented
    for target, arguments in (
        ("_operator.mul", ["a", 2**33]),
        ("_operator.mul", [[1], 2**33]),
        ("_operator.mod", ["%1000000000d", 1]),
        ("_operator.pow", [10, 10**9]),
        ("_operator.lshift", [1, 10**9]),
        ("_operator.add", [float("inf"), 1]),
    ):
        with pytest.raises(PerfseerError):
            arithmetic(target, arguments)


@pytest.mark.parametrize(
    "target", ["torch.ops.aten.__class__.x", "torch.ops.aten.a.__init__", "os.system", "\x1b[0m"]
)
def test_only_names_of_operators_are_looked_up(target):
    with pytest.raises(PerfseerError):
        names_in(target)


def test_operators_of_python_are_names_too():
    assert names_in("torch.ops.aten.__and__.Tensor") == ("aten", "__and__", "Tensor")
