"""Predictors by name; modules are imported when asked for, so that listing names needs no torch."""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel

from perfseer.errors import PerfseerError
from perfseer.predictors.settings import SETTINGS
from perfseer.targets import TARGET_NAMES
from perfseer.training.settings import TrainingSettings

if TYPE_CHECKING:
    from perfseer.predictors.base import Predictor

_CLASSES: dict[str, tuple[str, str]] = {
    "roofline": ("perfseer.predictors.roofline", "RooflinePredictor"),
    "boosting": ("perfseer.predictors.boosting", "BoostingPredictor"),
    "seernet": ("perfseer.predictors.seernet", "SeerNetPredictor"),
    "seernet_multi": ("perfseer.predictors.seernet_multi", "SeerNetMultiPredictor"),
}
PREDICTOR_NAMES: tuple[str, ...] = tuple(SETTINGS)


def predictor_class(name: str) -> "type[Predictor]":
    """Class of the predictor called ``name``.

    Raises:
        PerfseerError: there is no such predictor.
    """
    if name not in _CLASSES:
        raise PerfseerError(f"no predictor {name!r}; there are {', '.join(PREDICTOR_NAMES)}")
    module, attribute = _CLASSES[name]
    found: type[Predictor] = getattr(import_module(module), attribute)
    return found


def create(
    name: str,
    settings: BaseModel,
    training: TrainingSettings | None = None,
    targets: tuple[str, ...] = TARGET_NAMES,
) -> "Predictor":
    """A predictor that is not fitted yet.

    Args:
        name: one of `PREDICTOR_NAMES`.
        settings: its section of params.yaml.
        training: section ``training``; only networks need it.
        targets: labels wanted.

    Raises:
        PerfseerError: there is no such predictor, or the settings are another one's.
    """
    return predictor_class(name)(settings, targets, training)


def load(folder: Path) -> "Predictor":
    """The fitted predictor saved in ``folder``, whichever it is.

    Raises:
        PerfseerError: there is none, or it is damaged.
    """
    from perfseer.predictors.base import read_predictor

    return predictor_class(read_predictor(folder)["name"]).load(folder)
