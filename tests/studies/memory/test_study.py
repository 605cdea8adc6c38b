"""The study of memory on made-up labels: the ladder, forecasts, methods, and the report's section."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from perfseer.data.captures import INDEX_COLUMNS, Captures
from perfseer.data.packed import PackedGraphs
from perfseer.errors import PerfseerError
from perfseer.graphs.capture import capture
from perfseer.reporting.units import interval
from perfseer.studies.memory import forecasts, measured, study, tables
from perfseer.studies.memory import section as report
from perfseer.studies.memory.forecasts import fit_margins, judge, reliability
from perfseer.studies.memory.shrunk import has_other_limits, ladder, shrunk_batches
from tests.helpers.memory_results import KIND, made_up, measured_memory
from tests.helpers.reading import rows_of, table_after
from tests.helpers.synthetic_graphs import LABELS


def test_the_ladder_goes_halfway_to_the_power_of_two_and_then_to_it():
    tried = (1024, 768, 512, 384, 256, 192, 128, 96, 64, 48, 32, 24, 16, 12, 8, 6, 4, 3, 2, 1)
    assert ladder(1024) == tried
    assert ladder(512) == tried[2:]
    assert ladder(100) == (100, 96, 64, *tried[9:])
    assert ladder(1) == (1,)


def test_forecasts_find_the_limit_where_the_arithmetic_is_off_by_a_factor():
    (found,) = judge(made_up(), "architecture", seed=0)
    assert found.margin == KIND
    assert found.pairs.share > 0.85
    assert found.pairs.share > found.unfitted.share + 0.1
    assert found.ran.share > 0.93
    assert found.failed.share > 0.93
    assert found.brier < 0.05
    assert sum(part.n for part in found.reliability) == found.ran.n + found.failed.n
    margin = fit_margins(made_up())[KIND]
    assert (margin.shift, margin.spread) == pytest.approx((0.1, 0.02), abs=0.015)


def test_ambiguous_failures_are_set_aside():
    table = made_up()
    hopeless = table.assign(ambiguous=True, failed_bytes=1.0)
    together = pd.concat([table, hopeless.assign(configuration=lambda t: t["configuration"] + "x")])
    assert fit_margins(together) == fit_margins(table)


def test_too_few_failures_say_nothing():
    few = made_up(n=40)
    assert fit_margins(few) == {}
    with pytest.raises(PerfseerError, match=f"{forecasts.FEWEST_FAILURES} failures"):
        judge(few, "architecture", seed=0)


def test_reliability_by_hand():
    bins = reliability(np.array([0.0, 0.02, 0.5, 1.0]), np.array([0.0, 1.0, 1.0, 1.0]))
    assert [(b.low, b.high, b.n) for b in bins] == [(0.0, 0.05, 2), (0.4, 0.6, 1), (0.95, 1.0, 1)]
    assert bins[0].forecast == pytest.approx(0.01)
    assert [b.observed for b in bins] == [0.5, 1.0, 1.0]


@pytest.fixture(scope="module")
def captures(tmp_path_factory):
    rows, graphs = [], []
    for size in (2, 256):
        rows.append(("timm:tiny", "3x8x8", size, "amp-fp16", len(graphs), "", False))
        model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3))
        graphs.append(capture(model, (torch.empty(size, 3, 8, 8, device="meta"),), autocast=torch.float16))
    index = pd.DataFrame(rows, columns=list(INDEX_COLUMNS))
    return Captures(tmp_path_factory.mktemp("captures"), PackedGraphs.pack(graphs), index)


def test_a_batch_below_the_start_ran_and_the_next_larger_did_not(tmp_path, captures):
    header = "model,infer_step_time,infer_samples_per_sec,infer_batch_size,infer_img_size"
    lines = [header, "tiny,1,1024000,1024,8", "tiny,1,384000,384,8", "tiny,1,400000,400,8"]
    path = tmp_path / "benchmark-infer-amp-nchw-pt240-cu124-rtx3090.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    table = shrunk_batches([path], captures)
    assert table["failed_batch_size"].tolist() == [0, 512, 0]  # 400 is off the ladder
    assert set(table["margin"]) == {"cuda-infer-amp-fp16-eager"}
    ran, failed = table["ran_bytes"].to_numpy(), table["failed_bytes"].to_numpy()
    assert np.isnan(failed[[0, 2]]).all()
    assert ran[1] < failed[1] < ran[0]
    assert table["room_bytes"][0] == pytest.approx(0.987 * 24 * 2**30 - 450 * 2**20)
    assert not table["ambiguous"].any()


def test_limits_of_kernels_are_not_limits_of_memory():
    graph = capture(nn.Linear(4, 4), (torch.empty(2, 4),), backward=False)
    assert not has_other_limits(graph)
    shapes = graph.output_shapes.copy()
    shapes[0] = [2**16, 2**15, 1, 1]
    assert has_other_limits(dataclasses.replace(graph, output_shapes=shapes))


@pytest.fixture(scope="module")
def data():
    return measured_memory()


def test_both_beats_the_arithmetic_where_there_is_something_to_learn(data):
    protocol = measured.Protocol(seeds=(0,), folds=2)
    table = measured.compare(data, LABELS, protocol, lambda line: None)
    ledger = measured.ledger(table, 0.95)
    assert len(ledger.table) == len(measured.METHODS) * len(measured.TARGETS)
    assert set(ledger.table["n"]) == {len(data)}
    assert len(table) == len(data) * len(measured.METHODS) * 2
    for target in measured.TARGETS:
        both, analytic = (
            ledger.values(measured.contender(method), target, "mape_pct")[0]
            for method in ("both", "analytic")
        )
        assert both < analytic < 30
    assert (table["low_mib"] <= table["predicted_mib"]).all()
    margins = measured.measured_margins(data)
    assert set(margins) == {"cpu-train-fp32-eager", "cpu-infer-fp32-eager"}
    assert margins["cpu-train-fp32-eager"].shift == pytest.approx(np.log(1.12), abs=0.06)


def test_the_study_is_written_read_and_reported(data, tmp_path, monkeypatch):
    monkeypatch.setattr(study, "shrunk_batches", lambda files: made_up())
    protocol = measured.Protocol(seeds=(0, 1), folds=2)
    made = study.run(data, LABELS, ["file"], tmp_path, lambda line: None, protocol)
    found = report.load(tmp_path)
    assert found == made
    assert found.counts["file"]["rows"] == 400
    assert {one.grouping for one in found.judged} == {"architecture", "family"}
    text = report.section(found)
    assert text.startswith("## Memory")
    methods = rows_of(tables.measured_table(found))
    shown = {(one.method, one.target): one for one in found.accuracies}
    cells = next(cells for method, cells in methods.items() if "nothing fitted" in method)
    assert [cell.split(" (")[0] for cell in cells] == [
        interval(shown["analytic", target].mape_pct) for target in measured.TARGETS
    ]
    forecast = table_after(tables.forecast_table(found), "")[2:]
    assert [row[:2] for row in forecast] == [[KIND, "architecture"], [KIND, "family"]]
    assert forecast[0][4] == f"{found.judged[0].pairs.n}"
    assert len(table_after(tables.reliability_table(found), "")) - 2 == len(found.judged[0].reliability)
    assert report.figure(found).axes[0].lines
    again = report.section(report.load(tmp_path))
    assert again == text


def test_without_a_study_there_is_no_section(tmp_path):
    assert report.load(tmp_path) is None
    assert report.section(None) == ""
    assert report.figure(None).axes
    (tmp_path / study.STUDY_FILE).write_text('{"schema_version": 99}')
    with pytest.raises(PerfseerError, match="schema_version"):
        report.load(tmp_path)
