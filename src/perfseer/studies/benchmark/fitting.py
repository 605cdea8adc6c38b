"""Fitting points: time, memory and error of a predictor against the number of networks it learns from."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from perfseer.data.dataset import Dataset
from perfseer.data.folds import Fold, fit_normaliser
from perfseer.data.settings import LabelSettings
from perfseer.errors import require
from perfseer.evaluation.metrics import mape_pct
from perfseer.evaluation.parameters import TrainingParameters
from perfseer.evaluation.trials import fit
from perfseer.predictors.base import FitInputs, Predictor
from perfseer.predictors.registry import create, predictor_class
from perfseer.predictors.settings import PredictorSettings
from perfseer.studies.benchmark.footprint import FootprintMeter
from perfseer.studies.benchmark.isolation import run_apart
from perfseer.studies.benchmark.records import FitPoint, Fitted, needed_kernels
from perfseer.studies.benchmark.settings import BenchmarkSettings
from perfseer.training.settings import TrainingSettings


@dataclass(frozen=True)
class Recipe:
    """How a predictor is fitted in every point.

    Attributes:
        predictor: its name.
        targets: labels fitted.
        settings: of the predictor and of the members it is made from, by name.
        training: recipe of the networks.
        labels: how labels are mapped for learning.
        kernels: table of measured kernels, where one is needed.
    """

    predictor: str
    targets: tuple[str, ...]
    settings: Mapping[str, PredictorSettings]
    training: TrainingSettings
    labels: LabelSettings
    kernels: Path | None

    @classmethod
    def of(
        cls, parameters: TrainingParameters, predictor: str, targets: Sequence[str], kernels: Path
    ) -> "Recipe":
        """The recipe of a predictor of params.yaml.

        Args:
            parameters: with the sections of the predictor and its members.
            predictor: its name.
            targets: labels wanted; those it does not support are left out.
            kernels: table of measured kernels.

        Raises:
            PerfseerError: a section is missing, or the kernels where they are needed.
        """
        members = parameters.settings_of(predictor).members
        settings = {name: parameters.settings_of(name) for name in dict.fromkeys((*members, predictor))}
        supported = predictor_class(predictor).supported
        needed = needed_kernels(settings.values(), kernels)
        require(
            needed is None or needed.is_file(),
            f"no measured kernels at {kernels}: run `perfseer kernels` first",
        )
        return cls(
            predictor=predictor,
            targets=tuple(name for name in targets if name in supported),
            settings=settings,
            training=parameters.training,
            labels=parameters.labels,
            kernels=needed,
        )

    def fit(self, fold: Fold) -> Predictor:
        """A predictor fitted on the fold, its members before it.

        Raises:
            PerfseerError: it cannot be fitted on these rows.
        """
        return self._fit(self.predictor, fold)

    def _fit(self, name: str, fold: Fold) -> Predictor:
        settings = self.settings[name]
        members = {member: self._fit(member, fold) for member in settings.members}
        inputs = FitInputs(self.kernels if "kernels" in settings.needs else None, members)
        model = create(name, settings, self.training, self.targets)
        # Says nothing meanwhile: a point's numbers say what it did.
        return fit(model, fold, log=lambda _: None, inputs=inputs).model


def measure_fit(
    recipe: Recipe, fold: Fold, share: float, study: BenchmarkSettings, save_to: Path | None = None
) -> FitPoint:
    """Fit once, in a process of its own.

    Args:
        recipe: what is fitted.
        fold: all rows of one seed.
        share: of its networks.
        study: limits of the point.
        save_to: folder that receives the fitted predictor.

    Returns:
        The point; a crash, a timeout or a refusal is in its status and reason.
    """
    part = shrunk(fold, share)
    outcome = run_apart(partial(_fit_point, recipe, part, study.sampling_s, save_to), study.timeout_s)
    return FitPoint(
        **vars(outcome),
        seed=fold.seed,
        share=share,
        networks=int(part.train.rows["architecture"].nunique()),
        train_rows=len(part.train),
        valid_rows=len(part.valid),
        test_rows=len(part.test),
    )


def nested(data: Dataset, share: float, salt: str) -> Dataset:
    """All rows of a share of the networks, at least one network.

    Args:
        data: rows with ``architecture``.
        share: of the networks, in (0, 1].
        salt: which draw; with the same salt, a smaller share is part of a larger one.
    """
    names = data.rows["architecture"]
    order = sorted(names.unique(), key=lambda name: hashlib.sha256(f"{salt}:{name}".encode()).digest())
    kept = order[: max(1, round(share * len(order)))]
    return data.subset(np.flatnonzero(names.isin(kept)))


def shrunk(fold: Fold, share: float) -> Fold:
    """The fold with a share of the networks of its training and of its validation rows, and all test rows.

    Its normaliser is still that of all training rows.
    """
    train, valid = (nested(part, share, f"benchmark:{fold.seed}") for part in (fold.train, fold.valid))
    return replace(fold, train=train, valid=valid)


def _fit_point(recipe: Recipe, part: Fold, sampling_s: float, save_to: Path | None) -> dict[str, Any]:
    # Nothing before the meter: memory that was needed once and is free again would be in its highest mark.
    with FootprintMeter(sampling_s) as meter:
        # Scaled by the rows that are left, as they would be had no others been measured.
        fold = replace(part, normaliser=fit_normaliser(part.train, recipe.labels))
        model = recipe.fit(fold)
    if save_to is not None:
        model.save(save_to)
    result = Fitted(
        cost=meter.footprint,
        rounds=_rounds(model),
        n_parameters=model.n_parameters_,
        valid_mape_pct=_errors(model, fold.valid),
        test_mape_pct=_errors(model, fold.test),
    )
    return result.model_dump(mode="json")


def _rounds(model: Predictor) -> float | None:
    last = pd.DataFrame(model.history_, columns=["target", "epoch"]).groupby("target")["epoch"].max()
    return float(last.mean()) if len(last) else None


def _errors(model: Predictor, data: Dataset) -> dict[str, float]:
    predictions = model.predict(data)
    return {
        str(name): mape_pct(data.rows[name].to_numpy(), predictions[name].to_numpy()) for name in predictions
    }
