"""The same function over many tasks, in this process or in several."""

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any

from perfseer.errors import PerfseerError
from perfseer.lifeline import end_with, this_process


@contextmanager
def mapper(
    workers: int, doing: str, preload: Sequence[str], prepare: Callable[[], None] | None = None
) -> Iterator[Callable[..., Iterator[Any]]]:
    """``map``, in this process or over a pool; results come in the order of the tasks.

    Workers are forked from a server that has imported ``preload`` once and has never run a parallel region.

    Args:
        workers: processes; 1 is this one.
        doing: what they do, for the message when one dies: "captures graphs".
        preload: modules the function needs.
        prepare: run once in every worker.

    Raises:
        PerfseerError: a worker died.
    """
    if workers <= 1:
        yield map
        return
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(preload))
    executor: Executor
    with ProcessPoolExecutor(workers, context, _prepare_worker, (this_process(), prepare)) as executor:
        try:
            yield lambda function, tasks: executor.map(function, tasks, chunksize=2)
        except BrokenProcessPool as error:
            raise PerfseerError(
                f"a process that {doing} died (out of memory?): try again with fewer --workers"
            ) from error
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            raise


def _prepare_worker(parent: str, prepare: Callable[[], None] | None = None) -> None:
    """Set up a worker of a pool.

    Args:
        parent: `lifeline.this_process` of whom it works for: where that is killed, the pool's own machinery
            leaves its workers waiting for ever.
        prepare: run once.
    """
    # Ctrl-C is the parent's to handle, or every worker would print a traceback.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with(parent)
    if prepare is not None:
        prepare()
