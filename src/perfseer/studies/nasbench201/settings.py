"""Settings of the study on NAS-Bench-201: section ``nasbench201`` of params.yaml. Imports no torch."""

from typing import Annotated, Any, Self

from pydantic import (
    Field,
    PositiveInt,
    SerializerFunctionWrapHandler,
    create_model,
    model_serializer,
    model_validator,
)

from perfseer.data.sources.nasbench201.cells import DEVICES, Reading, View
from perfseer.errors import PerfseerError
from perfseer.evaluation.settings import Percentage
from perfseer.predictors.settings import SETTINGS, PredictorSettings
from perfseer.training.settings import TrainingSettings
from perfseer.validation import Strict


class _Sections(Strict):
    """One section per predictor that takes part; a predictor without a section is left out."""

    @model_serializer(mode="wrap")
    def _without_absent(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: section for name, section in handler(self).items() if section is not None}


# Those that are fitted from kernels or from other predictors have nothing to be fitted from here.
_FIELDS: dict[str, Any] = {
    name: (settings | None, None) for name, settings in SETTINGS.items() if not settings.needs
}
NasBench201Predictors = create_model("NasBench201Predictors", __base__=_Sections, **_FIELDS)


class NasBench201Settings(Strict):
    """Which predictors are fitted on which latencies. Complete in itself: presets do not change it.

    Attributes:
        devices: files of latencies, by name (`perfseer.data.sources.nasbench201.cells.DEVICES`).
        readings: which operations of a cell a graph shows.
        train_cells: cells to learn from; the others test.
        valid_cells: cells to stop on.
        within_pct: tolerances of "share of predictions within x % of the measurement".
        cell_view: predictors that see the cell alone; the others see it within its network.
        training: recipe of the networks that declare none of their own.
        predictors: one section per predictor.
    """

    devices: Annotated[tuple[str, ...], Field(min_length=1)]
    readings: Annotated[tuple[Reading, ...], Field(min_length=1)]
    train_cells: Annotated[PositiveInt, Field(description="BRP-NAS: 900")]
    valid_cells: Annotated[PositiveInt, Field(description="BRP-NAS: 100")]
    within_pct: Annotated[tuple[Percentage, ...], Field(min_length=1, description="BRP-NAS: 1, 5, 10, 20")]
    cell_view: tuple[str, ...]
    training: TrainingSettings
    predictors: NasBench201Predictors  # type: ignore[valid-type]

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        for field, known in (("devices", DEVICES), ("cell_view", SETTINGS)):
            unknown = [name for name in getattr(self, field) if name not in known]
            if unknown:
                raise ValueError(f"{field} names {unknown}; there are {', '.join(known)}")
        return self

    @property
    def predictor_names(self) -> tuple[str, ...]:
        """Predictors that take part, in the order of reports."""
        return tuple(name for name in _FIELDS if getattr(self.predictors, name) is not None)

    def settings_of(self, predictor: str) -> PredictorSettings:
        """The section of one predictor.

        Raises:
            PerfseerError: it has none.
        """
        if predictor not in self.predictor_names:
            names = ", ".join(self.predictor_names)
            raise PerfseerError(f"no section nasbench201.predictors.{predictor}; there are {names}")
        settings: PredictorSettings = getattr(self.predictors, predictor)
        return settings

    def view_of(self, predictor: str) -> View:
        """What the predictor's graphs show."""
        return "cell" if predictor in self.cell_view else "network"


# What stands in params.yaml.
SECTIONS: dict[str, Any] = {"nasbench201": NasBench201Settings}
