"""Settings of the benchmark: section ``benchmark`` of params.yaml. Imports no torch."""

from collections.abc import Collection, Mapping
from itertools import pairwise
from typing import Annotated, Any

from pydantic import Field, JsonValue, PositiveFloat, PositiveInt, field_validator

from perfseer.targets import TARGET_NAMES
from perfseer.validation import Strict

Share = Annotated[float, Field(gt=0, le=1)]
Rows = Annotated[tuple[PositiveInt, ...], Field(min_length=1)]


def _ascending(values: tuple[float, ...]) -> tuple[float, ...]:
    if any(first >= second for first, second in pairwise(values)):
        raise ValueError(f"{list(values)} must ascend")
    return values


class RegressionSettings(Strict):
    """The old report's own experiment: `mlp5d`'s network on a smooth function of five numbers.

    Attributes:
        samples: sizes of the data sets, training and validation rows together, ascending.
        valid_share: of the samples, held back to stop training.
        test_rows: drawn apart, the same for every size of a seed.
        noise_sd: standard deviation of the normal noise on every value of the function.
        batch_rows: rows predicted at once, ascending.
    """

    samples: Rows
    valid_share: Annotated[float, Field(gt=0, lt=1)]
    test_rows: Annotated[int, Field(ge=2)]
    noise_sd: Annotated[float, Field(ge=0)]
    batch_rows: Rows

    _order = field_validator("samples", "batch_rows")(_ascending)


class BenchmarkSettings(Strict):
    """Which points are measured.

    Attributes:
        split: whose training, validation and test rows are used.
        targets: labels fitted; one is enough to see how cost grows.
        shares: of the networks in training and in validation, nested and ascending.
        batch_rows: rows predicted at once, ascending; test rows are repeated where they are fewer.
        predict_s: a prediction is repeated for this long [s], and at least three times.
        timeout_s: a point still busy after this is a row with status timeout.
        sampling_s: interval between two readings of the memory, for its mean [s].
        overrides: dotted path into params.yaml → value, for all points, to make them cheap.
        regression: the experiment on five numbers.
    """

    split: str
    targets: Annotated[tuple[str, ...], Field(min_length=1)]
    shares: Annotated[tuple[Share, ...], Field(min_length=1)]
    batch_rows: Rows
    predict_s: PositiveFloat
    timeout_s: PositiveFloat
    sampling_s: PositiveFloat
    overrides: dict[str, JsonValue]
    regression: RegressionSettings

    _order = field_validator("shares", "batch_rows")(_ascending)

    @field_validator("targets")
    @classmethod
    def _targets_exist(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        unknown = sorted(set(names) - set(TARGET_NAMES))
        if unknown or len(set(names)) < len(names):
            raise ValueError(f"{list(names)}: each of {', '.join(TARGET_NAMES)} may stand once")
        return names

    @field_validator("shares")
    @classmethod
    def _ends_with_all(cls, shares: tuple[float, ...]) -> tuple[float, ...]:
        if shares[-1] != 1:
            raise ValueError(f"the last share is {shares[-1]:g}, expected 1: predictions are timed with it")
        return shares


def concerning(overrides: Mapping[str, Any], present: Collection[str]) -> dict[str, Any]:
    """The overrides that do not stand below a predictor or ensemble other than those ``present``.

    A job that measures one predictor is given that predictor's section alone.
    """
    return {
        path: value
        for path, value in overrides.items()
        if path.split(".")[0] not in ("predictors", "ensembles") or path.split(".")[1] in present
    }


# What stands in params.yaml.
SECTIONS: dict[str, Any] = {"benchmark": BenchmarkSettings}


def check(parameters: Mapping[str, Any]) -> None:
    """Every point can be fitted, with what is overridden for the benchmark.

    Raises:
        PerfseerError: names the parameter at fault, or the split that is not drawn.
    """
    from perfseer.evaluation.overrides import override
    from perfseer.evaluation.parameters import TrainingParameters, require_drawn

    require_drawn(parameters, "benchmark")
    changed = override(parameters, parameters["benchmark"]["overrides"])
    TrainingParameters.from_mapping({name: changed[name] for name in TrainingParameters.model_fields})
