import numpy as np
import pytest

from perfseer.errors import PerfseerError
from perfseer.hardware.sources.passmark import Passmark
from tests.helpers.mirrors import needs_mirror
from tests.helpers.published_tables import PASSMARK, reading_of, refusals, write_table

CARD = PASSMARK | {"gpuName": "Radeon RX 6900 XT", "brand": "AMD"}


def test_a_row_is_taken_in_units_and_columns_as_declared(tmp_path):
    unknown = CARD | {"price": "", "gpuValue": "", "TDP": "", "powerPerformance": ""}
    reading = reading_of("passmark", tmp_path, PASSMARK, unknown, encoding="utf-8-sig")
    assert list(reading.rows.columns) == list(Passmark.columns)
    first, second = reading.rows.to_dict("records")
    assert (first["name"], first["g3d"], first["price_usd"], first["tdp_w"]) == (
        *("GeForce RTX 3090", 26395, 1749.99, 350),
    )
    assert np.isnan([second["price_usd"], second["tdp_w"]]).all()
    assert reading.where == str(tmp_path / "passmark.csv")


def test_another_header_is_refused_with_the_columns(tmp_path):
    header = ("TDP_W", *(name for name in Passmark.header if name not in ("TDP", "price")), "colour")
    write_table(tmp_path / "passmark.csv", header)
    with pytest.raises(PerfseerError, match=r"passmark\.csv.*'price', 'TDP'.*'TDP_W', 'colour'"):
        Passmark(folder=tmp_path).read()


def test_another_encoding_is_refused(tmp_path):
    with pytest.raises(PerfseerError, match="UTF-8"):
        reading_of("passmark", tmp_path, PASSMARK | {"gpuName": "Radeon™"}, encoding="cp1252")


def test_wrong_units_are_refused_with_their_row(tmp_path):
    reading = reading_of(
        *("passmark", tmp_path, PASSMARK),
        CARD | {"gpuName": "mW", "TDP": "350000"},
        CARD | {"gpuName": "cents", "price": "174999"},
        CARD | {"gpuName": "cents of a cheap one", "price": "1750", "gpuValue": "1508.3"},
        CARD | {"gpuName": "decawatt", "TDP": "35"},
        CARD | {"gpuName": "negative", "TDP": "-350"},
        CARD | {"gpuName": "text", "G3Dmark": "fast"},
        CARD | {"gpuName": "year", "testDate": "20"},
        CARD | {"gpuName": "brand", "brand": "Nvidia"},
    )
    assert refusals(reading) == [
        (2, "TDP", "350000"),
        (3, "price", "174999"),
        (4, "price", "1750"),
        (5, "TDP", "35"),
        (6, "TDP", "-350"),
        (7, "G3Dmark", "fast"),
        (8, "testDate", "20"),
        (9, "brand", "Nvidia"),
    ]
    assert (reading.n_read, reading.rows["name"].tolist()) == (9, ["GeForce RTX 3090"])


def test_ratios_that_are_a_little_off_are_findings(tmp_path):
    reading = reading_of(
        "passmark", tmp_path, PASSMARK, CARD | {"gpuValue": "15.10", "powerPerformance": "75.35"}
    )
    assert reading.refused.empty
    assert [count for what, count in reading.findings.items() if "rounded" in what] == [1, 1]


def test_a_name_that_comes_again_is_set_aside(tmp_path):
    reading = reading_of("passmark", tmp_path, PASSMARK, CARD, PASSMARK)
    assert refusals(reading) == [(3, "gpuName", "GeForce RTX 3090")]


def test_names_that_are_programs_stay_names(tmp_path):
    evil = "Robert'); DROP TABLE gpus;--<script>"
    assert reading_of("passmark", tmp_path, CARD | {"gpuName": evil}).rows["name"].tolist() == [evil]


@needs_mirror
def test_the_published_file_is_read_whole():
    reading = Passmark().read()
    rows = reading.rows
    assert (reading.n_read, len(rows), len(reading.refused)) == (2317, 2317, 0)
    assert (rows["price_usd"].notna().sum(), rows["tdp_w"].notna().sum()) == (553, 692)
    assert (rows["category"] == "Unknown").sum() == 1351
    assert (rows["brand"] == "Other").sum() == 364
