"""Where a source finds its rows, and what a reading promises."""

import hashlib
import urllib.request
from typing import ClassVar

import pandas as pd
import pytest

from perfseer.data.download import RemoteFile
from perfseer.errors import PerfseerError
from perfseer.hardware import originals, shipped, source
from perfseer.hardware.shipped import ShippedOrigin, shipped_path, write_shipped
from perfseer.hardware.source import (
    AbsentError,
    HardwareSource,
    Reading,
    hardware_source,
    hardware_source_names,
)

CONTENT = b"name,price\nA100,1\n"
DIGEST = hashlib.sha256(CONTENT).hexdigest()
FILE = RemoteFile("hardware", "t.csv", "https://example.org/t.csv", DIGEST)


class Small(HardwareSource):
    name = "small"
    title = "a small table"
    licence = "MIT"
    url = "https://example.org"
    shipped = "small"
    files: ClassVar[tuple[RemoteFile, ...]] = (FILE,)
    columns: ClassVar[dict[str, str]] = {"name": "of it", "price": "US$"}

    def read(self) -> Reading:
        rows = self.cells(self.files[0]).table
        return Reading(rows, len(rows))


@pytest.fixture
def places(tmp_path, monkeypatch):
    """A mirror, a cache and a repository that are empty, and no network."""

    def refuse(url, timeout):
        raise OSError("unplugged")

    monkeypatch.setenv("PERFSEER_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("PERFSEER_MIRROR", raising=False)
    monkeypatch.setattr(originals, "_NETWORK", originals._Network())
    monkeypatch.setattr(shipped, "repository", lambda: tmp_path / "repository")
    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    return tmp_path


def put(path):
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)


def ship(root, digest=DIGEST):
    origin = ShippedOrigin("a small table", FILE.url, digest, "MIT", 1)
    write_shipped(
        pd.DataFrame({"name": ["A100"], "price": ["1"]}), shipped_path("small", root), original=origin
    )


def test_a_source_without_any_place_is_absent_and_says_why(places):
    with pytest.raises(AbsentError, match="unplugged"):
        Small().read()


def test_mirror_then_cache_then_repository_then_network(places, monkeypatch):
    ship(places / "repository")
    assert Small().cells(FILE).where == "shipped"
    put(places / "cache/hardware/t.csv")
    assert Small().cells(FILE).where == "cache"
    monkeypatch.setenv("PERFSEER_MIRROR", str(places / "mirror"))
    assert Small().cells(FILE).where == "cache"
    put(places / "mirror/hardware/t.csv")
    assert Small().cells(FILE).where == "mirror"


def test_the_shipped_table_is_the_original_cell_by_cell(places):
    put(places / "cache/hardware/t.csv")
    original = Small().cells(FILE).table
    ship(places / "repository")
    (places / "cache/hardware/t.csv").unlink()
    pd.testing.assert_frame_equal(Small().cells(FILE).table, original)


def test_a_shipped_table_of_another_file_is_refused(places):
    ship(places / "repository", "0" * 64)
    with pytest.raises(PerfseerError, match="ship it again"):
        Small().cells(FILE)


def test_a_pointer_without_its_table_is_told_when_there_is_no_network_either(places):
    ship(places / "repository")
    path = shipped_path("small", places / "repository")
    md5 = hashlib.md5(path.read_bytes()).hexdigest()
    path.with_name("small.parquet.dvc").write_text(f"outs:\n- md5: {md5}\n")
    path.unlink()
    with pytest.raises(AbsentError, match=r"unplugged(.|\n)*dvc pull"):
        Small().cells(FILE)


def test_ship_writes_the_table_that_read_takes(places, monkeypatch):
    put(places / "cache/hardware/t.csv")
    monkeypatch.setattr(source, "hardware_source", lambda name: Small)
    (path,) = shipped.ship("small", places / "repository")
    assert path == shipped_path("small", places / "repository")
    (places / "cache/hardware/t.csv").unlink()
    assert Small().read().rows.to_dict("list") == {"name": ["A100"], "price": ["1"]}


def test_several_files_have_a_shipped_table_each():
    first, second = (
        RemoteFile("mlperf", f"r_v{n}.{kind}", "", None) for n, kind in ((4.1, "json"), (5.1, "csv.gz"))
    )
    several = type("Several", (Small,), {"files": (first, second)})()
    assert [several.shipped_name(file) for file in (first, second)] == ["small-r_v4.1", "small-r_v5.1"]
    assert Small().shipped_name(FILE) == "small"


def test_a_reading_that_lost_rows_is_refused():
    with pytest.raises(PerfseerError, match="rows were lost"):
        Reading(pd.DataFrame({"a": [1]}), 2)


@pytest.mark.parametrize("name", hardware_source_names())
def test_every_source_says_what_it_is_and_what_may_be_done_with_it(name):
    kind = hardware_source(name)
    assert kind.name == name
    assert all(text for text in (kind.title, kind.licence, kind.url, kind.published))
    assert kind.columns
    assert all(meaning for meaning in kind.columns.values())
    for file in kind.files:
        assert file.sha256 is None or len(file.sha256) == 64
    if kind.shipped:
        assert "not stated" not in kind.licence
