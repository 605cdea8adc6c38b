"""NeuSight's end-to-end times: language models in fp32 on five GPUs (Lee, Phanishayee and Mahajan, 2025).

What was timed stands in `neusight/Tracing/trace.py` of their repository: models of Hugging Face's
transformers with eager attention, 25 times between CUDA events; a time is the mean of the five fastest. The
allocator's cache is emptied before each, so memory is allocated anew while the clock runs. TF32 is off. A
file is named ``<model>-<phase>-<tokens>-<batch>``, with ``-fusion`` behind it where the model went through
`torch.compile`.

- ``inf``: the forward pass without gradients. BERT classifies; the others give logits of each token.
- ``train``: forward and backward pass, the sum of two timers. The loss (cross-entropy over tokens) is
  computed between them, and there is no optimiser. BERT is pre-trained.

Switch is refused: which expert a token goes to depends on its values, so its graph has no fixed sizes.
"""

import csv
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from perfseer.data.building import INDEX_COLUMNS, KEY, NO_GRAPH, describe_failure
from perfseer.data.devices import device_spec
from perfseer.data.download import RemoteFile
from perfseer.data.packed import PackedGraphs
from perfseer.data.published import published_table
from perfseer.data.source import Source
from perfseer.errors import PerfseerError, require
from perfseer.plain_data import parse_json

COMMIT = "6945927d9afcca2b9daf021f8395e53edc5b4eef"
PROTOCOL_VERSION = 1103
_PROTOCOL = {
    "source": "NeuSight models",
    "statistic": "mean of the fastest 5 of 25 runs, each between CUDA events, after the cache was emptied",
    "train": "forward and backward, without loss and optimiser",
}
_COUNTED = 5
_TORCH = "2.1.0+cu121"
_NAME = re.compile(r"(\w+)-(inf|train)-([1-9]\d{0,6})-([1-9]\d{0,6})(-fusion)?")
_KEYS = ("num_layer", "e2e_latency", "fw_latency", "bwall_latency")
_ROUTED = "tokens go to experts by their values: its graph has no fixed sizes"


@dataclass(frozen=True)
class _Model:
    """What its configuration file says, and what it is here by phase."""

    family: str
    width: int
    inner: int
    layers: int
    inf: str
    train: str


def _same(family: str, width: int, layers: int, name: str) -> _Model:
    return _Model(family, width, 4 * width, layers, name, name)


MODELS = {
    "bert_large": _Model("bert", 1024, 4096, 24, "bert_large", "bert_large_pretraining"),
    "gpt2_large": _same("gpt2", 1280, 36, "gpt2_large"),
    "gpt3_xl": _same("gpt2", 3072, 24, "gpt3_xl"),
    "gpt3_27": _same("gpt2", 2560, 32, "gpt3_27"),
    "opt_13": _same("opt", 2048, 24, "opt_13"),
}


def _files() -> tuple[RemoteFile, ...]:
    with Path(__file__).with_name("files.csv").open(encoding="utf-8", newline="") as stream:
        return tuple(
            RemoteFile(
                folder="neusight",
                name=f"label/{row['device']}/{row['name']}.json",
                url=f"https://raw.githubusercontent.com/sitar-lab/NeuSight/{COMMIT}/scripts/asplos/label/"
                f"{row['device']}/{row['name']}.json",
                sha256=row["sha256"],
                n_bytes=int(row["n_bytes"]),
                licence="MIT",
            )
            for row in csv.DictReader(stream)
        )


class NeuSightModels(Source):
    """Times of the chosen files; one's own lie in a folder named as the device, with ``_`` for blanks."""

    name = "neusight_models"
    title = "step times of BERT, GPT-2, GPT-3 and OPT in fp32 on P4, P100, V100, T4 and A100 (NeuSight)"
    files = _files()
    labels = ("infer_time_ms", "train_time_ms")
    graphs_by = "rebuilding"

    def read(self) -> pd.DataFrame:
        """A row for each file, in their order."""
        rows = pd.DataFrame([_row(path) for path in self.paths()])
        parts = [
            published_table(
                part.drop(columns="device").reset_index(drop=True),
                device=str(device),
                device_kind="cuda",
                protocol=_PROTOCOL,
                protocol_version=PROTOCOL_VERSION,
                environment={"torch": _TORCH},
            )
            for device, part in rows.groupby("device", sort=False)
        ]
        return pd.concat(parts, ignore_index=True)

    def graphs(self) -> tuple[PackedGraphs, pd.DataFrame]:
        """Of the models in `zoo.transformers`, over token ids, forward and backward.

        Raises:
            PerfseerError: none could be captured.
        """
        sound = self.table[self.table["status"] == "ok"]
        index = sound[list(KEY)].drop_duplicates().sort_values(list(KEY), ignore_index=True)
        found = []
        for done, key in enumerate(index.itertuples(index=False, name=None), start=1):
            found.append(_captured(*key))
            if self.progress is not None:
                self.progress(done, len(index))
        graphs = [graph for graph, _ in found if graph is not None]
        reasons = [reason for _, reason in found]
        require(bool(graphs), f"no model could be captured; the first reason: {next(iter(reasons), '')}")
        there = np.array([reason is None for reason in reasons], dtype=bool)
        index["graph"] = np.where(there, np.cumsum(there) - 1, NO_GRAPH)
        index["reason"] = pd.Series(reasons, dtype=object)
        return PackedGraphs.pack(graphs), index[list(INDEX_COLUMNS)]


def _captured(ref: str, length: str, batch: int) -> tuple[Any, str | None]:
    """Graph of a model over token ids, or why there is none."""
    import torch

    from perfseer.graphs.capture import capture
    from perfseer.zoo.references import build

    ids = torch.empty((batch, int(length)), dtype=torch.int64, device="meta")
    try:
        return capture(build(ref), (ids,)), None
    except PerfseerError as error:
        return None, describe_failure("capturing the graph", error)


def _row(path: Path) -> dict[str, Any]:
    """A file as a row; what cannot be used of it has failed, with the reason.

    Raises:
        PerfseerError: it has another name, or is no object with `_KEYS`.
    """
    named = _NAME.fullmatch(path.stem)
    require(named is not None, f"{path} is no <model>-<inf or train>-<tokens>-<batch>.json")
    assert named is not None
    model, phase, length, batch, fusion = named.groups()
    label = _label(path)
    device = path.parent.name.replace("_", " ")
    known = MODELS.get(model)
    tokens = int(length) * int(batch)
    reason = _ROUTED if model.startswith("switch") else _fault(label, known, phase, device, tokens)
    ref = f"module:perfseer.zoo.transformers.{known.inf if phase == 'inf' else known.train}" if known else ""
    time = label["e2e_latency"] if reason == "" else None
    return {
        "model_ref": ref,
        "architecture": model,
        "family": known.family if known else model,
        "input_shape": length,
        "batch_size": int(batch),
        "mode": "compiled" if fusion else "eager",
        "infer_time_ms": time if phase == "inf" else None,
        "train_time_ms": time if phase == "train" else None,
        f"{'infer' if phase == 'inf' else 'train'}_iterations": _COUNTED,
        "status": "error" if reason else "ok",
        "reason": reason,
        "device": device,
    }


def _label(path: Path) -> dict[str, Any]:
    try:
        label = parse_json(path.read_bytes(), finite=False)  # what is not finite fails its row
    except (OSError, ValueError) as error:
        raise PerfseerError(f"cannot read {path} as the times of a model: {error}") from error
    sound = isinstance(label, dict) and all(name in label for name in _KEYS)
    require(sound, f"{path} is no object with {', '.join(_KEYS)}")
    return dict(label)


def _fault(label: dict[str, Any], model: _Model | None, phase: str, device: str, tokens: int) -> str:
    """Why a label cannot be used; empty if it can."""
    if model is None:
        return f"a model that is not known; known are {', '.join(MODELS)}"
    times = [label[name] for name in _KEYS[1:]]
    if not all(type(value) in (int, float) and 0 <= value < np.inf for value in times) or not times[0]:
        return "it has no time"
    if label["num_layer"] != model.layers:
        return f"it was timed with {label['num_layer']} layers, its configuration has {model.layers}"
    if abs(times[0] - times[1] - times[2]) > 1e-6 * times[0]:
        return "its forward and backward times are not those of the whole"
    if (phase == "inf") != (times[2] == 0):
        return "its phase and its backward time contradict each other"
    spec = device_spec(device)
    # Of the linear layers alone; the backward pass does twice that again.
    flops = 2 * tokens * model.layers * (4 * model.width**2 + 2 * model.width * model.inner)
    flops *= 1 if phase == "inf" else 3
    if spec is not None and flops > 1.05 * spec.peak_flops("fp32") * times[0] / 1e3:
        return "faster than the device's peak"
    return ""
