"""What is known of every row besides its prediction: size, operators, platform. Written once per study.

Tells where errors are (small and large models, families) and which may have a cause that can be named:
operators that hardly any other family has, grouped convolutions in a layout without fast kernels for them.
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from perfseer.data.dataset import Dataset
from perfseer.data.features import GLOBAL_COLUMNS, NODE_COLUMNS
from perfseer.data.files import read_parquet, write_parquet
from perfseer.data.platforms import Platform
from perfseer.data.ragged import segment_ids, segment_sum
from perfseer.graphs.perfgraph import FloatArray, IntArray
from perfseer.graphs.vocabulary import HYPERPARAMETERS, OPERATOR_INDEX, OPERATORS
from perfseer.studies.public.records import times_ms

FACTS_FILE = "facts.parquet"
WRITTEN_BY = "perfseer public describe"
FACT_COLUMNS = (
    *("source", "configuration", "model", "input_shape", "batch_size", "architecture", "family", "phase"),
    *("time_ms", "device", "precision", "memory_format", "mode", "software"),
    *("flops", "bytes", "n_nodes", "other_share", "grouped_share", "rare_share", "rare"),
)
# A kind of node that at most this many other families have is rare.
_RARE_FAMILIES = 2
# What distinguishes kinds of nodes, besides the operator: convolutions of other shapes run other kernels.
_SHAPE = ("conv_kernel", "conv_stride", "conv_dilation")


def row_facts(data: Dataset) -> pd.DataFrame:
    """[n] `FACT_COLUMNS`: identity, measured time, platform and what the graph is made of.

    Args:
        data: rows of result files. Shares are of the forward pass's bytes, from 0 to 1; ``rare`` names the
            kind of node with most bytes among those that hardly any other family has, or is empty.
    """
    rows = data.rows
    columns = ["source", "configuration", "input_shape", "batch_size", "architecture", "family"]
    table = rows[[*columns, "device", "precision", "memory_format", "mode"]].copy()
    table["model"] = rows["model_ref"].str.partition(":")[2]
    table["phase"] = np.where(rows["train_time_ms"].notna(), "train", "infer")
    table["time_ms"] = times_ms(rows)
    table["software"] = [platform.software for platform in Platform.of_rows(rows)]
    totals = {"flops": "total_flops", "bytes": "total_bytes", "n_nodes": "n_nodes"}
    for name, column in totals.items():
        table[name] = data.features.globals_[data.graph_rows, GLOBAL_COLUMNS.index(column)]
    grouped = data.features.nodes[:, HYPERPARAMETERS.index("conv_groups")] > 1
    other = data.features.operators == OPERATOR_INDEX["other"]
    shares = {"other_share": _share_of(data, other), "grouped_share": _share_of(data, grouped)}
    for name, values in (shares | _rarities(data)).items():
        table[name] = values[data.graph_rows]
    return table[list(FACT_COLUMNS)].reset_index(drop=True)


def write_facts(folder: Path, table: pd.DataFrame) -> Path:
    """Write what `row_facts` gave into the study's folder."""
    path = folder / FACTS_FILE
    write_parquet(path, table)
    return path


def read_facts(folder: Path) -> pd.DataFrame:
    """What `write_facts` wrote, by configuration; no rows where it never did.

    Raises:
        PerfseerError: it is damaged.
    """
    path, none = folder / FACTS_FILE, pd.DataFrame(columns=list(FACT_COLUMNS))
    table = read_parquet(path, FACT_COLUMNS, WRITTEN_BY) if path.is_file() else none
    return table.set_index("configuration", drop=False)


def _share_of(data: Dataset, chosen: npt.NDArray[np.bool_]) -> FloatArray:
    """[G] share of forward bytes in the chosen nodes [V]; 0 for a graph without any bytes."""
    node_bytes = np.asarray(data.features.nodes[:, NODE_COLUMNS.index("bytes")], dtype=np.float64)
    parts = segment_sum(np.where(chosen, node_bytes, 0.0), data.features.node_ptr)
    return np.asarray(parts / np.maximum(segment_sum(node_bytes, data.features.node_ptr), 1.0))


def _rarities(data: Dataset) -> dict[str, npt.NDArray[Any]]:
    """[G] share of forward bytes in kinds of nodes that few families have, and the largest such kind."""
    kinds, kind_of = _kinds(data)
    graphs = segment_ids(data.features.node_ptr)
    rare = _families_with(data, kind_of, graphs, len(kinds)) <= 1 + _RARE_FAMILIES
    node_bytes = data.features.nodes[:, NODE_COLUMNS.index("bytes")]
    chosen = np.flatnonzero(rare[kind_of])
    found = pd.DataFrame({"graph": graphs[chosen], "kind": kind_of[chosen], "bytes": node_bytes[chosen]})
    sums = found.groupby(["graph", "kind"])["bytes"].sum().reset_index()
    first = sums.sort_values(by="bytes", ascending=False, kind="stable").drop_duplicates("graph")
    names = np.full(len(data.features), "", dtype=object)
    names[first["graph"].to_numpy()] = [_kind_name(kinds[kind]) for kind in first["kind"]]
    return {"rare_share": _share_of(data, rare[kind_of]), "rare": names}


def _kinds(data: Dataset) -> tuple[IntArray, IntArray]:
    """[K, 5] distinct kinds (operator, `_SHAPE`, whether grouped), and [V] the kind of each node."""
    nodes = data.features.nodes
    shape = [nodes[:, HYPERPARAMETERS.index(name)].astype(np.int64) for name in _SHAPE]
    grouped = (nodes[:, HYPERPARAMETERS.index("conv_groups")] > 1).astype(np.int64)
    columns = [data.features.operators, *shape, grouped]
    # One number per kind: sorting rows of several columns takes ten times as long.
    sizes = tuple(int(column.max(initial=0)) + 1 for column in columns)
    codes, kind_of = np.unique(np.ravel_multi_index(columns, sizes), return_inverse=True)
    return np.column_stack(np.unravel_index(codes, sizes)), kind_of


def _families_with(data: Dataset, kind_of: IntArray, graphs: IntArray, n_kinds: int) -> IntArray:
    """[K] how many families have each kind of node."""
    families, codes = np.unique(data.rows["family"].to_numpy(dtype=str), return_inverse=True)
    family_of = np.full(len(data.features), -1, dtype=np.int64)
    family_of[data.graph_rows] = codes
    used = family_of[graphs] >= 0
    pairs = np.unique(kind_of[used] * len(families) + family_of[graphs[used]])
    return np.bincount(pairs // len(families), minlength=n_kinds)


def _kind_name(kind: IntArray) -> str:
    operator, kernel, stride, dilation, grouped = (int(value) for value in kind)
    name = OPERATORS[operator]
    if name != "conv":
        return name
    words = [f"{kernel}×{kernel}", "grouped"] if grouped else [f"{kernel}×{kernel}"]
    words += [f"stride {stride}"] if stride > 1 else []
    words += [f"dilation {dilation}"] if dilation > 1 else []
    return " ".join([*words, "conv"])
