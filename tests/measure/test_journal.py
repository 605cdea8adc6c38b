import errno
import fcntl
import io
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from perfseer.errors import PerfseerError
from perfseer.measure.interrupts import InterruptError, Interrupts
from perfseer.measure.journal import Journal, journal_folder
from perfseer.measure.journal_lines import decode_line, encode_line, read_journal
from tests.helpers.counting import calls

HEADER = {"environment": {"device": "a processor"}}
RECORDS = {f"id{i}": {"status": "ok", "measured_s": i / 7} for i in range(3)}


@pytest.fixture
def folder(tmp_path):
    with Journal(tmp_path, "key", HEADER) as journal:
        for identifier, record in RECORDS.items():
            journal.append(identifier, record)
    return tmp_path


def reopen(folder):
    with Journal(folder, "key", HEADER) as journal:
        return dict(journal.records), journal.notes


def test_records_come_back_as_they_were(folder):
    assert reopen(folder) == (RECORDS, [])


def test_header_is_the_first_line_and_written_once(folder):
    reopen(folder)
    lines = (folder / "key.jsonl").read_text().splitlines()
    assert len(lines) == 1 + len(RECORDS)
    assert json.loads(lines[0])["body"]["header"] == HEADER


def test_cut_anywhere_only_the_last_line_is_lost_and_appending_goes_on(folder, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # hundreds of them
    path = folder / "key.jsonl"
    content = path.read_bytes()
    for size in range(len(content)):
        path.write_bytes(content[:size])
        # A line that lacks only its end is whole.
        whole = content[: size + 1].count(b"\n") if content[size] == 10 else content[:size].count(b"\n")
        with Journal(folder, "key", HEADER) as journal:
            assert list(journal.records) == list(RECORDS)[: max(whole - 1, 0)], size
            cut = size > 0 and 10 not in (content[size - 1], content[size])
            assert ["cut off" in note for note in journal.notes] == [True] * cut
            journal.append("new", {"status": "ok"})
        records, notes = reopen(folder)
        assert records["new"] == {"status": "ok"}
        assert notes == []


def test_a_changed_byte_anywhere_loses_one_line_and_says_which(folder):
    content = (folder / "key.jsonl").read_bytes()
    starts = [0, *(i + 1 for i, byte in enumerate(content) if byte == 10)]
    for position in range(0, len(content) - 1, 3):
        if content[position] == 10:
            continue
        damaged = bytearray(content)
        damaged[position] ^= 1
        if damaged[position] == 10:
            continue
        reading = read_journal(io.BytesIO(damaged))
        number = sum(start <= position for start in starts)
        assert [line for line, _ in reading.corrupt] == [number], (position, content[position : position + 1])


def test_a_corrupt_line_in_the_middle_is_set_aside_and_named(folder):
    path = folder / "key.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    lines[2] = lines[2].replace(b'"ok"', b'"no"')
    path.write_bytes(b"".join(lines))
    records, notes = reopen(folder)
    assert list(records) == ["id0", "id2"]
    assert len(notes) == 1
    assert "line 3 " in notes[0]
    assert (folder / "key.rejected").read_bytes() == b"3\t" + lines[2]
    assert reopen(folder)[1] == []


@pytest.mark.parametrize("content", [b"", None])
def test_an_empty_file_is_as_good_as_none(tmp_path, content):
    if content is not None:
        (tmp_path / "key.jsonl").write_bytes(content)
    assert reopen(tmp_path) == ({}, [])
    assert (tmp_path / "key.jsonl").read_bytes() == encode_line({"header": HEADER})


def test_a_header_alone_is_a_journal_without_records(tmp_path):
    (tmp_path / "key.jsonl").write_bytes(encode_line({"header": HEADER}))
    assert reopen(tmp_path) == ({}, [])


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00" * 5000,
        b"\x00" * 5000 + b"\n",
        bytes(range(256)) * 20,
        b"PAR1\n\n\n",
        b'{"body":1,"sum":"x"}\n',
        b'{"id":"a"}\n{"id":"b"}',
    ],
)
@pytest.mark.parametrize("records", [0, 2])
def test_garbage_is_set_aside_byte_for_byte_and_records_before_it_stay(folder, garbage, records):
    path = folder / "key.jsonl"
    before = b"".join(path.read_bytes().splitlines(keepends=True)[: records + 1]) if records else b""
    path.write_bytes(before + garbage)
    found, notes = reopen(folder)
    assert list(found) == list(RECORDS)[:records]
    assert len(notes) == 1
    rejected = (folder / "key.rejected").read_bytes()
    lines = list(io.BytesIO(garbage))
    first = records + 2 if records else 1
    expected = [b"%d\t%s\n" % (first + i, line.removesuffix(b"\n")) for i, line in enumerate(lines)]
    assert rejected == b"".join(expected)
    assert reopen(folder) == (found, [])


def test_a_header_that_was_lost_comes_back_first(folder):
    path = folder / "key.jsonl"
    header, *records = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"garbage\n" + b"".join(records))
    assert reopen(folder)[0] == RECORDS
    assert path.read_bytes() == header + b"".join(records)
    path.write_bytes(b"".join(records) + header)
    assert reopen(folder) == (RECORDS, [])
    assert path.read_bytes() == header + b"".join(records)


@pytest.mark.parametrize("position", [0, 2])
def test_a_journal_of_something_else_is_refused_and_left_alone(folder, position):
    path = folder / "key.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    lines.insert(position, encode_line({"header": {"environment": {"device": "another"}, "zoo": 1}}))
    path.write_bytes(content := b"".join(lines))
    with pytest.raises(PerfseerError, match="environment, zoo differ"):
        Journal(folder, "key", HEADER)
    assert path.read_bytes() == content


@pytest.mark.parametrize("how", ["deleted", "replaced", "cut", "written"])
def test_a_journal_that_changes_while_it_is_open_is_noticed_at_the_next_record(folder, how):
    path = folder / "key.jsonl"
    with Journal(folder, "key", HEADER) as journal:
        if how == "deleted":
            path.unlink()
        elif how == "replaced":
            (folder / "new").write_bytes(path.read_bytes())
            (folder / "new").replace(path)
        elif how == "cut":
            os.truncate(path, path.stat().st_size - 10)
        else:
            with path.open("ab") as other:
                other.write(b"{}\n")
        with pytest.raises(PerfseerError, match="deleted, replaced"):
            journal.append("new", {"status": "ok"})
        assert "new" not in journal.records


def test_a_record_that_changes_under_its_reader_is_not_believed(folder):
    with Journal(folder, "key", HEADER) as journal:
        content = (folder / "key.jsonl").read_bytes()
        with (folder / "key.jsonl").open("r+b") as other:
            other.write(content.replace(b'"ok"', b'"no"'))
        with pytest.raises(PerfseerError, match=r"byte \d+ .* id1"):
            journal.records["id1"]


def test_the_last_record_of_an_id_counts(folder):
    with Journal(folder, "key", HEADER) as journal:
        journal.append("id1", {"status": "oom"})
    assert reopen(folder)[0]["id1"] == {"status": "oom"}


def test_a_second_collector_is_refused_and_told_who_holds_it(folder):
    with (
        Journal(folder, "key", HEADER),
        pytest.raises(PerfseerError, match=rf"\(process {os.getpid()}\)"),
    ):
        Journal(folder, "key", HEADER)
    assert reopen(folder)[0] == RECORDS


def test_two_journals_in_one_folder_do_not_exclude_each_other(folder):
    with Journal(folder, "key", HEADER), Journal(folder, "other", HEADER) as other:
        assert other.records == {}


def test_a_disk_that_fills_up_leaves_what_was_there(folder, monkeypatch):
    with Journal(folder, "key", HEADER) as journal:
        real = os.write

        def half(descriptor, content):
            real(descriptor, content[: len(content) // 2])
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "write", half)
        with pytest.raises(PerfseerError, match="No space"):
            journal.append("new", {"status": "ok"})
        monkeypatch.undo()
        assert "new" not in journal.records
    assert reopen(folder) == (RECORDS, [])


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_without_locks_is_refused(folder, monkeypatch, number):
    def refuse(descriptor, operation):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(PerfseerError, match="--journal"):
        Journal(folder, "key", HEADER)


def test_the_lock_of_a_killed_collector_is_free(folder):
    program = (
        "import sys, time\nfrom pathlib import Path\nfrom perfseer.measure.journal import Journal\n"
        f"journal = Journal(Path(sys.argv[1]), 'key', {HEADER!r})\nprint('open', flush=True)\ntime.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", program, str(folder)], stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b"open\n"
    with pytest.raises(PerfseerError, match=rf"\(process {holder.pid}\)"):
        Journal(folder, "key", HEADER)
    holder.kill()
    holder.communicate()
    assert reopen(folder) == (RECORDS, [])


def test_an_append_that_fails_and_cannot_be_undone_is_the_last(folder, monkeypatch):
    """As on a disk that dies: the half line must not swallow the next record."""
    with Journal(folder, "key", HEADER) as journal:
        real = os.write

        def half(descriptor, content):
            real(descriptor, content[: len(content) // 2])
            raise OSError(5, "Input/output error")

        def refuse(descriptor, size):
            raise OSError(5, "Input/output error")

        monkeypatch.setattr(os, "write", half)
        monkeypatch.setattr(os, "ftruncate", refuse)
        with pytest.raises(PerfseerError, match="Input/output"):
            journal.append("new", {"status": "ok"})
        monkeypatch.undo()
        with pytest.raises(PerfseerError, match="deleted, replaced"):
            journal.append("newer", {"status": "ok"})
    records, notes = reopen(folder)
    assert records == RECORDS
    assert len(notes) == 1


def test_names_are_on_disk_before_anything_is_appended(tmp_path, monkeypatch):
    """A power cut after the rename must not bring the old file back: its folder is synchronised."""
    synchronised = []
    real = os.fsync

    def fsync(descriptor):
        synchronised.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    place = tmp_path / "new"
    with Journal(place, "key", HEADER) as journal:
        assert synchronised == [tmp_path, place / "key.tmp", place]
        synchronised.clear()
        journal.append("id", {"status": "ok"})
        assert synchronised == [place / "key.jsonl"]


def test_signals_while_a_record_is_written_wait_until_it_is_there(folder, monkeypatch):
    real = os.fsync

    def interrupted(descriptor):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGINT):
            os.kill(os.getpid(), number)
        real(descriptor)

    with Interrupts() as interrupts, Journal(folder, "key", HEADER) as journal:
        monkeypatch.setattr(os, "fsync", interrupted)
        journal.append("new", {"status": "ok"})
        with pytest.raises(InterruptError):
            interrupts.check()
    monkeypatch.undo()
    assert reopen(folder) == ({**RECORDS, "new": {"status": "ok"}}, [])


def test_a_failed_repair_leaves_the_journal_as_it_was(folder, monkeypatch):
    path = folder / "key.jsonl"
    path.write_bytes(content := path.read_bytes()[:-5])

    def refuse(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(PerfseerError, match="No space"):
        Journal(folder, "key", HEADER)
    monkeypatch.undo()
    assert path.read_bytes() == content
    assert sorted(entry.name for entry in folder.iterdir()) == ["key.jsonl", "key.lock"]
    assert list(reopen(folder)[0]) == ["id0", "id1"]


def test_a_large_journal_opens_in_few_calls_and_little_memory(tmp_path):
    """20,000 of the paper's 53,407 configurations, by a process of its own."""
    record = {"status": "ok", "measured_s": 0.5, "configuration": "x" * 1500, "phases": {"infer": [0.1] * 40}}
    lines = [encode_line({"id": f"{number:016x}", "record": record}) for number in range(20_000)]
    (tmp_path / "key.jsonl").write_bytes(encode_line({"header": HEADER}) + b"".join(lines))
    program = (
        "import resource, sys\nfrom pathlib import Path\nfrom perfseer.measure.journal import Journal\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "before = peak()\n"
        f"journal = Journal(Path(sys.argv[1]), 'key', {HEADER!r})\n"
        "print((peak() - before) / 1024, len(journal.records))"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, check=True)
    mib, count = done.stdout.split()
    assert int(count) == 20_000
    assert float(mib) < 20  # the file has 40
    assert calls(lambda: reopen(tmp_path)) < 100 * 20_000


def test_a_folder_that_cannot_be_made_is_reported(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(PerfseerError, match=re.escape(str(tmp_path))):
        Journal(tmp_path / "file" / "folder", "key", HEADER)


def test_numbers_that_are_not_finite_never_reach_the_journal(folder):
    with Journal(folder, "key", HEADER) as journal, pytest.raises(ValueError, match="JSON compliant"):
        journal.append("bad", {"time_ms": float("nan")})
    assert reopen(folder)[0] == RECORDS


@pytest.mark.parametrize(
    "line", [b"", b"null", b"[]", b"{}", b'{"body": 1, "sum": "x"}', b"\xff\xfe", b'"text"']
)
def test_foreign_lines_are_not_records(line):
    assert decode_line(line) is None


def test_a_line_is_its_body():
    body = {"id": "a", "record": {"x": 0.1 + 0.2, "é": None}}
    assert decode_line(encode_line(body).rstrip(b"\n")) == body


def test_folder_is_the_option_then_the_variable_then_the_default(monkeypatch):
    monkeypatch.delenv("PERFSEER_JOURNAL", raising=False)
    assert journal_folder(None) == Path(".journal")
    monkeypatch.setenv("PERFSEER_JOURNAL", "/elsewhere")
    assert journal_folder(None) == Path("/elsewhere")
    assert journal_folder(Path("here")) == Path("here")
