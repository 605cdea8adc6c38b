import json
import os
from pathlib import Path

import pytest

from perfseer.errors import PerfseerError
from perfseer.measure.journal import Journal, decode_line, encode_line, journal_folder, read_journal

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
        return journal.records, journal.notes


def test_records_come_back_as_they_were(folder):
    assert reopen(folder) == (RECORDS, [])


def test_header_is_the_first_line_and_written_once(folder):
    reopen(folder)
    lines = (folder / "key.jsonl").read_text().splitlines()
    assert len(lines) == 1 + len(RECORDS)
    assert json.loads(lines[0])["body"]["header"] == HEADER


def test_cut_anywhere_only_the_last_line_is_lost_and_appending_goes_on(folder):
    path = folder / "key.jsonl"
    content = path.read_bytes()
    for size in range(len(content)):
        path.write_bytes(content[:size])
        whole = content[:size].count(b"\n")
        with Journal(folder, "key", HEADER) as journal:
            assert list(journal.records) == list(RECORDS)[: max(whole - 1, 0)], size
            cut = size > 0 and content[size - 1 : size] != b"\n"
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
        reading = read_journal(bytes(damaged))
        number = sum(start <= position for start in starts)
        # The flip may be harmless only where JSON gives the same value, as in the exponent's case.
        assert [line for line, _ in reading.corrupt] == [number], (position, content[position : position + 1])


def test_a_corrupt_line_in_the_middle_is_set_aside_and_named(folder):
    path = folder / "key.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    lines[2] = lines[2].replace(b'"ok"', b'"no"')
    path.write_bytes(b"".join(lines))
    records, notes = reopen(folder)
    assert list(records) == ["id0", "id2"]
    assert len(notes) == 1
    assert "line 3 failed its checksum" in notes[0]
    assert (folder / "key.rejected").read_bytes() == b"3\t" + lines[2]
    assert reopen(folder)[1] == []


def test_the_last_record_of_an_id_counts(folder):
    with Journal(folder, "key", HEADER) as journal:
        journal.append("id1", {"status": "oom"})
    assert reopen(folder)[0]["id1"] == {"status": "oom"}


def test_a_second_collector_is_refused_and_told_who_holds_it(folder):
    with (
        Journal(folder, "key", HEADER),
        pytest.raises(PerfseerError, match=rf"another collector \(process {os.getpid()}\)"),
    ):
        Journal(folder, "key", HEADER)
    assert reopen(folder)[0] == RECORDS


def test_two_journals_in_one_folder_do_not_exclude_each_other(folder):
    with Journal(folder, "key", HEADER), Journal(folder, "other", HEADER) as other:
        assert other.records == {}


def test_a_full_disk_is_reported_and_the_lock_released(tmp_path):
    (tmp_path / "key.jsonl").symlink_to("/dev/full")
    for _ in range(2):
        with pytest.raises(PerfseerError, match=r"cannot write the journal .*No space left.* is safe"):
            Journal(tmp_path, "key", HEADER)


def test_a_disk_that_fills_up_leaves_what_was_there(folder, monkeypatch):
    with Journal(folder, "key", HEADER) as journal:
        real = os.write

        def half(descriptor, content):
            real(descriptor, content[: len(content) // 2])
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "write", half)
        with pytest.raises(PerfseerError, match="No space left"):
            journal.append("new", {"status": "ok"})
        monkeypatch.undo()
        assert "new" not in journal.records
    assert reopen(folder) == (RECORDS, [])


def test_a_folder_that_cannot_be_made_is_reported(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(PerfseerError, match="cannot write the journal"):
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
