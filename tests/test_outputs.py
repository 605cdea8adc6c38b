"""Files are written whole or not at all, into whatever a path names; a name never becomes another thing."""

import errno
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pandas as pd
import pytest

from perfseer.data.files import write_csv, write_json, write_parquet
from perfseer.errors import PerfseerError
from perfseer.measure.journal import _replace
from perfseer.measure.table import write_table
from perfseer.outputs import WriteError, atomic, require_writable
from tests.helpers.measurement_files import run

TABLE = pd.DataFrame({"a": [1, 2]})
WRITERS = {
    "json": lambda path: write_json(path, {"a": 1}),
    "parquet": lambda path: write_parquet(path, TABLE),
    "csv": lambda path: write_csv(path, TABLE),
    "table": lambda path: write_table(run(2), path),
}


def write(path, text="new\n"):
    with atomic(path) as temporary:
        temporary.write_text(text)


def fifo_reader(path):
    read: list[bytes] = []
    os.mkfifo(path)
    thread = threading.Thread(target=lambda: read.append(path.read_bytes()))
    thread.start()
    return thread, read


@pytest.mark.parametrize("name", WRITERS)
def test_a_pipe_is_written_into_and_stays(tmp_path, name):
    thread, read = fifo_reader(tmp_path / "pipe")
    WRITERS[name](tmp_path / "pipe")
    thread.join(20)
    WRITERS[name](tmp_path / "file")
    assert read == [(tmp_path / "file").read_bytes()]
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


@pytest.mark.parametrize("name", WRITERS)
def test_a_device_stays(tmp_path, name):
    (tmp_path / "nowhere").symlink_to("/dev/null")
    WRITERS[name](tmp_path / "nowhere")
    assert (tmp_path / "nowhere").is_symlink()
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


@pytest.mark.parametrize("name", WRITERS)
def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path, name):
    (tmp_path / "real").mkdir()
    target, link, further = tmp_path / "real" / "file", tmp_path / "link", tmp_path / "further"
    target.write_text("old")
    link.symlink_to("real/file")
    further.symlink_to(link)
    WRITERS[name](further)
    WRITERS[name](tmp_path / "plain")
    assert link.is_symlink()
    assert further.is_symlink()
    assert target.read_bytes() == (tmp_path / "plain").read_bytes()
    assert sorted(path.name for path in (tmp_path / "real").iterdir()) == ["file"]


def test_a_link_to_what_is_not_there_yet_makes_it(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "later" / "file")
    write(tmp_path / "link")
    assert (tmp_path / "later" / "file").read_text() == "new\n"
    assert (tmp_path / "link").is_symlink()


def test_a_journal_that_is_a_link_stays_one(tmp_path):
    (tmp_path / "real.jsonl").write_text("old\n")
    (tmp_path / "link.jsonl").symlink_to("real.jsonl")
    _replace(tmp_path / "link.jsonl", [b"new\n"])
    assert (tmp_path / "link.jsonl").is_symlink()
    assert (tmp_path / "real.jsonl").read_text() == "new\n"


def test_what_fails_leaves_everything_as_it_was(tmp_path):
    (tmp_path / "file").write_text("old")
    with pytest.raises(UnicodeEncodeError):
        write(tmp_path / "file", "half\ud800")
    assert (tmp_path / "file").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("make", [lambda path: path.mkdir(), lambda path: path.symlink_to(path.name)])
def test_a_folder_or_a_circle_of_links_is_refused(tmp_path, make):
    make(tmp_path / "place")
    with pytest.raises(PerfseerError, match="place") as refused:
        write(tmp_path / "place")
    assert refused.value.exit_code == 2
    with pytest.raises(PerfseerError, match="place"):
        require_writable(tmp_path / "place")
    assert len(list(tmp_path.iterdir())) == 1


def test_a_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("old")
    with pytest.raises(PerfseerError, match="file"):
        write(tmp_path / "file" / "below")
    with pytest.raises(PerfseerError, match="not a folder"):
        require_writable(tmp_path / "file" / "below")
    assert (tmp_path / "file").read_text() == "old"


@pytest.mark.parametrize(("number", "code"), [(errno.ENOSPC, 1), (errno.EIO, 1), (errno.EACCES, 2)])
def test_a_full_disk_is_not_the_fault_of_who_named_the_place(tmp_path, number, code):
    with pytest.raises(PerfseerError) as refused, atomic(tmp_path / "file"):
        raise OSError(number, "refused")
    assert refused.value.exit_code == code
    assert list(tmp_path.iterdir()) == []


def test_the_full_device_is_full():
    if not Path("/dev/full").exists():
        pytest.skip("there is none here")
    with pytest.raises(WriteError, match="No space"):
        write(Path("/dev/full"))


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_standard_output_by_its_name_is_written_where_it_stands(tmp_path, name):
    code = (
        "from pathlib import Path\nfrom perfseer.outputs import atomic\nprint('before')\n"
        f"with atomic(Path({name!r})) as temporary: temporary.write_text('within\\n')\nprint('after')\n"
    )
    with (tmp_path / "all").open("w") as stream:
        stream.write("first\n")
        stream.flush()
        subprocess.run([sys.executable, "-c", code], stdout=stream, check=True)
    assert (tmp_path / "all").read_text() == "first\nbefore\nwithin\nafter\n"
    piped = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert piped.stdout == "before\nwithin\nafter\n"
