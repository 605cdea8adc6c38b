"""What MLPerf observed of hardware: rates, utilisation, scaling, energy, spread between submitters.

Rows are those of `perfseer.hardware.mlperf.merging.results`. Derived values are not verified by MLCommons.
"""

from typing import Any

import numpy as np
import pandas as pd

# Metrics that are rates of the whole system.
THROUGHPUTS = ("samples_per_s", "tokens_per_s")
# What has to be the same for two results to be of one task.
_TASK = ["benchmark", "benchmark_version", "accuracy_target", "metric"]
# Samples of a MultiStream query since v1.1.
_STREAMS = 8


def counted(results: pd.DataFrame) -> pd.DataFrame:
    """Rows that may be counted: valid, measured rather than inferred, each log once."""
    return results[results["valid"] & ~results["inferred"] & (results["duplicate_of"] == "")]


def accelerators(results: pd.DataFrame) -> "pd.Series[float]":
    """Accelerators of the whole system: as published, else nodes times those per node; NaN without any."""
    product = results["nodes"] * results["accelerators_per_node"]
    number = results["total_accelerators"].fillna(product)
    return number.where(number > 0)


def per_accelerator_throughput(results: pd.DataFrame) -> "pd.Series[float]":
    """Samples or tokens per second of one accelerator; NaN for latencies and without a number of them."""
    return _throughput(results) / accelerators(results)


def mfu(
    results: pd.DataFrame, model_flops: "pd.Series[Any]", peak_flops: "pd.Series[Any]"
) -> "pd.Series[float]":
    """Share of the peak that the model's own operations use, 1.

    Args:
        results: rows.
        model_flops: index of ``results`` → operations of a sample or token, FLOP; NaN where not known.
        peak_flops: index of ``results`` → dense peak of one accelerator at the precision it computed in,
            FLOP/s; NaN where not known.

    Returns:
        NaN wherever one of them is not known. Prompts of language models are not counted in.
    """
    return per_accelerator_throughput(results) * model_flops / peak_flops


def server_to_offline(results: pd.DataFrame, scenario: str = "Server") -> pd.DataFrame:
    """Throughput under a latency bound over the same system's own Offline throughput.

    Args:
        results: rows; only those that may be counted are used.
        scenario: ``Server`` or ``Interactive``.

    Returns:
        A row per system and task of both: its keys and ``ratio``, 1.
    """
    # Copies are one log under two accuracy targets: each target has its own pair.
    rows = results[results["valid"] & ~results["inferred"] & results["metric"].isin(THROUGHPUTS)]
    keys = ["round", "division", "submitter", "system_id", *_TASK, "network"]
    rates = rows.pivot_table(index=keys, columns="scenario", values="value", aggfunc="max")
    if not {"Offline", scenario} <= set(rates.columns):
        return pd.DataFrame(columns=[*keys, "ratio"])
    ratio = (rates[scenario] / rates["Offline"]).dropna()
    return ratio.rename("ratio").reset_index()


def scaling_efficiency(results: pd.DataFrame, accelerator: str = "accelerator") -> "pd.Series[float]":
    """Rate per accelerator over that of the smallest system of the same submitter, accelerator and task, 1.

    Args:
        results: rows.
        accelerator: column that says which accelerators are the same.

    Returns:
        By index of ``results``; 1 for the smallest itself, NaN where there is no rate or only one size. Where
        several of the smallest exist, their median counts.
    """
    rate, number = per_accelerator_throughput(results), accelerators(results)
    usable = counted(results).index
    rows = results.loc[usable].assign(_rate=rate[usable], _number=number[usable])
    rows = rows[rows["_rate"].notna() & (rows[accelerator] != "")]
    keys = ["round", "division", "submitter", accelerator, "scenario", *_TASK, "network"]
    groups = rows.groupby(keys)["_number"]
    smallest = rows[rows["_number"] == groups.transform("min")]
    base = smallest.groupby(keys)["_rate"].median().rename("_base")
    several = groups.transform("nunique") > 1
    rows = rows[several].join(base, on=keys)
    return (rows["_rate"] / rows["_base"]).reindex(results.index)


def joules_per_sample(results: pd.DataFrame) -> "pd.Series[float]":
    """Energy of the whole system at the wall per sample or token, J.

    Power over throughput; for single streams the published energy per query, which for MultiStream is that of
    eight samples. NaN where no power was measured.
    """
    from_power = results["power_w"] / _throughput(results)
    samples = results["scenario"].map({"SingleStream": 1, "MultiStream": _STREAMS})
    streams = results["metric"].isin(["latency_p90_s", "latency_p99_s"])
    return from_power.fillna((results["energy_per_query_j"] / samples).where(streams))


def vendor_spread(results: pd.DataFrame, accelerator: str = "accelerator") -> pd.DataFrame:
    """How far submitters lie apart on the same accelerators: the noise below which nothing can be predicted.

    Args:
        results: rows; used are those of the closed division on one node that may be counted.
        accelerator: column that says which accelerators are the same.

    Returns:
        A row per submitter, accelerator, number of them, task, scenario and round that at least one other
        submitter has too: ``value`` per accelerator (a rate or a latency; the median where it has several),
        ``others`` (median of the others) and ``spread`` = |value / others - 1|.
    """
    rows = counted(results)
    rows = rows[(rows["division"] == "closed") & (rows["nodes"] == 1) & (rows[accelerator] != "")]
    number = accelerators(rows)
    latency = ~rows["metric"].isin(THROUGHPUTS)
    rows = rows.assign(number=number, value=(rows["value"] / number).where(~latency, rows["value"]))
    keys = ["round", accelerator, "number", "scenario", *_TASK]
    own = rows.dropna(subset=["number"]).groupby([*keys, "submitter"])["value"].median().reset_index()
    several = own.groupby(keys)["submitter"].transform("nunique") > 1
    own = own[several].reset_index(drop=True)
    others = np.full(len(own), np.nan)
    for members in own.groupby(keys).indices.values():
        values = own["value"].to_numpy()[members]
        for place, row in enumerate(members):
            others[row] = np.median(np.delete(values, place))
    return own.assign(others=others, spread=(own["value"] / others - 1).abs())


def _throughput(results: pd.DataFrame) -> "pd.Series[float]":
    return results["value"].where(results["metric"].isin(THROUGHPUTS))
