"""A measurement table that breaks no rule, and how to spoil it."""

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pandas as pd

from perfseer.measure.process_memory import MIB
from perfseer.measure.table import typed_table
from perfseer.zoo.sampler import stream
from perfseer.zoo.space import ArchitectureSpec, SearchSpace, n_parameters
from tests.helpers.search_space import SPACE

BATCHES = (1, 2, 4, 8, 16)
NETWORKS = 6
ENVIRONMENT = json.dumps({"device": "Abacus", "device_memory_gib": 8, "digest": "0123456789ab"})
SPECS = list(itertools.islice(stream(SearchSpace.from_mapping(SPACE)), NETWORKS))


def labels(spec: ArchitectureSpec, number: int, batch: int) -> Iterator[dict[str, Any]]:
    """Both phases of one row, as a device without surprises would have them."""
    weights_mib = n_parameters(spec) * 4 / MIB
    for phase, factor in (("infer", 1), ("train", 3)):
        time_ms = factor * (batch + number / 100)
        mem_mib = factor * weights_mib + factor * batch
        yield {
            f"{phase}_time_ms": time_ms,
            f"{phase}_time_ci_low_ms": 0.99 * time_ms,
            f"{phase}_time_ci_high_ms": 1.01 * time_ms,
            f"{phase}_time_mean_ms": time_ms,
            f"{phase}_iterations": 10,
            f"{phase}_disturbed_iterations": 0,
            f"{phase}_warmup_iterations": 2,
            f"{phase}_warmup_drift_pct": -1.0,
            f"{phase}_mem_mib": mem_mib,
            f"{phase}_mem_allocated_mib": mem_mib + 1,
            f"{phase}_mem_reserved_mib": mem_mib + 2,
            f"{phase}_mem_process_mib": mem_mib + 200,
            f"{phase}_util_pct": 60.0 + number,
            f"{phase}_util_nvml_pct": 0.0,
            f"{phase}_probe_ms": 1.0 + number / 100,
            f"{phase}_sm_clock_mhz": 1500.0,
            f"{phase}_throttled": "",
            f"{phase}_foreign_mem_mib": 1.0,
            f"{phase}_foreign_cores": 0.01,
        }


def sound_table() -> pd.DataFrame:
    """Six networks at five batch sizes, 30 rows; every rule can be applied and none is broken."""
    rows = []
    for number, spec in enumerate(SPECS):
        for batch in BATCHES:
            infer, train = labels(spec, number, batch)
            rows.append(
                {
                    "model_ref": f"zoo:{spec.id}",
                    "model_spec": spec.to_json(),
                    "architecture": spec.id,
                    "family": spec.family,
                    "input_shape": "3x64x64",
                    "batch_size": batch,
                    "precision": "fp32",
                    "memory_format": "nchw",
                    "mode": "eager",
                    **infer,
                    **train,
                    "status": "ok",
                    "reason": "",
                    "device": "Abacus",
                    "device_kind": "cpu",
                    "environment": ENVIRONMENT,
                    "protocol": '{"ci_width":0.05}',
                    "protocol_version": 2,
                    "order": len(rows),
                    "measured_s": 1.0,
                }
            )
    return typed_table(pd.DataFrame(rows))


def put(table: pd.DataFrame, row: int | list[int] | slice, **values: Any) -> pd.DataFrame:
    """The table with some cells of one row (or slice of rows) replaced."""
    table = table.copy()
    for name, value in values.items():
        table.loc[row, name] = value
    return table
