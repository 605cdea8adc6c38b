"""The six matrices: accelerators of which a set of figures is published, every cell filled."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import pandas as pd

from perfseer.errors import require
from perfseer.hardware.efficiencies import ops8
from perfseer.hardware.specs import IDENTITY, Specs

_APIS = ("cuda", "metal", "opencl", "vulkan")


@dataclass(frozen=True)
class Matrix:
    """A selection of figures.

    Attributes:
        name: of it.
        title: what it is for.
        columns: figures that must all be published; these are its columns.
        condition: in words, what else must hold; empty: nothing.
        seed_count: accelerators that the seed reports.
        reference_count: accelerators that the project's reference counted on the same sources; see there.
        keep: rows for which the condition holds, of the published figures.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    seed_count: int
    reference_count: int
    condition: str = ""
    keep: Callable[[pd.DataFrame], pd.Series] | None = None


def _graphics(observed: pd.DataFrame) -> pd.Series:
    return observed[list(_APIS)].notna().any(axis=1)


def _is_recent(observed: pd.DataFrame) -> pd.Series:
    return observed["year"] >= 2016


_MATRICES = (
    Matrix(
        *("complete", "Everything at once: rates, memory, power, scores and price"),
        (
            *("fp32_flops", "fp16_vector_flops", "bandwidth_bytes_per_s", "memory_bytes", "tdp_w", "g3d"),
            *("opencl", "vulkan", "price_retail_usd"),
        ),
        *(35, 90),
    ),
    Matrix("compute", "Rates and power", ("fp32_flops", "fp16_vector_flops", "tdp_w"), 132, 825),
    Matrix(
        *("memory-bandwidth", "Memory: size, bandwidth, width of its interface and kind"),
        ("memory_bytes", "bandwidth_bytes_per_s", "bus_bits", "memory_type"),
        *(131, 2415),
    ),
    Matrix(
        *("graphics", "Scores in graphics and compute interfaces", ("g3d", "geekbench"), 171, 516),
        condition="at least one Geekbench score; `geekbench` is the first of CUDA, OpenCL, Vulkan, Metal",
        keep=_graphics,
    ),
    Matrix("price-performance", "Retail price and PassMark score", ("price_retail_usd", "g3d"), 119, 432),
    Matrix(
        *("unified-ai", "What decides about AI: matrix units, memory and power"),
        ("fp16_flops", "ops8", "bandwidth_bytes_per_s", "memory_bytes", "tdp_w", "year"),
        *(128, 52),
        condition="launched in 2016 or later; `ops8` is the better of INT8 and FP8",
        keep=_is_recent,
    ),
)
MATRICES: Mapping[str, Matrix] = MappingProxyType({definition.name: definition for definition in _MATRICES})


def matrix(specs: Specs, name: str) -> pd.DataFrame:
    """One of the six, from published figures alone.

    Returns:
        Indexed by key; name, vendor, and the matrix's columns, none of them empty, derived or guessed.

    Raises:
        PerfseerError: there is no such matrix.
    """
    require(name in MATRICES, f"no matrix {name!r}; there are {', '.join(MATRICES)}")
    return _selected(specs.observed(), MATRICES[name])


def _selected(observed: pd.DataFrame, definition: Matrix) -> pd.DataFrame:
    kept = observed[definition.keep(observed)] if definition.keep else observed
    made = kept.assign(
        ops8=ops8(kept),
        geekbench=kept[["cuda", "opencl", "vulkan", "metal"]].bfill(axis=1).iloc[:, 0],
    )
    texts = [column for column in definition.columns if column in IDENTITY]
    full = made[list(definition.columns)].notna().all(axis=1) & (made[texts] != "").all(axis=1)
    return made.loc[full, ["name", "vendor", *definition.columns]]


def matrix_counts(specs: Specs) -> pd.DataFrame:
    """How many accelerators each matrix has, beside the seed's and the reference's counts."""
    observed = specs.observed()
    rows = [
        (
            definition.name,
            len(_selected(observed, definition)),
            definition.seed_count,
            definition.reference_count,
        )
        for definition in MATRICES.values()
    ]
    return pd.DataFrame(rows, columns=["matrix", "accelerators", "seed", "reference"])
