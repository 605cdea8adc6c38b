"""Files of people's own: what is no file is refused, what is a round is read, however it is called."""

import gzip
import json
import os
from pathlib import Path

import pytest

from perfseer.errors import PerfseerError
from perfseer.hardware import own_files, shipped
from perfseer.hardware.build import build
from perfseer.hardware.csv_source import replacement_names
from perfseer.hardware.mlperf.closed_names import closed_names
from perfseer.hardware.source import AbsentError
from perfseer.hardware.sources.cloud_prices import CloudPrices
from perfseer.hardware.sources.mlperf_results import MlperfResults
from perfseer.parameters import load_mapping
from tests.hardware.mlperf.published import official_row
from tests.helpers.places import ROOT
from tests.helpers.published_tables import CLOUD, reading_of, write_table


@pytest.fixture(autouse=True)
def nothing_published(tmp_path_factory, monkeypatch):
    nowhere = tmp_path_factory.mktemp("nowhere")
    monkeypatch.setenv("PERFSEER_MIRROR", str(nowhere))
    monkeypatch.setenv("PERFSEER_CACHE", str(nowhere))
    monkeypatch.setattr(shipped, "repository", lambda: None)


def fifo(path: Path) -> None:
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.mkdir()


def broken_link(path: Path) -> None:
    path.symlink_to("/nowhere")


def circle(path: Path) -> None:
    path.symlink_to(path)


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize(
    ("kind", "name"), [(MlperfResults, "v6.0.json"), (CloudPrices, "cloud_prices.csv")], ids=["round", "csv"]
)
@pytest.mark.parametrize("make", [fifo, folder, broken_link, circle, endless])
def test_what_is_no_file_is_refused_and_never_passed_over(tmp_path, kind, name, make):
    make(tmp_path / name)
    with pytest.raises(PerfseerError, match=name) as told:
        kind(folder=tmp_path).read()
    assert not isinstance(told.value, AbsentError)


@pytest.mark.parametrize("name", ["v6.0.JSON", "v6.0.json.gz", "v6.0.Json.GZ"])
def test_a_round_is_read_whatever_the_case_of_its_name_and_packed_or_not(tmp_path, name):
    content = json.dumps([official_row()]).encode()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.lower().endswith("gz") else content)
    assert MlperfResults(folder=tmp_path).read().rows["value"].tolist() == [1000.0]


def test_a_name_that_is_no_text_is_shown_and_does_not_stop_the_reading(tmp_path):
    (tmp_path / os.fsdecode(b"v6.0\xff\x1b[31m.json")).write_text(
        json.dumps([official_row(), official_row(Platform="two", Performance_Result="many")])
    )
    reading = MlperfResults(folder=tmp_path).read()
    (reason,) = reading.refused["reason"].unique()
    assert (len(reading.rows), reason.isprintable()) == (1, True)


def test_a_replacement_is_no_round(tmp_path):
    write_table(tmp_path / "cloud_prices.csv", CloudPrices.header, CLOUD)
    (tmp_path / "v5.1.json").write_text(json.dumps([official_row()]))
    assert len(CloudPrices(folder=tmp_path).read().rows) == 1
    assert len(MlperfResults(folder=tmp_path).read().rows) == 1
    assert replacement_names() == {"cloud_prices.csv", "epoch.csv", "geekbench.csv", "passmark.csv"}


def test_a_replacement_without_rows_or_with_too_many_is_refused(tmp_path, monkeypatch):
    with pytest.raises(PerfseerError, match="no rows"):
        reading_of("cloud_prices", tmp_path)
    monkeypatch.setattr(own_files, "MOST_ROWS", 1)
    with pytest.raises(PerfseerError, match="2 rows, at most 1"):
        reading_of("cloud_prices", tmp_path, CLOUD, CLOUD)
    monkeypatch.setattr(own_files, "MOST_BYTES", 10)
    with pytest.raises(PerfseerError, match="at most 10"):
        reading_of("cloud_prices", tmp_path, CLOUD)


def test_a_round_without_the_column_of_accelerators_is_refused(tmp_path):
    row = official_row()
    del row["Accelerator"]
    (tmp_path / "v5.1.json").write_text(json.dumps([row]))
    with pytest.raises(PerfseerError, match="lacks Accelerator"):
        MlperfResults(folder=tmp_path).read()


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.write_bytes(b""), broken_link])
def test_a_folder_that_is_none_is_refused_before_anything_is_read(tmp_path, make):
    parameters = load_mapping(str(ROOT / "params.yaml"))
    make(tmp_path / "mine")
    steps: list[str] = []
    with pytest.raises(PerfseerError, match="mine"):
        build(parameters, tmp_path / "hardware.sqlite", folder=tmp_path / "mine", log=steps.append)
    assert (steps, (tmp_path / "hardware.sqlite").exists()) == ([], False)


def test_closed_results_are_counted_by_whether_their_accelerator_is_known():
    systems = [
        {"id": 1, "round": "v5.1", "division": "closed", "accelerator": "NVIDIA H100"},
        {"id": 2, "round": "v6.0", "division": "closed", "accelerator": "NVIDIA Rubin"},
        {"id": 3, "round": "v6.0", "division": "closed", "accelerator": "N/A"},
        {"id": 4, "round": "v6.0", "division": "open", "accelerator": "NVIDIA Rubin"},
        {"id": 5, "round": "v6.0", "division": "closed", "accelerator": "NVIDIA B300"},
    ]
    results = [{"system_id": number} for number in (1, 2, 2, 3, 4, 5, 5, 5)]
    rounds, unknown = closed_names(
        {
            "systems": systems,
            "system_accelerators": [{"system_id": 1}, {"system_id": 5}],
            "results": results,
        }
    )
    assert rounds[["round", "results", "named", "identified"]].to_numpy().tolist() == [
        ["v5.1", 1, 1, 1],
        ["v6.0", 6, 5, 3],
    ]
    assert rounds["share"].tolist() == [1.0, 0.6]
    assert unknown.to_numpy().tolist() == [["NVIDIA Rubin", 2]]
