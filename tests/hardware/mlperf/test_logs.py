"""Logs: what their folders say, what MultiStream meant when, copies of one log."""

import numpy as np
import pytest

from perfseer.errors import PerfseerError
from perfseer.hardware.source import AbsentError
from perfseer.hardware.sources.mlperf_logs import MlperfLogs
from tests.hardware.mlperf.published import log_row, read_logs

OTHER = {"lat_mean_ns": 11e6, "lat_p50_ns": 12e6}  # of another run


def test_absent_without_a_file():
    with pytest.raises(AbsentError):
        MlperfLogs().read()


def test_a_row_as_it_is_read(tmp_path):
    row = read_logs(
        tmp_path, [log_row(ttft_mean_ns=2.5e8, tpot_mean_ns=1e7, system_power_w=812.5)]
    ).rows.iloc[0]
    assert (row["benchmark"], row["metric"], row["value"]) == ("resnet50", "samples_per_s", 1000.0)
    times = [row[f"latency_{name}_s"] for name in ("mean", "p50", "p90", "p99")]
    assert times == pytest.approx([1e-3, 2e-3, 3e-3, 4e-3])
    assert (row["ttft_s"], row["tpot_s"], row["power_w"]) == (0.25, pytest.approx(0.01), 812.5)
    assert row["location"] == "closed/Acme/results/one_h100/resnet50/Offline"
    assert row["accelerator_memory"] == "80 GB"
    assert np.isnan(row["total_accelerators"])


def test_interactive_logged_as_server(tmp_path):
    tokens = {"tokens_per_s": 5000.0}
    reading = read_logs(
        tmp_path,
        [
            log_row("llama2-70b-99", "Server", "Interactive", **tokens, **OTHER),
            log_row("llama2-70b-99", "Server", **tokens),
        ],
    )
    assert reading.rows["scenario"].tolist() == ["Interactive", "Server"]
    assert reading.rows["duplicate_of"].tolist() == ["", ""]
    assert reading.findings["Interactive, logged as Server"] == 1
    assert (reading.rows["corrected"] != "").tolist() == [True, False]


def test_singlestream_logs_in_folders_of_other_scenarios_are_copies(tmp_path):
    rows = [
        log_row(scenario="Single Stream", folder="multistream"),
        log_row(scenario="Single Stream", folder="offline"),
        log_row(scenario="Single Stream", folder="singlestream"),
    ]
    reading = read_logs(tmp_path, rows)
    assert reading.rows["scenario"].tolist() == ["SingleStream"] * 3
    assert reading.rows["value"].tolist() == pytest.approx([3e-3] * 3)
    original = reading.rows["location"].iloc[2]
    assert original.endswith("/singlestream")
    assert reading.rows["duplicate_of"].tolist() == [original, original, ""]
    assert reading.findings["in the folder of another scenario"] == 2


def test_multistream_was_streams_and_became_a_latency(tmp_path):
    rows = [
        log_row(scenario="MultiStream", round="v1.0", samples_per_query=60),
        log_row(scenario="MultiStream", round="v2.0"),
    ]
    read = read_logs(tmp_path, rows).rows
    assert read["metric"].tolist() == ["streams", "latency_p99_s"]
    assert read["unit"].tolist() == ["1", "s"]
    assert read["value"].tolist() == [60, pytest.approx(4e-3)]


def test_3d_unet_of_two_versions(tmp_path):
    read = read_logs(
        tmp_path, [log_row("3d-unet-99", round="v1.1"), log_row("3d-unet-99", round="v2.0")]
    ).rows
    assert read["benchmark_version"].tolist() == ["1", "2"]


def test_copies_of_a_log_under_two_targets_systems_and_divisions(tmp_path):
    rows = [
        log_row("bert-99"),
        log_row("bert-99.9"),
        log_row("bert-99", system_id="edge_twin"),
        log_row("bert-99", division="open"),
        log_row("bert-99", system_id="measured", **OTHER),
        log_row("bert-99", submitter="Rival"),
        log_row("bert-99", round="v4.1"),
    ]
    read = read_logs(tmp_path, rows).rows
    original = read["location"].iloc[1]
    assert read["duplicate_of"].tolist() == [original, "", original, original, "", "", ""]


def test_tokens_where_the_benchmark_counts_them(tmp_path):
    rows = [
        log_row("llama2-70b-99", tokens_per_s=290_000.0),
        log_row("own-network", tokens_per_s=5.0),
        log_row("other-network"),
        log_row("resnet50", tokens_per_s=5.0),
    ]
    read = read_logs(tmp_path, rows).rows
    assert read["metric"].tolist() == ["tokens_per_s", "tokens_per_s", "samples_per_s", "samples_per_s"]
    assert read["value"].tolist() == [290_000.0, 5.0, 1000.0, 1000.0]


BAD_ROWS = [
    ("samples_per_s", {"samples_per_s": 0}),
    ("samples_per_s", {"samples_per_s": ""}),
    ("tokens_per_s", {"benchmark": "llama2-70b-99"}),
    ("lat_p90_ns", {"lat_p90_ns": -5}),
    ("system_power_w", {"system_power_w": "1,2"}),
    ("round", {"round": "last"}),
    ("result_valid", {"result_valid": "MAYBE"}),
    ("nodes", {"nodes": "2x"}),
]


def test_bad_rows_are_set_aside(tmp_path):
    bad = [
        log_row(**{"system_id": f"bad_{number}", **changes}) for number, (_, changes) in enumerate(BAD_ROWS)
    ]
    reading = read_logs(tmp_path, [log_row(), *bad])
    assert len(reading.rows) == 1
    faults = reading.refused.groupby("row")["column"].agg(set)
    for number, (column, _) in enumerate(BAD_ROWS, start=2):
        assert column in faults[number], (number, column)


def test_invalid_results_are_kept_as_such(tmp_path):
    assert read_logs(tmp_path, [log_row(result_valid="INVALID")]).rows["valid"].tolist() == [False]


def test_another_header_is_refused(tmp_path):
    (tmp_path / "my_logs.csv").write_text("round,value\nv5.1,3\n")
    with pytest.raises(PerfseerError, match=r"my_logs\.csv"):
        MlperfLogs(folder=tmp_path).read()


def test_official_tables_in_the_folder_are_left_to_the_other_source(tmp_path):
    (tmp_path / "v6.0_summary_results.json").write_text("[{}]")
    assert len(read_logs(tmp_path, [log_row()]).rows) == 1
