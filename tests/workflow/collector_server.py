"""Runs the real ``perfseer`` command in forks of itself: a collector that is there in milliseconds.

Reads JSON lines. One with arguments, the folder to run in and a limit to the size of files starts a collector
and is answered with its process id, which its output is named after; one with such an id to ``wait`` for is
answered with the exit code, or minus the signal. What measures is `fast_worker`.
"""

import contextlib
import json
import os
import resource
import sys
import traceback

import perfseer.cli.main
import perfseer.measure.collector
import perfseer.measure.progress
from perfseer.errors import PerfseerError
from perfseer.measure import session
from perfseer.measure.worker_process import WorkerProcess


def fast(device, threads, interrupts, module):
    """The isolated worker, which runs `fast_worker` instead of the real module."""
    del module
    return WorkerProcess(device, threads, interrupts, "fast_worker")


session.WorkerProcess = fast


def collector(arguments, folder, file_bytes):
    """The forked process: what ``perfseer`` does with these arguments."""
    os.setsid()
    os.chdir(folder)
    descriptor = os.open(f"{os.getpid()}.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    if file_bytes is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
    sys.argv = ["perfseer", *arguments]
    code = 1
    try:
        perfseer.cli.main.run()
    except SystemExit as exit_:
        code = exit_.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def main():
    """Serve until the pipe closes."""
    # The verb imports more as it starts; what is imported here is in every fork.
    with contextlib.suppress(PerfseerError):
        perfseer.cli.main.app(["collect", "--params", "{}", "--out", "t.parquet"], standalone_mode=False)
    for line in sys.stdin:
        request = json.loads(line)
        if "wait" in request:
            _, status = os.waitpid(request["wait"], 0)
            print(os.waitstatus_to_exitcode(status), flush=True)
        else:
            process = os.fork()
            if process == 0:
                collector(**request)
            print(process, flush=True)


if __name__ == "__main__":
    main()
