"""The PerfSeer search space and the description of one network in it (METHODS 1.1).

A network is a 3x3 stride-2 stem convolution with batch norm and ReLU, four stages of random style, each
halving the resolution, and a head of global average pool and one fully connected layer. Its description is a
small JSON document, whose digest is the network's id. Nothing here builds a network or imports torch.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, ClassVar, Self

from perfseer.digests import canonical_json, digest
from perfseer.errors import PerfseerError
from perfseer.settings import Section, check_bounds, check_range, described, load_settings, number, typed
from perfseer.zoo.stages import (
    STAGES,
    WIDTH_MULTIPLE,
    StageSpec,
    Style,
    conv_bn_parameters,
    stage_from_mapping,
)

SPEC_VERSION = 1
N_STAGES = 4
MIN_RESOLUTION = 32  # halved by the stem and four stages: at least one pixel is left


@dataclass(frozen=True, kw_only=True)
class SearchSpace(Section):
    """Section ``zoo`` of params.yaml: the same space, small on a laptop and at 224 pixels on a GPU.

    At less than 64 pixels the last feature map can be a single pixel, where a training step at batch size 1
    is undefined (batch norm has one value per channel).
    """

    section: ClassVar[str] = "zoo"

    seed: int = number("seed of the sequence of networks", ge=0, le=2**63 - 1)
    styles: tuple[Style, ...] = described("styles a stage is drawn from")
    resolution: int = number("height and width of the input [pixels]", ge=MIN_RESOLUTION, le=2048)
    in_channels: int = number("channels of the input", ge=1, le=1024)
    stem_channels: int = number("channels the stem makes", ge=8, le=1024, multiple_of=WIDTH_MULTIPLE)
    n_classes: int = number("outputs of the head", ge=1, le=1_000_000)
    depth: tuple[int, int] = described("fewest and most blocks of a stage, inclusive")
    width: tuple[int, int] = described(
        "fewest and most channels of the last stage; the most halves per stage before"
    )
    max_parameters: int = number("largest network that counts as valid [parameters]", ge=1, le=10**12)

    def __post_init__(self) -> None:
        check_bounds(self)
        for style in self.styles:
            if style not in STAGES:
                raise ValueError(f"styles names {style!r}, expected some of {sorted(STAGES)}")
        if not self.styles or len(set(self.styles)) < len(self.styles):
            raise ValueError(f"styles is {list(self.styles)}, expected at least one and each once")
        check_interval("depth", self.depth, ge=1, le=64)
        check_interval("width", self.width, ge=8, le=8192, multiple_of=WIDTH_MULTIPLE)

    def stage_width(self, index: int) -> tuple[int, int]:
        """Fewest and most channels of stage ``index``, 0 to 3.

        The most halves with each stage before the last, as the resolution doubles: without this the first
        stages dominate the cost and the distribution is far from the paper's (`zoo/survey.py`).
        """
        low, high = self.width
        most = high // 2 ** (N_STAGES - 1 - index) // WIDTH_MULTIPLE * WIDTH_MULTIPLE
        return low, max(low, most)


def check_interval(name: str, interval: tuple[int, int], *, ge: int, le: int, multiple_of: int = 1) -> None:
    """Check a smallest and largest value.

    Raises:
        ValueError: names the field, its value and the allowed range.
    """
    low, high = interval
    check_range(f"{name}[0]", low, ge=ge, le=le, multiple_of=multiple_of)
    check_range(f"{name}[1]", high, ge=low, le=le, multiple_of=multiple_of)


@dataclass(frozen=True, kw_only=True)
class ArchitectureSpec:
    """One network of the space: everything needed to build it, whatever the resolution and the batch size.

    Attributes:
        version: of this format; part of the id.
        in_channels: channels of the input.
        stem_channels: channels the stem makes.
        stages: the four stages, first to last.
        n_classes: outputs of the head.
    """

    version: int = number("version of the format", ge=SPEC_VERSION, le=SPEC_VERSION)
    in_channels: int = number("channels of the input", ge=1, le=1024)
    stem_channels: int = number("channels the stem makes", ge=8, le=1024, multiple_of=WIDTH_MULTIPLE)
    stages: tuple[StageSpec, ...] = described("the four stages")
    n_classes: int = number("outputs of the head", ge=1, le=1_000_000)

    def __post_init__(self) -> None:
        check_bounds(self)
        if len(self.stages) != N_STAGES:
            raise ValueError(f"stages has {len(self.stages)} entries, expected {N_STAGES}")

    @cached_property
    def id(self) -> str:
        """Twelve hexadecimal digits: the digest of the canonical JSON."""
        return digest(self.to_mapping())

    @property
    def family(self) -> str:
        """The styles of the stages, for example ``vgg+resnet+mobilenet+densenet``."""
        return "+".join(stage.style for stage in self.stages)

    @property
    def input_channels(self) -> tuple[int, ...]:
        """Channels that each stage is fed with."""
        return (self.stem_channels, *(stage.width for stage in self.stages[:-1]))

    @property
    def output_channels(self) -> tuple[int, ...]:
        """Channels that each stage makes."""
        return tuple(stage.width for stage in self.stages)

    def to_mapping(self) -> dict[str, Any]:
        """Plain data."""
        plain = {item.name: getattr(self, item.name) for item in fields(self)}
        return plain | {"stages": [stage.to_mapping() for stage in self.stages]}

    def to_json(self) -> str:
        """Canonical JSON: equal networks give equal text."""
        return canonical_json(self.to_mapping())

    @classmethod
    def from_mapping(cls, mapping: Any) -> Self:
        """Read plain data.

        Raises:
            PerfseerError: an unknown or missing key, a wrong type, an unknown version, a value out of range.
        """
        if not isinstance(mapping, Mapping):
            raise PerfseerError(f"architecture is {type(mapping).__name__}, expected a mapping")
        stages = typed(mapping.get("stages", []), list, "architecture.stages")
        if len(stages) != N_STAGES:
            raise PerfseerError(f"architecture.stages has {len(stages)} entries, expected {N_STAGES}")
        read = [stage_from_mapping(stage, f"architecture.stages[{i}]") for i, stage in enumerate(stages)]
        return load_settings(cls, {**mapping, "stages": read}, "architecture")

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read JSON.

        Raises:
            PerfseerError: not JSON, a key given twice, or anything `from_mapping` refuses.
        """
        try:
            mapping = json.loads(text, object_pairs_hook=_without_repeats)
        except (ValueError, RecursionError) as error:
            raise PerfseerError(f"the architecture {text[:60]!r} is not JSON: {error}") from error
        return cls.from_mapping(mapping)


def n_parameters(spec: ArchitectureSpec) -> int:
    """Trainable elements of the network, without building it."""
    stem = conv_bn_parameters(spec.in_channels, spec.stem_channels, 3)
    pairs = zip(spec.stages, spec.input_channels, strict=True)
    head = (spec.output_channels[-1] + 1) * spec.n_classes
    return stem + sum(stage.n_parameters(channels) for stage, channels in pairs) + head


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) < len(pairs):
        raise ValueError(f"a key is given twice among {[key for key, _ in pairs]}")
    return mapping
