"""Files of public sources: named by URL and SHA-256, fetched once into a cache, checked on every use.

``PERFSEER_CACHE`` names another cache folder than ``~/.cache/perfseer``. ``PERFSEER_MIRROR`` names a folder
that is read instead, as ``<mirror>/<folder>/<file>``, for machines without a network.
"""

import hashlib
import os
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError

from perfseer.data.files import atomic
from perfseer.digests import file_digest
from perfseer.errors import PerfseerError, require

NOT_STATED = "not stated"
_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class RemoteFile:
    """One published file.

    Attributes:
        folder: where it lies in the cache and in a mirror.
        name: file name there.
        url: where it is published, at a fixed version.
        sha256: of its bytes, 64 hexadecimal digits; None where only its first download can say.
        n_bytes: its size; None where its publisher does not say.
        licence: under which it is published, or `NOT_STATED`.
    """

    folder: str
    name: str
    url: str
    sha256: str | None
    n_bytes: int | None = None
    licence: str = NOT_STATED

    @property
    def path(self) -> Path:
        """Where it is read from: in the mirror if one is named, else in the cache, fetched or not."""
        return (mirror_folder() or cache_folder()) / self.folder / self.name


def fetch(file: RemoteFile) -> Path:
    """Path of the checked file: in the mirror if one is named, else in the cache, downloaded if need be.

    Raises:
        PerfseerError: the mirror lacks the file, there is no network, or the bytes are not those expected.
    """
    path, mirror = file.path, mirror_folder()
    if mirror is not None:
        require(
            path.is_file(),
            f"PERFSEER_MIRROR={mirror} has no {file.folder}/{file.name}: put the file of {file.url} there, "
            "or unset PERFSEER_MIRROR to download it",
        )
        _check(path.read_bytes(), file, str(path))
    elif not path.is_file() or file_digest(path, 64) != file.sha256:
        _download(file, path)
    return path


def mirror_folder() -> Path | None:
    """The folder that is read instead of the network: ``PERFSEER_MIRROR``, or None."""
    mirror = os.environ.get("PERFSEER_MIRROR")
    return Path(mirror) if mirror else None


def cache_folder() -> Path:
    """What is fetched or computed once lies here: ``PERFSEER_CACHE``, else ``~/.cache/perfseer``."""
    return Path(os.environ.get("PERFSEER_CACHE") or Path.home() / ".cache" / "perfseer")


def _download(file: RemoteFile, path: Path) -> None:
    """Fetch and check before anything appears at ``path``."""
    try:
        with urllib.request.urlopen(file.url, timeout=_TIMEOUT_S) as response:
            contents: bytes = response.read()
    except (URLError, TimeoutError, OSError) as error:
        reason = getattr(error, "reason", error)
        raise PerfseerError(
            f"cannot download {file.url} ({reason}): check the network, or set PERFSEER_MIRROR to a folder "
            f"that holds {file.folder}/{file.name}"
        ) from error
    _check(contents, file, file.url)
    with atomic(path) as temporary:
        temporary.write_bytes(contents)


def _check(contents: bytes, file: RemoteFile, where: str) -> None:
    found = hashlib.sha256(contents).hexdigest()
    require(
        found == file.sha256,
        f"{where} has SHA-256 {found} ({len(contents)} bytes), expected {file.sha256}: it is damaged or of "
        "another version; fetch it again",
    )
