"""Which kernels are measured: draws from a model zoo's distribution, then around what is predicted badly.

The first round follows nn-Meter (MobiSys'21; METHODS 2.1): most kernels are drawn dimension by dimension
through the inverse of the marginal distribution in networks of the search space, the rest are kernels of
those networks as they are, so frequent ones come often. Later rounds scale the channels of held-out kernels
that the kernels measured so far do not predict. Only ``random.random`` is used, as in `zoo.sampler`.
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
import pandas as pd

from perfseer.digests import digest
from perfseer.graphs.kernels import CONFIGURATION, CONVOLUTIONS, OPTIMISER
from perfseer.measure.kernels.settings import KernelSettings

T = TypeVar("T")

# So many draws in a row without a new kernel mean that there are (all but) no more.
MAX_FRUITLESS_DRAWS = 200
# Dimensions that only make sense together, drawn together; every other is drawn by itself.
_TOGETHER = (("height", "width"), ("kernel", "stride"))
_ALONE = ("channels_in", "channels_out")
_PARTS = ("c1", "c2", "c3", "c4")


@dataclass(frozen=True)
class Kernel:
    """A kernel to be measured.

    Attributes:
        name: operators joined by ``+``.
        values: by `graphs.kernels.CONFIGURATION`.
        round: 0 for the first, then the adaptive ones.
    """

    name: str
    values: tuple[int, ...]
    round: int

    @property
    def configuration(self) -> dict[str, int]:
        """Values by name."""
        return dict(zip(CONFIGURATION, self.values, strict=True))

    @cached_property
    def id(self) -> str:
        """Digest of what is measured; the round does not matter."""
        return digest([self.name, list(self.values)], 16)


class KernelDraws:
    """Random kernels of one type, distributed like those of a model zoo.

    Args:
        name: of the type.
        rows: its kernels in the zoo at batch size 1, columns `CONFIGURATION`; at least one.
        batch_sizes: drawn evenly.
        prior_share: share drawn dimension by dimension.
        seed: of the draws.
    """

    def __init__(
        self, name: str, rows: pd.DataFrame, batch_sizes: Sequence[int], prior_share: float, seed: int
    ) -> None:
        self.name = name
        self._rows = _records(rows)
        self._batch_sizes = batch_sizes
        self._prior_share = prior_share
        self._random = random.Random(f"{seed} {name}").random
        self._most = max(_work(row) for row in self._rows)
        # Sorted values: a uniform index into them is a draw through the inverse of the distribution function.
        self._marginals = {
            names: sorted(tuple(row[key] for key in names) for row in self._rows)
            for names in (*_TOGETHER, *((name,) for name in _ALONE))
        }

    def draw(self) -> dict[str, int]:
        """One configuration, no costlier than the zoo's costliest at the same batch size."""
        values = self._drawn()
        while _work(values) > self._most:
            values = self._drawn()
        if self.name != OPTIMISER:
            values["batch"] = self._of(self._batch_sizes)
        return values

    def _drawn(self) -> dict[str, int]:
        frequent = self._of(self._rows)
        if self._random() >= self._prior_share:
            return dict(frequent)
        values = dict(frequent)
        for names, options in self._marginals.items():
            values.update(zip(names, self._of(options), strict=True))
        if self.name.startswith("concat"):
            values |= self._parts(frequent)
        return repaired(self.name, values)

    def neighbour(self, values: Mapping[str, int], scale: tuple[float, float]) -> dict[str, int]:
        """``values`` with all channels scaled, each by its own factor between the two of ``scale``."""
        scaled = {
            name: max(1, round(values[name] * (scale[0] + self._random() * (scale[1] - scale[0]))))
            for name in (*_ALONE, *_PARTS)
            if values[name]
        }
        return repaired(self.name, {**values, **scaled})

    def _of(self, options: Sequence[T]) -> T:
        return options[int(self._random() * len(options))]

    def _parts(self, like: Mapping[str, int]) -> dict[str, int]:
        """Channels of as many tensors as ``like`` joins, each drawn by itself."""
        same = [row for row in self._rows if row["inputs"] == like["inputs"]]
        return {"inputs": like["inputs"], **{name: self._of(same)[name] for name in _PARTS}}


def _records(rows: pd.DataFrame) -> list[dict[str, int]]:
    columns = [rows[name].astype(int).tolist() for name in CONFIGURATION]
    return [dict(zip(CONFIGURATION, values, strict=True)) for values in zip(*columns, strict=True)]


def repaired(name: str, values: Mapping[str, int]) -> dict[str, int]:
    """``values`` made consistent: what a type's operator determines follows from its input."""
    first, fixed = name.partition("+")[0], dict(values)
    if first == "dwconv":
        fixed["channels_out"] = fixed["groups"] = fixed["channels_in"]
    elif first == "grouped_conv":
        for key in _ALONE:
            fixed[key] = max(round(fixed[key] / fixed["groups"]), 1) * fixed["groups"]
        if fixed["channels_in"] == fixed["groups"]:  # or it would be depth-wise
            fixed["channels_in"] *= 2
    elif first == "concat":
        parts = sorted((fixed[key] for key in _PARTS), reverse=True)
        fixed |= zip(_PARTS, parts, strict=True)
        fixed["channels_in"] = fixed["channels_out"] = sum(parts)
    elif first not in (*CONVOLUTIONS, "linear", OPTIMISER):
        fixed["channels_out"] = fixed["channels_in"]
    if first == "global_avg_pool":
        fixed["kernel"] = fixed["stride"] = max(fixed["height"], fixed["width"])
    return fixed


def _work(values: Mapping[str, int]) -> int:
    """Multiply–accumulates of a convolution or linear layer per sample, elements read of anything else."""
    pixels = max(values["height"] * values["width"], 1)
    if values["groups"] or values["channels_out"] != values["channels_in"]:
        area = max(values["kernel"], 1) ** 2 * pixels // max(values["stride"], 1) ** 2
        return area * values["channels_out"] * values["channels_in"] // max(values["groups"], 1)
    return pixels * values["channels_in"] * max(values["inputs"], 1)


class Plan:
    """Kernels to measure, each once, in an order of which any prefix is fair to all types.

    Args:
        zoo: kernels of a model zoo at batch size 1 (`graphs.kernels.kernels_of`).
        settings: section ``kernels``.
        batch_sizes: those of section ``collect``.
    """

    def __init__(self, zoo: pd.DataFrame, settings: KernelSettings, batch_sizes: Sequence[int]) -> None:
        self._settings = settings
        self._seen: set[str] = set()
        self._draws = {
            str(name): KernelDraws(str(name), rows, batch_sizes, settings.prior_share, settings.seed)
            for name, rows in zoo.groupby("name", observed=True)
        }

    @property
    def names(self) -> tuple[str, ...]:
        """Types of kernels there are."""
        return tuple(self._draws)

    def first_round(self) -> Iterator[Kernel]:
        """Kernels of all types in proportion to their sizes, until those are reached or nothing new comes."""
        sizes = {name: self._settings.sizes.of(name) for name in self._draws}
        drawn = dict.fromkeys(sizes, 0)
        while sizes:
            name = min(sizes, key=lambda key: (drawn[key] + 1) / sizes[key])
            kernel = self._new(name, self._draws[name].draw, 0)
            drawn[name] += 1
            if kernel is None or drawn[name] >= sizes[name]:
                del sizes[name]
            if kernel is not None:
                yield kernel

    def round(self, number: int, bad: pd.DataFrame) -> Iterator[Kernel]:
        """Neighbours of badly predicted kernels: one of each, then a second of each, and so on.

        Args:
            number: of the round, from 1.
            bad: rows with ``name`` and `CONFIGURATION`.
        """
        rows = list(zip(bad["name"], _records(bad), strict=True))
        random.Random(f"{self._settings.seed} {number}").shuffle(rows)
        for _ in range(self._settings.neighbours):
            for name, values in rows:
                kernel = self._new(name, self._around(name, values), number)
                if kernel is not None:
                    yield kernel

    def _around(self, name: str, values: Mapping[str, int]) -> Callable[[], dict[str, int]]:
        return lambda: self._draws[name].neighbour(values, self._settings.channel_scale)

    def _new(self, name: str, draw: Callable[[], dict[str, int]], number: int) -> Kernel | None:
        for _ in range(MAX_FRUITLESS_DRAWS):
            values = draw()
            kernel = Kernel(name, tuple(int(values[key]) for key in CONFIGURATION), number)
            if kernel.id not in self._seen:
                self._seen.add(kernel.id)
                return kernel
        return None


Learner = Callable[[pd.DataFrame, pd.DataFrame], np.ndarray]


def badly_predicted(
    measured: pd.DataFrame, learner: Learner, error_pct: float, seed: int, times: Sequence[str]
) -> pd.DataFrame:
    """Held-out kernels whose time the others do not tell.

    Args:
        measured: kernels measured without a failure.
        learner: fits on its first argument and gives [n, len(times)] times of its second's rows, ms.
        error_pct: how far off counts.
        seed: of the split.
        times: columns with the measured times; a kernel is bad if any of those it has is.

    Returns:
        The bad ones among a fifth of each type's rows.
    """
    draw = random.Random(seed)
    order = sorted(measured.index, key=lambda _: draw.random())
    rank = measured.loc[order].groupby("name", observed=True).cumcount().reindex(measured.index)
    held_out = measured[rank % 5 == 4]
    if held_out.empty:
        return held_out
    known = held_out[list(times)].to_numpy(dtype=np.float64)
    predicted = learner(measured.drop(index=held_out.index), held_out)
    # A time that was not measured (an optimiser has none in inference) is NaN and compares as good.
    error = np.abs(predicted / known - 1)
    return held_out[(100 * error > error_pct).any(axis=1)]
