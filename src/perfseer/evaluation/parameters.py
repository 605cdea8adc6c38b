"""Parameters of fitting predictors: the sections of params.yaml that every fit depends on.

The whole of params.yaml is in `perfseer.cli.schema`; this part stands apart, so that fitting does not depend
on what the rest of it is made of.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Self

from pydantic import Field, create_model, model_validator

from perfseer.data.settings import LabelSettings, Seed, SplitSettings
from perfseer.errors import PerfseerError, require
from perfseer.evaluation.settings import EvaluationSettings
from perfseer.predictors.registry import PREDICTOR_NAMES, settings_class
from perfseer.predictors.settings import SETTINGS, PredictorSettings
from perfseer.training.settings import TrainingSettings
from perfseer.validation import Strict, validated

# Sections that fitting any predictor depends on, besides its own.
RECIPE = ("seeds", "splits", "labels", "training", "evaluation")


def _sections(title: str, names: Iterable[str], base: type[Strict] = Strict) -> type[Strict]:
    """One section per predictor that takes part; a predictor without a section is left out."""
    fields: dict[str, Any] = {name: (settings_class(name) | None, None) for name in names}
    return create_model(title, __base__=base, **fields)


def _combines(name: str) -> bool:
    """Whether a predictor is made from others, and so stands in section ``ensembles``."""
    return "members" in SETTINGS[name].needs


Predictors = _sections("Predictors", (name for name in SETTINGS if not _combines(name)))
Ensembles = _sections("Ensembles", (name for name in SETTINGS if _combines(name)))


class TrainingParameters(Strict):
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
        return validated(cls._with_own_files(mapping), mapping)

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

    def as_mapping(self) -> dict[str, Any]:
        """Plain data, as YAML would hold it; sections of absent predictors left out."""
        plain = self.model_dump(mode="json")
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


def require_drawn(parameters: Mapping[str, Any], section: str) -> None:
    """The split that a study's section names is one that is drawn.

    Raises:
        PerfseerError: it is not.
    """
    split, names = parameters[section]["split"], parameters["splits"]["names"]
    require(split in names, f"{section}.split = {split!r}: splits.names has {', '.join(names)}")


def fitting_sections(parameters: Mapping[str, Any], *predictors: str) -> dict[str, Any]:
    """The sections that fitting some predictors and ensembles depends on, and no more.

    Args:
        parameters: raw mapping of params.yaml.
        predictors: their names; those that are not there are left out.
    """
    own = {
        kind: {name: parameters[kind][name] for name in predictors if name in parameters[kind]}
        for kind in ("predictors", "ensembles")
    }
    return {**{name: parameters[name] for name in RECIPE}, **own}
