"""Devices that models run on, with what vendors publish about each: a view of the catalogue.

Figures are those of one device that software sees; where a card holds several, each has its share, of the
power limit too. Peaks are dense (no structured sparsity). Half precision is the matrix units' rate with
accumulation in 32 bits, which GeForce cards have at half speed; where a device has none, its ordinary units'
rate. A CPU's peak is cores x clock x FLOPs per core and cycle (two fused multiply-adds, 2 FLOPs each, times
lanes), its bandwidth channels x transfers x 8 bytes: bounds that no program reaches, like all of these.
"""

import math
import re
import statistics
from dataclasses import dataclass
from functools import cache
from typing import Literal, cast

from perfseer.data.catalogue.table import ACCELERATORS, Accelerator, Catalogue, Figure, catalogue
from perfseer.errors import PerfseerError

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
        generation: of designs whose units work alike, such as ``Ampere``; may be empty.
        source: the documents that the numbers stand in.
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
    generation: str
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


def ln_power(spec: DeviceSpec) -> float:
    """Logarithm of the power a device may take for each FP32 FLOP/s, beside its generation's median.

    Chips of one generation take as much for one operation at one clock. Whoever may take less than its
    siblings holds a clock below the one its peak is published at, once all of it works: -0.7 of a T4.
    """
    return _ln_watts_per_flops(spec) - _of_generation(spec.kind, spec.generation)


def _ln_watts_per_flops(spec: DeviceSpec) -> float:
    return math.log(spec.tdp_w / spec.fp32_flops)


@cache
def _of_generation(kind: str, generation: str) -> float:
    """Median over its devices."""
    alike = [spec for spec in device_specs() if (spec.kind, spec.generation) == (kind, generation)]
    return statistics.median(_ln_watts_per_flops(spec) for spec in alike)


def plain_name(name: str) -> str:
    """A device's name without what says nothing: ``rtx3090`` of ``NVIDIA GeForce RTX 3090``."""
    return re.sub(r"[^a-z0-9]", "", _WORDS.sub(" ", _MARKS.sub(" ", name.lower())))


def device_spec(name: str) -> DeviceSpec | None:
    """The published figures of a device by any of its names; None where the catalogue has none."""
    return _by_plain_name().get(plain_name(name))


@cache
def device_specs() -> tuple[DeviceSpec, ...]:
    """All devices of the catalogue that torch or a CPU runs on, in its order.

    A device of which the FP32 peak, bandwidth, multiprocessors, clock, last cache, power limit or year is not
    published is not among them: nothing could be predicted from the rest.

    Raises:
        PerfseerError: a table of the catalogue is damaged.
    """
    book = catalogue()
    specs = (_spec(book, card) for card in book.accelerators if card.kind != "other")
    return tuple(spec for spec in specs if spec is not None)


@cache
def _by_plain_name() -> dict[str, DeviceSpec]:
    found: dict[str, DeviceSpec] = {}
    for spec in device_specs():
        for name in {plain_name(spelling) for spelling in (spec.name, spec.key, *spec.aliases)}:
            if name in found:
                raise PerfseerError(
                    f"{ACCELERATORS.name} gives {name!r} to {found[name].name} and to {spec.name}"
                )
            found[name] = spec
    return found


# Of a card, shared equally by the devices on it.
_SHARED = ("bandwidth_bytes_per_s", "multiprocessors", "l2_bytes", "tdp_w")
_OF_EACH = ("clock_hz", "year")


def _spec(book: Catalogue, card: Accelerator) -> DeviceSpec | None:
    """One device of a card; None where a figure is missing that every device has."""
    share = card.devices_per_card
    properties = {name: book.value(card.key, name) for name in (*_SHARED, *_OF_EACH)}
    fp32, memory = book.peak(card.key, "fp32_flops", "vector"), book.value(card.key, "memory_bytes")
    known = [figure for figure in properties.values() if figure is not None]
    if fp32 is None or len(known) < len(properties) or (memory is None and card.kind == "cuda"):
        return None
    values = {figure.figure: figure.value / (share if figure.figure in _SHARED else 1) for figure in known}
    tf32, fp16, bf16 = (_fast(book, card.key, f"{name}_flops", fp32) for name in ("tf32", "fp16", "bf16"))
    used = [fp32, *known, *filter(None, (memory, tf32, fp16, bf16))]
    return DeviceSpec(
        name=card.name,
        key=card.key,
        aliases=card.aliases,
        kind=cast(Literal["cpu", "cuda"], card.kind),
        fp32_flops=fp32.value / share,
        tf32_flops=tf32.value / share if tf32 else None,
        fp16_flops=fp16.value / share if fp16 else None,
        bf16_flops=bf16.value / share if bf16 else None,
        bandwidth_bytes_per_s=values["bandwidth_bytes_per_s"],
        memory_bytes=memory.value / share if memory else None,
        multiprocessors=int(values["multiprocessors"]),
        clock_hz=values["clock_hz"],
        l2_bytes=values["l2_bytes"],
        tdp_w=values["tdp_w"],
        year=int(values["year"]),
        generation=card.generation.partition(" ")[0],
        source=_source(book, used),
    )


def _fast(book: Catalogue, key: str, name: str, fp32: Figure) -> Figure | None:
    """The matrix units' peak; where there are none, the vector units' if that is faster than FP32."""
    vector = book.peak(key, name, "vector")
    slow = vector is None or vector.value <= fp32.value
    return book.peak(key, name, "tensor") or (None if slow else vector)


def _source(book: Catalogue, used: list[Figure]) -> str:
    return "; ".join(book.document(key).citation for key in sorted({figure.document for figure in used}))
