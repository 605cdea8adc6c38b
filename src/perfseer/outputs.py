"""Writing files whole or not at all, into whatever a path names: a file, a link, a device, a pipe."""

import errno
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from perfseer.errors import PerfseerError

# The system failed, not who named the place.
_FAILURES = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG, errno.EPIPE}
_MOST_LINKS = 40
_ADVICE = "Free some space, or name another output"


class WriteError(PerfseerError):
    """The place is right and could not be written all the same: a full disk, say."""

    exit_code = 1


@contextmanager
def atomic(path: Path, *, what: str = "", advice: str = _ADVICE) -> Iterator[Path]:
    """A temporary path whose contents ``path`` has when the block ends without an error.

    Readers see the old file or the new one, never half of it. A link stays, and what it leads to is replaced.
    What is no regular file (``/dev/null``, a pipe, ``/dev/stdout``) stays too and is written into.

    Args:
        path: folders above it are made.
        what: it is, in the message of an error.
        advice: ends the message of an error.

    Raises:
        PerfseerError: the place cannot be written, or is a folder.
        WriteError: the disk is full or broken.
    """
    try:
        if _takes_a_stream(path):
            with tempfile.TemporaryDirectory(prefix="perfseer-") as folder:
                temporary = Path(folder) / (path.name or "output")
                yield temporary
                _pour(temporary, path)
            return
        with _beside(Path(os.path.realpath(path))) as temporary:
            yield temporary
    except OSError as error:
        raise _cannot_write(path, error, what, advice) from error


def _cannot_write(path: Path, error: OSError, what: str, advice: str) -> PerfseerError:
    kind = WriteError if error.errno in _FAILURES else PerfseerError
    place = f"{what} {path}".lstrip()
    return kind(f"cannot write {place}: {error.strerror or error}. {advice}")


def require_writable(path: Path, *, what: str = "", advice: str = _ADVICE) -> None:
    """Make the folders of ``path`` and find out, before hours of work, whether `atomic` may write it.

    Args:
        path: as of `atomic`.
        what: likewise.
        advice: likewise.

    Raises:
        PerfseerError: it may not.
    """
    try:
        if not _takes_a_stream(path):
            with _beside(Path(os.path.realpath(path)), keep=False):
                pass
    except OSError as error:
        raise _cannot_write(path, error, what, advice) from error


@contextmanager
def _beside(target: Path, *, keep: bool = True) -> Iterator[Path]:
    """A temporary file in the folder of ``target`` that takes its place in the end, if it is to be kept."""
    if target.parent.exists() and not target.parent.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, f"{target.parent} is not a folder")
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{target.name[:200]}.", dir=target.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        if not keep:
            return
        temporary.chmod(0o666 & ~_umask())  # mkstemp's 0600 would hide results from a reader's group
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _takes_a_stream(path: Path) -> bool:
    """Whether to write into ``path`` instead of replacing it.

    Raises:
        IsADirectoryError: it is a folder.
        OSError: its links go round in a circle.
    """
    if _descriptor(path) is not None:
        return True
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return False
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder")
    return not stat.S_ISREG(mode)


def _descriptor(path: Path) -> int | None:
    """The descriptor that ``path`` names: 1 for ``/dev/stdout``, ``/dev/fd/1`` and ``/proc/self/fd/1``."""
    own = os.path.realpath("/proc/self/fd")
    for _ in range(_MOST_LINKS):
        parent = os.path.realpath(path.parent)
        if parent == own and path.name.isdecimal():
            return int(path.name)
        path = Path(parent) / path.name
        if not path.is_symlink():
            return None
        path = path.parent / path.readlink()
    return None


def _pour(temporary: Path, path: Path) -> None:
    number = _descriptor(path)
    if number is not None:
        sys.stdout.flush()  # what was printed before stands before it
    with temporary.open("rb") as source, _opened(path, number) as sink:
        shutil.copyfileobj(source, sink)


def _opened(path: Path, number: int | None) -> BinaryIO:
    # A descriptor is written from where it stands; opening it anew would begin at the start of its file.
    return path.open("wb") if number is None else os.fdopen(os.dup(number), "wb")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
