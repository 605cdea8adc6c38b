"""Results parsed from the submission logs of MLPerf Inference, with latencies and wall power."""

import re

import numpy as np
import pandas as pd

from perfseer.data.download import RemoteFile
from perfseer.hardware.mlperf.benchmarks import Asked, asked
from perfseer.hardware.mlperf.files import parse_table, tables_of
from perfseer.hardware.mlperf.reading import Columns, each
from perfseer.hardware.mlperf.rounds import order, round_of
from perfseer.hardware.mlperf.shape import (
    AVAILABILITIES,
    COLUMNS,
    DIVISIONS,
    METRICS,
    SCENARIOS,
    SUITES,
    availability_of,
    division_of,
    mark_duplicates,
    scenario_of,
    shaped,
    suite_of,
)
from perfseer.hardware.source import HardwareSource, Reading

_NEEDED = (
    "round",
    "division",
    "submitter",
    "system_id",
    "benchmark",
    "scenario",
    "accelerator",
    "path",
    "lat_p90_ns",
    "lat_p99_ns",
)
_TIMES = ("lat_mean_ns", "lat_p50_ns", "lat_p90_ns", "lat_p99_ns", "lat_min_ns", "lat_max_ns")
_KNOWN = (
    *("result_valid", "suite", "status", "system_name", "nodes", "accelerators_per_node"),
    *("accelerator_memory", "host_processor", "host_processors_per_node", "framework", "operating_system"),
    *("samples_per_s", "tokens_per_s", "samples_per_query", "ttft_mean_ns", "tpot_mean_ns", "system_power_w"),
    *_TIMES,
)
# A year; the longest Offline run has 14 hours.
_LONGEST_NS = 3.2e16
_MOST_PER_S = 1e15
# In v0.7 and v1.0 MultiStream asked how many streams can be served, later how late 8 of them are.
_LAST_OF_STREAMS = (1, 0)
_LOG_FILE = re.compile(r"/performance/run_\d+/[^/]*$")


class MlperfLogs(HardwareSource):
    """Every result log of eight rounds; none of v3.1, v4.0 and v5.0 is among them."""

    name = "mlperf_logs"
    title = "MLPerf Inference, submission logs of v0.7 to v3.0, v4.1 and v5.1 (MLCommons)"
    licence = "Apache-2.0"
    url = "https://github.com/mlcommons"
    files = (
        RemoteFile(
            "mlperf",
            "inference_logs_v0.7-v5.1.csv.gz",
            "",
            "7c3744ac10ce597b69996a7b9fd2d0ed5c724db84fa1df961df729f5e5cb105e",
            883_430,
            "Apache-2.0",
        ),
    )
    shipped = "mlperf_inference_logs"
    published = "2025-09-09"
    columns = COLUMNS

    def parse(self, content: bytes, file: RemoteFile) -> pd.DataFrame:
        """A gzipped CSV file."""
        return parse_table(content, file.name)

    def read(self) -> Reading:
        """Logged results, then those of `folder`: every JSON or CSV file there with ``logs`` in its name."""
        tables, where = tables_of(self, of_logs=True)
        return _reading(Columns(tables, _NEEDED, _KNOWN), where)


def _reading(columns: Columns, where: str) -> Reading:
    rounds = columns.choice("round", round_of, ("v0.7", "v5.1", "…"))
    division = columns.choice("division", division_of, DIVISIONS)
    submitter, published = columns.needed_text("submitter"), columns.needed_text("benchmark")
    path = columns.needed_text("path")
    location = each(path, lambda text: _LOG_FILE.sub("", text).strip("/")).astype("str")
    logged = columns.choice("scenario", scenario_of, SCENARIOS)
    in_folder = each(location, lambda text: scenario_of(text.rpartition("/")[2]) or "").astype("str")
    interactive = (in_folder == "Interactive") & (logged == "Server")
    scenario = logged.where(~interactive, "Interactive")
    columns.unique(pd.DataFrame({"round": rounds, "location": location}), "path")
    times = {
        name: columns.number(name, 1, _LONGEST_NS, "ns", scale=1e-9) for name in _TIMES if "min" not in name
    }
    names = each(rounds + "|" + published, _asked)
    metric, value = _results(columns, rounds, scenario, names, times)
    words = {"": True, "VALID": True, "INVALID": False}
    valid = each(columns.text("result_valid"), lambda text: words.get(text.upper()))
    columns.checks.refuse(valid.isna(), "result_valid", "expected VALID or INVALID")
    rows = shaped(
        {
            "round": rounds,
            "division": division,
            "suite": columns.choice("suite", suite_of, SUITES, needed=False),
            "submitter": submitter,
            "system_id": columns.needed_text("system_id"),
            "system_name": columns.text("system_name"),
            "availability": columns.choice("status", availability_of, AVAILABILITIES, needed=False).replace(
                "", "unknown"
            ),
            "nodes": columns.number("nodes", 1, 1e6, whole=True),
            "accelerators_per_node": columns.number("accelerators_per_node", 0, 1e6, whole=True),
            "accelerator": columns.text("accelerator"),
            "accelerator_memory": columns.text("accelerator_memory").replace("-", ""),
            "host_processor": columns.text("host_processor"),
            "host_processors": columns.number("host_processors_per_node", 0, 1e4, whole=True),
            "software": columns.text("framework"),
            "operating_system": columns.text("operating_system"),
            "benchmark": names.map(lambda name: name.benchmark),
            "network": published,
            "accuracy_target": names.map(lambda name: name.accuracy_target),
            "benchmark_version": names.map(lambda name: name.version),
            "family": names.map(lambda name: name.family),
            "scenario": scenario,
            "metric": metric,
            "value": value,
            "unit": metric.map(METRICS).fillna(""),
            "power_w": columns.number("system_power_w", 1e-9, 1e9, "W"),
            "latency_mean_s": times["lat_mean_ns"],
            "latency_p50_s": times["lat_p50_ns"],
            "latency_p90_s": times["lat_p90_ns"],
            "latency_p99_s": times["lat_p99_ns"],
            "ttft_s": columns.number("ttft_mean_ns", 1, _LONGEST_NS, "ns", scale=1e-9),
            "tpot_s": columns.number("tpot_mean_ns", 1, _LONGEST_NS, "ns", scale=1e-9),
            "valid": valid.fillna(False).astype(bool),
            "location": location,
            "path": path,
            "log_id": _log_ids(columns, rounds, submitter),
            "corrected": pd.Series(np.where(interactive, "Server logged in a folder Interactive", "")),
        }
    )
    elsewhere = (in_folder != scenario) & (in_folder != "")
    checks = {"Interactive, logged as Server": interactive, "in the folder of another scenario": elsewhere}
    reading = columns.reading(rows, checks, where)
    marked = mark_duplicates(reading.rows)
    findings = reading.findings | {"copies of another row": int((marked["duplicate_of"] != "").sum())}
    return Reading(marked, reading.n_read, reading.refused, findings, where)


def _asked(round_and_name: str) -> Asked:
    of_round, _, name = round_and_name.partition("|")
    return asked(name or "-", of_round or "v0.0")


def _results(
    columns: Columns,
    rounds: "pd.Series[str]",
    scenario: "pd.Series[str]",
    names: pd.Series,
    times: "dict[str, pd.Series[float]]",
) -> tuple["pd.Series[str]", "pd.Series[float]"]:
    """Metric and value of each log, by its scenario; rows whose value is missing or 0 are refused."""
    samples = columns.number("samples_per_s", 0, _MOST_PER_S, "1/s")
    tokens = columns.number("tokens_per_s", 0, _MOST_PER_S, "1/s")
    streams = columns.number("samples_per_query", 0, _MOST_PER_S)
    counts = names.map(lambda name: name.counts or "")
    in_tokens = (counts == "tokens") | ((counts == "") & tokens.notna())
    early = each(rounds, lambda text: bool(text) and order(text) <= _LAST_OF_STREAMS).astype(bool)
    single, multi = scenario == "SingleStream", scenario == "MultiStream"
    choices = [
        (single, "latency_p90_s", "lat_p90_ns", times["lat_p90_ns"]),
        (multi & early, "streams", "samples_per_query", streams),
        (multi & ~early, "latency_p99_s", "lat_p99_ns", times["lat_p99_ns"]),
        (~single & ~multi & in_tokens, "tokens_per_s", "tokens_per_s", tokens),
        (~single & ~multi & ~in_tokens, "samples_per_s", "samples_per_s", samples),
    ]
    metric = pd.Series("", index=scenario.index, dtype="str")
    value = pd.Series(np.nan, index=scenario.index)
    for here, name, column, values in choices:
        metric, value = metric.where(~here, name), value.where(~here, values)
        columns.checks.refuse(here & ~(values > 0), column, "is the result, which must be above 0")
    return metric, value


def _log_ids(columns: Columns, rounds: "pd.Series[str]", submitter: "pd.Series[str]") -> "pd.Series[str]":
    """The same for logs of one round and submitter whose latencies agree to the nanosecond."""
    measured = columns.checks.cells[list(_TIMES)].assign(round=rounds, submitter=submitter)
    digests = pd.util.hash_pandas_object(measured, index=False)
    return digests.map("{:016x}".format).astype("str")
