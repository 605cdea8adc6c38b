"""Results of MLPerf into their tables: systems, what is in them, tasks, results."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from perfseer.hardware.assembly.sourced import Numbers, Sourced, Tables
from perfseer.hardware.mlperf.benchmarks import benchmarks
from perfseer.hardware.mlperf.merging import results as merged
from perfseer.hardware.mlperf.observed import THROUGHPUTS, counted
from perfseer.hardware.names import Identity, count_accelerators, identify
from perfseer.hardware.rows import Row, numbered, records
from perfseer.hardware.source import Reading

_SYSTEM = ("round", "division", "submitter", "system_id", "accelerator", "accelerators_per_node")
_LATENCIES = ("latency_mean_s", "latency_p50_s", "latency_p90_s", "latency_p99_s", "ttft_s", "tpot_s")
# Of a system: accelerators are not as they are sold.
_ALTERED = ("maxq", "mig", "vgpu", "mixed", "virtualised")
# What efficiencies are fitted to.
PER_ACCELERATOR: tuple[str, ...] = ("key", "benchmark", "scenario", "per_accelerator")


def add_mlperf(tables: Tables, sourced: Mapping[str, Sourced], numbers: Numbers) -> pd.DataFrame:
    """Fill ``benchmarks``, ``systems``, ``system_accelerators`` and ``results``; spellings go to ``aliases``.

    Args:
        tables: rows by table; ``aliases`` is there.
        sourced: every source by name.
        numbers: of accelerators and sources.

    Returns:
        `PER_ACCELERATOR` of closed, valid results of plain systems with one kind of accelerator.
    """
    logs, official = (_reading(sourced[name]) for name in ("mlperf_logs", "mlperf_results"))
    rows = merged(logs, official) if len(logs.rows) or len(official.rows) else logs.rows
    rows = rows.reset_index(drop=True)
    tables["benchmarks"] = [_task(task) for task in records(benchmarks(rows if len(rows) else None))]
    tables["benchmarks"] = numbered(tables["benchmarks"])
    tasks = {(task["name"], task["version"]): task["id"] for task in tables["benchmarks"]}
    firsts = rows.drop_duplicates(list(_SYSTEM))
    systems = {key: number for number, key in enumerate(_keys(firsts), start=1)}
    of_each = records(firsts)
    identified = [_identity(row) for row in of_each]
    pairs = zip(of_each, identified, strict=True)
    tables["systems"] = numbered([_system(row, identity) for row, identity in pairs])
    tables["system_accelerators"] = _inside(tables["systems"], identified, numbers.gpus)
    places = set(zip(official.rows["round"], official.rows["location"], strict=True))
    source = {True: numbers.sources["mlperf_results"], False: numbers.sources["mlperf_logs"]}
    numbered_systems = [systems[key] for key in _keys(rows)]
    tables["results"] = numbered(
        [
            _result(row, system, tasks, source[(row["round"], row["location"]) in places])
            for row, system in zip(records(rows), numbered_systems, strict=True)
        ]
    )
    aliases = _aliases(rows, numbers.gpus, source[not len(logs.rows)])
    tables["aliases"] = numbered([*tables["aliases"], *aliases])
    return _per_accelerator(rows, numbered_systems, tables, numbers.gpus)


def _reading(sourced: Sourced) -> Reading:
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


def _task(task: Row) -> Row:
    return {
        "name": task["name"],
        "version": task["version"],
        "family": task["family"],
        "metric": task["metric"],
        "model_flops": _positive(task["model_flops"]),
        "model_bytes": _positive(task["model_bytes"]),
        "parameters": _positive(task["parameters"]),
        "source": task["source"],
    }


def _system(row: Row, identity: Identity) -> Row:
    modifiers = identity.modifiers
    counts = (_number(row[name]) for name in ("nodes", "accelerators_per_node", "total_accelerators"))
    return {
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


def _result(row: Row, system: int, tasks: Mapping[tuple[str, str], int], source: int) -> Row:
    return {
        "system_id": system,
        "benchmark_id": tasks[row["benchmark"], row["benchmark_version"]],
        "source_id": source,
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


def _aliases(rows: pd.DataFrame, ids: Mapping[str, int], source: int) -> list[Row]:
    """How systems call what is in them: spelling and memory, by the identity of the first such system."""
    named = ["accelerator", "accelerator_memory"]
    n_rows = rows.groupby(named).size()
    firsts = rows.drop_duplicates(named).sort_values(named).assign(total_accelerators=None)
    found: list[Row] = []
    for first in records(firsts):
        identity = _identity(first)
        said = {
            "source_id": source,
            "spelling": first["accelerator"],
            "context": first["accelerator_memory"],
            "how": "; ".join(filter(None, [identity.how, identity.reason])),
            "architecture": "",
            "modifiers": _said(identity),
            "n_rows": int(n_rows[first["accelerator"], first["accelerator_memory"]]),
        }
        keys = [part.key for part in identity.parts] or [""]
        found += [said | {"gpu_id": ids.get(key)} for key in keys]
    return found


def _said(identity: Identity) -> str:
    given = {
        name: value for name, value in vars(identity.modifiers).items() if value not in ("", False, None)
    }
    return ", ".join(name if value is True else f"{name} {value}" for name, value in given.items())


def _per_accelerator(
    rows: pd.DataFrame, systems: list[int], tables: Tables, ids: Mapping[str, int]
) -> pd.DataFrame:
    keys = {number: key for key, number in ids.items()}
    inside: dict[int, list[Row]] = {}
    for row in tables["system_accelerators"]:
        inside.setdefault(row["system_id"], []).append(row)
    plain: dict[int, tuple[str, float]] = {}
    for system in tables["systems"]:
        held = inside.get(system["id"], [])
        altered = any(system[name] for name in _ALTERED)
        if len(held) == 1 and not altered and system["total_accelerators"]:
            plain[system["id"]] = (keys[held[0]["gpu_id"]], float(system["total_accelerators"]))
    known = counted(rows.assign(system=systems))
    rates = known["metric"].isin(THROUGHPUTS) & (known["division"] == "closed") & known["system"].isin(plain)
    found = [
        (*plain[row["system"]], row["benchmark"], row["scenario"], row["value"])
        for row in records(known[rates])
    ]
    frame = pd.DataFrame(found, columns=["key", "number", "benchmark", "scenario", "value"])
    return frame.assign(per_accelerator=frame["value"] / frame["number"])[list(PER_ACCELERATOR)]
