"""Measurement tables made of made-up numbers: a run, its repeats and a protocol study."""

import copy
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from perfseer.measure.settings import PROTOCOL_VERSION, Protocol
from perfseer.measure.table import COLUMNS, write_table
from perfseer.targets import PHASES, TARGET_NAMES
from tests.helpers.places import PARAMS
from tests.helpers.synthetic import make_table

DEVICE = "Made-up CPU <2 GHz | rev 1>"
ENVIRONMENT = json.dumps({"cores": 2, "device": DEVICE, "torch": "2.13.0"})
PROTOCOL = Protocol(
    warmup_s=0.03,
    warmup_iterations=1,
    warmup_drift=0.1,
    warmup_budget_s=0.1,
    probe_slack=0.1,
    ci_width=0.05,
    confidence=0.95,
    min_iterations=6,
    max_iterations=200,
    phase_budget_s=0.2,
    timeout_s=30,
)
SHORT = json.dumps(asdict(PROTOCOL))
LONG = json.dumps({**asdict(PROTOCOL), "warmup_s": 1.0, "phase_budget_s": 3.0})
# Factors by which labels measured again differ: times of every configuration once up, once down.
AGAIN = (1.1, 1 / 1.1)


def complete(rows: pd.DataFrame) -> pd.DataFrame:
    """A measurement table of ``rows``: what they lack is filled with what an undisturbed run would show."""
    table = rows.reindex(columns=list(COLUMNS))
    for phase in PHASES:
        time_ms = table[f"{phase}_time_ms"]
        values = {
            "time_ci_low_ms": time_ms * 0.98,
            "time_ci_high_ms": time_ms * 1.02,
            "time_mean_ms": time_ms,
            "iterations": 10,
            "disturbed_iterations": 0,
            "warmup_iterations": 4,
            "warmup_drift_pct": 2.0,
            "mem_process_mib": 400.0,
            "probe_ms": 0.5,
            "foreign_cores": 0.0,
        }
        table = table.assign(**{f"{phase}_{name}": value for name, value in values.items()})
    table = table.assign(device=DEVICE, device_kind="cpu", environment=ENVIRONMENT, protocol=SHORT)
    table["protocol_version"], table["order"] = PROTOCOL_VERSION, range(len(table))
    table["measured_s"] = 0.5
    table["reason"] = table["reason"].fillna("")
    return table


def run(n_architectures: int = 10) -> pd.DataFrame:
    """Two batch sizes of every network; the first row ran out of memory, the second has a wide interval."""
    table = complete(make_table(n_architectures, batch_sizes=(1, 4)))
    table["train_time_ms"] = table["train_time_ms"] * 3
    for name in ("time_ci_low_ms", "time_ci_high_ms", "time_mean_ms"):
        table[f"train_{name}"] = table[f"train_{name}"] * 3
    table["train_mem_mib"] = table["train_mem_mib"] * 2
    table.loc[0, ["status", "reason"]] = ["oom", "12 GiB | 8 GiB"]
    table.loc[0, [*TARGET_NAMES, "train_time_ci_low_ms", "train_time_ci_high_ms"]] = np.nan
    table.loc[
        0, ["infer_time_ci_low_ms", "infer_time_ci_high_ms", "train_time_mean_ms", "infer_time_mean_ms"]
    ] = np.nan
    table.loc[
        0, ["train_iterations", "infer_iterations", "train_warmup_iterations", "infer_warmup_iterations"]
    ] = 0
    table.loc[1, "train_time_ci_high_ms"] = table.loc[1, "train_time_ms"] * 1.2
    table.loc[2, "infer_disturbed_iterations"] = 5
    return table


def repeats(table: pd.DataFrame) -> pd.DataFrame:
    """The finished configurations measured twice more: times `AGAIN`, everything else as the first time."""
    finished = table[table["status"] == "ok"]
    parts = []
    for factor in AGAIN:
        part = finished.copy()
        for phase in PHASES:
            part[[f"{phase}_time_ms", f"{phase}_time_mean_ms"]] *= factor
        parts.append(part)
    again = pd.concat(parts, ignore_index=True)
    return again.assign(order=range(len(again)))


def study(table: pd.DataFrame) -> pd.DataFrame:
    """Four finished configurations by both protocols; short times are 2 % too long, one of them 10 %."""
    short = table[table["status"] == "ok"].head(4).copy()
    long = short.assign(protocol=LONG, measured_s=8.0)
    for phase in PHASES:
        factors = np.array([1.02, 1.02, 1.02, 1.10])
        short[[f"{phase}_time_ms", f"{phase}_time_mean_ms"]] *= factors[:, None]
    both = pd.concat([short, long], ignore_index=True)
    return both.assign(order=range(len(both)))


def parameters() -> dict[str, Any]:
    """params.yaml as it stands, to be changed at will."""
    return copy.deepcopy(PARAMS)


def write_measurements(results: Path, table: pd.DataFrame, *, beside: bool = True) -> None:
    """Write the table below ``results`` and, unless told otherwise, its repeats and protocol study."""
    folder = results / "measurements"
    write_table(table, folder / "local.parquet")
    if beside:
        write_table(repeats(table), folder / "repeats.parquet")
        write_table(study(table), folder / "protocol.parquet")
