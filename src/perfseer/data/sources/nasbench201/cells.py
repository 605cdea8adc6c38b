"""The cells of NAS-Bench-201, and their latencies as published."""

import pickle
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np

from perfseer.data.download import RemoteFile, fetch
from perfseer.data.sources.nasbench201.graphs import EDGES, OPERATIONS, BoolArray
from perfseer.digests import digest
from perfseer.errors import PerfseerError, require
from perfseer.graphs.perfgraph import FloatArray, IntArray

SOURCE = "nasbench201"
N_CELLS, N_CONNECTED = 15_625, 15_284
LABEL = "infer_time_ms"
Reading = Literal["pruned", "executed"]
# What a graph shows: the cell alone, as BRP-NAS sees it, or the cell within its network.
View = Literal["cell", "network"]

LICENCE = "not stated by who measured; of the repository: MIT"
_COMMIT = "45f70eb92d0d735970a33b608d1544ad3c52f285"
_HELP = f"https://raw.githubusercontent.com/HayeonLee/HELP/{_COMMIT}/data/nasbench201"
_LATENCIES_BYTES = 141_039
CELLS_FILE = RemoteFile(
    SOURCE,
    "str_arch2idx.pt",
    f"{_HELP}/str_arch2idx.pt",
    "e1d7b7cc7cf51d7c3cd6f9e726e7395bea87d7ba674e26202fb8633f963aef0d",
    1_536_943,
    LICENCE,
)


@dataclass(frozen=True)
class Device:
    """One file of latencies.

    Attributes:
        name: stem of the file, as its publisher chose.
        kind: ``cpu`` or ``cuda``; the phone's files do not say which of its processors ran.
        batch_size: images per batch.
        runs: which operations its framework executes: all, or those that lead to the output.
        sha256: of the file.
        title: in words.
    """

    name: str
    kind: str
    batch_size: int
    runs: Literal["all", "leading"]
    sha256: str
    title: str

    @property
    def file(self) -> RemoteFile:
        """Its latencies, in the order of the cells' indices."""
        name = f"{self.name}.pt"
        return RemoteFile(SOURCE, name, f"{_HELP}/latency/{name}", self.sha256, _LATENCIES_BYTES, LICENCE)


_TABLE = """
1080ti_1 cuda 1 all 4028f52b2c2441da126932e3827ae11a7f76d39818c4374c1b9ab9df236e23f4 GTX 1080 Ti
1080ti_256 cuda 256 all 435af0ccfab01f5dc55dc9f2e8b90ca37b396b2656e327bba5ee0b6eb9c24464 GTX 1080 Ti
2080ti_256 cuda 256 all daee655c44c46955d8318ddf0fa39254e70bab1ae723a6abc53d7b7e4e1561ae RTX 2080 Ti
titanx_256 cuda 256 all 04ddb80719515687bd3d722235cd5da821b50bd453a9e580b1e9d321dfb92941 Titan X
titanxp_256 cuda 256 all 9f03206bc62b0dcfc882820de07f55dc1fb7f43f57dfc977e4f0f4b019cb5041 Titan Xp
gold_6226 cpu 1 all 6a00f63d14f67f8007ec04519f638a90aa6ed5357cf5c0e60c391df37f186c99 Xeon Gold 6226
pixel3 cpu 1 leading cf1387da12e06b1d4541ce85f3ca4869d551084e09daf4acf024b6e21a80d465 Pixel 3
"""


def _device(line: str) -> Device:
    name, kind, batch_size, runs, sha256, title = line.split(maxsplit=5)
    return Device(name, kind, int(batch_size), "leading" if runs == "leading" else "all", sha256, title)


DEVICES: dict[str, Device] = {device.name: device for device in map(_device, _TABLE.strip().splitlines())}


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
