"""The child's side of a sandbox: it answers until nobody asks any more."""

import contextlib
import faulthandler
import gc
import os
import pickle
import select
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Any, NoReturn, Self

from perfseer.blame import described
from perfseer.errors import PerfseerError
from perfseer.measure.forked import die_with_parent, first_for_the_memory_killer
from perfseer.measure.frames import Frame, write_frame
from perfseer.measure.limits import Limits, limit_this_process, no_core_dump

# Answers a request; what it raises is the answer too.
Handler = Callable[[Any], Frame]
_LENGTH_BYTES = 8
# So often a child looks whether its parent is still there; other children may hold the pipe open.
_LOOK_EVERY_S = 5.0
_NO_MEMORY = ("can't allocate memory", "bad_alloc", "out of memory", "not enough memory")


@dataclass(frozen=True)
class Refusal:
    """An answer that is none: what the work raised.

    Attributes:
        text: for people.
        out_of_memory: whether the limit of memory is why; the process is not fit for more then.
    """

    text: str
    out_of_memory: bool

    @classmethod
    def of(cls, frame: Frame) -> Self | None:
        """The refusal that an answer is, if it is one."""
        if not isinstance(frame.value, dict) or "refused" not in frame.value:
            return None
        return cls(str(frame.value["refused"]), frame.value["out_of_memory"] is True)


def run_child(
    make: Callable[[], Handler], limits: Limits, reader: int, writer: int, log: IO[bytes], parent: int | None
) -> NoReturn:
    """Answer what comes from ``reader``; never returns, so nothing further up the stack runs twice.

    Args:
        make: what answers.
        limits: of every request.
        reader: descriptor of requests.
        writer: descriptor of answers.
        log: where it is noted what this process was doing when it died.
        parent: whose end is this one's too; None where that is not sure to be noticed.
    """
    try:
        _settle(log, parent)
        own, above = os.getpid(), os.getppid()
        handler = make()
        while (request := _next(reader, above)) is not None:
            limit_this_process(limits)
            found = answer(handler, request)
            _flush()
            if os.getpid() != own:  # a copy that the work made of this process and forgot
                break
            write_frame(writer, found)
            del request, found
    except BaseException:  # the parent learns that there is no answer
        os._exit(1)
    finally:
        os._exit(0)


def answer(handler: Handler, request: Any, *, interruptible: bool = False) -> Frame:
    """What a handler says; whatever it raises becomes a refusal.

    Args:
        handler: does the work.
        request: what it is asked.
        interruptible: whether Ctrl-C reaches this process. A child heeds none, so that `KeyboardInterrupt` is
            the work's own doing there.
    """
    try:
        return handler(request)
    except PerfseerError as error:
        return _refused(str(error), error)
    except BaseException as error:  # a model may raise anything, SystemExit included
        if interruptible and isinstance(error, KeyboardInterrupt):
            raise
        return _refused(f"it raised {described(error)}", error)


def whole(content: bytes) -> bytes:
    """A request as it stands in the pipe."""
    return len(content).to_bytes(_LENGTH_BYTES, "little") + content


def _refused(text: str, error: BaseException) -> Frame:
    short = next(filter(_is_for_memory, _causes(error)), None)
    return Frame({"refused": text if short is None else described(short), "out_of_memory": short is not None})


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    for _ in range(20):
        if error is None:
            return
        yield error
        error = error.__cause__ or error.__context__


def _is_for_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(mark in str(error).lower() for mark in _NO_MEMORY)


def _settle(log: IO[bytes], parent: int | None) -> None:
    """Make this process a child that nothing of the parent's depends on."""
    os.setpgid(0, 0)  # what it starts can be ended with it
    if parent is not None:
        die_with_parent(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGXCPU, signal.SIGUSR1):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, set())
    no_core_dump()
    first_for_the_memory_killer()
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115, PTH123  # what is to be read there is the parent's
    _join_streams()
    faulthandler.enable(log, all_threads=False)
    faulthandler.register(signal.SIGUSR1, log, all_threads=False)
    faulthandler.register(signal.SIGXCPU, log, all_threads=False, chain=True)
    gc.freeze()  # or the first collection would copy every page of the parent's objects


def _join_streams() -> None:
    """What is printed below Python goes where Python's own printing goes.

    One that exists in the memory of the parent alone cannot be reached from here: standard error stands in.
    """
    for descriptor, name in ((2, "stderr"), (1, "stdout")):
        try:
            os.dup2(getattr(sys, name).fileno(), descriptor)
        except (OSError, ValueError, AttributeError):
            with contextlib.suppress(OSError):  # which may be closed
                setattr(sys, name, open(2, "w", encoding="utf-8", closefd=False))  # noqa: SIM115


def _next(reader: int, parent: int) -> Any:
    """The next request; None when there are no more, or nobody is left to ask."""
    while not select.select([reader], [], [], _LOOK_EVERY_S)[0]:
        if os.getppid() != parent:
            return None
    header = _exactly(reader, _LENGTH_BYTES)
    if header is None:
        return None
    content = _exactly(reader, int.from_bytes(header, "little"))
    return None if content is None else pickle.loads(content)


def _exactly(reader: int, count: int) -> bytes | None:
    content = b""
    while len(content) < count:
        piece = os.read(reader, count - len(content))
        if not piece:
            return None
        content += piece
    return content


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
