"""Ctrl-C, SIGTERM and a closed terminal as a request to stop at a safe place, not an exception anywhere."""

import os
import signal
import threading
from types import FrameType
from typing import Any, Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class InterruptError(Exception):
    """The user asked to stop; the configuration in flight is given up, everything before it is on disk."""


class Interrupts:
    """While active, SIGINT, SIGTERM and SIGHUP only set a flag and wake up whoever selects on `descriptor`.

    A signal that was ignored stays ignored, as ``nohup`` and a shell's ``&`` mean it.

    Attributes:
        descriptor: becomes readable when a signal comes; None outside the main thread, where Python cannot
            receive signals.
    """

    def __init__(self) -> None:
        self.descriptor: int | None = None
        self._requested = False
        self._writer = -1
        self._previous: dict[signal.Signals, Any] = {}

    def check(self) -> None:
        """Raise `InterruptError` if a signal came."""
        if self._requested:
            raise InterruptError

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self.descriptor, self._writer = os.pipe()
            os.set_blocking(self._writer, False)
            heeded = [number for number in _SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
            self._previous = {number: signal.signal(number, self._note) for number in heeded}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        if self.descriptor is not None:
            os.close(self.descriptor)
            os.close(self._writer)
            self.descriptor = None

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        # The pipe is written once, so it can neither block nor fill; `select` resumes after this handler.
        if not self._requested:
            self._requested = True
            os.write(self._writer, b"!")
