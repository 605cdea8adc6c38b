"""Downloading the release: a Google Drive folder, whose files the authors publish without checksums.

gdown does the download (extra ``release``). The SHA-256 of what came is written beside it and checked from
then on, so a cache that rots, or a folder whose contents change, is noticed; whether the first download was
what the authors meant cannot be. Reading treats every byte as a stranger's anyway (`unpickling`).
"""

import importlib
from pathlib import Path
from typing import Any

from perfseer.data.download import RemoteFile, mirror_folder
from perfseer.data.files import atomic
from perfseer.digests import file_digest
from perfseer.errors import PerfseerError, require

# The folder named in the authors' repository, upuuuuuu/PerfSeer, which states no licence of it.
FOLDER_ID = "15anTR-bBTTfvXx9aQXp1BlMcqXjJsmmW"
FOLDER_URL = f"https://drive.google.com/drive/folders/{FOLDER_ID}"
ARCHIVES = ("cg.zip", "label.zip")
FILES = tuple(RemoteFile("perfseer_release", name, FOLDER_URL, sha256=None) for name in ARCHIVES)
SUMS_FILE = "SHA256SUMS"


def fetch_release() -> Path:
    """The folder that holds the two archives, downloaded into the cache if need be.

    ``PERFSEER_MIRROR`` names a folder that is read instead, as ``<mirror>/perfseer_release/``;
    ``PERFSEER_CACHE`` another cache than ``~/.cache/perfseer``.

    Raises:
        PerfseerError: gdown is absent, the download fails, archives are missing, or they are not those that
            were downloaded first.
    """
    folder = FILES[0].path.parent
    if not (folder / SUMS_FILE).is_file() and mirror_folder() is None:
        _download(folder)
    missing = [file.name for file in FILES if not file.path.is_file()]
    require(
        not missing,
        f"{folder} has no {' and no '.join(missing)}: put the archives of {FOLDER_URL} there, or give the "
        "folder that holds them as PATH",
    )
    _check_sums(folder)
    return folder


def _download(folder: Path) -> None:
    gdown = _gdown()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        gdown.download_folder(id=FOLDER_ID, output=str(folder), use_cookies=False, resume=True)
    except Exception as error:  # gdown lets through whatever the network library raises
        raise PerfseerError(
            f"cannot download {FOLDER_URL} ({type(error).__name__}: {error}): download cg.zip and label.zip "
            "there with a browser and give their folder as PATH"
        ) from error
    for found in sorted(folder.rglob("*.zip")):
        if found.parent != folder and found.name in ARCHIVES:
            found.replace(folder / found.name)
    if all((folder / name).is_file() for name in ARCHIVES):
        lines = [f"{file_digest(folder / name, 64)}  {name}\n" for name in ARCHIVES]
        with atomic(folder / SUMS_FILE) as temporary:
            temporary.write_text("".join(lines), encoding="ascii")


def _gdown() -> Any:
    try:
        return importlib.import_module("gdown")
    except ModuleNotFoundError as error:
        raise PerfseerError(
            "downloading the release needs gdown: pip install 'perfseer[release]', or download cg.zip and "
            f"label.zip from {FOLDER_URL} with a browser and give their folder as PATH"
        ) from error


def _check_sums(folder: Path) -> None:
    sums = folder / SUMS_FILE
    if not sums.is_file():  # a mirror that somebody filled by hand
        return
    for line in sums.read_text(encoding="ascii").splitlines():
        expected, _, name = line.partition("  ")
        found = file_digest(folder / name, 64)
        require(
            found == expected,
            f"{folder / name} has SHA-256 {found}, but {sums} says {expected}: it is damaged or was "
            f"replaced; delete {folder} and download again",
        )
