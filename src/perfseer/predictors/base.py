"""The one contract of all predictors.

A predictor is constructed from validated settings, fitted on training rows (validation rows stop it early),
and predicts in physical units. What it cannot do is not in ``supported``. It never scores itself.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import pandas as pd

from perfseer.data.dataset import Dataset
from perfseer.data.files import read_json, write_json
from perfseer.data.normalisation import Normaliser
from perfseer.errors import PerfseerError, require
from perfseer.graphs.perfgraph import FloatArray, PerfGraph
from perfseer.graphs.vocabulary import VOCABULARY_VERSION
from perfseer.predictors.coverage import Coverage, TrainingRange
from perfseer.predictors.settings import SETTINGS, PredictorSettings
from perfseer.targets import TARGET_BY_NAME, TARGET_NAMES, Phase
from perfseer.training.settings import TrainingSettings

if TYPE_CHECKING:
    from perfseer.data.platforms import Platform


SCHEMA_VERSION = 1
MODEL_FILE = "predictor.json"
# What reading a file that was tampered with, and predicting with it, may raise.
_DAMAGE = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)


@dataclass(frozen=True)
class FitInputs:
    """What some predictors need besides labelled rows; their settings list the names in ``needs``.

    Attributes:
        kernels: table of kernels measured one by one (`perfseer kernels`), the fusion rules beside it.
        members: predictors fitted on the same rows, by name.
        elsewhere: labelled rows of other devices and of single operators. What carries over between devices
            may be learnt from them; nothing is predicted for their sake, and predictors without such a part
            leave them alone.
    """

    kernels: Path | None = None
    members: Mapping[str, "Predictor"] = field(default_factory=dict)
    elsewhere: Dataset | None = None


class Predictor(ABC):
    """Predicts labels of configurations from their graphs.

    Subclasses write `_fit`, `_predict`, `_save_state` and `_load_state`; this class checks what goes in and
    out. Learned attributes end in an underscore.

    Args:
        settings: the predictor's section of params.yaml.
        targets: labels wanted; those not in ``supported`` are left out.
        training: section ``training`` of params.yaml; only networks need it.

    Attributes:
        name: key in params.yaml, of the file in ``library/`` and in results/models/.
        supported: target names it can predict; anything else is "n/a" in reports.
        source: who published it, one line for reports.
        departures: what differs from the published one, a sentence each, for reports.
        takes_partial_labels: whether it can be fitted on rows that lack some of the labels.
        forward_suffices: whether inference is predicted alike from graphs without the backward pass.
        joint: whether all labels are learned together, with one learning curve, of the target "all".
        curve_step: what a row of a learning curve stands for, "epoch" or "tree"; None: it has none.
        deterministic: whether nothing is drawn, so that every seed gives the same predictor.
        reads_sizes: whether it is told how large tensors are and how much is computed on them.
        reads_order: whether it matters in which order nodes run that do not depend on each other.
        Settings: its settings, if they do not stand in `perfseer.predictors.settings.SETTINGS`.
        targets: labels it predicts: wanted, supported and, once fitted, among those of the dataset.
        graphs_as_run: whether the graphs it was fitted on have the casts of mixed precision, where a row's
            platform has them; so must those it predicts.
        inputs_: what fitting was given besides rows.
        n_parameters_: numbers learned.
        history_: rows of the learning curve: target, epoch, train_loss, valid_loss, lr, seconds. Not saved,
            since equal predictors give equal files and seconds differ.
    """

    name: ClassVar[str]
    supported: ClassVar[frozenset[str]] = frozenset(TARGET_NAMES)
    source: ClassVar[str]
    departures: ClassVar[tuple[str, ...]] = ()
    takes_partial_labels: ClassVar[bool] = False
    forward_suffices: ClassVar[bool] = False
    joint: ClassVar[bool] = False
    curve_step: ClassVar[str | None] = None
    deterministic: ClassVar[bool] = False
    reads_sizes: ClassVar[bool] = True
    reads_order: ClassVar[bool] = False
    Settings: ClassVar[type[PredictorSettings]]

    def __init__(
        self,
        settings: PredictorSettings,
        targets: tuple[str, ...] = TARGET_NAMES,
        training: TrainingSettings | None = None,
    ) -> None:
        unknown = [name for name in targets if name not in TARGET_BY_NAME]
        require(not unknown, f"no targets {unknown}; there are {', '.join(TARGET_NAMES)}")
        expected = self.settings_class()
        require(
            type(settings) is expected,
            f"{self.name} was given {type(settings).__name__}, expected {expected.__name__}",
        )
        self.settings = settings
        self.training = training
        self.targets = tuple(name for name in targets if name in self.supported)
        require(bool(self.targets), f"{self.name} predicts none of {', '.join(targets)}")
        self.graphs_as_run = False
        self.inputs_ = FitInputs()
        self.n_parameters_ = 0
        self.history_: list[dict[str, Any]] = []
        self.folder_: Path | None = None  # where it was read from
        self.normaliser_: Normaliser | None = None
        self.range_: TrainingRange | None = None

    @property
    def platforms(self) -> "tuple[Platform, ...]":
        """What it was trained on, if it tells platforms apart."""
        return ()

    @property
    def platform_phases(self) -> Mapping[str, tuple[Phase, ...]]:
        """Key of each of `platforms` to the phases that were timed there; one that is absent has all."""
        return {}

    def fit(
        self,
        train: Dataset,
        valid: Dataset,
        normaliser: Normaliser,
        *,
        seed: int,
        log: Callable[[str], None],
        inputs: FitInputs | None = None,
    ) -> Self:
        """Learn from ``train``; ``valid`` stops the learning early.

        Args:
            train: rows to learn from.
            valid: rows to stop on.
            normaliser: fitted on ``train``.
            seed: the same seed on the same rows gives the same predictor, bit for bit on a CPU.
            log: receives a line now and then.
            inputs: what ``settings.needs`` names.

        Raises:
            PerfseerError: there are no rows or none of the labels, an input is missing, or learning diverged.
        """
        require(len(train) > 0, f"{self.name} was given no training rows")
        self.inputs_ = inputs or FitInputs()
        missing = [name for name in self.settings.needs if not getattr(self.inputs_, name)]
        require(not missing, f"{self.name} was given no {' and no '.join(missing)}, which it is fitted from")
        self.targets = tuple(name for name in self.targets if name in train.targets)
        require(
            bool(self.targets),
            f"{self.name} predicts none of the labels there are: {', '.join(train.targets)}",
        )
        require(
            self.takes_partial_labels or (train.complete and valid.complete),
            f"{self.name} was given rows that lack some of the labels {', '.join(train.targets)}, which it "
            "cannot learn from: give it rows of one source",
        )
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
            PerfseerError: not fitted, damaged, or a prediction is not finite.
        """
        self._require_fitted()
        try:
            values = self._predict(dataset) if len(dataset) else np.zeros((0, len(self.targets)))
        except _DAMAGE as error:
            if self.folder_ is None:
                raise
            raise self._damaged(error) from error
        require(
            bool((np.isfinite(values) & (values > 0)).all()),
            f"{self.name} gave predictions that are not finite and positive; train it again",
        )
        return pd.DataFrame(values, columns=list(self.targets))

    def intervals(self, dataset: Dataset, confidence: float) -> pd.DataFrame | None:
        """Where the measured labels of all rows will lie, with the given confidence.

        Args:
            dataset: n rows.
            confidence: share of rows wanted inside, in (0, 1).

        Returns:
            [n] rows, columns ``<target>_low`` and ``<target>_high`` in physical units; None where the
            predictor has no intervals.

        Raises:
            PerfseerError: not fitted.
        """
        del dataset, confidence
        self._require_fitted()
        return None

    def coverage(self, graph: PerfGraph, platform: "Platform | None" = None) -> Coverage:
        """What of ``graph`` the predictor has not seen in training.

        Args:
            graph: any.
            platform: where it is to run; None: anywhere.

        Raises:
            PerfseerError: not fitted.
        """
        self._require_fitted()
        return self._range_on(platform).coverage(graph)

    def _range_on(self, platform: "Platform | None") -> TrainingRange:
        """What was seen in training; of one platform where a predictor tells them apart."""
        del platform
        assert self.range_ is not None
        return self.range_

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
                cls.settings_class().model_validate(contents["settings"]),
                tuple(contents["targets"]),
                None if training is None else TrainingSettings.model_validate(training),
            )
            model.n_parameters_ = int(contents["n_parameters"])
            model.normaliser_ = Normaliser.from_json(contents["normaliser"])
            model.range_ = TrainingRange.from_json(contents["range"])
            model._load_state(folder, contents["state"])
            model.folder_ = folder
        except _DAMAGE as error:
            first = next(iter(str(error).splitlines()), "")
            raise PerfseerError(
                f"{folder} holds a damaged predictor ({type(error).__name__}: {first[:200]}): train it again"
            ) from error
        return model

    @classmethod
    def settings_class(cls) -> type[PredictorSettings]:
        """Class of its settings.

        Raises:
            PerfseerError: it declares none.
        """
        found = SETTINGS.get(cls.name) or getattr(cls, "Settings", None)
        if found is None:
            raise PerfseerError(
                f"predictor {cls.name} declares no settings: give it a class attribute Settings"
            )
        return found

    @property
    def _recipe(self) -> TrainingSettings:
        """Section ``training``, with the changes that the settings make to it."""
        if self.training is None:
            raise PerfseerError(f"{self.name} needs section `training` of params.yaml to be fitted")
        return self.training.changed(getattr(self.settings, "recipe", {}))

    @property
    def _normaliser(self) -> Normaliser:
        assert self.normaliser_ is not None
        return self.normaliser_

    def _measured(self, dataset: Dataset) -> FloatArray:
        """[n, T] labels of ``self.targets``, physical units."""
        return dataset.labels[:, [TARGET_NAMES.index(name) for name in self.targets]]

    def _bounded(self, values: FloatArray) -> FloatArray:
        """[n, T] physical units kept within the label normaliser's bounds, as what it decodes is."""
        return self._normaliser.labels.decode(self._normaliser.labels.encode(values))

    def _damaged(self, error: Exception) -> PerfseerError:
        """What a file that was tampered with ends in where it was whole enough to be loaded."""
        first = next(iter(str(error).splitlines()), "")
        return PerfseerError(
            f"the predictor in {self.folder_} cannot predict ({type(error).__name__}: {first[:200]}): it is "
            "damaged, train it again"
        )

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
