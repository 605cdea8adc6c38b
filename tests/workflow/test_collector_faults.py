"""Kill, starve, interrupt the real collector: clear messages, no orphans, nothing measured is lost."""

import io
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
import yaml

from perfseer.measure.journal_lines import read_journal
from perfseer.measure.table import read_table
from tests.helpers.places import PARAMS


class Collector:
    """Runs `perfseer collect` on tiny networks in a folder of its own."""

    def __init__(self, folder, batch_sizes=(2, 3)):
        self.folder = folder
        zoo = {**PARAMS["zoo"], "resolution": 64, "depth": [1, 1], "width": [8, 16]}
        protocol = {**PARAMS["collect"]["protocol"], "warmup_s": 0.0, "phase_budget_s": 0.05}
        collect = {
            **PARAMS["collect"],
            "batch_sizes": list(batch_sizes),
            "batches_per_architecture": 2,
            "threads": 1,
        }
        collect |= {"time_budget_s": 1000, "protocol": protocol}
        (folder / "params.yaml").write_text(yaml.safe_dump({"zoo": zoo, "collect": collect}))
        self.out = folder / "t.parquet"

    def start(self, limit, variables=None, **options):
        command = [sys.executable, "-m", "perfseer", "collect", "--out", str(self.out), "--limit", str(limit)]
        environment = {**os.environ, "COLUMNS": "200", "PERFSEER_JOURNAL": str(self.folder / "journal")}
        environment |= variables or {}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(
            command, cwd=self.folder, env=environment, text=True, start_new_session=True, **pipes, **options
        )

    def run(self, limit, **options):
        process = self.start(limit, **options)
        out, err = process.communicate(timeout=120)
        return process.returncode, out, err

    @property
    def journal(self):
        (path,) = (self.folder / "journal").glob("*.jsonl")
        return path

    def lines(self):
        paths = list((self.folder / "journal").glob("*.jsonl"))
        return paths[0].read_bytes().count(b"\n") if paths else 0

    def wait_for_records(self, count):
        deadline = time.monotonic() + 60
        while self.lines() < count + 1:
            assert time.monotonic() < deadline, "the collector wrote nothing"
            time.sleep(0.005)

    def ids(self):
        bodies = [json.loads(line)["body"] for line in self.journal.read_text().splitlines()]
        return [body["id"] for body in bodies if "id" in body]


def descendants(pid):
    """Processes whose parent, or parent's parent and so on, is ``pid``; read from /proc."""
    parents = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(status.parent.name)] = int(status.read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue  # ended while we looked
    found, generation = set(), {pid}
    while generation:
        generation = {child for child, parent in parents.items() if parent in generation}
        found |= generation
    return found


def assert_gone(pids):
    deadline = time.monotonic() + 5
    while alive := [pid for pid in pids if Path(f"/proc/{pid}").exists()]:
        assert time.monotonic() < deadline, f"orphans: {alive}"
        time.sleep(0.02)


@pytest.fixture
def collector(tmp_path):
    return Collector(tmp_path)


def test_kill_9_repeats_only_the_configuration_in_flight(collector):
    process = collector.start(12)
    collector.wait_for_records(5)
    children = descendants(process.pid)
    process.kill()
    process.communicate()
    assert len(children) >= 1
    assert_gone(children)
    kept = collector.journal.read_bytes()
    before = read_journal(io.BytesIO(kept)).places
    assert len(before) >= 5
    assert not collector.out.exists()

    code, out, _ = collector.run(12)
    assert code == 0
    assert f"12 configurations (12 ok), {12 - len(before)} of them measured now" in out
    assert set(Counter(collector.ids()).values()) == {1}
    assert collector.journal.read_bytes().startswith(kept[: kept.rindex(b"\n") + 1])
    table = read_table(collector.out)
    assert list(table["order"]) == list(range(12))

    # Once more: nothing is measured and the table is the same, byte for byte.
    content = collector.out.read_bytes()
    code, out, _ = collector.run(12)
    assert (code, collector.out.read_bytes()) == (0, content)
    assert "12 configurations (12 ok), 0 of them measured now" in out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_stops_cleanly_and_says_how_to_go_on(collector, number):
    process = collector.start(500)
    collector.wait_for_records(2)
    children = descendants(process.pid)
    os.kill(process.pid, number)
    out, err = process.communicate(timeout=10)
    assert process.returncode == 130
    assert "the same command goes on from there" in err
    assert "Traceback" not in err
    assert out == ""
    assert not collector.out.exists()
    assert_gone(children)
    assert read_journal(io.BytesIO(collector.journal.read_bytes())).sound


def test_a_worker_that_is_killed_is_replaced_and_its_configuration_repeated(collector):
    process = collector.start(10)
    collector.wait_for_records(3)
    worker = [pid for pid in descendants(process.pid) if _parent(pid) == process.pid]
    os.kill(worker[0], signal.SIGKILL)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    # It was not the configuration's doing: that is measured once more, and there is no false row.
    assert list(read_table(collector.out)["status"]) == ["ok"] * 10


def test_two_collectors_exclude_each_other(collector):
    first = collector.start(500)
    collector.wait_for_records(1)
    code, _, err = collector.run(3)
    assert code == 2
    assert f"another collector (process {first.pid})" in " ".join(err.split())
    assert "Traceback" not in err
    os.kill(first.pid, signal.SIGTERM)
    first.communicate(timeout=10)


def test_a_disk_without_room_ends_it_with_a_message_and_loses_nothing(collector):
    def limit_file_size():
        resource.setrlimit(resource.RLIMIT_FSIZE, (12_000, 12_000))

    code, out, err = collector.run(50, preexec_fn=limit_file_size)
    assert code == 2
    message = " ".join(err.split())
    assert "cannot write the journal" in message
    assert "what it holds is safe" in message
    assert "Traceback" not in err
    assert out == ""
    kept = read_journal(io.BytesIO(collector.journal.read_bytes()))
    assert len(kept.places) >= 2
    assert kept.sound

    count = len(kept.places) + 1
    code, out, _ = collector.run(count)
    assert code == 0
    assert f"{count} configurations ({count} ok), 1 of them measured now" in out


# The wall clock jumps by a day, back and forth, with every reading; the monotonic one goes on.
JUMPING_CLOCK = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/time.h>
#include <time.h>
static long turn;
static long jump(void) { return (__sync_fetch_and_add(&turn, 1) % 3 - 1) * 86400; }
int clock_gettime(clockid_t clock, struct timespec *now) {
    int (*real)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
    int code = real(clock, now);
    if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) now->tv_sec += jump();
    return code;
}
int gettimeofday(struct timeval *now, void *zone) {
    struct timespec fine;
    clock_gettime(CLOCK_REALTIME, &fine);
    now->tv_sec = fine.tv_sec;
    now->tv_usec = fine.tv_nsec / 1000;
    return 0;
}
time_t time(time_t *now) {
    struct timespec fine;
    clock_gettime(CLOCK_REALTIME, &fine);
    if (now) *now = fine.tv_sec;
    return fine.tv_sec;
}
"""


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler to build the jumping clock with")
def test_a_wall_clock_that_jumps_by_days_changes_nothing(collector):
    (collector.folder / "clock.c").write_text(JUMPING_CLOCK)
    library = str(collector.folder / "clock.so")
    subprocess.run(
        ["cc", "-shared", "-fPIC", "-o", library, "clock.c", "-ldl"], cwd=collector.folder, check=True
    )
    jumping = {"LD_PRELOAD": library}
    read_clock = "import time; print(abs(time.time() - time.time()) > 80000)"
    shown = subprocess.run(
        [sys.executable, "-c", read_clock], env={**os.environ, **jumping}, capture_output=True
    )
    assert shown.stdout == b"True\n"

    began = time.monotonic()
    process = collector.start(12, jumping)
    collector.wait_for_records(4)
    process.kill()
    process.communicate()
    code, out, err = collector.run(12, variables=jumping)
    took_s = time.monotonic() - began
    assert code == 0, err
    assert "12 configurations (12 ok)" in out
    table = read_table(collector.out)
    assert list(table["order"]) == list(range(12))
    assert table["measured_s"].between(0.01, took_s).all()
    assert table["measured_s"].sum() < took_s
    for phase in ("infer", "train"):
        in_ms = table[f"{phase}_time_ms"] * table[f"{phase}_iterations"]
        assert (in_ms > 0).all()
        assert (in_ms < 1000 * table["measured_s"]).all()
        assert table[f"{phase}_util_pct"].between(1, 100).all()


def test_what_does_not_fit_in_memory_is_a_row_and_the_run_goes_on(tmp_path):
    """Under a limit on the address space a batch of 65,536 images is refused, one of 2 is not."""
    collector = Collector(tmp_path, batch_sizes=[2, 65_536])
    status = "import re, torch; print(re.search(r'VmPeak:\\s+(\\d+)', open('/proc/self/status').read())[1])"
    needed_kib = int(subprocess.run([sys.executable, "-c", status], capture_output=True, check=True).stdout)
    limit = (needed_kib + 2 * 2**20) * 1024

    def limit_memory():
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

    code, _, err = collector.run(6, preexec_fn=limit_memory)
    assert code == 0, err
    table = read_table(collector.out)
    assert list(table["status"]) == ["oom" if size == 65_536 else "ok" for size in table["batch_size"]]
    failed = table[table["status"] == "oom"]
    assert len(failed) == 3
    assert failed["reason"].str.startswith("infer: RuntimeError").all()
    assert (failed["measured_s"] < 2).all()


def _parent(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
