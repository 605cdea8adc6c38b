"""What went wrong in somebody else's code, and where: the exception, the file and the line."""

import itertools
import re
import sysconfig
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path

_OURS = str(Path(__file__).parent)
_BOTTOM = str(Path(__file__).parent / "measure" / "sandboxed.py")
_STANDARD = sysconfig.get_paths()["stdlib"]
_TORCH = "/site-packages/torch/"
_LAYERS = "/site-packages/torch/nn/modules/"
_RUN_LAYERS = ("/module.py", "/container.py")
_INSTALLED = ("/site-packages/", "/dist-packages/")
_SCRIPT = "failed in the TorchScript interpreter"
# As Python, faulthandler and TorchScript write a line of code; faulthandler writes the innermost call first.
_WRITTEN = re.compile(r'File "(?P<file>[^"\n]+)", line (?P<line>\d+)')
_LONGEST = 500
_LONG = 160  # characters of a reason of which the first sentence suffices

# A file and a line in it.
_Line = tuple[str, int]


def described(error: BaseException) -> str:
    """An exception in one line: its type, what it says, and the line of the code to blame."""
    where = place(error)
    return words(error) + (f" ({where})" if where else "")


def words(error: BaseException) -> str:
    """Type and first line of what an exception says; what cannot say anything is named by its type."""
    try:
        text = str(error)
    except BaseException:  # its own __str__ may be at fault too
        text = ""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    if _SCRIPT in text:  # TorchScript's own traceback stands before the reason
        return lines[-1][:_LONGEST]
    said = lines[0] if len(lines[0]) < _LONG else lines[0].split(". ")[0]
    return f"{type(error).__name__}: {said.rstrip('.')[:_LONGEST]}"


def place(error: BaseException) -> str | None:
    """``file:line`` of the code to blame for an exception, or for the one it was raised from.

    The innermost call in people's own code, else in a library, else in torch's layers; None where only
    Python, the rest of torch and this package took part.
    """
    calls: list[_Line] = []
    for one in _chain(error):
        if isinstance(one, SyntaxError) and one.filename:
            calls.append((one.filename, one.lineno or 0))
        calls += reversed(_calls(one))
    return _blamed(calls)


def place_in_dump(text: str) -> str | None:
    """The same in what `faulthandler` wrote of a child process that died.

    What called the work is not to blame: the stack of a child has its parent's at the bottom.
    """
    return _blamed(itertools.takewhile(lambda call: call[0] != _BOTTOM, _written(text)))


def printable(text: str) -> str:
    r"""Text that can be written anywhere: bytes of a name that are no UTF-8 become backslash, x, ff."""
    if text.isascii():
        return text
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def shortened(file: str) -> str:
    """A path without the working directory, or the place of libraries, that it lies below."""
    for installed in _INSTALLED:
        if installed in file:
            return file.rpartition(installed)[2]
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


def _calls(error: BaseException) -> list[_Line]:
    """The lines an exception passed, outermost first. Not Python's summary of them: that reads every file."""
    calls = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    text = _said_by_script(error)
    return calls + list(_written(text))


def _said_by_script(error: BaseException) -> str:
    """TorchScript's own traceback, which stands in what it says; empty for other exceptions."""
    text = str(error) if type(error) is RuntimeError else ""
    return text if _SCRIPT in text else ""


def _written(text: str) -> Iterator[_Line]:
    return ((match["file"], int(match["line"])) for match in _WRITTEN.finditer(text))


def _blamed(calls: Iterable[_Line]) -> str | None:
    """The first of the highest rank, innermost call first."""
    best, found = 0, None
    for file, line in calls:
        rank = _rank(file)
        if rank > best:
            best, found = rank, f"{shortened(file)}:{line}"
    return found


def _rank(file: str) -> int:
    """3 for people's own code, 2 for a library's, 1 for torch's layers, 0 for what is never to blame."""
    if _TORCH in file:
        return int(_LAYERS in file and not file.endswith(_RUN_LAYERS))
    if file.startswith(("<", _OURS)) or "/site-packages/perfseer/" in file:
        return 0
    if any(installed in file for installed in _INSTALLED):
        return 2
    return 0 if file.startswith(_STANDARD) else 3
