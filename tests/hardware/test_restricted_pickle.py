import datetime
import os
import pickle

import pytest

from perfseer.errors import PerfseerError
from perfseer.hardware.restricted_pickle import MAX_BYTES, load_records

RECORDS = [
    {"name": "A", "released": datetime.date(2020, 5, 14), "tdp": 400, "memory": 80.0, "fp64": None, "x": True}
]


# Before protocol 3 a day is made of bytes by a function that is not admitted.
@pytest.mark.parametrize("protocol", range(3, pickle.HIGHEST_PROTOCOL + 1))
def test_records_come_back_as_they_were(protocol):
    assert load_records(pickle.dumps(RECORDS, protocol), "p") == RECORDS


class Runs:
    def __reduce__(self):
        return os.mkdir, ("it-ran",)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (pickle.dumps([Runs()]), "mkdir"),
        (pickle.dumps([{"a": datetime.datetime(2020, 1, 1)}]), "datetime.datetime"),
        (b"cdatetime\ndate.today\n.", "date.today"),
        (b"\x80\x04\x8c\x08datetime\x8c\x04date\x93K\x01\x85R.", "datetime.date"),
        (b"\x80\x04\x8c\x08datetime\x8c\x04date\x93C\x04\xff\xff\xff\xff\x85R.", "datetime.date"),
        (b"\x80\x04\x8c\x08datetime\x8c\x04date\x93}\x8c\x03max\x8c\x01xsb.", "state"),
        (pickle.dumps({"a": 1}), "a dict, expected a list"),
        (pickle.dumps([1]), "record 1"),
        (pickle.dumps([{1: 2}]), "record 1"),
        (pickle.dumps([{"a": 1}, {"b": [1]}]), r"record 2 .*\['b'\]"),
        (pickle.dumps(RECORDS)[:-9], "damaged"),
        (pickle.dumps(RECORDS) + b"x", "follow its end"),
        (b"", "damaged"),
        (b"name,price\n1,2\n", "p: "),
        (b"\x80\x04r\xff\xff\xff\x7f.", "p: "),
        (b"x" * (MAX_BYTES + 1), "more than"),
    ],
)
def test_a_hostile_or_damaged_pickle_is_refused_and_runs_nothing(content, told, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PerfseerError, match=told):
        load_records(content, "p")
    assert not list(tmp_path.iterdir())


def test_any_flipped_byte_gives_records_or_a_message():
    whole = pickle.dumps(RECORDS * 3)
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 0x15
        try:
            records = load_records(bytes(damaged), "p")
        except PerfseerError:
            continue
        assert all(isinstance(record, dict) for record in records)
