"""Runs the real ``perfseer`` command in forks of itself: a collector that is there in milliseconds.

Reads one JSON line per run: arguments, folder to run in, file for its output. Answers with two lines: the
process id at once, the exit code (or minus the signal) when it has ended. What measures is `fast_worker`.
"""

import functools
import json
import os
import sys
import traceback

import perfseer.cli.main
import perfseer.measure.collector
import perfseer.measure.progress
from perfseer.measure import session
from perfseer.measure.worker_process import WorkerProcess

session.WorkerProcess = functools.partial(WorkerProcess, module="fast_worker")


def collector(arguments, folder, output):
    """The forked process: what ``perfseer`` does with these arguments."""
    os.setsid()
    os.chdir(folder)
    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
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
    for line in sys.stdin:
        request = json.loads(line)
        process = os.fork()
        if process == 0:
            collector(**request)
        print(process, flush=True)
        _, status = os.waitpid(process, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
