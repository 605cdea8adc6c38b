"""Tables of single operators: graphs, what cannot be, and some of many."""

import numpy as np
import pandas as pd
import pytest

from perfseer.data.building import KEY, NO_GRAPH
from perfseer.data.devices import device_spec
from perfseer.data.operators import impossible, merged_repeats, operator_graphs, spread_sample, work_of
from perfseer.errors import PerfseerError

V100 = "Tesla V100-PCIE-32GB"


def table(*calls):
    sizes = [call.partition("(")[2].partition("x")[0] for call in calls]
    rows = {"model_ref": [f"operator:{call}" for call in calls], "input_shape": "1"}
    return pd.DataFrame({**rows, "batch_size": [int(size) for size in sizes]})


@pytest.mark.parametrize("workers", [1, 2])
def test_each_operator_is_captured_once(workers):
    rows = table("relu(5x8)", "linear(2x3->7)", "relu(5x8)")
    graphs, index = operator_graphs(rows, workers)
    assert index["model_ref"].tolist() == ["operator:linear(2x3->7)", "operator:relu(5x8)"]
    assert index["graph"].tolist() == [0, 1]
    assert index["reason"].isna().all()
    assert not index.duplicated(list(KEY)).any()
    assert [int(graphs.graph(number).total_flops) for number in (0, 1)] == [2 * 2 * 3 * 7, 0]
    assert not graphs["has_backward"].any()


def test_progress_counts_operators():
    seen = []
    operator_graphs(table("relu(5x8)", "relu(6x8)"), progress=lambda done, total: seen.append((done, total)))
    assert seen == [(2, 2)]


def test_one_that_cannot_be_captured_has_a_reason():
    large = "conv(1x3x2x2->4,kernel=7,stride=1,padding=0)"
    graphs, index = operator_graphs(table("relu(5x8)", large))
    assert len(graphs) == 1
    by_name = index.set_index("model_ref")
    assert by_name.loc[f"operator:{large}", "graph"] == NO_GRAPH
    assert by_name.loc[f"operator:{large}", "reason"]
    assert by_name.loc["operator:relu(5x8)", "graph"] == 0
    with pytest.raises(PerfseerError, match="no operator"):
        operator_graphs(table(large))


def test_work_is_that_of_the_calls():
    flops, read = work_of(pd.Series(["linear(2x3->7)", "add(5x8,5x8)", "relu(5x8)@fp16"]))
    assert flops.tolist() == [2 * 2 * 3 * 7, 0, 0]
    assert read.tolist() == [4 * 6, 4 * 80, 2 * 40]


def test_no_operator_is_faster_than_its_device():
    spec = device_spec(V100)
    least_ms = 1e15 / spec.fp32_flops * 1e3
    names = pd.Series(["linear", "linear", "conv", "conv"])
    times = np.array([least_ms, 0.9 * least_ms, 0.3 * least_ms, 0.2 * least_ms])
    reasons = impossible(names, pd.Series([V100] * 4), "fp32", np.full(4, 1e15), np.zeros(4), times)
    assert [bool(reason) for reason in reasons] == [False, True, False, True]


def test_no_operator_reads_faster_than_memory_unless_a_cache_may_hold_it():
    spec = device_spec(V100)
    large, small = 100 * spec.l2_bytes, spec.l2_bytes
    times = 1e3 * np.array([large, 0.9 * large, 0.9 * small]) / spec.bandwidth_bytes_per_s
    read = np.array([large, large, small], dtype=float)
    reasons = impossible(pd.Series(["add"] * 3), pd.Series([V100] * 3), "fp32", np.zeros(3), read, times)
    assert [bool(reason) for reason in reasons] == [False, True, False]


def test_inputs_fit_into_memory_and_of_unknown_devices_nothing_is_known():
    read, times = np.array([2.0**36]), np.array([1e6])
    one = pd.Series(["add"])
    assert impossible(one, pd.Series([V100]), "fp32", np.zeros(1), read, times)[0]
    assert not impossible(one, pd.Series(["a card of mine"]), "fp32", np.zeros(1), read, times)[0]


def test_a_sample_has_all_groups_and_all_sizes():
    rng = np.random.default_rng(1)
    groups = pd.Series(["large"] * 9000 + ["small"] * 900)
    times = np.concatenate([rng.uniform(1, 2, 8990), np.full(10, 1000.0), rng.uniform(1, 2, 900)])
    chosen = spread_sample(groups, times, 400, seed=0)
    assert len(chosen) == len(set(chosen.tolist())) == 400
    assert (np.diff(chosen) > 0).all()
    counts = groups[chosen].value_counts()
    assert counts["large"] / counts["small"] == pytest.approx(np.sqrt(10), rel=0.02)
    assert set(range(8990, 9000)) <= set(chosen.tolist())  # the few that take longest
    assert spread_sample(groups, times, 400, seed=0).tolist() == chosen.tolist()
    assert spread_sample(groups, times, 400, seed=1).tolist() != chosen.tolist()


def test_a_sample_of_more_than_there_is_is_all():
    assert spread_sample(pd.Series(["a", "b"]), np.array([1.0, 2.0]), 5, seed=0).tolist() == [0, 1]


def test_a_small_group_is_taken_whole():
    groups = pd.Series(["a"] * 100 + ["b"] * 2)
    chosen = spread_sample(groups, np.full(102, 1.0), 60, seed=0)
    assert groups[chosen].value_counts().to_dict() == {"a": 58, "b": 2}


def test_repeats_become_their_median():
    rows = table("relu(5x8)", "relu(6x8)", "relu(5x8)", "relu(5x8)")
    rows = rows.assign(Device=["a", "a", "a", "b"], status="ok", infer_iterations=5, t=[1.0, 7.0, 3.0, 9.0])
    merged, repeats = merged_repeats(rows, "t")
    assert repeats == 1
    assert merged["t"].tolist() == [2.0, 7.0, 9.0]
    assert merged["infer_iterations"].tolist() == [10, 5, 5]
    failed, repeats = merged_repeats(rows.assign(status="error"), "t")
    assert repeats == 0
    assert failed["t"].tolist() == rows["t"].tolist()
