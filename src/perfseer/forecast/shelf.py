"""Where fitted predictors are found: those shipped with the package, and folders people give."""

import hashlib
from importlib.resources import files
from pathlib import Path

from perfseer.digests import digest
from perfseer.errors import PerfseerError, require
from perfseer.forecast.card import CARD_FILE, TRANSFER_FILE

DEFAULT = "default"
_MODEL_FILE = "predictor.json"


def shipped_folder() -> Path:
    """The folder in the package that holds one folder per shipped predictor."""
    return Path(str(files("perfseer"))) / "shipped"


def shipped() -> dict[str, Path]:
    """Folders of the shipped predictors by name, sorted."""
    found = sorted(shipped_folder().glob(f"*/{_MODEL_FILE}"))
    return {path.parent.name: path.parent for path in found}


def saved_in(folder: Path) -> list[Path]:
    """Folders below ``folder``, sorted, in which a predictor was saved; parts of another one are left out.

    Raises:
        PerfseerError: there is no such folder.
    """
    require(
        folder.is_dir(), f"no folder {folder}: name one that `perfseer train` wrote, such as results/models"
    )
    found = sorted(path.parent for path in folder.rglob(_MODEL_FILE))
    return [path for path in found if path == folder or not (path.parent / _MODEL_FILE).is_file()]


def find(name_or_path: str | Path) -> Path:
    """The folder of a predictor.

    Args:
        name_or_path: a shipped predictor's name, a folder with ``predictor.json``, or one with such a
            ``model/`` in it.

    Raises:
        PerfseerError: there is none; the message lists the shipped ones.
    """
    text, names = str(name_or_path), shipped()
    if text in names:
        return names[text]
    for folder in (Path(text), Path(text) / "model"):
        if (folder / _MODEL_FILE).is_file():
            return folder
    there = f"shipped are {', '.join(names)}" if names else "none is shipped with this installation"
    raise PerfseerError(
        f"no predictor {text!r}: {there}; otherwise give a folder that holds {_MODEL_FILE}, as "
        "`perfseer train` and `perfseer calibrate` write it"
    )


def checkpoint_digest(folder: Path) -> str:
    """Digest of the files a predictor consists of; what is on record about it is not part of it."""
    about = (CARD_FILE, TRANSFER_FILE)
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in about)
    contents = [
        [path.relative_to(folder).as_posix(), hashlib.sha256(path.read_bytes()).hexdigest()] for path in paths
    ]
    return digest(contents)


def size_bytes(folder: Path) -> int:
    """Bytes of all files of a predictor, its card included."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
