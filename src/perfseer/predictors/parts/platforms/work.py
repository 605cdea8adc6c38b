"""What kinds of nodes ask of platforms: logarithms of work, and a roofline with published peaks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from perfseer.data.platforms import PLATFORM_COLUMNS, Platform, platform_features
from perfseer.errors import require
from perfseer.graphs.perfgraph import FloatArray, IntArray
from perfseer.graphs.vocabulary import HYPERPARAMETERS, names_with
from perfseer.predictors.parts.platforms.kinds import NodeKinds
from perfseer.predictors.parts.tabular import OPERATOR_TYPES

# Operators that matrix units run, where a device has them.
PRODUCTS: tuple[str, ...] = (*names_with("narrow"), "conv_grouped")
# What a learner is told of a platform: not its rates, which the roofline contains already and which a dozen
# platforms could not teach it to weigh.
TOLD: tuple[str, ...] = (
    *("ln_flops_per_byte", "torch_version", "is_cuda", "is_16_bit", "is_nhwc", "is_compiled"),
    "is_unknown_device",
    "ln_watts_per_flops",  # a card of little power does not hold the clock that its peak is published at
)
# Units of a matrix product on tensor cores: channels that are no multiple waste some.
_TILES: tuple[tuple[str, int], ...] = (
    *(("output_c", 8), ("output_c", 64), ("conv_in", 8), ("output_w", 8), ("linear_in", 8)),
    ("linear_out", 8),
)
_BYTES = ("input_bytes", "weight_bytes", "output_bytes")


@dataclass(frozen=True, eq=False)
class Rates:
    """Published peaks of P platforms, as natural logarithms.

    Attributes:
        ln_flops: [P, 2] FLOP/s of ordinary units and of matrix units at the platform's precision.
        ln_bytes: [P] byte/s of memory.
        ln_units: [P] multiprocessors or cores.
        ln_cache: [P] bytes of the last cache that all of them share.
        compiled: [P] whether operators are joined.
        told: [P, len(TOLD)] what a learner is told.
    """

    ln_flops: FloatArray
    ln_bytes: FloatArray
    ln_units: FloatArray
    ln_cache: FloatArray
    compiled: IntArray
    told: FloatArray

    @classmethod
    def of(cls, platforms: Sequence[Platform], *, fusion: bool = True) -> "Rates":
        """Look them up; a device without published figures has those of devices like it.

        Args:
            platforms: P of them.
            fusion: whether operators are joined where a platform compiles.
        """
        table = platform_features(platforms)

        def column(name: str) -> FloatArray:
            return table[:, PLATFORM_COLUMNS.index(name)]

        return cls(
            ln_flops=np.column_stack([column("ln_fp32_flops"), column("ln_peak_flops")]),
            ln_bytes=column("ln_bandwidth"),
            ln_units=column("ln_multiprocessors"),
            ln_cache=column("ln_l2"),
            compiled=(column("is_compiled") * fusion).astype(np.int64),
            told=np.column_stack([column(name) for name in TOLD]),
        )


@dataclass(frozen=True, eq=False)
class KindWork:
    """K kinds of nodes, described.

    Attributes:
        described: [K, F] what a kind is, logarithms of sizes and flags; raw.
        ln_moved: [2, K, 3] ln(1 + bytes) of inputs, weights and outputs, operator by operator and compiled.
        ln_flops: [2, K] of the forward and the backward pass; -inf where there are none.
        ln_bytes: [3, K] of the forward pass by itself and compiled, and of the backward pass; likewise.
        matrix: [K] 1 where matrix units do the work.
        half: [K] whether matrix units are given 16 bits an element.
        launches: [2, K] kernels started, operator by operator and compiled.
        channels: [K] of the output, at least 1: what kernels of a backward pass share out work by.
        pixels: [K] of the output, height times width, at least 1.
        ln_elements: [K] of the output, at least 0: what kernels share out among multiprocessors.
        walked: [K] numbers that one channel's share of the work passes through: images, pixels and window.
        codes: [K, 3] operator type, producer, consumer.
    """

    described: FloatArray
    ln_moved: FloatArray
    ln_flops: FloatArray
    ln_bytes: FloatArray
    matrix: IntArray
    half: npt.NDArray[np.bool_]
    launches: FloatArray
    channels: FloatArray
    pixels: FloatArray
    ln_elements: FloatArray
    walked: FloatArray
    codes: IntArray

    @classmethod
    def of(cls, kinds: NodeKinds) -> "KindWork":
        """Describe all kinds at once."""
        types = kinds.codes("operator_type")
        moved = np.stack([_moved(kinds, fused=False), _moved(kinds, fused=True)])
        backward = kinds.column("backward_bytes")
        matrix = np.isin(types, [OPERATOR_TYPES.index(name) for name in PRODUCTS])
        sizes = {axis: kinds.column(f"output_{axis}") for axis in "nchw"}
        elements = np.prod(list(sizes.values()), axis=0)
        pixels = np.maximum(sizes["h"] * sizes["w"], 1.0)
        window = np.maximum(kinds.column("conv_kernel"), 1.0)
        with np.errstate(divide="ignore"):
            ln_flops = np.log(np.stack([kinds.column("flops"), kinds.column("backward_flops")]))
            ln_bytes = np.log(np.stack([*moved.sum(axis=2), backward]))
        return cls(
            described=_described(kinds),
            ln_moved=np.log1p(moved),
            ln_flops=ln_flops,
            ln_bytes=ln_bytes,
            matrix=matrix.astype(np.int64),
            half=matrix & (kinds.column("output_bytes") == 2 * elements),
            launches=np.stack([np.ones(len(types)), 1.0 - kinds.column("silent")]),
            channels=np.maximum(sizes["c"], 1.0),
            pixels=pixels,
            ln_elements=np.log(np.maximum(elements, 1.0)),
            walked=np.maximum(sizes["n"], 1.0) * pixels * window,
            codes=np.column_stack([kinds.codes(name) for name in ("operator_type", "producer", "consumer")]),
        )


def _moved(kinds: NodeKinds, *, fused: bool) -> FloatArray:
    """[K, 3] bytes of inputs, weights and outputs."""
    names = ("fused_input_bytes", "weight_bytes", "fused_output_bytes") if fused else _BYTES
    return np.column_stack([kinds.column(name) for name in names])


def _described(kinds: NodeKinds) -> FloatArray:
    """[K, F] see `DESCRIBED`."""
    column = {name: kinds.column(name) for name in (*HYPERPARAMETERS, *(f"output_{a}" for a in "nchw"))}
    elements = np.prod([column[f"output_{axis}"] for axis in "nchw"], axis=0)
    flops, window = kinds.column("flops"), np.maximum(column["conv_kernel"], 1) ** 2
    groups = np.maximum(column["conv_groups"], 1)
    is_conv = column["conv_kernel"] > 0
    column["conv_in"] = np.where(is_conv, flops / (2 * np.maximum(elements, 1) * window) * groups, 0.0)
    moved = sum(kinds.column(name) for name in _BYTES)
    columns = [np.log1p(values) for values in column.values()]
    columns += [(np.rint(column[name]) % size == 0).astype(np.float64) for name, size in _TILES]
    columns += [
        np.log(np.maximum(flops, 1.0) / np.maximum(moved, 1.0)),
        np.log1p(kinds.column("output_bytes") / np.maximum(elements, 1)),
        kinds.column("silent"),
    ]
    described = np.column_stack(columns)
    require(bool(np.isfinite(described).all()), "kinds of nodes have descriptions that are not finite")
    return described
