"""Settings of the study on unseen devices: section ``devices`` of params.yaml. Imports no torch."""

from typing import Annotated, Any, Self

from pydantic import Field, JsonValue, PositiveInt, model_validator

from perfseer.data.settings import Seed
from perfseer.data.sources import source_names
from perfseer.evaluation.overrides import override
from perfseer.studies.wanted_times import PublishedTimes
from perfseer.validation import Strict, validated


class Variant(Strict):
    """The study with a few settings changed: what a part of the method is worth.

    Attributes:
        changes: dotted path into the section to value.
        says: the difference in words, for the report.
    """

    changes: Annotated[dict[str, JsonValue], Field(min_length=1)]
    says: str


class DevicesSettings(Strict):
    """Which devices are left out of what. Complete in itself.

    Attributes:
        predictor: a shipped predictor's name or the folder of one, whose answers are moved.
        sources: published times of models, by the name of their source: judged, and learnt from.
        operators: published times of single operators: learnt from, and judged on devices of which nobody
            timed models.
        home: the source whose rows all parts of the predictor learn from; from others its network learns.
        elsewhere: whether it does.
        rows: the most of one device, precision, mode and source that are judged.
        folds: devices are dealt to so many; each fold is answered by a fit that has seen none of its devices
            and none of the models that it is judged on.
        seeds: each deals devices anew, draws other rows and other initial weights.
        valid_share: share of the architectures that are left to a fit that only its learning curve sees.
        settings: of ``seernet_x``, the predictor that is fitted.
        confidence: of the intervals.
        known: numbers of measured models after which errors are given.
        variants: what is changed, for the table of what each part is worth; the first seed of each.
    """

    predictor: str
    sources: Annotated[dict[str, PublishedTimes], Field(min_length=1)]
    operators: dict[str, PublishedTimes] = Field(default={})
    home: str
    elsewhere: bool = True
    rows: Annotated[int, Field(ge=10)]
    folds: Annotated[int, Field(ge=2, le=50)]
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)]
    valid_share: Annotated[float, Field(gt=0, le=0.5)]
    settings: dict[str, JsonValue]
    confidence: Annotated[float, Field(gt=0, lt=1)]
    known: Annotated[tuple[PositiveInt, ...], Field(min_length=1)]
    variants: dict[str, Variant] = Field(default={})

    @model_validator(mode="after")
    def _sources_are_known(self) -> Self:
        unknown = sorted({*self.sources, *self.operators} - set(source_names()))
        if unknown:
            raise ValueError(f"sources names {unknown}; there are {', '.join(source_names())}")
        twice = sorted(set(self.sources) & set(self.operators))
        if twice:
            raise ValueError(f"{twice} stand in sources and in operators; each may stand once")
        if self.home not in self.sources:
            raise ValueError(f"home is {self.home!r}, expected one of sources: {', '.join(self.sources)}")
        return self

    def variant(self, name: str | None) -> Self:
        """The section as a variant has it; as it is for None.

        Raises:
            PerfseerError: a path does not lead to a setting.
            KeyError: there is no such variant.
        """
        if name is None:
            return self
        plain = self.model_dump(mode="json")
        return validated(type(self), override(plain, self.variants[name].changes), f"devices.variants.{name}")


# What stands in params.yaml.
SECTIONS: dict[str, Any] = {"devices": DevicesSettings}
