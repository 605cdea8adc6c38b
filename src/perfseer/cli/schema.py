"""The whole of params.yaml: read, validated, described. Each section's model lives in its own room."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, create_model, model_validator

from perfseer.data.settings import LabelSettings, SourceSettings, SplitSettings
from perfseer.errors import PerfseerError, require
from perfseer.evaluation.overrides import override
from perfseer.evaluation.settings import EvaluationSettings
from perfseer.measure.kernels.settings import KernelSettings
from perfseer.measure.settings import CollectSettings
from perfseer.measure.trust.settings import TrustSettings
from perfseer.predictors.registry import PREDICTOR_NAMES, settings_class
from perfseer.predictors.settings import SETTINGS, PredictorSettings
from perfseer.reporting.settings import ReportSettings
from perfseer.studies.ablation.settings import AblationSettings
from perfseer.studies.ablation.variants import resolve
from perfseer.studies.benchmark.settings import BenchmarkSettings
from perfseer.studies.nasbench201.settings import NasBench201Settings
from perfseer.studies.public.settings import PublicSettings
from perfseer.training.settings import TrainingSettings
from perfseer.zoo.space import SearchSpace
from perfseer.zoo.survey import SurveySettings

Seed = Annotated[int, Field(ge=0, lt=2**31)]
_STRICT = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class _Sections(BaseModel):
    """One section per predictor that takes part; a predictor without a section is left out."""

    model_config = _STRICT


def _sections(title: str, names: Iterable[str], base: type[BaseModel] = _Sections) -> type[BaseModel]:
    fields: dict[str, Any] = {name: (settings_class(name) | None, None) for name in names}
    return create_model(title, __base__=base, **fields)


def _combines(name: str) -> bool:
    """Whether a predictor is made from others, and so stands in section ``ensembles``."""
    return "members" in SETTINGS[name].needs


Predictors = _sections("Predictors", (name for name in SETTINGS if not _combines(name)))
Ensembles = _sections("Ensembles", (name for name in SETTINGS if _combines(name)))


class TrainingParameters(BaseModel):
    """The sections that fitting one predictor depends on.

    Attributes:
        seeds: each draws a new split and new initial weights.
        labels: how each quantity is mapped for learning.
        splits: which splits are drawn, and their shares.
        training: the recipe of the networks.
        predictors: one section per predictor, by its registered name.
        ensembles: one section per predictor that is made from those.
        evaluation: what is computed from predictions.
    """

    model_config = _STRICT

    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)]
    labels: LabelSettings
    splits: SplitSettings
    training: TrainingSettings
    predictors: Predictors = Predictors()  # type: ignore[valid-type]
    ensembles: Ensembles = Ensembles()  # type: ignore[valid-type]
    evaluation: EvaluationSettings

    @model_validator(mode="after")
    def _seeds_are_distinct(self) -> Self:
        if len(set(self.seeds)) != len(self.seeds):
            raise ValueError(f"seeds {list(self.seeds)} repeat; each may stand once")
        return self

    @classmethod
    def from_mapping(cls, mapping: dict[str, Any]) -> Self:
        """Validate.

        Raises:
            PerfseerError: lists every fault as ``parameter = value: what is allowed``.
        """
        try:
            return cls._with_own_files(mapping).model_validate(mapping)
        except ValidationError as error:
            raise PerfseerError(_explain(error)) from error

    @classmethod
    def _with_own_files(cls, mapping: Mapping[str, Any]) -> type[Self]:
        """This model, with sections for the listed predictors whose settings stand in their own files."""
        listed = mapping.get("predictors")
        names = set(listed) & set(PREDICTOR_NAMES) - set(SETTINGS) if isinstance(listed, Mapping) else set()
        if not names:
            return cls
        sections = _sections("Predictors", sorted(names), Predictors)
        fields: dict[str, Any] = {"predictors": (sections, ...)}
        return create_model(cls.__name__, __base__=cls, **fields)

    def settings_of(self, predictor: str) -> PredictorSettings:
        """The validated section of one predictor or ensemble.

        Raises:
            PerfseerError: it is unknown or left out.
        """
        for sections in (self.predictors, self.ensembles):
            settings: PredictorSettings | None = getattr(sections, predictor, None)
            if settings is not None:
                return settings
        names = (*self.predictor_names, *self.ensemble_names)
        raise PerfseerError(f"no section of predictor {predictor!r}; params.yaml has {', '.join(names)}")

    @property
    def predictor_names(self) -> tuple[str, ...]:
        """Predictors that take part, in the registered order."""
        return tuple(name for name in PREDICTOR_NAMES if getattr(self.predictors, name, None) is not None)

    @property
    def ensemble_names(self) -> tuple[str, ...]:
        """Ensembles that take part, in the registered order."""
        return tuple(name for name in PREDICTOR_NAMES if getattr(self.ensembles, name, None) is not None)


class Parameters(TrainingParameters):
    """params.yaml, complete.

    Attributes:
        zoo: the search space that is measured.
        source: where the measurements come from.
        collect: what is measured and how.
        trust: what is measured again and for long, and which rules a table must obey.
        kernels: which kernels are measured one by one, for nn_meter.
        report: what the report dwells on and how it judges.
        survey: the search space at the paper's own setting, not measured.
        ablation: what each part of SeerNet is worth: a base and its variants.
        benchmark: what training and using each predictor costs.
        nasbench201: predictors on other people's latencies of NAS-Bench-201.
        public: predictors on published results of real models; null: not part of this experiment.
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
    ablation: AblationSettings
    benchmark: BenchmarkSettings
    nasbench201: NasBench201Settings
    public: PublicSettings | None

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
    def _kernels_are_of_the_same_device(self) -> Self:
        hungry = [name for name in self.predictor_names if "kernels" in self.settings_of(name).needs]
        if hungry and self.source.kind != "measured":
            raise ValueError(
                f"{', '.join(hungry)} needs kernels measured on the device of the table, and source.kind is "
                f"{self.source.kind}: leave it out (predictors.{hungry[0]}: null)"
            )
        return self

    @model_validator(mode="after")
    def _variants_can_be_fitted(self) -> Self:
        require(
            self.ablation.split in self.splits.names,
            f"ablation.split = {self.ablation.split!r}: splits.names has {', '.join(self.splits.names)}",
        )
        resolve(self.as_mapping())
        return self

    @model_validator(mode="after")
    def _points_can_be_fitted(self) -> Self:
        require(
            self.benchmark.split in self.splits.names,
            f"benchmark.split = {self.benchmark.split!r}: splits.names has {', '.join(self.splits.names)}",
        )
        changed = override(self.as_mapping(), self.benchmark.overrides)
        TrainingParameters.from_mapping({name: changed[name] for name in TrainingParameters.model_fields})
        return self

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """JSON schema of params.yaml, for editors and for readers."""
        return cls.model_json_schema()

    def as_mapping(self) -> dict[str, Any]:
        """Plain data, as YAML would hold it; sections of absent predictors left out."""
        plain: dict[str, Any] = TypeAdapter(type(self)).dump_python(self, mode="json", exclude_unset=False)
        plain["predictors"] = {name: plain["predictors"][name] for name in self.predictor_names}
        plain["ensembles"] = {name: plain["ensembles"][name] for name in self.ensemble_names}
        return plain


def training_parameters(mapping: dict[str, Any], predictor: str, split: str) -> TrainingParameters:
    """The sections of ``mapping`` that fitting ``predictor`` on ``split`` depends on, validated.

    Raises:
        PerfseerError: a section is missing or at fault, or the predictor or split is not in it.
    """
    wanted = {name: mapping[name] for name in TrainingParameters.model_fields if name in mapping}
    parameters = TrainingParameters.from_mapping(wanted)
    parameters.settings_of(predictor)
    if split not in parameters.splits.names:
        raise PerfseerError(f"no split {split!r}; params.yaml has {', '.join(parameters.splits.names)}")
    return parameters


def _explain(error: ValidationError) -> str:
    lines = [
        f"  {'.'.join(map(str, fault['loc'])) or 'params'} = {_short(fault['input'])}: {fault['msg']}"
        for fault in error.errors()
    ]
    return "\n".join([f"{len(lines)} fault{'s' * (len(lines) > 1)} in the parameters:", *lines])


def _short(value: Any, limit: int = 60) -> str:
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
