"""Which configurations are measured, in which order; any prefix is a fair sample of the space."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from perfseer.digests import digest
from perfseer.measure.fitting import order_on_device
from perfseer.measure.settings import CollectSettings, MemoryFormat, Mode, Precision
from perfseer.zoo.sampler import stream
from perfseer.zoo.space import SearchSpace


@dataclass(frozen=True)
class Configuration:
    """One model at one input, the unit that is measured.

    Attributes:
        model_ref: rebuilds the model anywhere (`perfseer.zoo.references`).
        model_spec: the architecture as canonical JSON; empty where the reference says all.
        architecture: its id; configurations that share it never cross a grouped split.
        family: styles of its four stages joined by ``+``.
        input_shape: C x H x W, for example ``3x64x64``.
        batch_size: samples.
        precision: see `CollectSettings`.
        memory_format: see `CollectSettings`.
        mode: see `CollectSettings`.
        order: position in the plan, from 0.
    """

    model_ref: str
    model_spec: str
    architecture: str
    family: str
    input_shape: str
    batch_size: int
    precision: Precision
    memory_format: MemoryFormat
    mode: Mode
    order: int

    @property
    def id(self) -> str:
        """Digest of what is measured; the position in the plan does not matter."""
        values = asdict(self)
        del values["order"], values["family"]
        return digest(values, 16)

    @property
    def input_dimensions(self) -> tuple[int, ...]:
        """C, H, W."""
        return tuple(int(size) for size in self.input_shape.split("x"))

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> Self:
        """Inverse of ``dataclasses.asdict``."""
        return cls(**mapping)


def batch_sizes_of(architecture: str, settings: CollectSettings) -> list[int]:
    """The batch sizes one architecture is measured at, in order: a random draw without replacement.

    Sorting by a digest of architecture and size is such a draw, and unlike ``random`` it gives the same on
    every version of Python. Two architectures' draws are independent.
    """
    ordered = sorted(settings.batch_sizes, key=lambda size: digest([architecture, "batch size", size], 64))
    return ordered[: settings.batches_per_architecture]


def plan(
    space: SearchSpace, settings: CollectSettings, memory_bytes: int | None = None
) -> Iterator[Configuration]:
    """Configurations without end, or until the space is used up.

    Architectures come in the sampler's order, where each is drawn independently of its position, so the
    first n are a sample of the space for every n; so are their batch sizes. Of one architecture's sizes,
    those whose training clearly exceeds ``memory_bytes`` come last.

    Args:
        space: networks to draw from.
        settings: batch sizes and how they are run.
        memory_bytes: of the device; None leaves every size in its place.
    """
    order = 0
    for spec in stream(space):
        sizes = batch_sizes_of(spec.id, settings)
        if memory_bytes is not None:
            sizes = order_on_device(spec, space.resolution, sizes, settings.precision, memory_bytes)
        for batch_size in sizes:
            yield Configuration(
                model_ref=f"zoo:{spec.id}",
                model_spec=spec.to_json(),
                architecture=spec.id,
                family=spec.family,
                input_shape=f"{space.in_channels}x{space.resolution}x{space.resolution}",
                batch_size=batch_size,
                precision=settings.precision,
                memory_format=settings.memory_format,
                mode=settings.mode,
                order=order,
            )
            order += 1
