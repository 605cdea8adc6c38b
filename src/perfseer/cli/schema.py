"""The whole of params.yaml: read, validated, described. Each section's model lives in its own room."""

from typing import Any, Self

from pydantic import create_model, model_validator

from perfseer.data.settings import SourceSettings
from perfseer.data.source import source_class
from perfseer.data.sources import source_names
from perfseer.evaluation.parameters import Ensembles, Predictors, TrainingParameters
from perfseer.measure.kernels.settings import KernelSettings
from perfseer.measure.settings import CollectSettings
from perfseer.measure.trust.settings import TrustSettings
from perfseer.predictors.registry import PREDICTOR_NAMES
from perfseer.reporting.settings import ReportSettings
from perfseer.studies import shelf
from perfseer.targets import TARGET_NAMES
from perfseer.zoo.space import SearchSpace
from perfseer.zoo.survey import SurveySettings


class _Resident(TrainingParameters):
    """The sections that no study owns.

    Attributes:
        zoo: the search space that is measured.
        source: where the measurements come from.
        collect: what is measured and how.
        trust: what is measured again and for long, and which rules a table must obey.
        kernels: which kernels are measured one by one, for nn_meter.
        report: what the report dwells on and how it judges.
        survey: the search space at the paper's own setting, not measured.
    """

    zoo: SearchSpace
    source: SourceSettings
    collect: CollectSettings
    trust: TrustSettings
    kernels: KernelSettings
    predictors: Predictors  # type: ignore[valid-type]
    ensembles: Ensembles  # type: ignore[valid-type]
    report: ReportSettings
    survey: SurveySettings

    @model_validator(mode="after")
    def _predictors_are_there(self) -> Self:
        if not self.predictor_names:
            raise ValueError(f"no predictor is listed; there are {', '.join(PREDICTOR_NAMES)}")
        for name in self.ensemble_names:
            absent = set(self.settings_of(name).members) - set(self.predictor_names)
            if absent:
                raise ValueError(f"ensembles.{name} has members {sorted(absent)} that are not in predictors")
        return self

    @model_validator(mode="after")
    def _reported_predictors_take_part(self) -> Self:
        there = (*self.predictor_names, *self.ensemble_names)
        named = {"predictor": (self.report.predictor,), "reference": (self.report.reference,)}
        for field, names in (named | {"beside": self.report.beside}).items():
            absent = [name for name in names if name not in there]
            if absent:
                raise ValueError(
                    f"report.{field} names {absent}, which take no part; there are {', '.join(there)}"
                )
        return self

    @model_validator(mode="after")
    def _kernels_are_of_the_same_device(self) -> Self:
        hungry = [name for name in self.predictor_names if "kernels" in self.settings_of(name).needs]
        if hungry and self.source.kind != "measured":
            raise ValueError(
                f"{', '.join(hungry)} needs kernels measured on the device of the table, and source.kind is "
                f"{self.source.kind}: leave it out (predictors.{hungry[0]}: null)"
            )
        return self

    @model_validator(mode="after")
    def _source_has_all_labels(self) -> Self:
        if self.source.kind in source_names():
            lacking = [name for name in TARGET_NAMES if name not in source_class(self.source.kind).labels]
            if lacking:
                raise ValueError(
                    f"source.kind = {self.source.kind!r} publishes no {', '.join(lacking)}, and a dataset "
                    f"has all six labels; `perfseer source table {self.source.kind}` reads what there is"
                )
        return self

    @model_validator(mode="after")
    def _studies_can_run(self) -> Self:
        shelf.check(self.as_mapping())
        return self


_SECTIONS: dict[str, Any] = {name: (kind, ...) for name, kind in shelf.sections().items()}


class Parameters(create_model("_Parameters", __base__=_Resident, **_SECTIONS)):  # type: ignore[misc]
    """params.yaml, complete: the resident sections, and one for each study that declares it."""

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """JSON schema of params.yaml, for editors and for readers."""
        return cls.model_json_schema()
