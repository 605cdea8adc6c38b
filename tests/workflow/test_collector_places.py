"""The real collector on disks that are full or read-only and on a device that goes away; it goes on."""

import contextlib
import errno
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from perfseer.measure.journal_lines import read_journal
from perfseer.measure.table import read_table
from tests.helpers.reading import counts, numbers
from tests.workflow.collectors import Server, records

LAUNCH = "RuntimeError: CUDA error: unspecified launch failure"
GONE = "--device cuda was asked for, but torch finds no CUDA device"


def private_mounts():
    """The command that starts a process whose mounts nobody else sees, or None where that is not allowed."""
    command = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--mount"]
    if shutil.which("unshare") is None or subprocess.run([*command, "true"], check=False).returncode != 0:
        return None
    return command


class Disk:
    """A small file system at ``small/``, seen by the collectors and, through /proc, by the test."""

    def __init__(self, folder, options):
        (folder / "small").mkdir()
        mount = f'mount -t tmpfs -o {options} tmpfs {folder}/small && exec "$@"'
        self.server = Server(folder, [*private_mounts(), "sh", "-c", mount, "sh"])
        self.server.run(1, journal="elsewhere", out="elsewhere.parquet")  # started, so mounted
        self.path = Path(f"/proc/{self.server.process.pid}/root") / str(folder / "small").lstrip("/")

    def fill(self, leave=0):
        """Take all the room but ``leave`` bytes."""
        with (self.path / "ballast").open("wb", buffering=0) as ballast, contextlib.suppress(OSError):
            while ballast.write(b"x" * 4096):
                continue
        os.truncate(self.path / "ballast", max((self.path / "ballast").stat().st_size - leave, 0))

    def empty(self):
        (self.path / "ballast").unlink()

    @property
    def journal(self):
        (path,) = (self.path / "journal").glob("*.jsonl")
        return path


@pytest.fixture
def disk(tmp_path):
    if private_mounts() is None:
        pytest.skip("this system lets nobody mount a small disk")
    disks = []

    def make(options="size=512k"):
        disks.append(Disk(tmp_path, options))
        return disks[0]

    yield make
    for made in disks:
        made.server.close()


@pytest.fixture
def server(tmp_path):
    server = Server(tmp_path, FAST_WORKER_FAULTS=str(tmp_path / "faults.json"))
    yield server
    server.close()


def test_a_disk_that_fills_up_during_a_record_keeps_all_before_it(disk):
    disk = disk()
    disk.fill(leave=64 * 1024)
    code, said = disk.server.run(400, journal="small/journal")
    assert (code, "Traceback" in said) == (2, False)
    assert "small/journal" in said
    assert os.strerror(errno.ENOSPC) in said
    content = disk.journal.read_bytes()
    assert read_journal(content.splitlines(keepends=True)).sound
    had = len(records(content))
    assert had > 5
    disk.empty()
    code, said = disk.server.run(had + 3, journal="small/journal")
    assert code == 0
    assert counts(said)["now"] == 3
    assert disk.journal.read_bytes().startswith(content)


def test_a_disk_that_is_full_at_the_repair_leaves_the_journal_as_it_is(disk):
    disk = disk()
    disk.server.run(20, journal="small/journal")
    os.truncate(disk.journal, disk.journal.stat().st_size - 100)
    content = disk.journal.read_bytes()
    disk.fill()
    code, said = disk.server.run(20, journal="small/journal")
    assert code == 2
    assert os.strerror(errno.ENOSPC) in said
    assert disk.journal.read_bytes() == content
    assert not list((disk.path / "journal").glob("*.tmp"))
    disk.empty()
    code, said = disk.server.run(20, journal="small/journal")
    assert code == 0
    assert "cut off" in said
    assert counts(said)["now"] == 1


def test_a_disk_that_is_full_at_the_table_costs_no_measurement(disk):
    disk = disk()
    disk.fill()
    code, said = disk.server.run(20, out="small/t.parquet")
    assert code == 1
    assert f"small/t.parquet: {os.strerror(errno.ENOSPC)}" in said
    assert [entry.name for entry in disk.path.iterdir()] == ["ballast"]
    disk.empty()
    code, said = disk.server.run(20, out="small/t.parquet")
    assert code == 0
    assert counts(said)["now"] == 0
    assert len(read_table(disk.path / "t.parquet")) == 20


def test_a_disk_without_inodes_is_said_before_anything_is_measured(disk):
    disk = disk("size=512k,nr_inodes=3")
    (disk.path / "one").touch()
    (disk.path / "two").touch()
    code, said = disk.server.run(5, journal="small/journal")
    assert code == 2
    assert "small/journal" in said
    assert os.strerror(errno.ENOSPC) in said


def test_a_read_only_journal_is_said_and_left_alone(disk):
    disk = disk()
    disk.server.run(5, journal="small/journal")
    content = disk.journal.read_bytes()
    user = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
    enter = ["nsenter", f"--target={disk.server.process.pid}", "--mount", *user]
    mount = ["mount", "-o", "remount,ro", str(disk.server.folder / "small")]
    if subprocess.run([*enter, *mount], check=False).returncode != 0:
        pytest.skip("this system lets nobody make a disk read-only")
    code, said = disk.server.run(6, journal="small/journal")
    assert code == 2
    assert "small/journal" in said
    assert os.strerror(errno.EROFS) in said
    assert disk.journal.read_bytes() == content


def test_an_unplugged_device_ends_the_run_and_the_same_command_goes_on(server):
    faults = server.folder / "faults.json"
    faults.write_text(json.dumps({"5": LAUNCH, "unplugged": GONE}))
    code, said = server.run(12, "--device", "cuda")
    assert (code, "Traceback" in said) == (2, False)
    assert said == f"error: {GONE}"
    kept = server.content()
    assert [body["record"]["configuration"]["order"] for body in records(kept)] == [0, 1, 2, 3, 4]
    assert not (server.folder / "t.parquet").exists()
    # Still gone: said at once, and the journal is not touched.
    assert server.run(12, "--device", "cuda")[0] == 2
    assert server.content() == kept

    faults.unlink()
    code, said = server.run(12, "--device", "cuda")
    assert code == 0
    assert counts(said)["now"] == 7
    assert server.content().startswith(kept)
    table = read_table(server.folder / "t.parquet")
    assert list(table["order"]) == list(range(12))
    assert list(table["status"]) == ["oom" if order == 7 else "ok" for order in range(12)]


def test_a_broken_device_is_not_held_against_the_network(server):
    fault = "AcceleratorError: CUDA error: uncorrectable ECC error encountered"
    (server.folder / "faults.json").write_text(json.dumps({"3": fault}))
    code, said = server.run(12, "--device", "cuda")
    assert code == 2
    assert fault in said
    assert len(records(server.content())) == 3


def test_a_cuda_error_in_two_fresh_processes_is_a_row(server):
    fault = "RuntimeError: CUDA error: an illegal memory access was encountered"
    (server.folder / "faults.json").write_text(json.dumps({"3": fault}))
    code, said = server.run(6, "--device", "cuda")
    assert code == 0
    assert counts(said) == {"configurations": 6, "error": 1, "ok": 5, "now": 6}
    table = read_table(server.folder / "t.parquet")
    assert table["reason"][3].startswith(f"infer: {fault} (")


def test_resumed_runs_tell_the_speed_and_shares_of_the_whole_table(server):
    server.run(5)
    code, said = server.run(10)
    assert code == 0
    seconds = [body["record"] for body in records(server.content())]
    total = sum(record["measured_s"] for record in seconds)
    assert counts(said) == {"configurations": 10, "ok": 9, "oom": 1, "now": 5}
    assert numbers(said)[4:6] == [round(total, 1), round(60 * 10 / total)]  # seconds, configurations a minute
    other = sum(record["seconds"]["other"] for record in seconds)
    assert f"other {other / total:.0%}" in said
