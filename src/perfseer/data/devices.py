"""What vendors publish about devices: peak rates, memory, bandwidth, one sourced row each (``devices.csv``).

Peaks are dense (no structured sparsity). Half precision is the matrix units' rate with accumulation in
32 bits, which GeForce cards have at half speed; where a device has none, its ordinary units' rate. A CPU's
peak is cores x clock x FLOPs per core and cycle (two fused multiply-adds, 2 FLOPs each, times lanes), its
bandwidth channels x transfers x 8 bytes: bounds that no program reaches, like all of these.
"""

import csv
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_type_hints

from perfseer.errors import PerfseerError

TABLE = Path(__file__).with_name("devices.csv")
# What drivers and people put around the part of a name that tells devices apart.
_MARKS = re.compile(r"\((r|tm|c)\)|@.*$|\b\d+-core\b|\b\d+th gen\b")
_WORDS = re.compile(
    r"\b(nvidia|geforce|tesla|quadro|amd|intel|instinct|radeon|core|cpu|processor|gpu|generation)\b"
)


@dataclass(frozen=True)
class DeviceSpec:
    """Published figures of one device.

    Attributes:
        name: as the driver or the operating system reports it.
        key: short name for files and tables, for example ``rtx3090``.
        aliases: further spellings; case, vendor and punctuation never matter.
        kind: ``cuda`` (ROCm devices too, which torch calls cuda) or ``cpu``.
        fp32_flops: peak of the ordinary units, FLOP/s.
        tf32_flops: matrix units on TF32, FLOP/s; None where there are none.
        fp16_flops: matrix units on FP16 accumulating in FP32, FLOP/s; None where FP16 is not faster.
        bf16_flops: the same on BF16; None where there are none.
        bandwidth_bytes_per_s: of the device's memory.
        memory_bytes: its size; of a CPU the most it addresses is meaningless, so None.
        multiprocessors: SMs, compute units or cores.
        clock_hz: boost clock; of a CPU the clock its peak was computed with.
        l2_bytes: last cache shared by all multiprocessors, bytes.
        tdp_w: power limit, W.
        year: of launch.
        source: where the numbers stand.
    """

    name: str
    key: str
    aliases: tuple[str, ...]
    kind: Literal["cpu", "cuda"]
    fp32_flops: float
    tf32_flops: float | None
    fp16_flops: float | None
    bf16_flops: float | None
    bandwidth_bytes_per_s: float
    memory_bytes: float | None
    multiprocessors: int
    clock_hz: float
    l2_bytes: float
    tdp_w: float
    year: int
    source: str

    def peak_flops(self, precision: str) -> float:
        """Best rate for dense operators at a precision, FLOP/s; FP32's where the device has no other."""
        own = {
            "tf32": self.tf32_flops,
            "fp16": self.fp16_flops,
            "amp-fp16": self.fp16_flops,
            "bf16": self.bf16_flops,
            "amp-bf16": self.bf16_flops,
        }
        return max(own.get(precision) or 0.0, self.fp32_flops)


def plain_name(name: str) -> str:
    """A device's name without what says nothing: ``rtx3090`` of ``NVIDIA GeForce RTX 3090``."""
    return re.sub(r"[^a-z0-9]", "", _WORDS.sub(" ", _MARKS.sub(" ", name.lower())))


def device_spec(name: str) -> DeviceSpec | None:
    """The published figures of a device by any of its names; None where the table has none."""
    return _by_plain_name().get(plain_name(name))


@cache
def device_specs() -> tuple[DeviceSpec, ...]:
    """All devices of the table, in its order.

    Raises:
        PerfseerError: two devices share a name, or a row is damaged.
    """
    with TABLE.open(encoding="utf-8", newline="") as stream:
        return tuple(_spec(row) for row in csv.DictReader(stream))


@cache
def _by_plain_name() -> dict[str, DeviceSpec]:
    found: dict[str, DeviceSpec] = {}
    for spec in device_specs():
        for name in {plain_name(spelling) for spelling in (spec.name, spec.key, *spec.aliases)}:
            if name in found:
                raise PerfseerError(f"{TABLE.name} gives {name!r} to {found[name].name} and to {spec.name}")
            found[name] = spec
    return found


def _spec(row: dict[str, str]) -> DeviceSpec:
    kind = row["kind"]
    if kind not in ("cpu", "cuda"):
        raise PerfseerError(f"{TABLE.name}: {row['name']} is of kind {kind!r}, expected cpu or cuda")
    kinds = get_type_hints(DeviceSpec)
    values: dict[str, Any] = {name: _READERS.get(kinds[name], str)(text) for name, text in row.items()}
    return DeviceSpec(**values)


# How a cell is read, by the type of its field; all others are texts.
_READERS: dict[Any, Callable[[str], Any]] = {
    int: int,
    float: float,
    float | None: lambda text: float(text) if text else None,
    tuple[str, ...]: lambda text: tuple(filter(None, text.split(";"))),
}
