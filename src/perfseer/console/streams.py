"""Standard output and error while a verb runs: what is printed is harmless, and arrives or is missed aloud.

Printed text goes through `perfseer.text.plain`. What Rich writes (colours, bars) does not, so what it is
given must have. Writing to a full disk or a closed output is an `OSError` with the output's name; a reader
that has gone is a `BrokenPipeError`. Nothing that befalls standard error is ever a fault.
"""

import contextlib
import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from perfseer.text import plain


class Stream:
    """A text stream that others take for the one it stands for.

    Args:
        to: the stream; None where it was closed before the program began.
        name: in messages of errors.
        forgiving: whether errors are dropped.
    """

    def __init__(self, to: TextIO | None, name: str, *, forgiving: bool) -> None:
        self._to = io.StringIO() if to is None else to
        self._closed_before = to is None
        self._name, self._forgiving = name, forgiving
        self._failed = False

    def write(self, text: str) -> int:
        """Write text as it is.

        Raises:
            OSError: the output takes no more.
        """
        if not isinstance(text, str):
            raise TypeError(f"write() takes text, not {type(text).__name__}")
        with self._faults():
            if self._closed_before and text:
                raise OSError(errno.EBADF, "it is closed")
            self._to.write(text)
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write one text after the other."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Hand on what was written; raises as `write` does."""
        with self._faults():
            self._to.flush()

    @property
    def failed(self) -> bool:
        """Whether something that was written did not arrive."""
        return self._failed

    def close_quietly(self) -> None:
        """Let go of what cannot be written, so that the end of the program does not try again."""
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._to.fileno())
            os.close(nowhere)
        with contextlib.suppress(OSError, ValueError):
            self._to.flush()

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            self._failed = True
            if not self._forgiving:
                raise
        except OSError as error:
            self._failed = True
            if not self._forgiving:
                raise OSError(error.errno, error.strerror or str(error), self._name) from error

    def __getattr__(self, name: str) -> Any:
        """Whatever else streams have."""
        return getattr(self._to, name)


class PlainStream(Stream):
    """The same for what is printed: characters that act are shown instead."""

    def __init__(self, to: TextIO | None, name: str, *, forgiving: bool) -> None:
        super().__init__(to, name, forgiving=forgiving)
        # Rich looks for this, and writes its own sequences there.
        self.rich_proxied_file = Stream(to, name, forgiving=forgiving)

    @property
    def failed(self) -> bool:
        """Whether something that was written, by Rich or others, did not arrive."""
        return self._failed or self.rich_proxied_file.failed

    def write(self, text: str) -> int:
        """Write text as `plain` leaves it."""
        return super().write(plain(text) if isinstance(text, str) else text)


@contextmanager
def guarded() -> Iterator[PlainStream]:
    """Guard both outputs for the duration; gives standard output."""
    _keep_descriptors()
    before = sys.stdin, sys.stdout, sys.stderr
    out = PlainStream(_lenient(sys.stdout), "standard output", forgiving=False)
    errors = PlainStream(_lenient(sys.stderr), "standard error", forgiving=True)
    sys.stdin = io.StringIO() if sys.stdin is None else sys.stdin
    sys.stdout, sys.stderr = out, errors
    try:
        yield out
    finally:
        errors.flush()
        sys.stdin, sys.stdout, sys.stderr = before


def _lenient(stream: TextIO | None) -> TextIO | None:
    """Characters that the terminal's encoding lacks are written as escapes instead of being a fault."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")
    return stream


def _keep_descriptors() -> None:
    """Standard descriptors that are closed lead nowhere, so that no file is opened under their numbers."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
