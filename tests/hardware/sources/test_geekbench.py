import numpy as np

from perfseer.hardware.sources.geekbench import Geekbench
from tests.helpers.mirrors import needs_mirror
from tests.helpers.published_tables import GEEKBENCH, reading_of, refusals


def test_scores_are_taken_and_unknown_ones_stay_unknown(tmp_path):
    reading = reading_of("geekbench", tmp_path, GEEKBENCH, encoding="utf-8-sig")
    (row,) = reading.rows.to_dict("records")
    assert list(reading.rows.columns) == list(Geekbench.columns)
    assert (row["name"], row["cuda"], row["opencl"], row["vulkan"]) == (
        *("GeForce RTX 3090", 238123, 204921, 138859),
    )
    assert np.isnan(row["metal"])


def test_devices_without_a_score_or_name_and_second_ones_are_set_aside(tmp_path):
    nothing = {"Manufacturer": "ARM", "Device": "Mali"}
    reading = reading_of(
        *("geekbench", tmp_path, GEEKBENCH, nothing),
        GEEKBENCH | {"Device": ""},
        GEEKBENCH | {"CUDA": "1"},
        GEEKBENCH | {"Device": "Adreno", "Vulkan": "-5"},
    )
    assert refusals(reading) == [
        (2, "Device", "Mali"),
        (3, "Device", ""),
        (4, "Device", "GeForce RTX 3090"),
        (5, "Vulkan", "-5"),
    ]
    assert len(reading.rows) == 1


@needs_mirror
def test_the_published_file_has_one_device_twice():
    reading = Geekbench().read()
    assert (reading.n_read, len(reading.rows)) == (1213, 1212)
    assert refusals(reading) == [(409, "Device", "GeForce GTX 1660 Ti")]
    scores = reading.rows[["cuda", "metal", "opencl", "vulkan"]].notna().sum()
    assert scores.tolist() == [266, 241, 976, 628]  # the second GTX 1660 Ti had a Vulkan score
