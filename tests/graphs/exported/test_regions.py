"""Graphs inside exported programs: regions, branches and loops, with the work that they stand for."""

import pytest
import torch
from torch import nn
from torch._higher_order_ops.scan import scan
from torch._higher_order_ops.while_loop import while_loop

from perfseer.errors import PerfseerError
from perfseer.graphs.capture import capture
from perfseer.graphs.exported.program import read_program
from tests.helpers.exported_programs import edited, saved
from tests.helpers.model_graphs import Lambda, assert_same_work, operators, read_exported

BATCH, WIDTH = 4, 8
ONE_LINEAR = 2 * BATCH * WIDTH * WIDTH  # FLOPs


def inputs():
    return (torch.zeros(BATCH, WIDTH),)


def linears(n):
    return [nn.Linear(WIDTH, WIDTH) for _ in range(n)]


def no_grad():
    def forward(parts, x):
        with torch.no_grad():
            y = parts[0](x).relu()
        return parts[1](y)

    return Lambda(forward, *linears(2))


def test_a_region_without_gradients_is_what_the_module_does(tmp_path):
    graph = read_exported(saved(no_grad(), inputs(), tmp_path / "a.pt2"), backward=True)
    assert_same_work(graph, capture(no_grad(), inputs()))
    assert graph.backward_flops.tolist() == [0, 0, ONE_LINEAR]  # of the last weight alone


def half(device):
    def forward(parts, x):
        with torch.autocast(device, dtype=torch.bfloat16):
            y = parts[0](x)
        return y.float()

    return Lambda(forward, *linears(1))


def test_a_region_under_autocast_runs_in_its_precision(tmp_path):
    """Where there is no GPU an exporter writes its regions as switched off, so one for the cpu is renamed."""

    def on_a_gpu(module):
        (node,) = (n for n in module["graph"]["nodes"] if "autocast" in n["target"])
        node["inputs"][0]["arg"]["as_string"] = "cuda"

    path = saved(half("cpu"), inputs(), tmp_path / "a.pt2")
    graph = read_exported(edited(path, tmp_path / "b.pt2", on_a_gpu), backward=True)
    assert_same_work(graph, capture(half("cuda"), inputs()))
    (linear,) = (i for i, name in enumerate(operators(graph)) if name == "linear")
    assert graph.output_bytes[linear] == BATCH * WIDTH * 2
    assert graph.total_flops == ONE_LINEAR


@pytest.fixture(scope="module")
def branching(tmp_path_factory):
    """One layer if true, two if false."""

    def forward(parts, x):
        return torch.cond(x.sum() > 0, lambda y: parts[0](y).relu(), lambda y: parts[1](parts[2](y)), (x,))

    return saved(Lambda(forward, *linears(3)), inputs(), tmp_path_factory.mktemp("cond") / "a.pt2")


def test_of_two_branches_the_dearer_is_counted_and_said(branching):
    assert read_exported(branching).total_flops == 2 * ONE_LINEAR
    (note,) = read_program(branching).notes
    assert "dearer" in note


def test_branches_of_branches_are_counted_once_each(branching, tmp_path):
    """Twenty levels: measuring every branch anew at each would take a million runs."""

    def nest(module):
        graph = module["graph"]
        (node,) = (n for n in graph["nodes"] if n["target"].endswith("cond"))
        for _ in range(20):
            true, false = node["inputs"][1]["arg"]["as_graph"], node["inputs"][2]["arg"]["as_graph"]
            inner = {**true["graph"], "nodes": [node], "outputs": node["outputs"]}
            inner["tensor_values"] = {**true["graph"]["tensor_values"], **graph["tensor_values"]}
            names = [name["name"] for name in node["inputs"][3]["arg"]["as_tensors"]]
            inner["inputs"] = [{"as_tensor": {"name": name}} for name in (*names, "gt")]
            nested = {"name": "nested", "graph": inner}
            arguments = [{"name": name} for name in (*names, "gt")]
            wider = {
                **false,
                "graph": {**false["graph"], "inputs": [*false["graph"]["inputs"], *inner["inputs"][-1:]]},
            }
            values = [{"as_tensor": {"name": "gt"}}, {"as_graph": nested}, {"as_graph": wider}]
            node = {**node, "inputs": [{"name": "", "arg": a} for a in (*values, {"as_tensors": arguments})]}
        graph["nodes"][-1] = node

    graph = read_exported(edited(branching, tmp_path / "a.pt2", nest))
    assert graph.total_flops == 2 * ONE_LINEAR


def test_a_scan_runs_once_for_every_step(tmp_path):
    def forward(parts, x):
        return scan(lambda carry, y: (parts[0](carry) + y, carry * 2), torch.zeros(BATCH, WIDTH), x)

    path = saved(Lambda(forward, *linears(1)), (torch.zeros(6, BATCH, WIDTH),), tmp_path / "a.pt2")
    assert read_exported(path).total_flops == 6 * ONE_LINEAR


def test_a_map_runs_once_for_every_step(tmp_path):
    from torch._higher_order_ops.map import map as each

    module = Lambda(lambda parts, x: each(lambda y: parts[0](y).relu(), x), *linears(1))
    path = saved(module, (torch.zeros(6, BATCH, WIDTH),), tmp_path / "a.pt2")
    assert read_exported(path).total_flops == 6 * ONE_LINEAR


def looping(limit):
    def forward(parts, x):
        start = torch.tensor(0)
        return while_loop(lambda i, y: limit(i, y), lambda i, y: (i + 1, parts[0](y)), (start, x))

    return Lambda(forward, *linears(1))


def test_a_loop_that_counts_runs_as_often_as_it_says(tmp_path):
    path = saved(looping(lambda i, _: i < 5), inputs(), tmp_path / "a.pt2")
    assert read_exported(path).total_flops == 5 * ONE_LINEAR


def test_a_loop_that_asks_the_data_is_refused_by_name(tmp_path):
    path = saved(looping(lambda _, y: y.sum() < 5), inputs(), tmp_path / "a.pt2")
    with pytest.raises(PerfseerError, match=r"while_loop.*depends on the data"):
        read_exported(path)


def test_a_loop_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("perfseer.graphs.exported.module.MOST_NODES", 100)
    path = saved(looping(lambda i, _: i >= 0), inputs(), tmp_path / "a.pt2")
    with pytest.raises(PerfseerError, match="more than 100 operators"):
        read_exported(path)


def test_a_checkpointed_part_runs_again_in_the_backward_pass(tmp_path):
    """Its archive is that of a region, with the operator that older exports of checkpoints have."""

    def checkpoint(module):
        (node,) = (n for n in module["graph"]["nodes"] if "set_grad" in n["target"])
        node["target"] = "torch.ops.higher_order.tag_activation_checkpoint"
        del node["inputs"][0]

    path = edited(saved(no_grad(), inputs(), tmp_path / "a.pt2"), tmp_path / "b.pt2", checkpoint)
    graph = read_exported(path, backward=True)
    assert graph.total_flops == 2 * ONE_LINEAR
    assert (
        graph.backward_flops.sum() == (1 + 1 + 2) * ONE_LINEAR
    )  # run again; first weight; last one and its input


def test_what_cannot_be_captured_is_named(branching, tmp_path):
    def other(module):
        module["graph"]["nodes"][-1]["target"] = "torch.ops.higher_order.flex_attention"

    with pytest.raises(PerfseerError, match=r"flex_attention.*export the model without it"):
        read_exported(edited(branching, tmp_path / "a.pt2", other))
