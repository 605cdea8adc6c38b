"""Official tables of MLPerf Inference, a row per result, and tables of further rounds in a folder."""

from typing import Any

import numpy as np
import pandas as pd

from perfseer.data.download import RemoteFile
from perfseer.hardware.mlperf.benchmarks import Asked, asked
from perfseer.hardware.mlperf.files import parse_table, tables_of
from perfseer.hardware.mlperf.reading import Columns, each
from perfseer.hardware.mlperf.rounds import round_in, round_of
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

_LICENCE = "Apache-2.0"
_NEEDED = ("Submitter", "Category", "Scenario", "Accelerator", "Performance_Result", "Performance_Units")
_KNOWN = (
    *("ID", "version", "Availability", "Suite", "System", "Platform", "UsedModel", "Model", "Location"),
    *("Nodes", "a#", "Total Accelerators", "Processor", "host_processors_per_node"),
    *("Software", "operating_system", "compliance", "errors", "inferred", "weight_data_types"),
    *("Power_Result", "Power_Units"),
)
# Units as they are written, without spaces and in small letters → what they count, and how much of SI it is.
_UNITS: dict[str, tuple[str, float]] = {
    "samples/s": ("samples", 1.0),
    "queries/s": ("samples", 1.0),
    "tokens/s": ("tokens", 1.0),
    "latency(s)": ("latency", 1.0),
    "latency(ms)": ("latency", 1e-3),
    "latency(us)": ("latency", 1e-6),
    "latency(ns)": ("latency", 1e-9),
}
_POWER_UNITS: dict[str, tuple[str, float]] = {
    "watts": ("power_w", 1.0),
    "w": ("power_w", 1.0),
    "joules": ("energy_per_query_j", 1.0),
    "millijoules": ("energy_per_query_j", 1e-3),
}
_LATENCIES = {"SingleStream": "latency_p90_s", "MultiStream": "latency_p99_s"}


class MlperfResults(HardwareSource):
    """Results as MLCommons published them; metrics follow from benchmark and scenario, not the label."""

    name = "mlperf_results"
    title = "MLPerf Inference, official result tables of v4.1 and v5.1 (MLCommons)"
    licence = _LICENCE
    url = "https://github.com/mlcommons/inference_results_v5.1"
    files = (
        RemoteFile(
            "mlperf",
            "inference_v4.1_summary_results.json",
            "https://raw.githubusercontent.com/mlcommons/inference_results_v4.1/"
            "4a0c87411066bd697db46fa44cf6f04fd458f627/summary_results.json",
            "8ec7a5b032f7d51c57de04bc04b7e9c94bdc8cd707ab4f4b84f921263e38f51a",
            1_321_868,
            _LICENCE,
        ),
        RemoteFile(
            "mlperf",
            "inference_v5.1_summary_results.json",
            "https://raw.githubusercontent.com/mlcommons/inference_results_v5.1/"
            "965182b03376a00fcae415c54e560e1c83937932/summary_results.json",
            "68c19b46cf5a87f535beae81154d61c3d981fe850ae3d09af530c769b6e0cc68",
            2_221_336,
            _LICENCE,
        ),
    )
    shipped = "mlperf_inference_results"
    published = "2025-09-09"
    columns = COLUMNS

    def parse(self, content: bytes, file: RemoteFile) -> pd.DataFrame:
        """A list of objects in JSON."""
        return parse_table(content, file.name)

    def read(self) -> Reading:
        """Official rows, then those of `folder`: each JSON or CSV file there without ``logs`` in its name."""
        tables, where = tables_of(self, of_logs=False)
        return _reading(Columns(tables, _NEEDED, _KNOWN), where)


def _reading(columns: Columns, where: str) -> Reading:
    rounds = _rounds(columns)
    division = columns.choice("Category", division_of, DIVISIONS)
    scenario = columns.choice("Scenario", scenario_of, SCENARIOS)
    used, model = columns.text("UsedModel"), columns.text("Model")
    network, task = used.where(used != "", model), model.where(model != "", used)
    columns.checks.refuse(task == "", "Model", "is missing")
    names = each(rounds + "|" + task, _asked)
    submitter, system_id = columns.needed_text("Submitter"), columns.text("Platform")
    location = columns.text("Location").str.strip("/")
    built = division + "/" + submitter + "/results/" + system_id + "/" + network + "/" + scenario
    location = location.where(location != "", built)
    columns.unique(pd.DataFrame({"round": rounds, "location": location}), "Location")
    metric, scale, relabelled = _metrics(columns, names, rounds, scenario)
    value = columns.checks.number("Performance_Result", 1e-9, 1e15, "", required=True) * scale
    power, energy = _power(columns)
    valid = columns.switch("compliance", default=True) & (columns.number("errors", 0, 1e9).fillna(0) == 0)
    rows = shaped(
        {
            "round": rounds,
            "division": division,
            "suite": columns.choice("Suite", suite_of, SUITES, needed=False),
            "submitter": submitter,
            "system_id": system_id,
            "system_name": columns.text("System"),
            "availability": columns.choice(
                "Availability", availability_of, AVAILABILITIES, needed=False
            ).replace("", "unknown"),
            "nodes": columns.number("Nodes", 1, 1e6, whole=True),
            "accelerators_per_node": columns.number("a#", 0, 1e6, whole=True),
            "total_accelerators": columns.number("Total Accelerators", 0, 1e7, whole=True).replace(
                0.0, np.nan
            ),
            "accelerator": columns.text("Accelerator"),
            "host_processor": columns.text("Processor"),
            "host_processors": columns.number("host_processors_per_node", 0, 1e4, whole=True),
            "software": columns.text("Software"),
            "operating_system": columns.text("operating_system"),
            "benchmark": names.map(lambda name: name.benchmark),
            "network": network,
            "accuracy_target": names.map(lambda name: name.accuracy_target),
            "benchmark_version": names.map(lambda name: name.version),
            "family": names.map(lambda name: name.family),
            "scenario": scenario,
            "metric": metric,
            "value": value,
            "unit": metric.map(METRICS).fillna(""),
            "power_w": power,
            "energy_per_query_j": energy,
            "valid": valid,
            "inferred": columns.switch("inferred", default=False),
            "weight_data_types": columns.text("weight_data_types"),
            "location": location,
            "corrected": relabelled,
        }
    )
    reading = columns.reading(rows, {"labelled with another unit than they hold": relabelled != ""}, where)
    marked = mark_duplicates(reading.rows)
    findings = reading.findings | {"copies of another row": int((marked["duplicate_of"] != "").sum())}
    return Reading(marked, reading.n_read, reading.refused, findings, where)


def _asked(round_and_name: str) -> Asked:
    of_round, _, name = round_and_name.partition("|")
    return asked(name or "-", of_round or "v0.0")


def _rounds(columns: Columns) -> "pd.Series[str]":
    """From ``version``, else ``ID``, else the file's name; refused where they contradict or say nothing."""
    version, identity = columns.text("version"), columns.text("ID")
    stated = columns.choice("version", round_of, ("v5.1", "v6.0", "…"), needed=False)
    by_id = each(identity, lambda text: round_of(text) or "").astype("str")
    by_name = each(columns.files, round_in).astype("str")
    found = stated.where(stated != "", by_id)
    found = found.where(found != "", by_name)
    nobody = (found == "") & (version == "")
    columns.checks.refuse(nobody, "version", "neither version nor ID nor the file's name says the round")
    differ = (stated != "") & (by_id != "") & (stated != by_id)
    columns.checks.refuse(differ, "ID", "is of another round than version says")
    return found


def _metrics(
    columns: Columns, names: pd.Series, rounds: "pd.Series[str]", scenario: "pd.Series[str]"
) -> tuple["pd.Series[str]", "pd.Series[float]", "pd.Series[str]"]:
    """Metric, factor to SI, and what the label said where it was wrong.

    Every row whose label contradicts its benchmark was found to hold what the benchmark asks for (50 rows of
    v4.1 and v5.1, each equal to its log). Of benchmarks that are not known here, the label that most rows of
    the round have counts for all of them.
    """
    label = columns.needed_text("Performance_Units")
    units = each(label, lambda text: _UNITS.get("".join(text.split()).lower().replace("µ", "u")))
    unknown = units.isna() & (label != "")
    columns.checks.refuse(
        unknown, "Performance_Units", "no unit that is known: Samples/s, Tokens/s, Latency (ms)"
    )
    said = units.map(lambda unit: unit[0] if unit else "")
    scale = units.map(lambda unit: unit[1] if unit else np.nan).astype(float)
    latency = scenario.isin(list(_LATENCIES))
    misfit = (said != "") & (scenario != "") & (latency != (said == "latency"))
    columns.checks.refuse(misfit, "Performance_Units", "is no unit of this scenario")
    counts = names.map(lambda name: name.counts or "")
    throughput = said.isin(["samples", "tokens"])
    benchmark = names.map(lambda name: name.benchmark)
    in_tokens = (said == "tokens").astype(float).where(throughput)
    share = in_tokens.groupby([rounds, benchmark]).transform("mean")
    majority = pd.Series(np.where(share >= 0.5, "tokens", "samples"), index=said.index)
    meant = counts.where(counts != "", majority)
    metric = (meant + "_per_s").where(~latency, scenario.map(_LATENCIES)).astype("str")
    wrong = throughput & ~latency & (said != meant)
    never = wrong & (counts == "samples")
    columns.checks.refuse(never, "Performance_Units", "is no unit of this benchmark, which counts samples")
    relabelled = (label + " holds " + meant + "/s").where(wrong, "")
    return metric, scale, relabelled


def _power(columns: Columns) -> tuple[Any, Any]:
    """Power and energy per query, by the unit."""
    number = columns.number("Power_Result", 1e-9, 1e12)
    label = columns.text("Power_Units")
    units = each(label, lambda text: _POWER_UNITS.get(text.lower()))
    unknown = number.notna() & units.isna()
    columns.checks.refuse(unknown, "Power_Units", "no unit that is known: Watts, millijoules")
    scaled = number * units.map(lambda unit: unit[1] if unit else np.nan).astype(float)
    kind = units.map(lambda unit: unit[0] if unit else "")
    return scaled.where(kind == "power_w"), scaled.where(kind == "energy_per_query_j")
