"""NeuSight's training set: single operators in fp32 on five GPUs (Lee, Phanishayee and Mahajan, 2025).

What was timed stands in `neusight/Dataset/collect.py` of their repository: the forward call alone, without
gradients, between two CUDA events, 25 times with a synchronisation each; the latency is the mean of the five
fastest. So it holds one launch, and times below about 0.04 ms are nothing else. TF32 is off, and cuDNN looks
for the fastest algorithm.

======================================  ====================================================
``bmm``                                 ``torch.bmm`` of [B, M, N] and [B, N, K]
``linear``                              ``torch.nn.Linear(N, K)`` on [B, M, N], B = 1
``conv``                                ``torch.nn.Conv2d`` without bias on squares
``add``, ``mul``, ``div``, ``pow``      of two tensors [B, H]
``addu``, ``mulu``, ``divu``, ``powu``  of a tensor [B, H] and a number between 0 and 1
``ln``, ``softmax``                     over H of [B, H]; the former with weight and bias
``relu``, ``gelu``, ``tanh``            of [B, H]
======================================  ====================================================

All inputs but those of ``bmm`` and ``linear`` are zeros, which draws less power than other numbers do. The
published ``<operator>.csv`` beside the folders and ``elem.csv`` repeat rows of them (their times agree to 14
digits), and are not read.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
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

COMMIT = "6945927d9afcca2b9daf021f8395e53edc5b4eef"
LICENCE = "MIT"
RAW = f"https://raw.githubusercontent.com/sitar-lab/NeuSight/{COMMIT}/scripts/asplos"
LABEL = "infer_time_ms"
PROTOCOL_VERSION = 1101
_PROTOCOL = {
    "source": "NeuSight operators",
    "statistic": "mean of the fastest 5 of 25 calls, each between CUDA events",
    "repeats": "median of those of one shape",
}
_COUNTED = 5


@dataclass(frozen=True)
class _Form:
    """How an operator's row reads: its sizes, the call, and the shape of a sample."""

    sizes: tuple[str, ...]
    call: str
    sample: str


_CONV = ("B", "Input_Channel", "Output_Channel", "Kernel_Szie", "Input_Size", "Stride", "Padding")
_PRODUCT = ("B", "M", "N", "K")


def _elementwise(name: str, inputs: int) -> _Form:
    return _Form(("B", "H"), f"{name}({','.join(['{0}x{1}'] * inputs)})", "{1}")


FORMS: dict[str, _Form] = {
    "conv": _Form(_CONV, "conv({0}x{1}x{4}x{4}->{2},kernel={3},stride={5},padding={6})", "{1}x{4}x{4}"),
    "linear": _Form(_PRODUCT, "linear({0}x{1}x{2}->{3})", "{1}x{2}"),
    "bmm": _Form(_PRODUCT, "bmm({0}x{1}x{2},{0}x{2}x{3})", "{1}x{2}"),
    **{name: _elementwise(name, 2) for name in ("add", "mul", "div", "pow")},
    **{f"{name}u": _elementwise(f"{name}_number", 1) for name in ("add", "mul", "div", "pow")},
    **{name: _elementwise(name, 1) for name in ("softmax", "relu", "gelu", "tanh")},
    "ln": _elementwise("layer_norm", 1),
}
_SOFTWARE = ["Device", "Torch Version", "CUDA Version", "CUDNN Version"]


def _files() -> tuple[RemoteFile, ...]:
    with Path(__file__).with_name("files.csv").open(encoding="utf-8", newline="") as stream:
        return tuple(
            RemoteFile(
                folder="neusight",
                name=f"train/{row['operator']}/p2.1.0/{row['device'].replace(' ', '_')}.csv",
                url=f"{RAW}/data/dataset/train/collect/{row['operator']}/p2.1.0/"
                f"{row['device'].replace(' ', '%20')}.csv",
                sha256=row["sha256"],
                n_bytes=int(row["n_bytes"]),
                licence=LICENCE,
            )
            for row in csv.DictReader(stream)
        )


class NeuSightOperators(Source):
    """Operators of the chosen files; a place may also be an operator, as NeuSight calls it: ``linear``."""

    name = "neusight_operators"
    title = "single operators in fp32 on P4, P100, V100, T4 and A100 (NeuSight)"
    files = _files()
    labels = (LABEL,)
    graphs_by = "rebuilding"
    repeats: int = 0

    def paths(self) -> list[Path]:
        """The chosen files, those of an operator for its name."""
        whole = {
            name: [file.name for file in self.files if file.name.startswith(f"train/{name}/")]
            for name in FORMS
        }
        chosen = [name for place in self.places for name in whole.get(str(place), [place])]
        return [self._path(place) for place in chosen or [file.name for file in self.files]]

    def read(self) -> pd.DataFrame:
        """A row for each operator, shape and device; those timed more than once are one, and counted."""
        raw = pd.concat([_read(path) for path in self.paths()], ignore_index=True)
        merged, self.repeats = merged_repeats(raw, LABEL)
        parts = [
            _table(merged.loc[part.index], *map(str, software))
            for software, part in merged.groupby(_SOFTWARE, sort=False)
        ]
        return pd.concat(parts, ignore_index=True)

    def sampled(self, table: pd.DataFrame, n: int) -> pd.DataFrame:
        """Some of the measured rows, of every operator, device and size; see `data.operators.sampled`."""
        return sampled(table, LABEL, n, self.seed)

    def graphs(self) -> tuple[PackedGraphs, pd.DataFrame]:
        """One operator each, captured in single precision, forward alone."""
        return operator_graphs(self.table[self.table["status"] == "ok"], self.workers, self.progress)


def _read(path: Path) -> pd.DataFrame:
    """A file's rows: columns of a measurement table, and `_SOFTWARE`.

    Raises:
        PerfseerError: it is no table, lacks a column, or is of an operator that is not known.
    """
    try:
        raw = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise PerfseerError(f"cannot read {path} as a table of operators: {error}") from error
    _require_columns(raw, ("OPName", "Latency", *_SOFTWARE), path)
    blank = np.flatnonzero(raw[_SOFTWARE].isna().any(axis=1))
    require(
        not len(blank),
        f"{path}, line {next(iter(blank), 0) + 2}: no {', '.join(_SOFTWARE)}; a time of nothing is none",
    )
    parts = [_rows(part, str(name), path) for name, part in raw.groupby("OPName", sort=False, dropna=False)]
    require(bool(parts), f"{path} has no rows")
    return pd.concat(parts, ignore_index=True)


def _require_columns(raw: pd.DataFrame, names: Sequence[str], path: Path) -> None:
    missing = [name for name in names if name not in raw.columns]
    require(not missing, f"{path} lacks the columns {', '.join(missing)}: it is no table of NeuSight's")


def _rows(raw: pd.DataFrame, name: str, path: Path) -> pd.DataFrame:
    form = FORMS.get(name)
    require(form is not None, f"{path} has an operator {name!r}; known are {', '.join(FORMS)}")
    assert form is not None
    _require_columns(raw, form.sizes, path)
    sizes = raw[list(form.sizes)].apply(pd.to_numeric, errors="coerce")
    least = np.array([0 if size == "Padding" else 1 for size in form.sizes])
    whole = ((sizes >= least) & (sizes % 1 == 0) & (sizes < 1e9)).all(axis=1).to_numpy()
    known = np.where(whole[:, None], sizes, 1).astype(np.int64).tolist()
    calls = pd.Series([form.call.format(*row) for row in known], index=raw.index)
    times = pd.to_numeric(raw["Latency"], errors="coerce")
    flops, read = work_of(calls)
    operators = calls.str.partition("(")[0]
    reasons = impossible(
        operators, raw["Device"].astype(str), "fp32", flops, read, times.to_numpy(dtype=np.float64)
    )
    reasons[~(times > 0).to_numpy() | ~np.isfinite(times.to_numpy(dtype=np.float64))] = "it has no time"
    reasons[~whole] = "its sizes are not whole and positive"
    good = reasons == ""
    return pd.DataFrame(
        {
            "model_ref": np.where(whole, PREFIX + calls, ""),
            "architecture": calls,
            "family": operators,
            "input_shape": [form.sample.format(*row) for row in known],
            "batch_size": [row[0] for row in known],
            LABEL: times.where(good),
            "infer_iterations": _COUNTED,
            "status": np.where(good, "ok", "error"),
            "reason": reasons,
            **{column: raw[column] for column in _SOFTWARE},
        }
    )


def _table(rows: pd.DataFrame, device: str, torch: str, cuda: str, cudnn: str) -> pd.DataFrame:
    return published_table(
        rows.drop(columns=_SOFTWARE).reset_index(drop=True),
        device=device,
        device_kind="cuda",
        protocol=_PROTOCOL,
        protocol_version=PROTOCOL_VERSION,
        environment={"torch": f"{torch.removeprefix('p')}+{cuda}", "cudnn": cudnn},
    )
