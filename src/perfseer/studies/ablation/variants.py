"""Variants resolved: what each fits, checked before anything runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from perfseer.data.settings import LabelSettings
from perfseer.digests import digest
from perfseer.errors import PerfseerError, require
from perfseer.evaluation.overrides import override
from perfseer.evaluation.parameters import fitting_sections
from perfseer.evaluation.records import Digests
from perfseer.evaluation.trials import fitting_code, present_digests
from perfseer.predictors.registry import PREDICTOR_NAMES, settings_class
from perfseer.studies.ablation.settings import BASE, NETWORKS, AblationSettings
from perfseer.training.settings import TrainingSettings
from perfseer.validation import section, validated

# What changes the fitting of one predictor on a given dataset; a change elsewhere would change nothing.
_SECTIONS = ("labels", "training", "predictors")
# What fits a variant, beside what fits any predictor.
_FITTING = "perfseer.studies.ablation.fitting"
_OWN = ("ablation.predictor", "ablation.targets")


@dataclass(frozen=True)
class Variant:
    """One thing to fit.

    Attributes:
        name: in params.yaml and below results/ablation/.
        changes: dotted path → value, on top of the base.
        parameters: params.yaml with the base's and the variant's changes applied.
    """

    name: str
    changes: Mapping[str, Any]
    parameters: Mapping[str, Any] = field(repr=False)

    @property
    def predictor(self) -> str:
        """The predictor that is fitted."""
        return str(self.parameters["ablation"]["predictor"])

    @property
    def targets(self) -> tuple[str, ...]:
        """Labels that are fitted."""
        return tuple(self.parameters["ablation"]["targets"])

    @property
    def split(self) -> str:
        """The split it is fitted and scored on."""
        return str(self.parameters["ablation"]["split"])

    @property
    def fitting(self) -> dict[str, Any]:
        """All that fitting it depends on, to tell whether two variants are the same."""
        return {
            "predictor": self.predictor,
            "targets": list(self.targets),
            "settings": self.parameters["predictors"][self.predictor],
            "training": self.parameters["training"],
            "labels": self.parameters["labels"],
        }


def resolve(mapping: Mapping[str, Any]) -> dict[str, Variant]:
    """The base and all variants, by name, in the order of params.yaml.

    Args:
        mapping: params.yaml, or of it the sections ``labels``, ``training``, ``predictors`` and ``ablation``.

    Raises:
        PerfseerError: names the variant whose path is unknown or without effect on fitting, whose value is
            refused, or which fits the same as the base or as another variant.
    """
    settings = section(AblationSettings, mapping, "ablation")
    base = _variant(BASE, {}, mapping, settings)
    resolved = {BASE: base}
    for name, changes in settings.changes.items():
        variant = _variant(name, changes, mapping, settings)
        for other in resolved.values():
            require(
                variant.fitting != other.fitting,
                f"ablation.variants.{name} fits the same as {other.name}: a variant must change something "
                "that its predictor depends on",
            )
        resolved[name] = variant
    return resolved


def variant_sections(parameters: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Sections that fitting one variant depends on: recipe, networks, the base and the variant itself.

    Args:
        parameters: raw mapping of params.yaml.
        name: of the variant, or the base's.
    """
    study = parameters["ablation"]
    own = {other: changes for other, changes in study["variants"].items() if other == name}
    return {**fitting_sections(parameters, *NETWORKS), "ablation": {**study, "variants": own}}


def variant_digests(variant: Variant, dataset: Path) -> Digests:
    """Digests a record of ``variant`` must carry to be valid now.

    Args:
        variant: resolved.
        dataset: folder with manifest.json.

    Raises:
        PerfseerError: a section or the manifest is missing.
    """
    present = present_digests(variant.parameters, variant.predictor, dataset)
    own = {
        "params": digest([present.params, list(variant.targets)]),
        "code": fitting_code(variant.predictor, _FITTING),
    }
    return present.model_copy(update=own)


def _variant(
    name: str, changes: Mapping[str, Any], mapping: Mapping[str, Any], settings: AblationSettings
) -> Variant:
    """One variant, its paths and values checked."""
    where = f"ablation.{BASE}" if name == BASE else f"ablation.variants.{name}"
    for path in settings.base if name == BASE else changes:
        require(
            path in _OWN or path.split(".")[0] in _SECTIONS,
            f"{where}: {path} has no effect on fitting; a variant may change {', '.join(_SECTIONS)}, "
            f"{' and '.join(_OWN)}",
        )
    try:
        changed = override(mapping, {**settings.base, **changes})
    except PerfseerError as error:
        raise PerfseerError(f"{where}: {error}") from error
    variant = Variant(name, dict(changes), changed)
    _check(variant, [*settings.base, *changes], where)
    return variant


def _check(variant: Variant, paths: list[str], where: str) -> None:
    """Validate every section that the variant depends on or names."""
    parameters = variant.parameters
    validated(AblationSettings, parameters["ablation"], f"{where}: ablation")
    validated(LabelSettings, parameters["labels"], f"{where}: labels")
    validated(TrainingSettings, parameters["training"], f"{where}: training")
    sections = parameters["predictors"]
    require(
        variant.predictor in sections and variant.predictor in PREDICTOR_NAMES,
        f"{where}: no section predictors.{variant.predictor}; params.yaml has {', '.join(sections)}",
    )
    named = {path.split(".")[1] for path in paths if path.startswith("predictors.")}
    for name in sorted(named | {variant.predictor}):
        validated(settings_class(name), sections[name], f"{where}: predictors.{name}")
