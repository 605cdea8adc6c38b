import numpy as np
import pytest

from perfseer.errors import PerfseerError
from perfseer.hardware import shipped
from perfseer.hardware.sources.epoch import Epoch
from tests.helpers.mirrors import needs_mirror
from tests.helpers.published_tables import EPOCH, reading_of, refusals


def test_figures_are_in_si_units_and_notes_keep_their_lines(tmp_path):
    reading = reading_of("epoch", tmp_path, EPOCH)
    assert list(reading.rows.columns) == list(Epoch.columns)
    (row,) = reading.rows.to_dict("records")
    assert (row["fp16_matrix_flops"], row["fp16_mixed_flops"], row["memory_bytes"]) == (312e12, 78e12, 80e9)
    assert (row["network_bytes_per_s"], row["boost_clock_hz"], row["transistors"]) == (25e9, 1.41e9, 54.2e9)
    assert (row["launched"], row["notes"]) == ("2020-05-14", "two\nlines, one cell")
    assert np.isnan([row["fp8_flops"], row["tf32_flops"], row["base_clock_hz"]]).all()
    assert set(reading.findings.values()) == {0}


def test_wrong_units_days_and_second_names_are_refused_with_their_row(tmp_path):
    peak = "Tensor-FP16/BF16 performance (FLOP/s)"
    reading = reading_of(
        *("epoch", tmp_path, EPOCH),
        EPOCH | {"Hardware name": "TFLOP/s", peak: "312"},
        EPOCH | {"Hardware name": "mW", "TDP (W)": "400000"},
        EPOCH | {"Hardware name": "GB", "Memory (bytes)": "80"},
        EPOCH | {"Hardware name": "day", "Release date": "14.05.2020"},
        EPOCH | {"Hardware name": "nvidia a100"},
    )
    assert refusals(reading) == [
        (2, peak, "312"),
        (3, "TDP (W)", "400000"),
        (4, "Memory (bytes)", "80"),
        (5, "Release date", "14.05.2020"),
        (6, "Hardware name", "nvidia a100"),
    ]
    assert len(reading.rows) == 1


def test_a_quote_that_is_never_closed_is_refused(tmp_path):
    reading_of("epoch", tmp_path, EPOCH, EPOCH | {"Hardware name": "B"})
    path = tmp_path / "epoch.csv"
    path.write_text(path.read_text().replace('cell"', "cell", 1))
    with pytest.raises(PerfseerError, match=r"epoch\.csv"):
        Epoch(folder=tmp_path).read()


def test_ratios_of_epoch_that_are_not_those_of_its_figures_are_findings(tmp_path):
    reading = reading_of("epoch", tmp_path, EPOCH | {"Max performance": "6.24e14", "Price-performance": "1"})
    assert list(reading.findings.values()) == [1, 1, 1]


@needs_mirror
def test_the_published_file_is_read_whole_over_its_line_breaks():
    reading = Epoch().read()
    known = reading.rows.notna().sum()
    assert (reading.n_read, len(reading.rows), len(reading.refused)) == (170, 170, 0)
    names = [
        "fp16_matrix_flops",
        "fp16_mixed_flops",
        "int8_ops",
        "fp8_flops",
        "fp4_flops",
        "price_launch_usd",
        "tdp_w",
    ]
    assert known[names].tolist() == [65, 113, 72, 19, 12, 53, 149]


@needs_mirror
def test_shipped_it_is_the_published_file_cell_by_cell(tmp_path):
    shipped.ship("epoch", tmp_path)
    cells, origin = shipped.read_shipped("epoch", tmp_path)
    assert cells.equals(Epoch().cells(Epoch.files[0]).table)
    assert (cells.shape, origin.licence) == ((170, 39), "CC BY 4.0")
