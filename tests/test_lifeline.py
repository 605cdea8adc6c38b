"""Processes that end with the one they work for; every process here is started and killed for real."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from perfseer.lifeline import RUN_VARIABLE, begin_run, end_with, this_process
from tests.helpers.places import ROOT
from tests.helpers.processes import assert_gone, descendants, state, wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are looked up in /proc")


def start(program, folder, **environment):
    """A Python program that runs until it is killed."""
    paths = os.pathsep.join(map(str, (ROOT / "src", ROOT, folder)))
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        env={**os.environ, "PYTHONPATH": paths, **environment},
        cwd=folder,
    )


def kill(process):
    process.send_signal(signal.SIGKILL)
    process.wait()


def test_a_process_ends_with_the_one_it_was_told_of(tmp_path):
    one = start("import time; time.sleep(600)", tmp_path)
    name = f"{this_process().partition(':')[0]}:{one.pid}:"
    start_time = Path(f"/proc/{one.pid}/stat").read_text().rpartition(")")[2].split()[19]
    other = start(
        f"""
        import time
        from pathlib import Path
        from perfseer.lifeline import end_with
        end_with({name + start_time!r})
        Path("told").touch()
        time.sleep(600)
        """,
        tmp_path,
    )
    wait_until((tmp_path / "told").exists)
    assert other.poll() is None
    kill(one)
    assert other.wait(300) == -signal.SIGKILL


def test_of_another_machine_and_of_nonsense_nothing_is_known():
    for process in ("elsewhere:1:2", "", "x", f"{this_process().partition(':')[0]}:x:1"):
        end_with(process)


def test_a_process_that_took_over_a_number_is_not_the_one_that_was_meant(tmp_path):
    machine, pid, _ = this_process().rsplit(":", 2)
    other = start(f"from perfseer.lifeline import end_with; end_with('{machine}:{pid}:1')", tmp_path)
    assert other.wait(300) == -signal.SIGKILL


def test_a_verb_ends_with_the_run_that_started_it(tmp_path):
    run = start("import time; time.sleep(600)", tmp_path)
    fields = Path(f"/proc/{run.pid}/stat").read_text().rpartition(")")[2].split()
    name = f"{this_process().partition(':')[0]}:{run.pid}:{fields[19]}"
    verb = start(
        """
        import time
        from perfseer.cli import main
        def app():
            open("running", "w").close()
            time.sleep(600)
        main.app = app
        main.run()
        """,
        tmp_path,
        **{RUN_VARIABLE: name},
    )
    wait_until((tmp_path / "running").exists)
    kill(run)
    assert verb.wait(300) == -signal.SIGKILL


POOL = """
import os
import time
from pathlib import Path

def work(task):
    Path(f"{os.getpid()}.worker").touch()
    time.sleep(600 if task else 0)

if __name__ == "__main__":
    from perfseer.data.processes import mapper
    with mapper(2, "sleeps", ()) as apply:
        list(apply(work, [1, 1, 1, 1]))
"""


def test_workers_of_a_killed_verb_end(tmp_path):
    (tmp_path / "pool.py").write_text(POOL)
    process = start("import runpy; runpy.run_path('pool.py', run_name='__main__')", tmp_path)
    wait_until(lambda: len(list(tmp_path.glob("*.worker"))) == 2)
    started = descendants(process.pid)
    assert {int(path.stem) for path in tmp_path.glob("*.worker")} <= started
    kill(process)
    wait_until(lambda: all(state(pid) == "Z" for pid in started), "a worker lives on")


def test_locks_of_a_dead_run_are_removed_and_those_of_a_living_one_stay(tmp_path, monkeypatch):
    monkeypatch.setattr("perfseer.lifeline._WAIT_S", 0.2)
    monkeypatch.setenv(RUN_VARIABLE, "")
    folder = tmp_path / ".snakemake"
    lock = folder / "locks/0.output.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    living = start(
        """
        import time
        from pathlib import Path
        from perfseer import lifeline
        lifeline._WAIT_S = 0
        lifeline._hold(Path(".snakemake"))
        Path(".snakemake/locks").mkdir(exist_ok=True)
        Path(".snakemake/locks/0.output.lock").touch()
        Path("held").touch()
        time.sleep(600)
        """,
        tmp_path,
    )
    wait_until((tmp_path / "held").exists)
    begin_run(folder)
    assert lock.exists()
    assert os.environ[RUN_VARIABLE] == this_process()
    kill(living)
    assert_gone([living.pid])
    from perfseer import lifeline

    while lifeline._held:  # or this process would be the living one
        lifeline._held.pop().close()
    begin_run(folder)
    assert not lock.exists()
    lifeline._held.pop().close()
