"""What `perfseer collect` and `perfseer graph build` leave in a folder, of networks of the sound table."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import torch

from perfseer.data.building import INDEX_COLUMNS
from perfseer.data.files import write_parquet
from perfseer.data.packed import PackedGraphs
from perfseer.graphs.capture import capture
from perfseer.measure.table import write_table
from perfseer.zoo.builder import build
from perfseer.zoo.space import ArchitectureSpec
from tests.helpers.sound_table import sound_table


def write_results(root: Path, rows: Sequence[int], failed: Sequence[int] = ()) -> pd.DataFrame:
    """Write table, graphs and index below ``root``/results; the table.

    Args:
        root: where the verbs are run.
        rows: of `sound_table`, which is to be measured.
        failed: of these, those that ran out of memory, by their places.
    """
    table = sound_table().iloc[list(rows)].reset_index(drop=True)
    table.loc[list(failed), ["status", "reason"]] = ["oom", "train: out of memory"]
    graphs = []
    for row in table.itertuples():
        with torch.device("meta"):
            module = build(ArchitectureSpec.from_json(row.model_spec))
            graphs.append(capture(module, (torch.empty(row.batch_size, 3, 64, 64),)))
    results = root / "results"
    write_table(table, results / "measurements/local.parquet")
    (results / "graphs").mkdir()
    PackedGraphs.pack(graphs).save(results / "graphs/graphs.safetensors")
    index = table.assign(graph=range(len(table)), reason=None)
    write_parquet(results / "graphs/index.parquet", index[list(INDEX_COLUMNS)])
    return table
