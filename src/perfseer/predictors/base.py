"""The one contract of all predictors.

A predictor is constructed from validated settings, fitted on training rows (validation rows stop it early),
and predicts in physical units. What it cannot do is not in ``supported``. It never scores itself.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from pydantic import BaseModel, ValidationError

from perfseer.data.dataset import Dataset
from perfseer.data.files import read_json, write_json
from perfseer.data.normalisation import Normaliser
from perfseer.errors import PerfseerError, require
from perfseer.graphs.perfgraph import FloatArray, PerfGraph
from perfseer.graphs.vocabulary import VOCABULARY_VERSION
from perfseer.predictors.coverage import Coverage, TrainingRange
from perfseer.predictors.settings import SETTINGS
from perfseer.targets import TARGET_BY_NAME, TARGET_NAMES
from perfseer.training.settings import TrainingSettings

SCHEMA_VERSION = 1
MODEL_FILE = "predictor.json"


class Predictor(ABC):
    """Predicts labels of configurations from their graphs.

    Subclasses write `_fit`, `_predict`, `_save_state` and `_load_state`; this class checks what goes in and
    out. Learned attributes end in an underscore.

    Args:
        settings: the predictor's section of params.yaml.
        targets: labels wanted; those not in ``supported`` are left out.
        training: section ``training`` of params.yaml; only networks need it.

    Attributes:
        name: key in params.yaml, in the registry and in results/models/.
        supported: target names it can predict; anything else is "n/a" in reports.
        n_parameters_: numbers learned.
        history_: rows of the learning curve: target, epoch, train_loss, valid_loss, lr, seconds. Not saved,
            since equal predictors give equal files and seconds differ.
    """

    name: ClassVar[str]
    supported: ClassVar[frozenset[str]] = frozenset(TARGET_NAMES)

    def __init__(
        self,
        settings: BaseModel,
        targets: tuple[str, ...] = TARGET_NAMES,
        training: TrainingSettings | None = None,
    ) -> None:
        unknown = [name for name in targets if name not in TARGET_BY_NAME]
        require(not unknown, f"no targets {unknown}; there are {', '.join(TARGET_NAMES)}")
        expected = SETTINGS[self.name]
        require(
            type(settings) is expected,
            f"{self.name} was given {type(settings).__name__}, expected {expected.__name__}",
        )
        self.settings = settings
        self.training = training
        self.targets = tuple(name for name in targets if name in self.supported)
        require(bool(self.targets), f"{self.name} predicts none of {', '.join(targets)}")
        self.n_parameters_ = 0
        self.history_: list[dict[str, Any]] = []
        self.normaliser_: Normaliser | None = None
        self.range_: TrainingRange | None = None

    def fit(
        self,
        train: Dataset,
        valid: Dataset,
        normaliser: Normaliser,
        *,
        seed: int,
        log: Callable[[str], None],
    ) -> Self:
        """Learn from ``train``; ``valid`` stops the learning early.

        Args:
            train: rows to learn from.
            valid: rows to stop on.
            normaliser: fitted on ``train``.
            seed: the same seed on the same rows gives the same predictor, bit for bit on a CPU.
            log: receives a line now and then.

        Raises:
            PerfseerError: there are no rows, or learning diverged.
        """
        require(len(train) > 0, f"{self.name} was given no training rows")
        self.normaliser_ = Normaliser(normaliser.labels.select(self.targets), normaliser.features)
        self.range_ = TrainingRange.of(train)
        self.history_ = []
        self._fit(train, valid, seed=seed, log=log)
        return self

    def predict(self, dataset: Dataset) -> pd.DataFrame:
        """Predict all rows.

        Returns:
            [n] rows in the dataset's order, one column per target of ``self.targets``, physical units
            (`targets.UNITS`), finite and positive, utilisation at most 100.

        Raises:
            PerfseerError: not fitted, or a prediction is not finite.
        """
        self._require_fitted()
        values = self._predict(dataset) if len(dataset) else np.zeros((0, len(self.targets)))
        require(
            bool((np.isfinite(values) & (values > 0)).all()),
            f"{self.name} gave predictions that are not finite and positive; train it again",
        )
        return pd.DataFrame(values, columns=list(self.targets))

    def coverage(self, graph: PerfGraph) -> Coverage:
        """What of ``graph`` the predictor has not seen in training.

        Raises:
            PerfseerError: not fitted.
        """
        self._require_fitted()
        assert self.range_ is not None
        return self.range_.coverage(graph)

    def save(self, folder: Path) -> None:
        """Write predictor.json and the learned state (safetensors, JSON or text; never pickle).

        Raises:
            PerfseerError: not fitted, or the folder cannot be written.
        """
        self._require_fitted()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise PerfseerError(f"cannot write a predictor to {folder}: {error.strerror}") from error
        contents = {
            "schema_version": SCHEMA_VERSION,
            "vocabulary_version": VOCABULARY_VERSION,
            "name": self.name,
            "settings": self.settings.model_dump(mode="json"),
            "training": None if self.training is None else self.training.model_dump(mode="json"),
            "targets": list(self.targets),
            "n_parameters": self.n_parameters_,
            "normaliser": self._normaliser.to_json(),
            "range": None if self.range_ is None else self.range_.to_json(),
            "state": self._save_state(folder),
        }
        # Written last: where it stands, the rest is there.
        write_json(folder / MODEL_FILE, contents)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            PerfseerError: the folder holds no predictor, another one, or a damaged one.
        """
        contents = read_predictor(folder)
        require(contents["name"] == cls.name, f"{folder} holds a {contents['name']}, expected a {cls.name}")
        try:
            training = contents["training"]
            model = cls(
                SETTINGS[cls.name].model_validate(contents["settings"]),
                tuple(contents["targets"]),
                None if training is None else TrainingSettings.model_validate(training),
            )
            model.n_parameters_ = int(contents["n_parameters"])
            model.normaliser_ = Normaliser.from_json(contents["normaliser"])
            model.range_ = TrainingRange.from_json(contents["range"])
            model._load_state(folder, contents["state"])
        except (KeyError, TypeError, ValueError, ValidationError) as error:
            raise PerfseerError(f"{folder} holds a damaged predictor ({error}): train it again") from error
        return model

    @property
    def _normaliser(self) -> Normaliser:
        assert self.normaliser_ is not None
        return self.normaliser_

    def _require_fitted(self) -> None:
        require(
            self.normaliser_ is not None,
            f"{self.name} is not fitted: call fit, or load a fitted one from a folder",
        )

    @abstractmethod
    def _fit(self, train: Dataset, valid: Dataset, *, seed: int, log: Callable[[str], None]) -> None:
        """Learn; ``self.normaliser_`` holds the targets' label normaliser in order."""

    @abstractmethod
    def _predict(self, dataset: Dataset) -> FloatArray:
        """[n, len(self.targets)] in physical units, n >= 1."""

    @abstractmethod
    def _save_state(self, folder: Path) -> dict[str, Any]:
        """Write binary state below ``folder``; return what belongs in predictor.json."""

    @abstractmethod
    def _load_state(self, folder: Path, state: dict[str, Any]) -> None:
        """Restore what `_save_state` kept."""


def read_predictor(folder: Path) -> dict[str, Any]:
    """Contents of a saved predictor's predictor.json.

    Raises:
        PerfseerError: there is none, or it is of another version.
    """
    contents = read_json(folder / MODEL_FILE, "perfseer train")
    expected = {"schema_version": SCHEMA_VERSION, "vocabulary_version": VOCABULARY_VERSION}
    found = {name: contents.get(name) for name in expected}
    if found != expected or not isinstance(contents.get("name"), str):
        raise PerfseerError(f"{folder} has {found}, this perfseer reads {expected}: train it again")
    return contents
