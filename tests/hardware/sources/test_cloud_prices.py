import numpy as np
import pytest

from perfseer.hardware import shipped
from perfseer.hardware.sources.cloud_prices import CloudPrices
from tests.helpers.mirrors import needs_mirror
from tests.helpers.published_tables import CLOUD, reading_of, refusals


def test_prices_are_per_instance_and_per_accelerator(tmp_path):
    reading = reading_of("cloud_prices", tmp_path, CLOUD)
    (row,) = reading.rows.to_dict("records")
    assert list(reading.rows.columns) == list(CloudPrices.columns)
    assert (row["provider"], row["accelerator"], row["accelerators"]) == ("AWS", "A100 (80 GB)", 8)
    assert row["per_accelerator_usd_per_h"] == pytest.approx(5.12125)
    assert row["spot_per_accelerator_usd_per_h"] == 1.0
    assert row["memory_bytes"] == 640 * 2**30
    assert set(reading.findings.values()) == {0}


def test_a_price_per_accelerator_alone_is_passed_on_but_not_taken_for_one(tmp_path):
    """Exoscale's are of the whole instance."""
    reading = reading_of(
        "cloud_prices", tmp_path, CLOUD | {"On-demand": "", "Spot": "", "Per-GPU": "3.14028"}
    )
    assert np.isnan(reading.rows["per_accelerator_usd_per_h"]).all()
    assert reading.rows["listed_per_accelerator_usd_per_h"].tolist() == [3.14028]
    assert reading.findings["there is no On-demand, and Per-GPU with several GPUs"] == 1


def test_cents_and_other_faults_are_refused_with_their_row(tmp_path):
    reading = reading_of(
        *("cloud_prices", tmp_path, CLOUD),
        CLOUD | {"On-demand": "4097", "Per-GPU": "512"},
        CLOUD | {"Per-GPU": "512"},
        CLOUD | {"Spot": "800"},
        CLOUD | {"On-demand": "-40.97"},
        CLOUD | {"GPUs": "0"},
        CLOUD | {"GPUs": "1.5"},
        CLOUD | {"On-demand": "", "Per-GPU": "", "Spot": ""},
        CLOUD | {"GPU Type": ""},
        CLOUD,
    )
    assert refusals(reading) == [
        (2, "On-demand", "4097"),
        (3, "Per-GPU", "512"),
        (4, "Spot", "800"),
        (5, "On-demand", "-40.97"),
        (6, "GPUs", "0"),
        (7, "GPUs", "1.5"),
        (8, "On-demand", ""),
        (9, "GPU Type", ""),
        (10, "Cloud", "AWS"),
    ]
    assert len(reading.rows) == 1


def test_prices_that_do_not_agree_are_findings(tmp_path):
    reading = reading_of("cloud_prices", tmp_path, CLOUD | {"Per-GPU": "5.40", "GPU RAM": "80", "Spot": "41"})
    assert list(reading.findings.values()) == [1, 0, 1, 1]


@needs_mirror
def test_the_published_file_has_two_rows_twice():
    reading = CloudPrices().read()
    rows = reading.rows
    assert (reading.n_read, len(rows)) == (257, 255)
    assert refusals(reading) == [(18, "Cloud", "AWS"), (23, "Cloud", "AWS")]
    assert (rows["instance"] == "").sum() == 133
    assert rows["provider"].nunique() == 18


@needs_mirror
def test_shipped_it_is_the_published_file_cell_by_cell(tmp_path):
    (path,) = shipped.ship("cloud_prices", tmp_path)
    cells, origin = shipped.read_shipped("cloud_prices", tmp_path)
    assert cells.equals(CloudPrices().cells(CloudPrices.files[0]).table)
    assert (origin.sha256, origin.licence, origin.n_rows) == (CloudPrices.files[0].sha256, "MIT", 257)
    assert path.stat().st_size < 10_000
