"""Which share of its peak an accelerator reaches in MLPerf, by generation and family of networks.

Shares are told apart from what a benchmark asks: within a family, ln(result ÷ peak) is the sum of an effect
of the benchmark and one of the generation, and only the second is shown, against the family's middle. Results
are derived from those of MLPerf Inference and not verified by MLCommons.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from perfseer.graphs.perfgraph import FloatArray
from perfseer.hardware.mlperf.rounds import places
from perfseer.studies.hardware.patterns import ARCHITECTURE, groups_of
from perfseer.studies.hardware.resampling import drawn_weights, ends, smooth_weights, weighted_medians
from perfseer.studies.hardware.study import HardwareStudy

SCENARIO = "Offline"
COLUMNS = ("family", "generation", "accelerators", "cells", "share", "low", "high")
ABSOLUTE_COLUMNS = ("benchmark", "generation", "accelerators", "share", "low", "high")
# Below this many results a family says nothing.
_LEAST_CELLS = 6


@dataclass(frozen=True)
class Share:
    """Share of the peak that a generation reaches on a family, over the geometric mean of all results of it.

    Attributes:
        family: of networks.
        generation: of accelerators.
        accelerators: different ones.
        cells: accelerators × benchmarks.
        share: 1 is the middle of the family.
        low: end of its interval over accelerators; NaN with a single one.
        high: the other end.
    """

    family: str
    generation: str
    accelerators: int
    cells: int
    share: float
    low: float
    high: float


def precision_peak(study: HardwareStudy) -> pd.Series:
    """The peak results are held against, OP/s: best of dense INT8 and FP8, else FP16, else FP32."""
    known = study.known
    eight = known[["int8_ops", "fp8_flops"]].max(axis=1)
    sixteen = known[["fp16_flops", "bf16_flops"]].max(axis=1)
    return eight.fillna(sixteen).fillna(known["fp16_vector_flops"]).fillna(known["fp32_flops"])


def cells(study: HardwareStudy) -> pd.DataFrame:
    """A row per accelerator and benchmark, Offline: the median of the latest round that has the pair.

    Returns:
        ``key``, ``benchmark``, ``family``, ``generation``, ``value`` [units of the benchmark per OP of peak].
    """
    columns = ["key", "benchmark", "family", "generation", "value"]
    rows = study.plain_results
    rows = rows[rows["scenario"] == SCENARIO] if len(rows) else rows
    if rows.empty:
        return pd.DataFrame(columns=columns).astype({"value": "float64"})
    pair = ["key", "benchmark"]
    rows = rows.assign(place=places(rows["round"]))
    latest = rows[rows["place"] == rows.groupby(pair)["place"].transform("max")]
    found = latest.groupby(pair, sort=True).agg(
        family=("family", "first"), rate=("per_accelerator", "median")
    )
    found = found.reset_index()
    found["generation"] = found["key"].map(groups_of(study, ARCHITECTURE))
    found["value"] = found["rate"] / found["key"].map(precision_peak(study))
    usable = found["value"].notna() & (found["value"] > 0) & (found["generation"] != "")
    return found.loc[usable & (found["family"] != ""), columns].reset_index(drop=True)


def shares(study: HardwareStudy) -> list[Share]:
    """By family and generation, where results of several generations can be compared."""
    return [
        share
        for family, part in cells(study).groupby("family", sort=True)
        for share in _of_family(study, str(family), _comparable(part))
    ]


def _comparable(part: pd.DataFrame) -> pd.DataFrame:
    """The largest set of results in which generations are linked by benchmarks they share."""
    task, generation = (pd.factorize(part[name])[0] for name in ("benchmark", "generation"))
    n = int(task.max()) + 1
    size = n + int(generation.max()) + 1
    links = coo_array((np.ones(len(part)), (task, n + generation)), shape=(size, size))
    component = pd.Series(connected_components(links, directed=False)[1][task], index=part.index)
    return part[component == component.value_counts().sort_index().idxmax()]


def _of_family(study: HardwareStudy, family: str, part: pd.DataFrame) -> list[Share]:
    generations = sorted(part["generation"].unique())
    if len(part) < _LEAST_CELLS or len(generations) < 2:
        return []
    judging = study.judging
    columns = _columns(part, generations)
    values = np.log(part["value"].to_numpy(dtype=np.float64))
    keys = part["key"].to_numpy(dtype=str)
    draws = smooth_weights(keys, judging.resamples, judging.seed)
    weights = np.column_stack([np.ones(len(part)), draws])
    effects = _effects(columns, values, weights, len(generations))
    found = []
    for place, generation in enumerate(generations):
        own = part[part["generation"] == generation]
        accelerators = int(own["key"].nunique())
        low, high = ends(effects[1:, place], judging.confidence) if accelerators > 1 else (np.nan, np.nan)
        middle = float(np.exp(effects[0, place]))
        found.append(
            Share(family, generation, accelerators, len(own), middle, float(np.exp(low)), float(np.exp(high)))
        )
    return found


def _columns(part: pd.DataFrame, generations: list[str]) -> FloatArray:
    """[n, generations − 1 + benchmarks] one column each, the first generation being the base."""
    generation = part["generation"].to_numpy()[:, None] == np.array(generations, dtype=object)[1:]
    task = part["benchmark"].to_numpy()[:, None] == np.array(sorted(part["benchmark"].unique()), dtype=object)
    return np.hstack([generation, task]).astype(np.float64)


def _effects(columns: FloatArray, values: FloatArray, weights: FloatArray, n: int) -> FloatArray:
    """[draws, n] effects of the generations under each column of weights, their mean over results being 0."""
    squares = np.einsum("ib,ij,ik->bjk", weights, columns, columns, optimize=True)
    products = np.einsum("ib,ij,i->bj", weights, columns, values, optimize=True)
    solved = np.linalg.solve(squares, products[..., None])[..., 0]
    effects = np.hstack([np.zeros((len(solved), 1)), solved[:, : n - 1]])
    per_row: FloatArray = np.hstack([1 - columns[:, : n - 1].sum(axis=1, keepdims=True), columns[:, : n - 1]])
    return effects - effects @ per_row.mean(axis=0)[:, None]


def absolute(study: HardwareStudy) -> pd.DataFrame:
    """Share of the peak itself where a benchmark's work is known, `ABSOLUTE_COLUMNS`."""
    found, judging, rows = cells(study), study.judging, []
    for (benchmark, generation), part in found.groupby(["benchmark", "generation"], sort=True):
        work = study.work.get(str(benchmark))
        if work is None:
            continue
        values = part["value"].to_numpy(dtype=np.float64) * work
        low, high = float("nan"), float("nan")
        if len(part) >= judging.least:
            weights = drawn_weights(part["key"].to_numpy(dtype=str), judging.resamples, judging.seed)
            low, high = ends(weighted_medians(values, weights), judging.confidence)
        rows.append((benchmark, generation, len(part), float(np.median(values)), low, high))
    return pd.DataFrame(rows, columns=list(ABSOLUTE_COLUMNS))


def share_rows(found: list[Share]) -> pd.DataFrame:
    """A row per share, `COLUMNS`."""
    return pd.DataFrame([vars(share) for share in found], columns=list(COLUMNS))
