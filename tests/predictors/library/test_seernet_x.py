"""SeerNet-X on platforms: what it learns, what it says of those it never saw, and when it says so."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch

from perfseer.data.dataset import Dataset
from perfseer.data.folds import fit_normaliser
from perfseer.data.packed import PackedGraphs
from perfseer.data.platforms import Platform
from perfseer.errors import PerfseerError
from perfseer.forecast.asking import platform_row
from perfseer.graphs.capture import capture
from perfseer.predictors.base import FitInputs
from perfseer.predictors.library.seernet_x import SeerNetXPredictor, SeerNetXSettings
from perfseer.predictors.parts.platforms.examples import PlatformExamples
from perfseer.targets import TARGET_NAMES
from perfseer.zoo.reference import mobilenet_v1
from tests.helpers.fitting import one_thread
from tests.helpers.synthetic_graphs import LABELS, lawful_graph

SMALL = SeerNetXSettings(hidden=24, epochs=24, batch_size=16, trees=80)
FAST = Platform("rtx4090", "cuda", "fp32", "nchw", "eager", "torch 2.4.0")
SLOW = Platform("rtx3090", "cuda", "fp32", "nchw", "eager", "torch 2.4.0")
NEW = Platform("a100-sxm4-40gb", "cuda", "fp32", "nchw", "eager", "torch 2.4.0")
TIMES = ("train_time_ms", "infer_time_ms")


def law_ms(graph, platform):
    """A roofline at half of the published peaks and 3 us a node."""
    spec = platform.spec
    seconds = np.maximum(graph.flops / spec.fp32_flops, graph.bytes / spec.bandwidth_bytes_per_s)
    return 1e3 * (2 * seconds.sum() + 3e-6 * graph.n_nodes)


def dataset(n, platforms, seed):
    """Rows of inference alone, every graph on every platform, one per cent of noise."""
    rng = np.random.default_rng(seed)
    graphs = [lawful_graph(rng, 512) for _ in range(n)]
    graphs = [dataclasses.replace(g, **{f: getattr(g, f) * 50 for f in SCALED}) for g in graphs]
    rows = [
        {
            **dict.fromkeys(TARGET_NAMES, np.nan),
            "infer_time_ms": law_ms(graph, platform) * np.exp(0.01 * rng.standard_normal()),
            "graph": number,
            "architecture": f"net-{seed}-{number}",
            **platform_row(platform),
        }
        for number, graph in enumerate(graphs)
        for platform in platforms
    ]
    return Dataset.from_rows(pd.DataFrame(rows), PackedGraphs.pack(graphs))


SCALED = ("flops", "input_bytes", "weight_bytes", "output_bytes", "backward_flops", "backward_bytes")


@pytest.fixture(scope="module")
def fitted():
    train, valid = dataset(60, (FAST, SLOW), seed=1), dataset(40, (FAST, SLOW), seed=2)
    model = SeerNetXPredictor(SMALL, TIMES)
    with one_thread():
        return model.fit(train, valid, fit_normaliser(train, LABELS), seed=0, log=lambda line: None)


def mape_pct(model, test):
    measured = test.rows["infer_time_ms"].to_numpy()
    return 100 * np.abs(model.predict(test)["infer_time_ms"].to_numpy() / measured - 1).mean()


def test_it_learns_from_rows_of_several_platforms_that_lack_labels(fitted):
    assert fitted.targets == ("infer_time_ms",)
    assert mape_pct(fitted, dataset(30, (FAST, SLOW), seed=3)) < 12


def test_it_answers_for_a_device_of_which_only_peaks_are_published(fitted):
    assert NEW.spec is not None
    assert mape_pct(fitted, dataset(30, (NEW,), seed=4)) < 30


def test_platforms_and_their_phases_are_on_record(fitted):
    assert {platform.key for platform in fitted.platforms} == {FAST.key, SLOW.key}
    assert fitted.platform_phases == {FAST.key: ("infer",), SLOW.key: ("infer",)}
    assert not fitted.graphs_as_run


def test_intervals_hold_what_they_promise_on_unseen_graphs(fitted):
    test = dataset(120, (FAST, SLOW), seed=5)
    measured = test.rows["infer_time_ms"].to_numpy()
    found = fitted.intervals(test, 0.9)
    inside = (measured >= found["infer_time_ms_low"]) & (measured <= found["infer_time_ms_high"])
    assert 0.8 < inside.mean() <= 1
    narrow = fitted.intervals(test, 0.5)
    assert (narrow["infer_time_ms_high"] < found["infer_time_ms_high"]).mean() > 0.9


def test_node_times_add_up_to_the_network_part(fitted):
    test = dataset(4, (FAST,), seed=6)
    times = fitted.node_times(test, "infer_time_ms")
    assert [len(part) for part in times] == [test.graph(row).n_nodes for row in range(4)]
    examples = PlatformExamples.of(test, fitted.targets, labelled=False)
    by_network = fitted.blend_.network.ln_ms(examples)
    np.testing.assert_allclose([part.sum() for part in times], np.exp(by_network), rtol=1e-4)


def test_inference_needs_no_backward_pass(fitted):
    with torch.device("meta"):
        model = mobilenet_v1()
    inputs = (torch.empty(8, 3, 64, 64, device="meta"),)
    row = {**dict.fromkeys(TARGET_NAMES, np.nan), "graph": 0, "architecture": "m", **platform_row(FAST)}
    answers = [
        fitted.predict(
            Dataset.from_rows(
                pd.DataFrame([row]), PackedGraphs.pack([capture(model, inputs, backward=backward)])
            )
        )["infer_time_ms"].item()
        for backward in (True, False)
    ]
    assert answers[0] == pytest.approx(answers[1], rel=1e-6)


def test_a_saved_one_answers_alike(fitted, tmp_path):
    fitted.save(tmp_path)
    again = SeerNetXPredictor.load(tmp_path)
    test = dataset(10, (FAST, SLOW, NEW), seed=7)
    pd.testing.assert_frame_equal(again.predict(test), fitted.predict(test))
    pd.testing.assert_frame_equal(again.intervals(test, 0.9), fitted.intervals(test, 0.9))
    assert again.platform_phases == fitted.platform_phases


def test_without_platform_columns_it_says_what_is_missing(fitted):
    test = dataset(2, (FAST,), seed=8)
    bare = Dataset.from_rows(test.rows.drop(columns=["device", "mode"]), test.graphs)
    with pytest.raises(PerfseerError, match=r"\['device', 'mode'\]"):
        fitted.predict(bare)


def test_fitted_anew_it_forgets_what_it_answered():
    train, valid = dataset(40, (FAST,), seed=1), dataset(30, (FAST,), seed=2)
    test = dataset(5, (FAST,), seed=3)
    model = SeerNetXPredictor(SMALL.model_copy(update={"parts": "trees"}), TIMES)

    def fit(rows):
        return model.fit(rows, valid, fit_normaliser(rows, LABELS), seed=0, log=lambda line: None)

    first = fit(train).predict(test)
    slower = train.rows.assign(infer_time_ms=3 * train.rows["infer_time_ms"])
    second = fit(Dataset.from_rows(slower, train.graphs)).predict(test)
    assert (second["infer_time_ms"] > 2 * first["infer_time_ms"]).all()
    assert model.n_parameters_ == model.blend_.learners["trees"].n_parameters


def test_what_is_outside_depends_on_the_platform():
    """Small graphs were timed on one platform, graphs with a thousand times the work on the other."""
    small, large = dataset(40, (FAST,), seed=1), dataset(40, (SLOW,), seed=2)
    grown = [
        dataclasses.replace(graph, **{name: getattr(graph, name) * 1000 for name in SCALED})
        for graph in (large.graph(row) for row in range(len(large)))
    ]
    rows = pd.concat(
        [small.rows, large.rows.assign(graph=large.rows["graph"] + len(small))], ignore_index=True
    )
    graphs = PackedGraphs.pack([*(small.graph(row) for row in range(len(small))), *grown])
    train = Dataset.from_rows(rows, graphs)
    model = SeerNetXPredictor(SMALL.model_copy(update={"parts": "trees"}), TIMES)
    model.fit(train, train, fit_normaliser(train, LABELS), seed=0, log=lambda line: None)
    assert "total_flops" in model.coverage(grown[0], FAST).outside
    assert "total_flops" in model.coverage(small.graph(0), SLOW).outside
    for known in (SLOW, NEW, None):
        assert "total_flops" not in model.coverage(grown[0], known).outside
    asked = Dataset.from_rows(rows.iloc[[-1]].assign(**platform_row(FAST)), graphs)
    beyond, inside = (
        model.intervals(asked, 0.9),
        model.intervals(Dataset.from_rows(rows.iloc[[-1]], graphs), 0.9),
    )
    ratios = [
        found["infer_time_ms_high"].item() / found["infer_time_ms_low"].item() for found in (beyond, inside)
    ]
    assert ratios[0] > ratios[1]


CODED = Platform("Tesla T4", "cuda", "fp32", "nchw", "eager", "torch 2.4.0")


def test_the_network_alone_learns_from_other_devices(fitted, tmp_path):
    """A card three times as slow as its peaks say has a code; trees and process are as without it."""
    train, valid = dataset(60, (FAST, SLOW), seed=1), dataset(40, (FAST, SLOW), seed=2)
    slow = dataset(60, (CODED,), seed=5)
    slow = Dataset.from_rows(slow.rows.assign(infer_time_ms=3 * slow.rows["infer_time_ms"]), slow.graphs)
    model = SeerNetXPredictor(SMALL, TIMES)
    with one_thread():
        inputs = FitInputs(elsewhere=slow)
        model.fit(train, valid, fit_normaliser(train, LABELS), seed=0, log=lambda line: None, inputs=inputs)
    assert model.platforms == fitted.platforms
    test = dataset(20, (FAST, SLOW), seed=6)
    for part in ("trees", "process"):
        parts = [each.blend_.answer(each.examples(test)).by_part[part] for each in (model, fitted)]
        np.testing.assert_array_equal(*parts)
    test = dataset(20, (CODED,), seed=7)
    said = [
        np.exp(each.blend_.answer(each.examples(test)).by_part["network"])[1::2] for each in (model, fitted)
    ]
    assert 2 < np.median(said[0] / said[1]) < 4.5
    model.save(tmp_path)
    again = SeerNetXPredictor.load(tmp_path)
    pd.testing.assert_frame_equal(again.predict(test), model.predict(test))
