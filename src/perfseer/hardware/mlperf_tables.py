"""Results of MLPerf into their tables: systems, what is in them, tasks, results."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from perfseer.hardware.mlperf.benchmarks import benchmarks
from perfseer.hardware.mlperf.merging import results as merged
from perfseer.hardware.names import Identity, count_accelerators, identify
from perfseer.hardware.rows import Row, numbered, records
from perfseer.hardware.source import Reading

if TYPE_CHECKING:
    from perfseer.hardware.assembly import Sourced

_SYSTEM = ("round", "division", "submitter", "system_id", "accelerator", "accelerators_per_node")
_LATENCIES = ("latency_mean_s", "latency_p50_s", "latency_p90_s", "latency_p99_s", "ttft_s", "tpot_s")
# What efficiencies are fitted to.
PER_ACCELERATOR: tuple[str, ...] = ("key", "benchmark", "scenario", "per_accelerator")


def add(
    tables: dict[str, list[Row]],
    sourced: Mapping[str, "Sourced"],
    ids: Mapping[str, int],
    source_ids: Mapping[str, int],
) -> pd.DataFrame:
    """Fill ``benchmarks``, ``systems``, ``system_accelerators`` and ``results``; spellings go to ``aliases``.

    Args:
        tables: rows by table; ``aliases`` is there.
        sourced: every source by name.
        ids: key → number of the accelerator.
        source_ids: name → number of the source.

    Returns:
        `PER_ACCELERATOR` of closed, valid results of plain systems with one kind of accelerator.
    """
    logs, official = (_reading(sourced[name]) for name in ("mlperf_logs", "mlperf_results"))
    rows = merged(logs, official) if len(logs.rows) or len(official.rows) else logs.rows
    rows = rows.reset_index(drop=True)
    tasks = benchmarks(rows if len(rows) else None)
    task_ids = {pair: i for i, pair in enumerate(zip(tasks["name"], tasks["version"], strict=True), start=1)}
    tables["benchmarks"] = [_task(number, task) for number, task in enumerate(records(tasks), start=1)]
    systems = rows.drop_duplicates(list(_SYSTEM)).reset_index(drop=True)
    identified = [_identity(row) for row in records(systems)]
    tables["systems"] = [
        _system(number, row, identity)
        for number, (row, identity) in enumerate(zip(records(systems), identified, strict=True), 1)
    ]
    tables["system_accelerators"] = _inside(tables["systems"], identified, ids)
    system_ids = {key: i for i, key in enumerate(_keys(systems), start=1)}
    source = source_ids["mlperf_results" if not len(logs.rows) else "mlperf_logs"]
    official_places = set(zip(official.rows["round"], official.rows["location"], strict=True))
    tables["results"] = [
        _result(number, row, system_ids[key], task_ids)
        | {
            "source_id": source_ids["mlperf_results"]
            if (row["round"], row["location"]) in official_places
            else source
        }
        for number, (row, key) in enumerate(zip(records(rows), _keys(rows), strict=True), start=1)
    ]
    _add_aliases(tables, rows, source, ids)
    return _per_accelerator(rows, tables, system_ids, ids)


def _reading(sourced: "Sourced") -> Reading:
    return sourced.reading or Reading(sourced.rows, 0)


def _keys(rows: pd.DataFrame) -> list[tuple[Any, ...]]:
    named = rows[list(_SYSTEM)].astype(object).where(rows[list(_SYSTEM)].notna(), None)
    return list(named.itertuples(index=False, name=None))


def _identity(row: Mapping[str, Any]) -> Identity:
    total = count_accelerators(
        _number(row["nodes"]), _number(row["accelerators_per_node"]), _number(row["total_accelerators"])
    )
    return identify(
        row["accelerator"],
        memory=row["accelerator_memory"],
        system_name=row["system_name"],
        platform=row["system_id"],
        total=total,
    )


def _number(value: Any) -> float | None:
    return None if pd.isna(value) else float(value)


def _positive(value: Any) -> float | None:
    return None if pd.isna(value) or value <= 0 else float(value)


def _task(number: int, task: Mapping[str, Any]) -> Row:
    return {
        "id": number,
        "name": task["name"],
        "version": task["version"],
        "family": task["family"],
        "metric": task["metric"],
        "model_flops": _positive(task["model_flops"]),
        "model_bytes": _positive(task["model_bytes"]),
        "parameters": _positive(task["parameters"]),
        "source": task["source"],
    }


def _system(number: int, row: Mapping[str, Any], identity: Identity) -> Row:
    modifiers = identity.modifiers
    counts = (_number(row[name]) for name in ("nodes", "accelerators_per_node", "total_accelerators"))
    return {
        "id": number,
        "round": row["round"],
        "division": row["division"],
        "submitter": row["submitter"],
        "system": row["system_id"],
        "system_name": row["system_name"],
        "availability": row["availability"],
        "accelerator": row["accelerator"],
        "nodes": _positive(row["nodes"]),
        "accelerators_per_node": _number(row["accelerators_per_node"]),
        "total_accelerators": count_accelerators(*counts),
        "host_processor": row["host_processor"],
        "sockets": _number(row["host_processors"]),
        "maxq": modifiers.maxq,
        "mig": modifiers.mig,
        "vgpu": modifiers.vgpu,
        "power_cap_w": modifiers.power_cap_w,
        "cts": modifiers.cts,
        "virtualised": modifiers.virtual,
        "mixed": modifiers.mixed,
    }


def _inside(systems: list[Row], identified: list[Identity], ids: Mapping[str, int]) -> list[Row]:
    rows: list[Row] = []
    for system, identity in zip(systems, identified, strict=True):
        counts: dict[int, float | None] = {}
        for part in identity.parts:
            if part.key in ids:
                known, more = counts.get(ids[part.key]), part.count
                counts[ids[part.key]] = (known or 0) + more if more is not None else known
        rows += [
            {"system_id": system["id"], "gpu_id": number, "count": count} for number, count in counts.items()
        ]
    return rows


def _result(number: int, row: Mapping[str, Any], system: int, tasks: Mapping[tuple[str, str], int]) -> Row:
    return {
        "id": number,
        "system_id": system,
        "benchmark_id": tasks[row["benchmark"], row["benchmark_version"]],
        "scenario": row["scenario"],
        "suite": row["suite"],
        "accuracy_target": row["accuracy_target"],
        "metric": row["metric"],
        "value": float(row["value"]),
        "power_w": _positive(row["power_w"]),
        **{name: _positive(row[name]) for name in _LATENCIES},
        "weight_data_types": row["weight_data_types"],
        "software": row["software"],
        "valid": bool(row["valid"]),
        "inferred": bool(row["inferred"]),
        "duplicate": row["duplicate_of"] != "",
        "location": row["location"],
    }


def _add_aliases(
    tables: dict[str, list[Row]], rows: pd.DataFrame, source: int, ids: Mapping[str, int]
) -> None:
    """How systems call what is in them: spelling and memory, by the identity of the first such system."""
    named = rows.groupby(["accelerator", "accelerator_memory"], sort=True)
    for (spelling, memory), group in named:
        identity = _identity(records(group.head(1))[0] | {"total_accelerators": None})
        for key in [part.key for part in identity.parts] or [""]:
            tables["aliases"].append(
                {
                    "source_id": source,
                    "spelling": str(spelling),
                    "context": str(memory),
                    "gpu_id": ids.get(key),
                    "how": "; ".join(filter(None, [identity.how, identity.reason])),
                    "modifiers": _said(identity),
                    "n_rows": len(group),
                }
            )
    tables["aliases"] = numbered(tables["aliases"])


def _said(identity: Identity) -> str:
    given = {
        name: value for name, value in vars(identity.modifiers).items() if value not in ("", False, None)
    }
    return ", ".join(name if value is True else f"{name} {value}" for name, value in given.items())


def _per_accelerator(
    rows: pd.DataFrame,
    tables: Mapping[str, list[Row]],
    system_ids: Mapping[tuple[Any, ...], int],
    ids: Mapping[str, int],
) -> pd.DataFrame:
    keys = {number: key for key, number in ids.items()}
    inside: dict[int, list[Row]] = {}
    for row in tables["system_accelerators"]:
        inside.setdefault(row["system_id"], []).append(row)
    plain: dict[int, tuple[str, float]] = {}
    for system in tables["systems"]:
        held = inside.get(system["id"], [])
        altered = any(system[name] for name in ("maxq", "mig", "vgpu", "mixed", "virtualised"))
        if len(held) == 1 and not altered and system["total_accelerators"]:
            plain[system["id"]] = (keys[held[0]["gpu_id"]], float(system["total_accelerators"]))
    found = []
    for row, key in zip(records(rows), _keys(rows), strict=True):
        counted = row["valid"] and not row["inferred"] and row["duplicate_of"] == ""
        rate = row["metric"] in ("samples_per_s", "tokens_per_s") and row["division"] == "closed"
        known = plain.get(system_ids[key])
        if counted and rate and known is not None:
            found.append((known[0], row["benchmark"], row["scenario"], row["value"] / known[1]))
    return pd.DataFrame(found, columns=list(PER_ACCELERATOR))
