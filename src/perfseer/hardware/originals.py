"""Published files of the hardware database: from a mirror, the cache, or the network, which may be absent.

`perfseer.data.download` fetches what a job cannot do without. Here every file may be missing: a machine
without a network finds that out once, within seconds, and goes on without the rest.
"""

import hashlib
import threading
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError, URLError

from perfseer.data.download import RemoteFile, cache_folder, fetch, mirror_folder
from perfseer.errors import PerfseerError, require

# For a whole file; the largest has a megabyte. Names that resolve slowly count too.
DEADLINE_S = 10.0
_NO_ANSWER = (URLError, TimeoutError, ConnectionError)


class UnavailableError(PerfseerError):
    """A file is not here and cannot be fetched."""


@dataclass(frozen=True)
class Original:
    """The bytes of a published file, checked.

    Attributes:
        content: all of it.
        where: it was found, in words.
    """

    content: bytes
    where: str


@dataclass
class _Network:
    """What this process knows of the network: why it is not there, once a connection has failed."""

    fault: str = ""


_NETWORK = _Network()


def local_original(file: RemoteFile) -> Original | None:
    """The file from the mirror, if one is named, or from the cache; None if neither has it.

    Raises:
        PerfseerError: the mirror's is damaged or of another version. The cache's is passed over then.
    """
    mirror = mirror_folder()
    if mirror is not None:
        path = mirror / file.folder / file.name
        content = _content(path)
        if content is not None:
            found = hashlib.sha256(content).hexdigest()
            require(
                file.sha256 in (None, found),
                f"{path} has SHA-256 {found} ({len(content)} bytes), expected {file.sha256}: it is damaged "
                "or of another version; fetch it again",
            )
            return Original(content, "mirror")
    content = _content(cache_folder() / file.folder / file.name)
    if content is not None and hashlib.sha256(content).hexdigest() == file.sha256:
        return Original(content, "cache")
    return None


def downloaded_original(file: RemoteFile) -> Original:
    """The file from the network, now in the cache as well.

    Raises:
        UnavailableError: it is published nowhere, a mirror is named instead of the network, or the network or
            the server does not give it. After one failed connection no other is tried in this process.
    """
    mirror = mirror_folder()
    if mirror is not None:
        raise UnavailableError(
            f"PERFSEER_MIRROR={mirror} has no {file.folder}/{file.name}: put the file of {file.url} there, "
            "or unset PERFSEER_MIRROR to download it"
        )
    if not file.url:
        raise UnavailableError(
            f"{file.folder}/{file.name} is published nowhere by itself: name a PERFSEER_MIRROR"
        )
    if _NETWORK.fault:
        raise UnavailableError(f"{file.url} was not tried: no network ({_NETWORK.fault})")
    return _within_the_deadline(file)


def _within_the_deadline(file: RemoteFile) -> Original:
    """In a thread of its own, because resolving a name heeds no timeout."""
    paths: list[Path] = []
    faults: list[Exception] = []

    def work() -> None:
        try:
            paths.append(fetch(file))
        except Exception as error:  # raised again below, in the thread that waits
            faults.append(error)

    thread = threading.Thread(target=work, daemon=True, name=f"download of {file.name}")
    thread.start()
    thread.join(DEADLINE_S)
    content = _content(paths[0]) if paths else None
    if content is not None:
        return Original(content, "download")
    fault: Exception = faults[0] if faults else TimeoutError(f"no answer within {DEADLINE_S:.0f} s")
    if not isinstance(fault, PerfseerError | TimeoutError):
        raise fault
    # A server that answers with an error may have the other files.
    cause = fault if isinstance(fault, TimeoutError) else fault.__cause__
    if isinstance(cause, _NO_ANSWER) and not isinstance(cause, HTTPError):
        _NETWORK.fault = str(getattr(cause, "reason", cause))
    raise UnavailableError(
        f"cannot download {file.url} ({fault})" if fault is cause else str(fault)
    ) from fault


def _content(path: Path) -> bytes | None:
    """The bytes of a file, None if there is none.

    Raises:
        PerfseerError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise PerfseerError(f"cannot read {path}: {error.strerror or error}") from error
