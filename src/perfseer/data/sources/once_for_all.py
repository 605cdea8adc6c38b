"""Latencies of 5,000 networks of the Once-for-all space at batch 1, 32 and 64 on two GPUs.

Lee et al., HELP: Hardware-adaptive Efficient Latency Prediction for NAS via Meta-Learning (NeurIPS 2021,
https://github.com/HayeonLee/HELP), MIT; networks of Cai et al. (`zoo.once_for_all`). A file holds a latency
in milliseconds for each network, in one order; ``ofa_archs.pt`` says what they are: kernel sizes and
expansions of 20 blocks, depths of 5 stages, image size (128 to 224 in steps of 4), drawn at random. Their
page says PyTorch 1.8.1 and CUDA 10.2. How many runs, which statistic, and whether copies are in it is not
stated; FP32 and eager are assumed, being the framework's defaults.

- **Which network?** The tables do not say how wide. The networks that a predictor of these latencies found
  were built 1.2 times as wide, and then took what it had said; so that is assumed. The latencies cannot
  tell: bytes and FLOPs of 240 networks explain those of batch 64 on the V100 to 1.9 % where they are taken
  1.2 times as wide, and to 1.7 % where not (non-negative least squares, held out). `OnceForAllLatencies`
  takes either.
- **Which V100?** Not stated: the catalogue's ``v100``, the SXM2 card of 16 GB, is assumed.
- Batch 1 waits for the host (latency goes with the blocks and not with the image size), and the 2080 Ti at
  batch 32 is noisy: nothing is left out for that.
"""

import pickle
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from perfseer.data.captures import Captures, default_folder
from perfseer.data.capturing import kept_graphs
from perfseer.data.download import RemoteFile, fetch
from perfseer.data.packed import PackedGraphs
from perfseer.data.published import published_table
from perfseer.data.source import Source
from perfseer.errors import PerfseerError, require
from perfseer.graphs.perfgraph import FloatArray

# Of tables measured here it is a small number, of other sources another: no two pass for each other.
PROTOCOL_VERSION = 1004
N_NETWORKS = 5_000
IMAGE_SIZES = range(128, 225, 4)
WIDTH = 1.2
LABEL = "infer_time_ms"
_HELP = "https://raw.githubusercontent.com/HayeonLee/HELP/45f70eb92d0d735970a33b608d1544ad3c52f285/data/ofa"
_BUILDER = "perfseer.zoo.once_for_all"
_DEVICES = {"2080ti": "NVIDIA GeForce RTX 2080 Ti", "v100": "Tesla V100-SXM2-16GB"}
NETWORKS = RemoteFile(
    "help/ofa",
    "ofa_archs.pt",
    f"{_HELP}/ofa_archs.pt",
    "77787b5c3e208b130282d4e239c1bb56e76fbb8f7d7f374c4fcc63df4970d574",
    904_943,
    "MIT",
)
_LATENCIES = {
    "2080ti_1": "fd02a4aa46d7ab468d9214ae20b73cbb58fd8d7a857df98861d83383744f9ca9",
    "2080ti_32": "0a40f72137451914e4296d8911c92429af357556c7caa5aa74803e17b2948eb6",
    "2080ti_64": "6b5b8ae9a25aa5c7df2a96c0e5d6baa91a0566fa935e8fcd709809fbfdee1bd8",
    "v100_1": "277d012e6c82cf20abee447edadd22da992a921de5e74376970a369466a48907",
    "v100_32": "41643776a003adeb16ec57314b1bd1d5145a12c3616c686161debdb7e45ea9e8",
    "v100_64": "577f48672ed029b11cbb66126ca92d4542f18472e2157965a4ec6852a327dfa2",
}
SETTINGS: dict[str, RemoteFile] = {
    name: RemoteFile("help/ofa", f"{name}.pt", f"{_HELP}/latency/{name}.pt", sha256, 45_423, "MIT")
    for name, sha256 in _LATENCIES.items()
}
_CONFIGURATION = ("ks", "e", "d", "r")


@dataclass(eq=False)
class OnceForAllLatencies(Source):
    """Latencies of some settings or all; ``sample`` takes some networks.

    Attributes:
        width: how wide the networks are taken to be, 1.0 or 1.2.
    """

    name = "once_for_all"
    title = "latencies of 5,000 Once-for-all networks at three batch sizes on two GPUs (Lee et al., HELP)"
    files = (NETWORKS, *SETTINGS.values())
    labels = (LABEL,)
    width: float = WIDTH

    @property
    def settings(self) -> list[str]:
        """The chosen ones, for example ``v100_64``.

        Raises:
            PerfseerError: one is unknown.
        """
        names = [str(place).removesuffix(".pt") for place in self.places] or list(SETTINGS)
        unknown = ", ".join(name for name in names if name not in SETTINGS)
        require(not unknown, f"no setting {unknown}; there are {', '.join(SETTINGS)}")
        return names

    def read(self) -> pd.DataFrame:
        """Rows in the order of settings and networks."""
        return pd.concat([_table(name, self.width) for name in self.settings], ignore_index=True)

    def graphs(self) -> tuple[PackedGraphs, pd.DataFrame]:
        """Captured once and kept, apart from those of libraries; about two seconds a network.

        Raises:
            PerfseerError: as `read`; or the cache cannot be written.
        """
        captures = Captures.open(default_folder(_BUILDER))
        return kept_graphs(self.table, captures, self.workers, self.progress)


def _table(setting: str, width: float) -> pd.DataFrame:
    device, _, batch_size = setting.partition("_")
    described = networks(width)
    rows = described.assign(
        model_ref="ofa:" + described["architecture"],
        family="ofa",
        batch_size=int(batch_size),
        **{LABEL: latencies_ms(setting)},
    )
    return published_table(
        rows,
        device=_DEVICES[device],
        device_kind="cuda",
        protocol={"benchmark": "HELP (Lee et al., 2021)", "statistic": "not stated"},
        protocol_version=PROTOCOL_VERSION,
        environment={"torch": "1.8.1+cu102", "source": setting},
    )


def networks(width: float = WIDTH) -> pd.DataFrame:
    """[5,000] columns ``architecture`` (`OnceForAll`, so equal networks have one name) and ``input_shape``.

    Args:
        width: how wide they are taken to be, 1.0 or 1.2.

    Raises:
        PerfseerError: the file cannot be had, or holds something else.
    """
    return _networks(fetch(NETWORKS), width)


@cache
def _networks(path: Path, width: float) -> pd.DataFrame:
    from perfseer.zoo.once_for_all import OnceForAll

    content = _load(path)
    listed = content.get("arch") if isinstance(content, dict) else None
    good = isinstance(listed, list) and all(
        isinstance(one, dict) and set(_CONFIGURATION) <= set(one) for one in listed
    )
    if not good or listed is None:
        raise PerfseerError(f"{path} lists no configurations with {', '.join(_CONFIGURATION)}")
    require(len(listed) == N_NETWORKS, f"{path} has {len(listed)} networks, expected {N_NETWORKS}")
    sizes = [int(one["r"]) for one in listed]
    odd = sorted(set(sizes) - set(IMAGE_SIZES))
    require(not odd, f"{path} has the image sizes {odd[:3]}, expected 128 to 224 in steps of 4")
    names = [str(OnceForAll.of(one["ks"], one["e"], one["d"], width)) for one in listed]
    return pd.DataFrame({"architecture": names, "input_shape": [f"3x{size}x{size}" for size in sizes]})


def latencies_ms(setting: str) -> FloatArray:
    """[5,000] in the order of `networks`.

    Raises:
        PerfseerError: the file cannot be had, or is no list of so many numbers.
    """
    path = fetch(SETTINGS[setting])
    found = _load(path)
    good = isinstance(found, list) and all(isinstance(value, float) for value in found)
    require(good and len(found) == N_NETWORKS, f"{path} is no list of {N_NETWORKS} latencies")
    return np.asarray(found, dtype=np.float64)


def _load(path: Path) -> Any:
    """Plain data and scalars of NumPy, which is all that the files hold; nothing else is admitted."""
    import torch

    scalar = np.float64(0).__reduce__()[0]  # where this NumPy keeps it
    admitted: list[Any] = [
        *[(scalar, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")],
        (np.dtype, "numpy.dtype"),
        type(np.dtype(np.int64)),
    ]
    try:
        with torch.serialization.safe_globals(admitted):
            return torch.load(path, weights_only=True)
    except (OSError, RuntimeError, ValueError, pickle.UnpicklingError, EOFError) as error:
        first = next(iter(str(error).splitlines()), type(error).__name__)
        raise PerfseerError(f"{path} cannot be read as plain data: {first}") from error
