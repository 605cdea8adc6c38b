"""What the study tells of the next device, written beside the predictor whose answers it moves."""

from pathlib import Path

from perfseer.data.files import read_json
from perfseer.errors import require
from perfseer.forecast.shelf import checkpoint_digest, find
from perfseer.forecast.transfer import Transfer, write_transfer
from perfseer.predictors.base import MODEL_FILE
from perfseer.studies.devices.errors import read_errors
from perfseer.studies.devices.fitting import PREDICTOR
from perfseer.studies.devices.settings import DevicesSettings
from perfseer.studies.devices.study import regimes_of


def ship(settings: DevicesSettings, study: Path) -> Path:
    """Write ``transfer.json`` beside the predictor of the section; return its path.

    The fits that were judged are of networks like the predictor's own, which has seen all devices.

    Raises:
        PerfseerError: there is no such predictor, it is of another kind, or nothing can be said.
    """
    folder = find(settings.predictor)
    name = read_json(folder / MODEL_FILE, "perfseer public ship").get("name")
    require(
        name == PREDICTOR,
        f"{folder} holds a predictor {name!r}, but the fits without a device are of {PREDICTOR}",
    )
    regimes = regimes_of(read_errors(study, settings))
    require(
        bool(regimes),
        f"{study} has too few devices to say anything of another: name more sources in devices.sources",
    )
    return write_transfer(folder, Transfer(checkpoint_digest(folder), regimes))
