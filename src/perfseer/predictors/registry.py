"""Predictors by name. The name of a file in ``library/`` is the name of the predictor in it.

Modules are imported when asked for: listing names, and the settings of those in `settings.SETTINGS`, needs
no torch.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from perfseer.discovery import only_class
from perfseer.errors import PerfseerError
from perfseer.predictors.settings import SETTINGS, PredictorSettings
from perfseer.targets import TARGET_NAMES
from perfseer.training.settings import TrainingSettings

if TYPE_CHECKING:
    from perfseer.predictors.base import Predictor

LIBRARY = Path(__file__).with_name("library")


def _names() -> tuple[str, ...]:
    found = {path.stem for path in LIBRARY.glob("[!_]*.py")}
    return (*(name for name in SETTINGS if name in found), *sorted(found - set(SETTINGS)))


# The order of reports: that of SETTINGS, then further files of the library by name.
PREDICTOR_NAMES: tuple[str, ...] = _names()


def module_name(name: str) -> str:
    """Full name of the module that holds the predictor called ``name``."""
    return f"perfseer.predictors.library.{name}"


def predictor_class(name: str) -> "type[Predictor]":
    """Class of the predictor called ``name``, from ``library/<name>.py``.

    Raises:
        PerfseerError: there is no such predictor, or its file does not hold exactly one of that name.
    """
    from perfseer.predictors.base import Predictor

    if name not in PREDICTOR_NAMES:
        raise PerfseerError(f"no predictor {name!r}; there are {', '.join(PREDICTOR_NAMES)}")
    return only_class(module_name(name), Predictor, name)  # type: ignore[type-abstract]


def settings_class(name: str) -> type[PredictorSettings]:
    """Class of the settings of the predictor called ``name``.

    Raises:
        PerfseerError: there is no such predictor, or it declares no settings.
    """
    return SETTINGS[name] if name in SETTINGS else predictor_class(name).settings_class()


def create(
    name: str,
    settings: PredictorSettings,
    training: TrainingSettings | None = None,
    targets: tuple[str, ...] = TARGET_NAMES,
) -> "Predictor":
    """A predictor that is not fitted yet: one of `PREDICTOR_NAMES`; the others as of `Predictor`.

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
