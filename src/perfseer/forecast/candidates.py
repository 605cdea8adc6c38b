"""Models worth measuring on a new device: a fixed list of timm's, networks of our own, or named ones."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from perfseer.errors import PerfseerError
from perfseer.forecast.inputs import Shape, default_shape
from perfseer.measure.plan import Configuration
from perfseer.measure.settings import CollectSettings
from perfseer.zoo.references import architecture, build, parse
from perfseer.zoo.sampler import stream
from perfseer.zoo.space import SearchSpace

ASSUMED_SHAPE: Shape = (3, 224, 224)
# Of every kind of network that timm has, small and large, none that takes minutes on a laptop: convolutions,
# grouped and depth-wise ones, attention of every sort, token mixers; the telling ones first.
_TIMM = Path(__file__).with_name("timm_candidates.csv")
_OWN = ("resnet50", "mobilenet_v1", "vit_tiny")
# The space of the PerfSeer paper at its own resolution.
_SPACE = SearchSpace(
    seed=0,
    styles=("vgg", "googlenet", "resnet", "densenet", "mobilenet"),
    resolution=224,
    in_channels=3,
    stem_channels=32,
    n_classes=1000,
    depth=(1, 4),
    width=(16, 512),
    max_parameters=260_000_000,
)


@dataclass(frozen=True)
class Candidate:
    """A model that can be measured.

    Attributes:
        model_ref: rebuilds it anywhere.
        model_spec: its description; empty where the reference says all.
        architecture: what models that err alike share.
        family: what their relatives share.
        shape: of one sample.
    """

    model_ref: str
    model_spec: str
    architecture: str
    family: str
    shape: Shape

    def configuration(self, batch_size: int, settings: CollectSettings, order: int) -> Configuration:
        """What is measured of it at one batch size."""
        return Configuration(
            model_ref=self.model_ref,
            model_spec=self.model_spec,
            architecture=self.architecture,
            family=self.family,
            input_shape="x".join(map(str, self.shape)),
            batch_size=batch_size,
            precision=settings.precision,
            memory_format=settings.memory_format,
            mode=settings.mode,
            order=order,
        )


def standard(count: int) -> list[Candidate]:
    """So many models to choose from: timm's where it is installed, else our own and some of the search space.

    Raises:
        PerfseerError: there are not so many.
    """
    found = _timm() if find_spec("timm") is not None else _ours(count)
    if count > len(found):
        raise PerfseerError(
            f"{count} models to choose from were asked for, there are {len(found)}: ask for fewer, or name "
            "models with --model"
        )
    return found[:count]


def named(ref: str, shape: Shape | None) -> Candidate:
    """The model of a reference.

    Args:
        ref: see `perfseer.zoo.references`.
        shape: of one sample; None takes what its library names, or an image of 224 x 224.

    Raises:
        PerfseerError: there is no such model, or it cannot be built.
    """
    reference = parse(ref)
    if reference.kind == "zoo":
        spec = architecture(reference)
        return Candidate(f"zoo:{spec.id}", spec.to_json(), spec.id, spec.family, shape or ASSUMED_SHAPE)
    module = build(ref, input_shape=shape)
    found = shape or default_shape(reference.kind, reference.target, module) or ASSUMED_SHAPE
    return _foreign(ref, found)


def configurations(
    candidates: Sequence[Candidate], batch_sizes: Sequence[int], settings: CollectSettings
) -> list[Configuration]:
    """Every candidate at every batch size, in order."""
    pairs = [(candidate, size) for candidate in candidates for size in batch_sizes]
    return [candidate.configuration(size, settings, order) for order, (candidate, size) in enumerate(pairs)]


def _timm() -> list[Candidate]:
    with _TIMM.open(encoding="utf-8", newline="") as stream:
        sizes = {row["name"]: int(row["image_size"]) for row in csv.DictReader(stream)}
    return [_foreign(f"timm:{name}", (3, size, size)) for name, size in sizes.items()]


def _ours(count: int) -> list[Candidate]:
    references = [_foreign(f"module:perfseer.zoo.reference.{name}", ASSUMED_SHAPE) for name in _OWN]
    sampled = zip(range(max(0, count - len(references))), stream(_SPACE), strict=False)
    specs = [spec for _, spec in sampled]
    return references + [
        Candidate(f"zoo:{spec.id}", spec.to_json(), spec.id, spec.family, ASSUMED_SHAPE) for spec in specs
    ]


def _foreign(ref: str, shape: Shape) -> Candidate:
    kind, _, target = ref.partition(":")
    name = target.rpartition(".")[2] if kind == "module" else target.partition(".")[0]
    letters = len(name) - len(name.lstrip("abcdefghijklmnopqrstuvwxyz"))
    return Candidate(ref, "", name, name[:letters] or name, shape)
