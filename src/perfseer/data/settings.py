"""Settings of the dataset: ``seeds`` and the sections ``source``, ``labels``, ``splits`` of params.yaml."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from perfseer.data.sources import source_names
from perfseer.validation import Strict, validated

# Everything that is drawn takes one of these, numpy among others, which knows no negative ones.
Seed = Annotated[int, Field(ge=0, lt=2**31)]
SplitName = Literal["architecture", "random", "family"]
Margin = Annotated[
    float,
    Field(
        ge=0,
        le=20,
        description="decoding stays within the training range widened by this much, in natural logarithms "
        "(utilisation: log-odds), whatever the transform: 2.3 is a factor of ten either way",
    ),
]


class SourceSettings(Strict):
    """Where the measurements come from.

    Attributes:
        kind: ``measured`` on this machine by section ``collect``; ``table``, measured before, here or
            elsewhere; or the name of measurements that others published (`perfseer source list`), such as
            ``perfseer_release``.
        tables: measurement tables to join; kind ``table`` alone has them.
        repeats: their configurations measured again (`perfseer remeasure`), or None.
        protocol_study: the table of `perfseer protocol-study`, or None.
        release: of published measurements, a file by name or a file or folder by path; None for all, of
            ``perfseer_release`` never.
    """

    kind: Annotated[str, Field(examples=["measured", "table", "perfseer_release"])]
    tables: tuple[str, ...] = ()
    repeats: str | None = None
    protocol_study: str | None = None
    release: str | None = None

    @property
    def is_published(self) -> bool:
        """Whether others measured and published it."""
        return self.kind not in ("measured", "table")

    @property
    def path(self) -> str | None:
        """Where published measurements are read from; None for files that are fetched by name."""
        if self.release and (self.kind == "perfseer_release" or Path(self.release).exists()):
            return self.release
        return None

    @model_validator(mode="after")
    def _paths_fit_the_kind(self) -> Self:
        if self.is_published and self.kind not in source_names():
            allowed = ", ".join(("measured", "table", *source_names()))
            raise ValueError(f"source.kind {self.kind!r} is none of {allowed}")
        wanted = {"table": {"tables"}, "perfseer_release": {"release"}}.get(self.kind, set())
        optional = {"release"} if self.is_published else set()
        optional |= {"repeats", "protocol_study"} if self.kind == "table" else set()
        given = {name for name in ("tables", "repeats", "protocol_study", "release") if getattr(self, name)}
        if wanted - given:
            raise ValueError(f"source.kind {self.kind} needs source.{', '.join(wanted - given)}")
        if given - wanted - optional:
            raise ValueError(
                f"source.kind {self.kind} takes no {', '.join(sorted(given - wanted - optional))}"
            )
        return self


Standardise = Annotated[bool, Field(description="z-score of the transformed labels, from training rows")]


class PositiveTransform(Strict):
    """y ↦ ln y, ln(1 + y) or y: for times and memory, whose errors are relative.

    The paper's choice was not found; log1p is the live reproduction's (METHODS 1.4), log serves MAPE best.
    """

    transform: Literal["log", "log1p", "identity"]
    standardise: Standardise
    margin: Margin


class BoundedTransform(Strict):
    """y ↦ ln(y / (ceiling − y)), or y: for utilisation, which is bounded.

    A ceiling just above 100 keeps a saturated device (y = 100) finite and exactly invertible.
    """

    transform: Literal["logit", "identity"]
    standardise: Standardise
    margin: Margin
    ceiling: Annotated[float, Field(gt=100, le=110, description="percent")]


class LabelSettings(Strict):
    """How each quantity is mapped for learning; training and inference alike."""

    time: PositiveTransform
    mem: PositiveTransform
    util: BoundedTransform


class Fractions(Strict):
    """Shares of train, valid and test; they sum to 1."""

    train: Annotated[float, Field(gt=0, lt=1)]
    valid: Annotated[float, Field(gt=0, lt=1)]
    test: Annotated[float, Field(gt=0, lt=1)]

    @model_validator(mode="after")
    def _sums_to_one(self) -> Self:
        total = self.train + self.valid + self.test
        if abs(total - 1) > 1e-9:
            raise ValueError(f"train + valid + test is {total:g}, expected 1")
        return self


class SplitSettings(Strict):
    """Which splits are drawn, which one the reports lead with, and their shares."""

    names: Annotated[tuple[SplitName, ...], Field(min_length=1)]
    headline: SplitName
    fractions: Fractions

    @model_validator(mode="after")
    def _names_are_consistent(self) -> Self:
        if len(set(self.names)) != len(self.names):
            raise ValueError(f"names lists a split twice: {list(self.names)}")
        if self.headline not in self.names:
            raise ValueError(f"headline {self.headline!r} is not among names {list(self.names)}")
        return self


class DatasetSettings(Strict):
    """The sections of params.yaml that a dataset depends on.

    Attributes:
        seeds: each draws every split anew.
        labels: section ``labels``.
        splits: section ``splits``.
    """

    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)]
    labels: LabelSettings
    splits: SplitSettings

    @field_validator("seeds")
    @classmethod
    def _seeds_are_distinct(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) != len(seeds):
            raise ValueError(f"seeds {list(seeds)} repeat; each may stand once")
        return seeds

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> Self:
        """Validate ``seeds``, ``labels`` and ``splits`` of params.yaml; other sections are not looked at.

        Raises:
            PerfseerError: names each faulty parameter, its value and what is allowed.
        """
        sections = {name: mapping[name] for name in cls.model_fields if name in mapping}
        return validated(cls, sections)
