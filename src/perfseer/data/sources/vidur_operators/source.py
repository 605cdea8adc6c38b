"""Vidur's profiles: operators of eight language models in fp16 on an A100 and an H100 (Agrawal et al., 2024).

What was timed stands in `vidur/profiling/mlp` of their repository, and the layers in `sarathi-serve`: one
block without its attention, T tokens, tensor parallelism of p by its shapes on one GPU. A label is the median
of 20 times that the profiler gives for an operator's kernels, so launches and gaps are not in it: small
operators take 2 us where a timer of events would show 40.

====================  ======================================================================
``emb``               embedding of T tokens in a table of vocabulary / p rows
``*_layernorm``       RMS norm of [T, E]; layer norm of phi-2
``attn_pre_proj``     linear, E to (heads + 2 key-value heads) x width / p
``attn_rope``         one kernel over the heads of queries and keys, in place
``attn_post_proj``    linear, heads x width / p to E, without bias
``mlp_up_proj``       linear, E to 2 F / p, gate and up at once; phi-2 E to F, with bias
``mlp_act``           SiLU of the gate times the rest in one kernel; phi-2 GELU
``mlp_down_proj``     linear, F / p to E, without bias (it is added outside of the timer)
``add``               of two tensors [T, E]; phi-2 of three, in two kernels
====================  ======================================================================

The projections before attention have a bias in phi-2 and Qwen, as their configurations say.

The files say ``a100`` alone. Vidur's configuration of it has four to a node, as Azure's NC96ads_A100_v4 with
its PCIe cards, and the additions that no cache holds run at 1.70 TB/s, 88 % of that card's memory (84 % of an
SXM card's): so it is taken for the 80 GB PCIe card. The H100 is that of a DGX. Neither torch nor CUDA is
stated. Operators that several models or degrees have in common were timed as often; such rows are one here.
"""

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from perfseer.data.download import RemoteFile
from perfseer.data.operators import (
    PREFIX,
    impossible,
    merged_repeats,
    operator_graphs,
    sampled,
    work_of,
)
from perfseer.data.packed import PackedGraphs
from perfseer.data.published import published_table
from perfseer.data.source import Source
from perfseer.errors import PerfseerError, require

COMMIT = "7d47513363ec447a741ac5e47241580b47724fbf"
LABEL = "infer_time_ms"
PROTOCOL_VERSION = 1102
DEVICES = {"a100": "NVIDIA A100 80GB PCIe", "h100": "NVIDIA H100 80GB HBM3"}
_PROTOCOL = {
    "source": "Vidur",
    "statistic": "median of 20, sums of kernel times of torch's profiler",
    "repeats": "median of those of one shape",
}
_COUNTED = 20
_SIZES = (
    *("n_head", "n_kv_head", "n_embd", "n_expanded_embd", "vocab_size"),
    *("num_tokens", "num_tensor_parallel_workers"),
)
_COLUMNS = (*_SIZES, "use_gated_mlp")
# In their configurations, not in their tables; phi-2 is told by what it does not gate.
_BIASED = ("Qwen-72B", "phi-2")
# Half precision is every operator's here.
_END = "@fp16"


def _files() -> tuple[RemoteFile, ...]:
    with Path(__file__).with_name("files.csv").open(encoding="utf-8", newline="") as stream:
        return tuple(
            RemoteFile(
                folder="vidur",
                name=f"{row['device']}/{row['model']}/mlp.csv",
                url=f"https://raw.githubusercontent.com/microsoft/vidur/{COMMIT}/data/profiling/compute/"
                f"{row['device']}/{row['model']}/mlp.csv",
                sha256=row["sha256"],
                n_bytes=int(row["n_bytes"]),
                licence="MIT",
            )
            for row in csv.DictReader(stream)
        )


class VidurOperators(Source):
    """Operators of the chosen files; one's own lie in folders like theirs, ``a100/owner/model``."""

    name = "vidur_operators"
    title = "operators of eight language models in fp16 on A100 and H100 (Vidur)"
    files = _files()
    labels = (LABEL,)
    graphs_by = "rebuilding"
    repeats: int = 0

    def read(self) -> pd.DataFrame:
        """A row for each operator, shape and device; those timed more than once are one, and counted."""
        raw = pd.concat([_read(path) for path in self.paths()], ignore_index=True)
        merged, self.repeats = merged_repeats(raw, LABEL)
        parts = [_table(part, str(device)) for device, part in merged.groupby("Device", sort=False)]
        return pd.concat(parts, ignore_index=True)

    def sampled(self, table: pd.DataFrame, n: int) -> pd.DataFrame:
        """Some of the measured rows, of every operator, device and size; see `data.operators.sampled`."""
        return sampled(table, LABEL, n, self.seed)

    def graphs(self) -> tuple[PackedGraphs, pd.DataFrame]:
        """One operator each, captured in half precision, forward alone."""
        return operator_graphs(self.table[self.table["status"] == "ok"], self.workers, self.progress)


def _table(rows: pd.DataFrame, device: str) -> pd.DataFrame:
    return published_table(
        rows.drop(columns="Device").reset_index(drop=True),
        device=device,
        device_kind="cuda",
        protocol=_PROTOCOL,
        protocol_version=PROTOCOL_VERSION,
        environment={"torch": None},
    )


def _read(path: Path) -> pd.DataFrame:
    """A file's operators as rows.

    Raises:
        PerfseerError: it is no table of Vidur's, of a device that is not known, or its sizes are none.
    """
    device = next((part for part in path.parts[::-1] if part in DEVICES), None)
    require(device is not None, f"{path} is of no device known: it lies in no folder {' or '.join(DEVICES)}")
    try:
        raw = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise PerfseerError(f"cannot read {path} as a table of operators: {error}") from error
    missing = [name for name in _COLUMNS if name not in raw.columns]
    require(not missing, f"{path} lacks the columns {', '.join(missing)}: it is no table of Vidur's")
    _require_sizes(raw, path)
    raw = raw.astype(dict.fromkeys(_SIZES, "int64"))  # whole numbers may be written with a point
    parts = [_rows(raw[f"time_stats.{part}.median"], calls) for part, calls in _calls(raw, path.parent.name)]
    require(bool(parts), f"{path} has no times: expected columns such as time_stats.add.median")
    rows = pd.concat(parts, ignore_index=True)
    return _checked(rows.assign(Device=DEVICES[str(device)]))


def _require_sizes(raw: pd.DataFrame, path: Path) -> None:
    """Sizes must be whole and positive, and shared evenly by the GPUs."""
    sizes = raw[list(_SIZES)].apply(pd.to_numeric, errors="coerce")
    whole = ((sizes > 0) & (sizes % 1 == 0) & (sizes < 1e9)).all(axis=1)
    degree, heads = sizes["num_tensor_parallel_workers"], sizes["n_head"]
    shared = [sizes[name] % degree == 0 for name in ("n_head", "n_kv_head", "n_expanded_embd")]
    even = (sizes["n_embd"] % heads == 0) & pd.concat(shared, axis=1).all(axis=1)
    sound = (whole & even & raw["use_gated_mlp"].isin([True, False])).to_numpy(dtype=bool)
    faults = np.flatnonzero(~sound)
    require(
        not len(faults),
        f"{path}, line {next(iter(faults), 0) + 2}: sizes are not whole and positive, or the GPUs cannot "
        "share them evenly",
    )


def _calls(raw: pd.DataFrame, model: str) -> Iterator[tuple[str, list[str]]]:
    """Every operator that the table has times of, with its call in every row."""
    rows = [_shapes(*row, model=model) for row in raw[list(_COLUMNS)].itertuples(index=False, name=None)]
    for part in rows[0] if rows else ():
        if f"time_stats.{part}.median" in raw.columns:
            yield part, [row[part] + _END for row in rows]


def _shapes(
    heads: int,
    kv_heads: int,
    width: int,
    hidden: int,
    vocabulary: int,
    tokens: int,
    degree: int,
    gated: bool,
    *,
    model: str,
) -> dict[str, str]:
    """Calls of a block's operators on one of ``degree`` GPUs."""
    each = width // heads
    projected = (heads + 2 * kv_heads) * each // degree
    up = "linear_no_bias" if gated else "linear"
    qkv = "linear" if model in _BIASED else "linear_no_bias"
    act = "silu_and_mul" if gated else "gelu"
    norm = f"{'rms_norm' if gated else 'layer_norm'}({tokens}x{width})"
    return {
        "emb": f"embedding({tokens}->{width},rows={vocabulary // degree})",
        "input_layernorm": norm,
        "attn_pre_proj": f"{qkv}({tokens}x{width}->{projected})",
        "attn_rope": f"rotary({tokens}x{(heads + kv_heads) // degree}x{each})",
        "attn_post_proj": f"linear_no_bias({tokens}x{width // degree}->{width})",
        "post_attention_layernorm": norm,
        "mlp_up_proj": f"{up}({tokens}x{width}->{(2 if gated else 1) * hidden // degree})",
        "mlp_act": f"{act}({tokens}x{(2 if gated else 1) * hidden // degree})",
        "mlp_down_proj": f"linear_no_bias({tokens}x{hidden // degree}->{width})",
        "add": f"add({','.join([f'{tokens}x{width}'] * (2 if gated else 3))})",
    }


def _rows(times: "pd.Series[float]", calls: list[str]) -> pd.DataFrame:
    text = pd.Series(calls)
    # tokens, and what there is of each
    shapes = text.str.extract(r"\((\d+)(?:x([\dx]+))?", expand=True)
    return pd.DataFrame(
        {
            "model_ref": PREFIX + text,
            "architecture": text,
            "family": text.str.partition("(")[0],
            "input_shape": shapes[1].fillna("1"),
            "batch_size": shapes[0].astype("int64"),
            "precision": "fp16",
            LABEL: pd.to_numeric(times, errors="coerce").to_numpy(),
            "infer_iterations": _COUNTED,
        }
    )


def _checked(rows: pd.DataFrame) -> pd.DataFrame:
    """With ``status`` and ``reason`` of each."""
    flops, read = work_of(rows["architecture"])
    times = rows[LABEL].to_numpy(dtype=np.float64)
    reasons = impossible(rows["family"], rows["Device"], "fp16", flops, read, times)
    reasons[~(np.isfinite(times) & (times > 0))] = "it has no time"
    good = reasons == ""
    return rows.assign(
        status=np.where(good, "ok", "error"), reason=reasons, **{LABEL: rows[LABEL].where(good)}
    )
