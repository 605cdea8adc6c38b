"""Settings of the study on unseen devices: section ``devices`` of params.yaml. Imports no torch."""

from typing import Annotated, Any, Self

from pydantic import Field, PositiveInt, model_validator

from perfseer.data.sources import source_names
from perfseer.targets import Phase
from perfseer.validation import Strict


class PublishedTimes(Strict):
    """Which rows of a published source take part.

    Attributes:
        files: names of its files; all if empty.
        sample: architectures, drawn by `DevicesSettings.seed`; all if None.
        phases: whose times count.
        optimiser: whether its training steps end with the optimiser's; ours do.
    """

    files: tuple[str, ...] = ()
    sample: PositiveInt | None = None
    phases: Annotated[tuple[Phase, ...], Field(min_length=1)] = ("infer", "train")
    optimiser: bool = True


class DevicesSettings(Strict):
    """Which predictor answers for which devices. Complete in itself.

    Attributes:
        predictor: a shipped predictor's name or the folder of one.
        sources: published times, by the name of their source; of devices the predictor was trained on
            nothing is taken.
        rows: the most of one device, precision, mode and source that count; a large table must not drown
            the others.
        seed: draws samples and rows.
        confidence: of the intervals.
    """

    predictor: str
    sources: Annotated[dict[str, PublishedTimes], Field(min_length=1)]
    rows: Annotated[int, Field(ge=10)]
    seed: int
    confidence: Annotated[float, Field(gt=0, lt=1)]

    @model_validator(mode="after")
    def _sources_are_known(self) -> Self:
        unknown = sorted(set(self.sources) - set(source_names()))
        if unknown:
            raise ValueError(f"sources names {unknown}; there are {', '.join(source_names())}")
        return self


# What stands in params.yaml.
SECTIONS: dict[str, Any] = {"devices": DevicesSettings}
