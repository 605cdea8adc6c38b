"""The database is replaced as a whole or not at all, and only where something changed."""

import os
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from perfseer.errors import PerfseerError
from perfseer.hardware.queries import read_specs
from perfseer.hardware.schema import gpus
from perfseer.hardware.storage import (
    POSTGRES_SCHEMA,
    connected,
    content_digest,
    database_url,
    read_digest,
    write,
)
from perfseer.outputs import WriteError
from tests.helpers.hardware import contents, postgres


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with postgres(tmp_path_factory.mktemp("storage") / "server") as address:
        yield address


def gpu_names(place) -> list[str]:
    with connected(place) as connection:
        return [row.name for row in connection.execute(gpus.select().order_by(gpus.c.id))]


def renamed(name: str) -> dict:
    rows = contents()
    rows["gpus"][0]["name"] = name
    return rows


def test_equal_contents_are_written_once(tmp_path):
    place = tmp_path / "deep/hardware.sqlite"
    first, modified = write(contents(), place), place.stat().st_mtime_ns
    second = write(contents(), place)
    assert (first.changed, second.changed) == (True, False)
    assert first.digest == second.digest == read_digest(place) == content_digest(contents())
    assert place.stat().st_mtime_ns == modified


def test_two_files_of_equal_contents_are_equal_bytes(tmp_path):
    write(contents(), tmp_path / "a.sqlite")
    write(contents(), tmp_path / "b.sqlite")
    assert (tmp_path / "a.sqlite").read_bytes() == (tmp_path / "b.sqlite").read_bytes()


def test_a_change_in_any_column_changes_the_digest():
    assert content_digest(renamed("A100")) == content_digest(contents())
    assert content_digest(renamed("H100")) != content_digest(contents())


def test_a_server_is_written_once_and_then_replaced(server):
    assert write(contents(), server).changed
    assert not write(contents(), server).changed
    assert write(renamed("A100X"), server).changed
    assert gpu_names(server)[0] == "A100X"


def test_a_row_that_breaks_a_constraint_leaves_what_was_there(server, tmp_path):
    for place in (server, tmp_path / "hardware.sqlite"):
        write(contents(), place)
        broken = renamed("broken")
        broken["peaks"][0]["gpu_id"] = 77
        with pytest.raises(PerfseerError, match=r"refuses|cannot use"):
            write(broken, place)
        assert gpu_names(place)[0] == "A100"


def test_who_reads_does_not_hinder_who_builds(server):
    write(contents(), server)
    with connected(server) as connection:
        connection.execute(gpus.select())
        write(renamed("new"), server)
    assert gpu_names(server)[0] == "new"


def test_a_schema_that_holds_tables_of_others_is_left_alone(server):
    write(contents(), server)
    engine = create_engine(database_url(server))
    with engine.begin() as connection:
        connection.execute(text(f"CREATE TABLE {POSTGRES_SCHEMA}.mine (a int)"))
    try:
        with pytest.raises(PerfseerError, match="mine"):
            write(renamed("other"), server)
        assert gpu_names(server)[0] == "A100"
    finally:
        with engine.begin() as connection:
            connection.execute(text(f"DROP TABLE {POSTGRES_SCHEMA}.mine"))
        engine.dispose()


def test_many_builds_at_once_leave_one_whole_database(tmp_path, server):
    for place in (tmp_path / "hardware.sqlite", server):
        with ThreadPoolExecutor(4) as pool:
            written = list(pool.map(write, [renamed(f"G{number}") for number in range(4)], [place] * 4))
        assert read_digest(place) in {done.digest for done in written}
        assert gpu_names(place)[0] in {"G0", "G1", "G2", "G3"}


BUILD = """
import sys
sys.path.insert(0, {root!r})
from tests.helpers.hardware import contents
from perfseer.hardware import storage
rows = contents()
first = rows["provenance"][0]
rows["provenance"] = [first | {{"id": i, "figure": f"f{{i}}"}} for i in range(1, 150_000)]
print("go", flush=True)
storage.write(rows, {place!r})
"""


@pytest.mark.parametrize("delay", [0.05, 0.3, 0.6])
def test_a_build_that_is_killed_leaves_what_was_there(tmp_path, server, delay):
    root = str(Path(__file__).parents[2])
    for place in (str(tmp_path / "hardware.sqlite"), server):
        write(contents(), place)
        code = BUILD.format(root=root, place=place)
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "go\n"
        time.sleep(delay)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert read_digest(place) == content_digest(contents())
        assert write(renamed("after"), place).changed
        assert gpu_names(place)[0] == "after"
    assert {path.name for path in tmp_path.iterdir()} == {"hardware.sqlite", ".hardware.sqlite.lock"}


def test_a_damaged_file_is_replaced(tmp_path):
    place = tmp_path / "hardware.sqlite"
    for left in (b"no database at all" * 100, b""):
        place.write_bytes(left)
        assert write(contents(), place).changed
        assert gpu_names(place)[0] == "A100"


def test_a_database_of_another_program_is_not_read_as_ours(tmp_path):
    place = tmp_path / "other.sqlite"
    with sqlite3.connect(place) as connection:
        connection.execute("CREATE TABLE build (x)")
    with pytest.raises(PerfseerError, match="no hardware database"), connected(place):
        pass


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("mysql://root@localhost/x", "mysql"),
        ("postgresql://", "postgresql"),
        ("://", "no address"),
        ("postgresql://nobody:secret@127.0.0.1:1/x", r"127\.0\.0\.1"),
    ],
)
def test_an_address_that_is_none_is_refused_without_showing_a_password(place, said):
    with pytest.raises(PerfseerError, match=said) as refusal:
        write(contents(), place)
    assert "secret" not in str(refusal.value)


def test_hidden_files_of_others_stay_and_what_a_killed_build_left_goes(tmp_path):
    others = [".env.examples", ".env.local", ".env.lock.json", ".env"]
    for name in others:
        (tmp_path / name).write_text("SECRET=1")
    left = tmp_path / ".env.a_b1c2d3"
    left.write_bytes(b"SQLite format 3\0 and half a page")
    left.chmod(0o600)
    write(contents(), tmp_path / "env")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*others, ".env.lock", "env"])


def test_a_full_disk_leaves_the_old_database_and_nothing_beside_it(tmp_path):
    place = tmp_path / "hardware.sqlite"
    write(contents(), place)
    before = sorted(path.name for path in tmp_path.iterdir()), place.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 << 10, hard))
    try:
        with pytest.raises(WriteError):
            write(renamed("other"), place)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (sorted(path.name for path in tmp_path.iterdir()), place.read_bytes()) == before


@pytest.mark.parametrize("place", [":memory:", "postgresql://[::1/x", "postgresql://me@host:port/x"])
def test_what_can_be_no_address_is_refused(place):
    with pytest.raises(PerfseerError):
        database_url(place)


def test_a_database_that_lost_a_table_is_refused_in_words(tmp_path):
    place = tmp_path / "hardware.sqlite"
    write(contents(), place)
    with sqlite3.connect(place) as connection:
        connection.execute("DROP TABLE peaks")
    with pytest.raises(PerfseerError, match="perfseer hardware build"), connected(place) as connection:
        read_specs(connection)


def test_a_device_takes_the_database_without_a_lock_beside_it():
    lock = Path("/dev/.null.lock")
    assert not lock.exists()
    assert write(contents(), "/dev/null").changed
    assert not lock.exists()
