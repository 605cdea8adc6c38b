"""Loops and branches: work of every round, counted by hand."""

import numpy as np
import pytest

from perfseer.errors import PerfseerError
from perfseer.graphs.given import Given
from perfseer.graphs.onnx import module
from perfseer.graphs.onnx.reader import open_onnx
from tests.helpers.model_graphs import operators, read_onnx
from tests.helpers.onnx_files import FLOAT, INT64, helper, ints, node, number, write

BOOL = 9
PRODUCT = 2 * 4 * 8 * 8  # [4, 8] by [8, 8]


def body(nodes, inputs=(), outputs=("y",), types=None):
    """A graph within a node."""
    types = types or {}
    return helper.make_graph(
        list(nodes),
        "body",
        [helper.make_tensor_value_info(name, types.get(name, FLOAT), None) for name in inputs],
        [helper.make_tensor_value_info(name, types.get(name, FLOAT), None) for name in outputs],
    )


COUNTED = {"i": INT64, "go": BOOL, "on": BOOL}


def loop(*, rounds="k", condition=".", nodes=(), outputs=("on", "h2"), result="y"):
    """A Loop that multiplies what it carries by a weight of the outer graph."""
    inner = nodes or [node("Identity", "go", "on"), node("MatMul", "h w", "h2")]
    made = body(inner, ("i", "go", "h"), outputs, COUNTED)
    return node("Loop", f"{rounds} {condition} x", result, body=made)


def written(tmp_path, nodes, stored=None, *, types=None, inputs=None, outputs=("y",)):
    stored = {"w": (8, 8), **(stored or {})}
    return write(tmp_path / "a.onnx", nodes, inputs or {"x": [4, 8]}, outputs, stored=stored, types=types)


def notes_of(path):
    return open_onnx(path).captured(Given()).notes


@pytest.mark.parametrize("rounds", [0, 1, 7])
def test_every_round_of_a_loop_is_work(tmp_path, rounds):
    path = written(tmp_path, [loop(), node("Relu", "y", "z")], {"k": np.array(rounds)}, outputs=("z",))
    graph = read_onnx(path, backward=rounds > 0)
    assert graph.total_flops == rounds * PRODUCT
    assert graph.n_parameters == 64
    assert operators(graph) == ["linear"] * rounds + ["relu"]
    # the first product's input needs no gradient
    assert graph.backward_flops.sum() == (2 * rounds - 1) * PRODUCT * (rounds > 0)
    assert (graph.unknown, notes_of(path)) == ({}, ())


def test_a_loop_ends_when_its_condition_says_so(tmp_path):
    counting = [node("Less", "i three", "on"), node("MatMul", "h w", "h2")]
    stored = {"three": np.array(3), "k": np.array(2**62)}
    path = written(tmp_path, [loop(nodes=counting)], stored)
    assert read_onnx(path).total_flops == 4 * PRODUCT  # after rounds 0 to 3
    path = written(
        tmp_path, [loop(nodes=counting, rounds=".", condition="c")], stored | {"c": np.array(True)}
    )
    assert read_onnx(path).total_flops == 4 * PRODUCT
    path = written(
        tmp_path, [loop(condition="c"), node("Exp", "y", "z")], {"k": np.array(5), "c": np.array(False)}
    )
    assert read_onnx(path).total_flops == 0


def test_a_loop_that_data_may_end_early_counts_all_rounds_and_says_so(tmp_path):
    early = [
        node("MatMul", "h w", "h2"),
        node("ReduceSum", "h2", "s", keepdims=0),
        node("Greater", "s zero", "on"),
    ]
    path = written(tmp_path, [loop(nodes=early)], {"k": np.array(3), "zero": number(0)})
    graph = read_onnx(path)
    assert graph.total_flops == 3 * PRODUCT
    (note,) = notes_of(path)
    assert "'y'" in note
    path = written(tmp_path, [loop(nodes=early, rounds=".")], {"zero": number(0)})
    with pytest.raises(PerfseerError, match=r"'y'.*depends on the data"):
        read_onnx(path)


def test_a_loop_whose_rounds_are_data_is_refused_by_its_name(tmp_path):
    path = written(tmp_path, [loop(rounds="n")], inputs={"x": [4, 8], "n": []}, types={"n": INT64})
    with pytest.raises(PerfseerError, match=r"Loop.*'y'.*'n'.*depends on the data"):
        read_onnx(path)


@pytest.mark.parametrize("inner", [[], [node("Identity", "go", "on"), node("Relu", "h", "h2")]])
def test_a_loop_without_end_is_refused(tmp_path, monkeypatch, inner):
    monkeypatch.setattr(module, "MOST_REPEATED", 500)
    nodes = [loop(nodes=inner)] if inner else [loop(nodes=[node("Neg", "i", "unused")], outputs=("go", "h"))]
    path = written(tmp_path, nodes, {"k": np.array(2**62)})
    with pytest.raises(PerfseerError, match="more than 500 operators"):
        read_onnx(path)


def test_what_each_round_gives_is_stacked_and_slices_follow_the_round(tmp_path):
    inner = [
        node("Identity", "go", "on"),
        node("Gather", "x i", "row", axis=0),
        node("Mul", "row row", "square"),
    ]
    made = body(inner, ("i", "go"), ("on", "square", "i"), COUNTED)
    nodes = [node("Loop", "k .", "squares places", body=made), node("MatMul", "squares w", "y")]
    graph = read_onnx(written(tmp_path, nodes, {"k": np.array(4)}))
    assert operators(graph) == ["mul"] * 4 + ["concat", "linear"]
    assert graph.output_shapes[-1].tolist() == [4, 8, 1, 1]
    assert graph.total_flops == PRODUCT


@pytest.mark.parametrize("axis", [0, 1])
def test_a_scan_takes_as_many_steps_as_its_input_is_long(tmp_path, axis):
    made = body(
        [node("MatMul", "h w", "hw"), node("Add", "hw part", "h2"), node("Identity", "h2", "out")],
        ("h", "part"),
        ("h2", "out"),
    )
    shape = [5, 4, 8] if axis == 0 else [4, 5, 8]
    scan = node(
        "Scan",
        "h0 xs",
        "last y",
        body=made,
        num_scan_inputs=1,
        scan_input_axes=[axis],
        scan_output_axes=[axis],
    )
    graph = read_onnx(written(tmp_path, [scan], inputs={"h0": [4, 8], "xs": shape}))
    assert graph.total_flops == 5 * PRODUCT
    assert operators(graph) == ["linear", "add"] * 5 + ["concat"]
    assert graph.output_shapes[-1].tolist() == [*shape, 1]


def branches(first, second):
    return {"then_branch": body(first, outputs=("t",)), "else_branch": body(second, outputs=("e",))}


DATA = [node("ReduceSum", "x", "s", keepdims=0), node("Greater", "s zero", "c")]
ONCE, TWICE = [node("MatMul", "x w", "t")], [node("MatMul", "x w", "u"), node("MatMul", "u w", "e")]


def test_of_branches_that_data_chooses_the_dearer_one_is_counted_and_it_is_said(tmp_path):
    nodes = [*DATA, node("If", "c", "h", **branches(ONCE, TWICE)), node("MatMul", "h w", "y")]
    path = written(tmp_path, nodes, {"zero": number(0)})
    graph = read_onnx(path, backward=True)
    assert graph.total_flops == 3 * PRODUCT
    assert graph.n_parameters == 64
    (note,) = notes_of(path)
    assert "'h'" in note
    assert f"else_branch with {2 * PRODUCT:,} FLOPs" in note
    assert graph.unknown == {}


def test_branches_within_branches_take_time_in_proportion(tmp_path):
    """Each is weighed once, however deep it lies."""
    inner = [node("MatMul", "x w", "n0")]
    for level in range(8):
        kinds = branches([node("Relu", "x", "t")], [*inner, node("Identity", f"n{level}", "e")])
        inner = [node("If", "c", f"n{level + 1}", **kinds)]
    path = written(tmp_path, [*DATA, *inner, node("Exp", "n8", "y")], {"zero": number(0)})
    assert read_onnx(path).total_flops == PRODUCT
    assert len(notes_of(path)) <= 6


def test_functions_are_inlined_in_bodies_too(tmp_path):
    opsets = [helper.make_opsetid("", 17)]
    squared = helper.make_function(
        "local",
        "Squared",
        ["a", "b"],
        ["c"],
        [node("MatMul", "a b", "t"), node("MatMul", "t b", "c")],
        opsets,
    )
    call = helper.make_node("Squared", ["h", "w"], ["h2"], domain="local")
    path = write(
        tmp_path / "a.onnx",
        [loop(nodes=[node("Identity", "go", "on"), call])],
        {"x": [4, 8]},
        stored={"w": (8, 8), "k": np.array(3)},
        functions=[squared],
    )
    graph = read_onnx(path)
    assert (graph.total_flops, graph.unknown) == (6 * PRODUCT, {})


def test_a_body_within_a_function_reads_the_names_of_its_call(tmp_path):
    opsets = [helper.make_opsetid("", 17)]
    inside = body(
        [node("MatMul", "h m", "h2"), node("Identity", "go", "on")], ("i", "go", "h"), ("on", "h2"), COUNTED
    )
    repeated = helper.make_function(
        "local", "Power", ["a", "m", "n"], ["c"], [node("Loop", "n . a", "c", body=inside)], opsets
    )
    calls = [
        helper.make_node("Power", [a, "w", "k"], [b], domain="local") for a, b in (("x", "t"), ("t", "y"))
    ]
    path = write(
        tmp_path / "a.onnx",
        calls,
        {"x": [4, 8]},
        stored={"w": (8, 8), "k": np.array(3)},
        functions=[repeated],
    )
    assert read_onnx(path).total_flops == 6 * PRODUCT


def test_weights_read_in_bodies_alone_are_parameters_once(tmp_path):
    inner = [
        node("Identity", "go", "on"),
        node("LayerNormalization", "h scale", "n"),
        node("MatMul", "n w", "h2"),
    ]
    stored = {"k": np.array(3), "scale": (8,), "unread": ints(1)}
    graph = read_onnx(written(tmp_path, [loop(nodes=inner)], stored))
    assert graph.n_parameters == 64 + 8
