"""The one shape in which both sources give results, its words, and copies of one result."""

import re

import numpy as np
import pandas as pd

DIVISIONS: tuple[str, ...] = ("closed", "open", "network")
SCENARIOS: tuple[str, ...] = ("Offline", "Server", "Interactive", "SingleStream", "MultiStream")
SUITES: tuple[str, ...] = ("datacenter", "edge", "datacenter,edge")
AVAILABILITIES: tuple[str, ...] = ("available", "preview", "rdi")
# Metric → its unit.
METRICS: dict[str, str] = {
    "samples_per_s": "1/s",
    "tokens_per_s": "1/s",
    "latency_p90_s": "s",
    "latency_p99_s": "s",
    "streams": "1",
}
COLUMNS: dict[str, str] = {
    "round": "of MLPerf Inference, for example v5.1",
    "division": "closed, open or network",
    "suite": "datacenter, edge or both; empty where not said",
    "submitter": "as published",
    "system_id": "the submitter's own name of the system, its folder",
    "system_name": "as published; a power cap or MaxQ may stand only here",
    "availability": "available, preview, rdi (research, development, internal) or unknown",
    "nodes": "machines, 1",
    "accelerators_per_node": "as published, 1; not known where nobody said",
    "total_accelerators": "of the whole system as published, 1; not known without any, and before v6.0",
    "accelerator": "free text, as published; empty on systems without one",
    "accelerator_memory": "free text, as published; empty where not said",
    "host_processor": "free text, as published",
    "host_processors": "sockets per node, 1",
    "software": "framework and versions, free text",
    "operating_system": "free text",
    "benchmark": "canonical name without its accuracy target",
    "network": "what ran, as published; the benchmark's own network in the closed division",
    "accuracy_target": "share of the reference's accuracy that must be met, %: 99, 99.9, or empty",
    "benchmark_version": "of what is asked under that name: results of two versions cannot be compared",
    "family": "classification, detection, segmentation, language, generation, speech, recommendation, "
    "diffusion, graph or other",
    "scenario": ", ".join(SCENARIOS),
    "metric": "what the value is: " + ", ".join(METRICS),
    "value": "the result, in the metric's unit",
    "unit": "1/s, s, or 1 (streams)",
    "power_w": "of the whole system at the wall while it ran, W",
    "energy_per_query_j": "of the whole system per query, J; published for SingleStream and MultiStream",
    "latency_mean_s": "mean latency of a query, s",
    "latency_p50_s": "median latency of a query, s",
    "latency_p90_s": "90th percentile of the latency of a query, s",
    "latency_p99_s": "99th percentile of the latency of a query, s",
    "ttft_s": "mean time to the first token, s",
    "tpot_s": "mean time per further token, s",
    "valid": "whether its publisher counts it as a valid result (true or false)",
    "inferred": "computed from another scenario's run, not measured (true or false)",
    "weight_data_types": "as published; not the precision it computed in",
    "location": "folder of the result, unique within a round",
    "path": "of the log that was read; empty in the official tables",
    "log_id": "the same for all copies of one log within a round and submitter; empty without a log",
    "corrected": "what was published otherwise and why this differs; empty where nothing was changed",
    "duplicate_of": "location of the row that holds the same result; empty: count this one",
}
NUMBERS: tuple[str, ...] = (
    "nodes",
    "accelerators_per_node",
    "total_accelerators",
    "host_processors",
    "value",
    "power_w",
    "energy_per_query_j",
    "latency_mean_s",
    "latency_p50_s",
    "latency_p90_s",
    "latency_p99_s",
    "ttft_s",
    "tpot_s",
)
SWITCHES: tuple[str, ...] = ("valid", "inferred")
_SQUEEZED_SCENARIOS = {name.lower(): name for name in SCENARIOS}


def scenario_of(text: str) -> str | None:
    """Canonical scenario of ``Single Stream``, ``singlestream`` and the like; None: there is none such."""
    return _SQUEEZED_SCENARIOS.get(re.sub(r"[\s_-]", "", text).lower())


def division_of(text: str) -> str | None:
    """Canonical division, or None."""
    return text.lower() if text.lower() in DIVISIONS else None


def suite_of(text: str) -> str | None:
    """``edge,datacenter`` and ``datacenter, edge`` are the same; None: something else is named."""
    name = ",".join(sorted(part.strip().lower() for part in text.split(",")))
    return name if name in SUITES else None


def availability_of(text: str) -> str | None:
    """One of `AVAILABILITIES` (what is sold on premise is available), or None."""
    lower = text.lower()
    for word, name in (("preview", "preview"), ("rdi", "rdi"), ("research", "rdi")):
        if word in lower:
            return name
    return "available" if re.search(r"\bavailable\b|on-premise|cloud", lower) else None


def shaped(columns: dict[str, pd.Series]) -> pd.DataFrame:
    """Rows with all `COLUMNS` in their order; what a source does not know is NaN, "" or false."""
    frame = pd.DataFrame(columns)
    for name in COLUMNS:
        if name not in frame.columns:
            frame[name] = np.nan if name in NUMBERS else False if name in SWITCHES else ""
    return frame[list(COLUMNS)].astype(dict.fromkeys(NUMBERS, float) | dict.fromkeys(SWITCHES, bool))


def mark_duplicates(rows: pd.DataFrame) -> pd.DataFrame:
    """``rows`` with ``duplicate_of`` filled in; their order stays.

    Copies are rows of one round, submitter, benchmark and scenario that come from one log. Where no log is
    known, those with one value on one system: a Server result is the rate that was asked for, so two systems
    may well have the same. The original is the row of the closed division before the open, of a folder named
    after its scenario before others (a SingleStream log also lies in folders of what was inferred from it),
    and of the stricter accuracy target, since who met that met the laxer one.
    """
    logged = rows["log_id"] != ""
    keys = rows[["round", "submitter", "benchmark", "benchmark_version", "scenario"]].assign(
        log=rows["log_id"],
        system=rows["system_id"].where(~logged, ""),
        value=rows["value"].where(~logged, 0.0),
        inferred=rows["inferred"],
    )
    folder = rows["location"].str.rsplit("/", n=1).str[-1].map(scenario_of, na_action="ignore")
    best = pd.DataFrame(
        {
            "division": rows["division"].map({name: rank for rank, name in enumerate(DIVISIONS)}),
            "elsewhere": folder != rows["scenario"],
            "laxness": -pd.to_numeric(rows["accuracy_target"], errors="coerce").fillna(0.0),
            "location": rows["location"],
        }
    ).sort_values(["division", "elsewhere", "laxness", "location"], kind="stable")
    sorted_keys = keys.loc[best.index]
    group = sorted_keys.groupby(list(keys.columns), sort=False, dropna=False).ngroup()
    first = rows["location"].loc[best.index].groupby(group).transform("first")
    is_first = ~group.duplicated()
    return rows.assign(duplicate_of=first.where(~is_first, "").reindex(rows.index))
