"""What went wrong in somebody else's code, and where: the exception, the file and the line."""

import itertools
import re
import sysconfig
import traceback
from collections.abc import Iterator
from pathlib import Path

_OURS = str(Path(__file__).parent)
_BOTTOM = str(Path(__file__).parent / "measure" / "sandboxed.py")
_STANDARD = sysconfig.get_paths()["stdlib"]
_INSTALLED = re.compile(r"[/\\](?:site|dist)-packages[/\\](?P<package>[^/\\]+)")
# A line of faulthandler's, which writes the innermost call first.
_DUMPED = re.compile(r'^\s*File "(?P<file>[^"]+)", line (?P<line>\d+)', re.MULTILINE)
_LONGEST = 500


def described(error: BaseException) -> str:
    """An exception in one line: its type, what it says, and the line of the code to blame."""
    where = place(error)
    return words(error).rstrip(".") + (f" ({where})" if where else "")


def words(error: BaseException) -> str:
    """Type and first line of what an exception says; what cannot say anything is named by its type."""
    try:
        text = str(error).strip()
    except BaseException:  # its own __str__ may be at fault too
        text = ""
    first = text.splitlines()[0][:_LONGEST] if text else ""
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def place(error: BaseException) -> str | None:
    """``file:line`` of the code to blame for an exception, or for the one it was raised from.

    The innermost call in a file that is not installed; failing that, in a library other than torch.
    None where only torch, Python and this package took part.
    """
    for one in _chain(error):
        if isinstance(one, SyntaxError) and one.filename:
            return f"{shortened(one.filename)}:{one.lineno}"
        frames = traceback.walk_tb(one.__traceback__)
        # not its summary: that reads every file of the stack
        calls = [(frame.f_code.co_filename, line) for frame, line in frames]
        found = _blamed(reversed(calls))
        if found:
            return found
    return None


def place_in_dump(text: str) -> str | None:
    """The same in what `faulthandler` wrote of a child process that died.

    What called the work is not to blame: the stack of a child has its parent's at the bottom.
    """
    calls = ((match["file"], int(match["line"])) for match in _DUMPED.finditer(text))
    return _blamed(itertools.takewhile(lambda call: call[0] != _BOTTOM, calls))


def printable(text: str) -> str:
    """Text that can be written anywhere: bytes of a file's name that are no UTF-8 become backslash, x, ff."""
    if text.isascii():
        return text
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def shortened(file: str) -> str:
    """A path without the working directory it lies below."""
    try:
        return str(Path(file).relative_to(Path.cwd()))
    except (ValueError, OSError):
        return file


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__


def _blamed(calls: Iterator[tuple[str, int]]) -> str | None:
    """The first call, innermost first, in people's own code; else the first in a library."""
    library = None
    for file, line in calls:
        rank = _rank(file)
        if rank == 0:
            return f"{shortened(file)}:{line}"
        if rank == 1 and library is None:
            library = f"{shortened(file)}:{line}"
    return library


def _rank(file: str) -> int | None:
    """0 for people's own code, 1 for installed libraries, None for what is never to blame."""
    installed = _INSTALLED.search(file)
    if installed:
        return None if installed["package"] in ("torch", "numpy", "perfseer") else 1
    return None if file.startswith(("<", _OURS, _STANDARD)) else 0
