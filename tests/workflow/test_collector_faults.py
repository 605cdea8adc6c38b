"""Kill, starve, interrupt the real collector: clear messages, no orphans, nothing measured is lost."""

import errno
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

import pytest
import yaml

from perfseer.measure.journal_lines import read_journal
from perfseer.measure.table import read_table
from tests.helpers.places import PARAMS
from tests.helpers.processes import assert_gone, descendants, parent, wait_until
from tests.helpers.reading import counts
from tests.workflow.collectors import Server, records


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
        out, err = process.communicate()
        return process.returncode, out, err

    @property
    def journal(self):
        (path,) = (self.folder / "journal").glob("*.jsonl")
        return path

    def lines(self):
        paths = list((self.folder / "journal").glob("*.jsonl"))
        return paths[0].read_bytes().count(b"\n") if paths else 0

    def wait_for_records(self, count):
        wait_until(lambda: self.lines() > count, "the collector wrote nothing")

    def ids(self):
        bodies = [json.loads(line)["body"] for line in self.journal.read_text().splitlines()]
        return [body["id"] for body in bodies if "id" in body]


@pytest.fixture
def collector(tmp_path):
    return Collector(tmp_path)


@pytest.fixture
def server(tmp_path):
    server = Server(tmp_path)
    yield server
    server.close()


def test_kill_9_repeats_only_the_configuration_in_flight(collector):
    process = collector.start(8)
    collector.wait_for_records(3)
    children = descendants(process.pid)
    process.kill()
    process.communicate()
    assert len(children) >= 1
    assert_gone(children)
    kept = collector.journal.read_bytes()
    before = read_journal(io.BytesIO(kept)).places
    assert len(before) >= 3
    assert not collector.out.exists()

    code, out, _ = collector.run(8)
    assert code == 0
    assert counts(out) == {"configurations": 8, "ok": 8, "now": 8 - len(before)}
    assert set(Counter(collector.ids()).values()) == {1}
    assert collector.journal.read_bytes().startswith(kept[: kept.rindex(b"\n") + 1])
    table = read_table(collector.out)
    assert list(table["order"]) == list(range(8))


def test_ctrl_c_stops_cleanly_and_says_how_to_go_on(collector):
    """What other signals do, and after more records, is in test_collector_kills."""
    process = collector.start(500)
    collector.wait_for_records(2)
    children = descendants(process.pid)
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate()
    assert process.returncode == 130
    assert "same command" in err
    assert "Traceback" not in err
    assert out == ""
    assert not collector.out.exists()
    assert_gone(children)
    assert read_journal(io.BytesIO(collector.journal.read_bytes())).sound


def test_a_worker_that_is_killed_is_replaced_and_its_configuration_repeated(collector):
    process = collector.start(6)
    collector.wait_for_records(2)
    (worker,) = (pid for pid in descendants(process.pid) if parent(pid) == process.pid)
    os.kill(worker, signal.SIGKILL)
    _, err = process.communicate()
    assert process.returncode == 0, err
    # It was not the configuration's doing: that is measured once more, and there is no false row.
    assert list(read_table(collector.out)["status"]) == ["ok"] * 6


def test_two_collectors_exclude_each_other(server):
    first = server.start(10**6)
    wait_until(lambda: len(records(server.content())) >= 1)
    code, said = server.run(3)
    assert code == 2
    assert f"(process {first})" in said
    assert "Traceback" not in said
    os.kill(first, signal.SIGTERM)
    assert server.wait(first) == 130


def test_a_disk_without_room_ends_it_with_a_message_and_loses_nothing(server):
    code, said = server.run(50, file_bytes=12_000)
    assert code == 2
    assert "journal" in said
    assert os.strerror(errno.EFBIG) in said
    assert "Traceback" not in said
    assert not (server.folder / "t.parquet").exists()
    kept = read_journal(io.BytesIO(server.content()))
    assert len(kept.places) >= 2
    assert kept.sound
    code, said = server.run(len(kept.places) + 1)
    assert code == 0
    assert counts(said)["now"] == 1


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
    process = collector.start(6, jumping)
    collector.wait_for_records(2)
    process.kill()
    process.communicate()
    code, out, err = collector.run(6, variables=jumping)
    took_s = time.monotonic() - began
    assert code == 0, err
    assert counts(out)["ok"] == 6
    table = read_table(collector.out)
    assert list(table["order"]) == list(range(6))
    assert (table["measured_s"] > 0).all()
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

    code, _, err = collector.run(4, preexec_fn=limit_memory)
    assert code == 0, err
    table = read_table(collector.out)
    assert list(table["status"]) == ["oom" if size == 65_536 else "ok" for size in table["batch_size"]]
    failed = table[table["status"] == "oom"]
    assert len(failed) == 2
    assert failed["reason"].str.startswith("infer: RuntimeError").all()
