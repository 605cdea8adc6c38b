"""Settings of the ablation: section ``ablation`` of params.yaml. Imports no torch."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, JsonValue, field_validator

from perfseer.data.settings import SplitName
from perfseer.targets import TARGET_NAMES
from perfseer.validation import Strict

# The name of what all variants are compared with.
BASE = "base"
# The networks that variants are made of.
NETWORKS = ("seernet", "seernet_multi")
VariantName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_]*$")]
Changes = Annotated[
    dict[str, JsonValue],
    Field(description="dotted path into params.yaml → value, as `dvc exp run -S path=value` sets it"),
]


class AblationSettings(Strict):
    """One base and its variants; seeds are those of params.yaml.

    A variant may change ``labels``, ``training``, ``predictors`` and, here, ``ablation.predictor`` and
    ``ablation.targets``.
    """

    split: Annotated[SplitName, Field(description="the split every variant is fitted and scored on")]
    predictor: Annotated[str, Field(description="the predictor fitted where a variant names no other")]
    targets: Annotated[
        tuple[str, ...],
        Field(min_length=1, description="labels fitted; variants are compared on those of the base"),
    ]
    base: Annotated[Changes, Field(description="changes that hold for all: what is ablated")]
    variants: Annotated[
        dict[VariantName, Changes | None],
        Field(description="changes on top of the base; a variant that is null takes no part"),
    ]

    @property
    def names(self) -> tuple[str, ...]:
        """Everything that is fitted: the base, then the variants in the order of params.yaml."""
        return (BASE, *self.changes)

    @property
    def changes(self) -> dict[str, dict[str, JsonValue]]:
        """Variants that take part and their changes, in the order of params.yaml."""
        return {name: changes for name, changes in self.variants.items() if changes is not None}

    @field_validator("targets")
    @classmethod
    def _targets_are_known_and_distinct(cls, targets: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [name for name in targets if name not in TARGET_NAMES]
        if unknown:
            raise ValueError(f"no targets {unknown}; there are {', '.join(TARGET_NAMES)}")
        if len(set(targets)) != len(targets):
            raise ValueError(f"targets {list(targets)} repeat; each may stand once")
        return targets

    @field_validator("variants")
    @classmethod
    def _base_is_no_variant(cls, variants: dict[str, Changes | None]) -> dict[str, Changes | None]:
        if BASE in variants:
            raise ValueError(f"a variant is called {BASE!r}: that is the name of what they are compared with")
        return variants


# What stands in params.yaml.
SECTIONS: dict[str, Any] = {"ablation": AblationSettings}


def check(parameters: Mapping[str, Any]) -> None:
    """Every variant can be fitted.

    Raises:
        PerfseerError: names the variant, or the split that is not drawn.
    """
    from perfseer.evaluation.parameters import require_drawn
    from perfseer.studies.ablation.variants import resolve

    require_drawn(parameters, "ablation")
    resolve(parameters)
