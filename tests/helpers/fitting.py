"""Any predictor by its name, made small and fitted on few rows."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from perfseer.data.dataset import Dataset
from perfseer.data.normalisation import Normaliser
from perfseer.predictors.base import FitInputs, Predictor
from perfseer.predictors.registry import create, settings_class
from perfseer.predictors.settings import PredictorSettings
from perfseer.targets import TARGET_NAMES
from perfseer.training.settings import TrainingSettings
from tests.helpers.places import PARAMS
from tests.helpers.synthetic_kernels import kernels_file

TRAINING = {
    "batch_size": 32,
    "optimiser": "adam",
    "learning_rate": 0.003,
    "weight_decay": 0,
    "lr_factor": 0.5,
    "lr_patience": 5,
    "lr_threshold": 1e-4,
    "lr_min": 1e-6,
    "max_epochs": 4,
    "patience": 20,
    "loss": "mse",
}


def section(name: str, **changes: Any) -> PredictorSettings:
    """The predictor's section of params.yaml, made small; the defaults of one that has none there."""
    sections = PARAMS["predictors"] | PARAMS["ensembles"]
    model = settings_class(name)
    settings = sections[name] if name in sections else model().model_dump()
    trees = 40 if isinstance(settings.get("trees"), int) else 0.02
    small = {"n_estimators": 40, "hidden": 16, "head_hidden": 8, "trees": trees, "epochs": 16}
    if "epochs" in settings:  # which nothing stops early
        small["batch_size"] = 8
    return model.model_validate(
        settings | {k: v for k, v in small.items() if isinstance(settings.get(k), int | float)} | changes
    )


def make(
    name: str,
    targets: tuple[str, ...] = TARGET_NAMES,
    training: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Predictor:
    """One that is not fitted yet; ``training`` and ``changes`` differ from `TRAINING` and `section`."""
    recipe = TrainingSettings.model_validate({**TRAINING, **(training or {})})
    return create(name, section(name, **changes), recipe, targets)


def fit(model: Predictor, fold: tuple[Dataset, Dataset, Dataset, Normaliser], seed: int = 0) -> Predictor:
    """The same, fitted on the rows to train and validate on; with what it needs besides."""
    train, valid, _, normaliser = fold
    members = {name: fit(make(name), fold, seed) for name in model.settings.members}
    inputs = FitInputs(kernels_file() if "kernels" in model.settings.needs else None, members)
    return model.fit(train, valid, normaliser, seed=seed, log=lambda line: None, inputs=inputs)


@contextmanager
def one_thread() -> Iterator[None]:
    """Within, torch sums in one order, whatever the machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
