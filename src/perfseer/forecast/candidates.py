"""Models worth measuring on a new device: a fixed list of timm's, networks of our own, or named ones."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import islice, product
from pathlib import Path

from perfseer.errors import require
from perfseer.forecast.inputs import ASSUMED_SHAPE, Shape, default_shape
from perfseer.measure.plan import Configuration
from perfseer.measure.settings import CollectSettings
from perfseer.zoo.references import architecture, build, parse
from perfseer.zoo.sampler import stream
from perfseer.zoo.space import ArchitectureSpec, SearchSpace

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


def standard(count: int) -> list[Candidate]:
    """So many models to choose from: timm's where it is installed, else our own and some of the search space.

    Raises:
        PerfseerError: there are not so many.
    """
    found = _timm() if find_spec("timm") is not None else _ours(count)
    require(
        count <= len(found),
        f"{count} models to choose from were asked for, there are {len(found)}: ask for fewer, or name "
        "models with --model",
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
        return _own(architecture(reference), shape or ASSUMED_SHAPE)
    module = build(ref, input_shape=shape)
    found = shape or default_shape(reference.kind, reference.target, module) or ASSUMED_SHAPE
    return _foreign(ref, found)


def configurations(
    candidates: Sequence[Candidate], batch_sizes: Sequence[int], settings: CollectSettings
) -> list[Configuration]:
    """Every candidate at every batch size, in order."""
    return [
        Configuration(
            model_ref=candidate.model_ref,
            model_spec=candidate.model_spec,
            architecture=candidate.architecture,
            family=candidate.family,
            input_shape="x".join(map(str, candidate.shape)),
            batch_size=batch_size,
            precision=settings.precision,
            memory_format=settings.memory_format,
            mode=settings.mode,
            order=order,
        )
        for order, (candidate, batch_size) in enumerate(product(candidates, batch_sizes))
    ]


def _timm() -> list[Candidate]:
    with _TIMM.open(encoding="utf-8", newline="") as stream:
        sizes = {row["name"]: int(row["image_size"]) for row in csv.DictReader(stream)}
    return [_foreign(f"timm:{name}", (3, size, size)) for name, size in sizes.items()]


def _ours(count: int) -> list[Candidate]:
    references = [_foreign(f"module:perfseer.zoo.reference.{name}", ASSUMED_SHAPE) for name in _OWN]
    sampled = islice(stream(_SPACE), max(0, count - len(references)))
    return references + [_own(spec, ASSUMED_SHAPE) for spec in sampled]


def _own(spec: ArchitectureSpec, shape: Shape) -> Candidate:
    return Candidate(f"zoo:{spec.id}", spec.to_json(), spec.id, spec.family, shape)


def _foreign(ref: str, shape: Shape) -> Candidate:
    kind, _, target = ref.partition(":")
    name = target.rpartition(".")[2] if kind == "module" else target.partition(".")[0]
    letters = len(name) - len(name.lstrip("abcdefghijklmnopqrstuvwxyz"))
    return Candidate(ref, "", name, name[:letters] or name, shape)
