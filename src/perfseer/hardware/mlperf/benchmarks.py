"""Benchmarks of MLPerf Inference: their names, versions, families, and what a throughput of them counts."""

import csv
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

import numpy as np
import pandas as pd

from perfseer.hardware.mlperf.rounds import order

Counted = Literal["samples", "tokens"]
# Columns of `benchmarks`.
BENCHMARK_COLUMNS: dict[str, str] = {
    "name": "canonical, without its accuracy target",
    "version": "of what is asked under that name",
    "family": "kind of network",
    "since": "first round that asks it, empty for networks of the open division",
    "dataset": "what it is asked on",
    "reference_model": "network of the closed division",
    "metric": "what a throughput counts: samples_per_s or tokens_per_s",
    "parameters": "of the reference model, 1",
    "active_parameters": "that a token passes in a mixture of experts, else all, 1",
    "model_flops": "operations of one sample or token, two per multiply-accumulate, FLOP",
    "model_bytes": "weights in the precision of the reference, bytes; nobody was found to state it",
    "source": "of these figures, with how FLOPs follow from them; empty where there is none",
}
# Not 96: that is an input size of MobileNets.
_TARGET = re.compile(r"-(95|99(?:\.9+)?)$")
# In this order: ssd-mobilenet detects, mobilebert reads.
_FAMILIES: tuple[tuple[str, str], ...] = (
    ("detection", r"ssd|rcnn|yolo|retinanet|pointpainting"),
    ("language", r"bert"),
    ("segmentation", r"unet|deeplab"),
    ("generation", r"llama|gpt|mixtral|mistral|deepseek|qwen|kimi"),
    ("speech", r"whisper|rnn-?t\b"),
    ("recommendation", r"dlrm"),
    ("diffusion", r"diffusion|sdxl|flux|\bwan\b|text-to-(image|video)"),
    ("graph", r"rgat|gnn"),
    ("classification", r"resnet|mobilenet|efficientnet|\bvit\b"),
)
_OTHER_NAMES = {
    "resnet": "resnet50",
    "ssd-small": "ssd-mobilenet",
    "ssd-large": "ssd-resnet34",
    "rnn-t": "rnnt",
}


@dataclass(frozen=True)
class Asked:
    """What a published name asks for in its round.

    Attributes:
        benchmark: canonical name.
        accuracy_target: "99", "99.9" or "".
        version: of the benchmark.
        family: of the network.
        counts: what throughputs count where that is known, else None: believe what is published.
    """

    benchmark: str
    accuracy_target: str
    version: str
    family: str
    counts: Counted | None


@cache
def asked(published: str, of_round: str) -> Asked:
    """What a benchmark's name, ``published`` in a table or a folder, asks for in ``of_round``.

    A name nobody here knows keeps its spelling and has version 1; its family follows from words in it, else
    it is ``other``.
    """
    target = _TARGET.search(published)
    name = published[: target.start()] if target else published
    name = re.sub(r"(?<=llama\d)_(?=\d)", ".", name)
    name = _OTHER_NAMES.get(name.lower(), name)
    if name.lower() == "dlrm" and order(of_round) >= (3, 1):
        name = "dlrm-v2"
    known = [row for row in _table() if row["name"] == name.lower()]
    accuracy = target[1] if target else ""
    if not known:
        return Asked(name, accuracy, "1", family_of(name), None)
    begun = [row for row in known if order(row["since"]) <= order(of_round)] or known[:1]
    row = begun[-1]
    counts: Counted | None = "samples"
    if row["metric"] == "tokens_per_s":
        counts = "tokens" if order(of_round) >= order(row["tokens_since"]) else None
    return Asked(row["name"], accuracy, row["version"], row["family"], counts)


def family_of(name: str) -> str:
    """Family of a network by words in its name; ``other`` where none is known."""
    lower = name.lower()
    return next((family for family, pattern in _FAMILIES if re.search(pattern, lower)), "other")


def benchmarks(results: pd.DataFrame | None = None) -> pd.DataFrame:
    """All known benchmarks, and those that only occur in ``results``; `BENCHMARK_COLUMNS`, a row per version.

    Args:
        results: rows in the common shape, or None for the known ones alone. What is not known of a benchmark
            is NaN or "".
    """
    known = pd.DataFrame(_table()).drop(columns="tokens_since").assign(model_bytes=np.nan)
    for name in ("parameters", "active_parameters", "model_flops"):
        known[name] = pd.to_numeric(known[name])
    if results is not None:
        keys = ["benchmark", "benchmark_version"]
        throughput = results[results["metric"].isin(["samples_per_s", "tokens_per_s"])]
        metric = throughput.groupby(keys)["metric"].agg(lambda found: found.mode()[0]).rename("metric")
        seen = (
            results[[*keys, "family"]].drop_duplicates(keys).merge(metric.reset_index(), on=keys, how="left")
        )
        seen = seen.rename(columns={"benchmark": "name", "benchmark_version": "version"})
        here = pd.MultiIndex.from_frame(known[["name", "version"]])
        new = seen[~pd.MultiIndex.from_frame(seen[["name", "version"]]).isin(here)]
        known = pd.concat([known, new.sort_values("name")], ignore_index=True)
    texts = [name for name in BENCHMARK_COLUMNS if not pd.api.types.is_float_dtype(known[name])]
    return known[list(BENCHMARK_COLUMNS)].fillna(dict.fromkeys(texts, ""))


@cache
def _table() -> tuple[dict[str, str], ...]:
    """Rows of ``benchmarks.csv``; versions of one benchmark stand in the order of their rounds."""
    text = files("perfseer.hardware.mlperf").joinpath("benchmarks.csv").read_text(encoding="utf-8")
    return tuple(csv.DictReader(text.splitlines()))
