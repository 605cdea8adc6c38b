"""NAS-Bench-201 latencies: 15,625 networks that differ in one cell, each timed on several devices.

Files: the repository of HELP (Lee et al., 2021), which measured them; they state no licence, so they are
fetched and never redistributed. BRP-NAS (Dudziak et al., 2020; METHODS 3) was published on this space.

A cell has four states and an operation on each of the six edges between them; a network repeats it fifteen
times. Two readings of a cell are offered (`nasbench201_graphs`):

- ``pruned``, BRP-NAS's: zeros and skips removed, then whatever no longer lies between input and output. Cells
  whose output is cut off from the input are left out; 15,284 remain, as published.
- ``executed``: what the device ran. PyTorch in eager mode runs the operation of every edge, whether or not
  its result is used, and multiplies by zero where the edge is ``none``; the phone's converted graph keeps
  what leads to the output. No publisher says so: it is what the latencies show (`reporting/nasbench201`).
"""

import pickle
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from perfseer.data.dataset import Dataset
from perfseer.data.folds import Fold, fit_normaliser
from perfseer.data.settings import LabelSettings
from perfseer.data.sources.download import RemoteFile, fetch
from perfseer.data.sources.nasbench201_graphs import EDGES, OPERATIONS, cell_graphs, network_graphs
from perfseer.digests import digest
from perfseer.errors import PerfseerError, require
from perfseer.graphs.perfgraph import FloatArray, IntArray
from perfseer.targets import TARGET_NAMES

SOURCE = "nasbench201"
SPLIT = "cells"
N_CELLS, N_CONNECTED = 15_625, 15_284
LABEL = "infer_time_ms"
Reading = Literal["pruned", "executed"]
# What a graph shows: the cell alone, as BRP-NAS sees it, or the cell within its network.
View = Literal["cell", "network"]
BoolArray = npt.NDArray[np.bool_]

_COMMIT = "45f70eb92d0d735970a33b608d1544ad3c52f285"
_HELP = f"https://raw.githubusercontent.com/HayeonLee/HELP/{_COMMIT}/data/nasbench201/latency"
CELLS_FILE = RemoteFile(
    SOURCE,
    "str_arch2idx.pt",
    f"{_HELP.removesuffix('/latency')}/str_arch2idx.pt",
    "e1d7b7cc7cf51d7c3cd6f9e726e7395bea87d7ba674e26202fb8633f963aef0d",
)


@dataclass(frozen=True)
class Device:
    """One file of latencies.

    Attributes:
        name: stem of the file, as its publisher chose.
        title: in words.
        batch_size: images per batch.
        runs: which operations its framework executes: all, or those that lead to the output.
        sha256: of the file.
    """

    name: str
    title: str
    batch_size: int
    runs: Literal["all", "leading"]
    sha256: str

    @property
    def file(self) -> RemoteFile:
        """Its latencies, in the order of the cells' indices."""
        return RemoteFile(SOURCE, f"{self.name}.pt", f"{_HELP}/{self.name}.pt", self.sha256)


_TABLE: tuple[tuple[str, str, int, Literal["all", "leading"], str], ...] = (
    ("1080ti_1", "GTX 1080 Ti", 1, "all", "4028f52b2c2441da126932e3827ae11a7f76d39818c4374c1b9ab9df236e23f4"),
    (
        "1080ti_256",
        "GTX 1080 Ti",
        256,
        "all",
        "435af0ccfab01f5dc55dc9f2e8b90ca37b396b2656e327bba5ee0b6eb9c24464",
    ),
    (
        "2080ti_256",
        "RTX 2080 Ti",
        256,
        "all",
        "daee655c44c46955d8318ddf0fa39254e70bab1ae723a6abc53d7b7e4e1561ae",
    ),
    ("titanx_256", "Titan X", 256, "all", "04ddb80719515687bd3d722235cd5da821b50bd453a9e580b1e9d321dfb92941"),
    (
        "titanxp_256",
        "Titan Xp",
        256,
        "all",
        "9f03206bc62b0dcfc882820de07f55dc1fb7f43f57dfc977e4f0f4b019cb5041",
    ),
    (
        "gold_6226",
        "Xeon Gold 6226",
        1,
        "all",
        "6a00f63d14f67f8007ec04519f638a90aa6ed5357cf5c0e60c391df37f186c99",
    ),
    ("pixel3", "Pixel 3", 1, "leading", "cf1387da12e06b1d4541ce85f3ca4869d551084e09daf4acf024b6e21a80d465"),
)
DEVICES: dict[str, Device] = {row[0]: Device(*row) for row in _TABLE}


@dataclass(frozen=True, eq=False)
class Cells:
    """Cells by index.

    Attributes:
        operations: [n, 6] index into `OPERATIONS` of each of `EDGES`.
    """

    operations: IntArray

    def __len__(self) -> int:
        """Number of cells."""
        return len(self.operations)

    @classmethod
    def of(cls, texts: list[str]) -> "Cells":
        """Parse cell strings such as ``|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|``.

        Raises:
            PerfseerError: a string is not of that form.
        """
        return cls(np.array([_parse(text) for text in texts], dtype=np.int64).reshape(-1, len(EDGES)))

    @property
    def _open(self) -> BoolArray:
        return np.asarray(self.operations != OPERATIONS.index("none"))

    @property
    def connected(self) -> BoolArray:
        """[n] whether the output is reachable from the input over edges that are not ``none``."""
        return self._reached()[:, -1]

    @property
    def pruned(self) -> BoolArray:
        """[n, 6] edges that are not ``none`` and lie on a path from input to output."""
        return self.leading & self._reached()[:, [sender for sender, _ in EDGES]]

    @property
    def leading(self) -> BoolArray:
        """[n, 6] edges that are not ``none`` and from which the output is reachable."""
        reaching = np.zeros((len(self), 4), dtype=bool)
        reaching[:, -1] = True
        for edge in reversed(range(len(EDGES))):
            sender, receiver = EDGES[edge]
            reaching[:, sender] |= reaching[:, receiver] & self._open[:, edge]
        return self._open & reaching[:, [receiver for _, receiver in EDGES]]

    def ran(self, reading: Reading, device: Device) -> BoolArray:
        """[n, 6] edges whose operation counts under a reading."""
        if reading == "pruned":
            return self.pruned
        return self.leading if device.runs == "leading" else np.ones((len(self), len(EDGES)), dtype=bool)

    def _reached(self) -> BoolArray:
        """[n, 4] states reachable from the input."""
        reached = np.zeros((len(self), 4), dtype=bool)
        reached[:, 0] = True
        for edge, (sender, receiver) in enumerate(EDGES):
            reached[:, receiver] |= reached[:, sender] & self._open[:, edge]
        return reached


@cache
def cells() -> Cells:
    """All 15,625 cells, by index.

    Raises:
        PerfseerError: the file cannot be had or is not what it should be.
    """
    index = _load(CELLS_FILE)
    good = isinstance(index, dict) and sorted(index.values()) == list(range(N_CELLS))
    require(good, f"{CELLS_FILE.name} does not map {N_CELLS} cells to indices 0 to {N_CELLS - 1}")
    return Cells.of(sorted(index, key=index.__getitem__))


def latencies_ms(device: Device) -> FloatArray:
    """[15,625] measured latency of every cell's network, ms.

    Raises:
        PerfseerError: the file cannot be had or holds something else.
    """
    values = np.asarray(_load(device.file), dtype=np.float64)
    good = values.shape == (N_CELLS,) and bool((np.isfinite(values) & (values > 0)).all())
    require(good, f"{device.file.name} does not hold {N_CELLS} positive latencies")
    return values


def dataset(device: Device, reading: Reading, view: View) -> Dataset:
    """Connected cells with their latency on one device; all other labels are absent (NaN).

    Args:
        device: one of `DEVICES`.
        reading: which operations a graph shows, see the module.
        view: the cell alone (a cell of nothing but skips has no nodes), or the whole network.

    Returns:
        15,284 rows in the order of the cells' indices.

    Raises:
        PerfseerError: a file cannot be had.
    """
    whole = cells()
    kept = np.flatnonzero(whole.connected)
    chosen = Cells(whole.operations[kept])
    build = {"cell": cell_graphs, "network": network_graphs}[view]
    graphs = build(chosen.operations, chosen.ran(reading, device), device.batch_size)
    names = [f"{SOURCE}-{index:05d}" for index in kept]
    rows = pd.DataFrame(
        {
            "configuration": names,
            "graph": np.arange(len(kept)),
            "architecture": names,
            "family": SOURCE,
            "batch_size": device.batch_size,
            **dict.fromkeys(TARGET_NAMES, np.nan),
            LABEL: latencies_ms(device)[kept],
        }
    )
    return Dataset.from_rows(rows, graphs)


def draw(n: int, seed: int, n_train: int, n_valid: int) -> tuple[IntArray, IntArray, IntArray]:
    """Rows to train on, to validate on and to test on: equal for every device, reading and view.

    Raises:
        PerfseerError: no rows are left to test on.
    """
    require(
        n_train + n_valid < n,
        f"{n_train} training and {n_valid} validation cells leave none of {n} to test on",
    )
    order = np.random.default_rng([201, seed]).permutation(n)
    train, valid, test = np.split(order, [n_train, n_train + n_valid])
    return train, valid, test


def fold(data: Dataset, seed: int, n_train: int, n_valid: int, labels: LabelSettings) -> Fold:
    """The published split, drawn anew for each seed: a few cells to train and validate, all others to test.

    Args:
        data: of `dataset`.
        seed: which draw.
        n_train: training cells; BRP-NAS: 900.
        n_valid: validation cells; BRP-NAS: 100.
        labels: section ``labels`` of params.yaml.

    Raises:
        PerfseerError: no cells are left to test on.
    """
    train, valid, test = (data.subset(part) for part in draw(len(data), seed, n_train, n_valid))
    return Fold(SPLIT, seed, train, valid, test, fit_normaliser(train, labels))


def data_digest(device: Device) -> str:
    """Digest of the published files behind `dataset`."""
    return digest([CELLS_FILE.sha256, device.sha256])


def _parse(text: str) -> list[int]:
    """Operation of each edge; edges are listed by receiver, then sender, as in `EDGES`."""
    items = [item for part in text.split("+") for item in part.strip("|").split("|")]
    names, _, senders = zip(*(item.partition("~") for item in items), strict=True)
    wellformed = [str(sender) for sender, _ in EDGES] == list(senders) and set(names) <= set(OPERATIONS)
    require(wellformed, f"{text!r} is no NAS-Bench-201 cell over {', '.join(OPERATIONS)}")
    return [OPERATIONS.index(name) for name in names]


def _load(file: RemoteFile) -> Any:
    import torch  # listing the devices, as the settings do, needs no torch

    path: Path = fetch(file)
    try:
        return torch.load(path, weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise PerfseerError(f"{path} cannot be read ({error}): fetch {file.url} again") from error
