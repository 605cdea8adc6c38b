"""Rows as MLCommons publishes them, and sources that read them from a folder."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from perfseer.hardware.source import Reading
from perfseer.hardware.sources.mlperf_logs import MlperfLogs
from perfseer.hardware.sources.mlperf_results import MlperfResults

LOG_FILE = "/performance/run_1/mlperf_log_summary.txt"


def official_row(model: str = "resnet", scenario: str = "Offline", **changes: Any) -> dict[str, Any]:
    """A row of an official table: one H100 of Acme, 1,000 samples/s."""
    latency = scenario in ("SingleStream", "MultiStream")
    row: dict[str, Any] = {
        "ID": "5.1-0001",
        "Submitter": "Acme",
        "Availability": "available",
        "Category": "closed",
        "Suite": "datacenter",
        "System": "Acme One",
        "Platform": "one_h100",
        "UsedModel": model,
        "Model": model,
        "Scenario": scenario,
        "Accuracy": "acc: 76.1",
        "Nodes": 1,
        "Processor": "Xeon",
        "host_processors_per_node": 2,
        "Accelerator": "NVIDIA H100-SXM-80GB",
        "a#": 8,
        "Software": "TensorRT 10.11",
        "operating_system": "Ubuntu 24.04",
        "compliance": 1,
        "errors": 0,
        "version": "v5.1",
        "inferred": 0,
        "has_power": False,
        "weight_data_types": "fp8",
        "Performance_Result": 1000.0,
        "Performance_Units": "Latency (ms)" if latency else "Samples/s",
    }
    row.update(changes)
    place = "/".join(str(row[name]) for name in ("Submitter", "Platform", "UsedModel", "Scenario"))
    submitter, _, rest = place.partition("/")
    row.setdefault("Location", f"{row['Category']}/{submitter}/results/{rest}")
    return row


def log_row(
    benchmark: str = "resnet50", scenario: str = "Offline", folder: str = "", **changes: Any
) -> dict[str, Any]:
    """A row of the logs' table: the same system; latencies are 1, 2, 3, 4 ms (mean, p50, p90, p99)."""
    row: dict[str, Any] = {
        "round": "v5.1",
        "division": "closed",
        "submitter": "Acme",
        "system_id": "one_h100",
        "benchmark": benchmark,
        "scenario": scenario,
        "result_valid": "VALID",
        "suite": "datacenter",
        "status": "available",
        "system_name": "Acme One",
        "nodes": 1,
        "accelerator": "NVIDIA H100-SXM-80GB",
        "accelerators_per_node": 8.0,
        "accelerator_memory": "80 GB",
        "host_processor": "Xeon",
        "host_processors_per_node": 2,
        "host_memory": "1 TB",
        "framework": "TensorRT 10.11",
        "operating_system": "Ubuntu 24.04",
        "samples_per_s": 1000.0 if scenario in ("Offline", "Server") else "",
        "tokens_per_s": "",
        "samples_per_query": "",
        "lat_mean_ns": 1e6,
        "lat_p50_ns": 2e6,
        "lat_p90_ns": 3e6,
        "lat_p99_ns": 4e6,
        "lat_min_ns": 5e5,
        "lat_max_ns": 5e6,
        "ttft_mean_ns": "",
        "tpot_mean_ns": "",
        "system_power_w": "",
    }
    row.update(changes)
    place = (
        f"{row['division']}/{row['submitter']}/results/{row['system_id']}/{benchmark}/{folder or scenario}"
    )
    row.setdefault("path", place + LOG_FILE)
    return row


def read_official(folder: Path, rows: Sequence[Mapping[str, Any]], name: str = "round.json") -> Reading:
    """What the source makes of rows in a file of the folder."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps(list(rows)), encoding="utf-8")
    return MlperfResults(folder=folder).read()


def read_logs(folder: Path, rows: Sequence[Mapping[str, Any]], name: str = "logs.csv") -> Reading:
    """What the source makes of rows in a CSV file of the folder."""
    folder.mkdir(exist_ok=True)
    pd.DataFrame(list(rows)).to_csv(folder / name, index=False)
    return MlperfLogs(folder=folder).read()
