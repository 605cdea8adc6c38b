"""One-sided labels of memory: batch sizes that timm's benchmark made smaller until a model ran.

`benchmark.py` starts every model of a file at one batch size. Where a run fails it tries again with the next
smaller size of a ladder that goes halfway to the power of two below and then to it: 1024, 768, 512, 384, 256,
... A published batch below the start therefore ran, and the next larger one did not. The script retries after
any error of the runtime, not only when memory ran out, so larger batches at which a kernel's 32-bit counters
overflow are set aside: there nobody knows which limit was met.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from perfseer.data.building import NO_GRAPH
from perfseer.data.captures import Captures, Selected
from perfseer.data.platforms import Platform
from perfseer.data.sources.timm_results.source import join
from perfseer.data.sources.timm_results.tables import open_all
from perfseer.errors import require
from perfseer.graphs.perfgraph import FloatArray, PerfGraph
from perfseer.graphs.vocabulary import OPERATOR_INDEX
from perfseer.predictors.memory.forecast import MOST_ELEMENTS, USABLE_SHARE, largest_elements
from perfseer.predictors.memory.margins import margin_key
from perfseer.predictors.memory.setup import MemorySetup
from perfseer.predictors.memory.terms import memory_terms
from perfseer.targets import Phase

COLUMNS: tuple[str, ...] = (
    *("source", "device", "margin", "configuration", "architecture", "family", "batch_size"),
    *("failed_batch_size", "ran_bytes", "failed_bytes", "room_bytes", "ambiguous"),
)
# Published files of GPUs that the study is about; what timm published besides waits for a new report. On CPUs
# every batch is 1, and nothing ever failed.
GPU_FILES: tuple[str, ...] = (
    "infer-amp-nchw-pt113-cu117-rtx3090",
    "infer-amp-nchw-pt210-cu121-rtx3090",
    "infer-amp-nchw-pt240-cu124-rtx3090",
    "infer-amp-nchw-pt240-cu124-rtx4090-dynamo",
    "infer-amp-nchw-pt240-cu124-rtx4090",
    "infer-amp-nchw-pt291-cu128-4090-dynamo",
    "infer-amp-nchw-pt291-cu128-4090",
    "infer-amp-nhwc-pt113-cu117-rtx3090",
    "infer-amp-nhwc-pt210-cu121-rtx3090",
    "infer-amp-nhwc-pt240-cu124-rtx3090",
    "infer-amp-nhwc-pt240-cu124-rtx4090",
    "train-amp-nchw-pt112-cu113-rtx3090",
    "train-amp-nhwc-pt112-cu113-rtx3090",
)
_ATTENTION = OPERATOR_INDEX["attention"]
# CUDA's limit on the second and third dimension of a grid, which fused attention lays its batch along.
_MOST_SEQUENCES = 65_535


def ladder(start: int) -> tuple[int, ...]:
    """Batch sizes tried from ``start`` down to 1.

    >>> ladder(48)
    (48, 32, 24, 16, 12, 8, 6, 4, 3, 2, 1)
    """
    sizes = [start]
    while sizes[-1] > 1:
        below = 1 << ((sizes[-1] - 1).bit_length() - 1)  # the power of two below
        half = below + below // 2
        sizes.append(half if below > 1 and half < sizes[-1] else below)
    return tuple(sizes)


def shrunk_batches(names: Sequence[str | Path], captures: Captures | None = None) -> pd.DataFrame:
    """What ran and what did not, of result files measured on devices whose memory is known.

    Args:
        names: published files by name, others by path.
        captures: of the models; opened if None.

    Returns:
        A row per measured row with a graph, columns `COLUMNS`: the next larger batch (0 where the row ran at
        the file's largest, or is off the ladder), computed bytes at both (NaN where there is none), what the
        device leaves for tensors, and whether something else than memory may have stopped the larger batch.

    Raises:
        PerfseerError: a file cannot be read, or no row is of such a device.
    """
    opened = Captures.open() if captures is None else captures
    data = join(open_all(names), opened, as_measured=True).data
    platforms = np.array(Platform.of_rows(data.rows), dtype=object)
    known = [p.spec is not None and p.spec.kind == "cuda" for p in platforms]
    require(any(known), f"no row of {', '.join(map(str, names))} is of a GPU whose memory is known")
    data, platforms = data.subset(np.flatnonzero(known)), platforms[known]
    failed = _next_larger(data.rows)
    sizes = np.where(failed > 0, failed, data.rows["batch_size"])
    # As the rows' own graphs: TF32 changes no byte.
    precision = data.rows["precision"].replace({"tf32": "fp32"})
    larger = opened.select(data.rows.assign(batch_size=sizes, precision=precision))
    graphs = [data.graphs.graph(number) for number in data.graph_rows.tolist()]
    return _table(data.rows, failed, platforms.tolist(), graphs, larger)


def _table(
    rows: pd.DataFrame,
    failed: "pd.Series[int]",
    platforms: Sequence[Platform],
    graphs: Sequence[PerfGraph],
    larger: Selected,
) -> pd.DataFrame:
    found = []
    for (_, row), size, platform, graph, number in zip(
        rows.iterrows(), failed, platforms, graphs, larger.numbers.tolist(), strict=True
    ):
        phase: Phase = "train" if np.isfinite(row["train_time_ms"]) else "infer"
        setup, spec = MemorySetup.of(platform), platform.spec
        assert spec is not None
        terms = memory_terms(graph, phase, setup)
        beyond = larger.graphs.graph(number) if size and number != NO_GRAPH else None
        found.append(
            {
                **row[["source", "device", "configuration", "architecture", "family", "batch_size"]],
                "device": platform.device,
                "margin": margin_key(setup, phase),
                "failed_batch_size": int(size) if beyond is not None else 0,
                "ran_bytes": float(terms.held_bytes),
                "failed_bytes": np.nan if beyond is None else memory_terms(beyond, phase, setup).held_bytes,
                "room_bytes": USABLE_SHARE * float(spec.memory_bytes or 0.0) - terms.context,
                "ambiguous": beyond is not None and has_other_limits(beyond),
            }
        )
    return pd.DataFrame(found, columns=list(COLUMNS))


def has_other_limits(graph: PerfGraph) -> bool:
    """Whether kernels may refuse the graph however much memory there is: by elements, or by sequences."""
    sequences = graph.output_shapes[graph.operators == _ATTENTION, 0].max(initial=0)
    return largest_elements(graph) > MOST_ELEMENTS or int(sequences) > _MOST_SEQUENCES


def _next_larger(rows: pd.DataFrame) -> "pd.Series[int]":
    """[n] the batch size that was tried before each row's; 0 at the start or off the ladder."""
    starts = rows.groupby("source")["batch_size"].transform("max")
    tried = {(top, small): large for top in starts.unique() for large, small in pairwise(ladder(int(top)))}
    found = [tried.get(start_and_size, 0) for start_and_size in zip(starts, rows["batch_size"], strict=True)]
    return pd.Series(found, index=rows.index, dtype=np.int64)


def log_room(table: pd.DataFrame, which: str) -> FloatArray:
    """[n] ln(room / computed) of what ``ran`` or ``failed``; NaN where nothing failed."""
    return np.asarray(np.log(table["room_bytes"] / table[f"{which}_bytes"]), dtype=np.float64)
