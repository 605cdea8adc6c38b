"""The study is read from the database as it stands there."""

import numpy as np
import pytest

from perfseer.errors import PerfseerError
from perfseer.hardware.storage import write
from perfseer.studies.hardware.loading import load
from perfseer.studies.hardware.render import render
from tests.helpers.hardware import contents
from tests.helpers.specifications import SETTINGS

PARAMETERS = {"hardware": SETTINGS}


def changed(rows, table, **values):
    """Another row of a table that differs from its first."""
    rows[table].append(rows[table][0] | values)


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    rows = contents()
    changed(rows, "results", id=2, value=900.0, location="b", accuracy_target="")
    changed(rows, "results", id=3, location="c", duplicate=True)
    changed(rows, "results", id=4, location="d", inferred=True)
    changed(rows, "results", id=5, location="e", metric="latency_p90_s")
    changed(rows, "results", id=6, location="f", valid=False)
    changed(rows, "systems", id=2, system="mixed", power_cap_w=None, mig="1g.10gb")
    changed(rows, "system_accelerators", system_id=2)
    changed(rows, "system_accelerators", system_id=2, gpu_id=2)
    changed(rows, "results", id=7, system_id=2, location="g")
    changed(rows, "systems", id=3, system="plain", power_cap_w=None, total_accelerators=4.0)
    changed(rows, "system_accelerators", system_id=3)
    changed(rows, "results", id=8, system_id=3, location="h")
    changed(rows, "aliases", id=2, spelling="A100?", gpu_id=None, n_rows=5)
    changed(rows, "aliases", id=3, gpu_id=2)
    changed(
        rows, "aliases", id=4, spelling="A100 again", how="exact name; of its record", architecture="Ampere"
    )
    changed(
        rows, "aliases", id=5, spelling="A100 family", gpu_id=None, how="rule; more", architecture="Ampere"
    )
    changed(rows, "benchmarks", id=2, name="3d-unet", version="2", model_flops=None)
    changed(rows, "results", id=9, system_id=3, benchmark_id=2, location="i", accuracy_target="99.9")
    rows["benchmarks"][0]["version"] = "1"
    changed(rows, "prices", id=2, gpu_id=None, spelling="nobody's")
    results = tmp_path_factory.mktemp("loading")
    (results / "hardware").mkdir()
    write(rows, results / "hardware" / "hardware.sqlite")
    return load(PARAMETERS, results)


def test_results_are_per_accelerator_and_counted_once(read):
    rows = read.results.set_index("id")
    assert list(rows.index) == [1, 2, 5, 6, 7, 8, 9]
    assert list(rows["key"]) == ["a100", "a100", "a100", "a100", "", "a100", "a100"]
    assert rows["per_accelerator"].loc[[1, 2, 7, 8]].tolist() == [125.0, 112.5, 125.0, 250.0]
    assert rows["per_accelerator"].loc[[5, 6]].isna().all()


def test_capped_and_mixed_systems_are_not_plain(read):
    assert read.results.set_index("id")["capped"].tolist() == [True] * 4 + [False] * 3
    assert read.results.set_index("id")["mig"].tolist() == [False] * 4 + [True, False, False]
    assert read.plain_results["id"].tolist() == [8, 9]


def test_accuracy_targets_are_benchmarks_of_their_own_with_the_same_work(read):
    assert set(read.results["benchmark"]) == {"bert", "bert 99", "3d-unet 2 99.9"}
    assert read.work == {"bert": 1e11, "bert 99": 1e11}


def test_a_spelling_of_two_accelerators_counts_once(read):
    (row,) = read.names.to_dict("records")
    assert row == {
        "source": "sheet",
        "n_named": 4,
        "n_mapped": 2,
        "n_exact": 1,
        "n_architecture": 2,
        "n_rows": 11,
        "n_rows_mapped": 4,
    }


def test_prices_metrics_and_conflicts_name_their_accelerator(read):
    assert read.prices.to_dict("records") == [
        {"key": "a100", "kind": "on-demand", "usd": 2.5, "date": "2025-03"}
    ]
    assert read.metrics["tflops_per_watt_fp16"].loc["a100"] == 2.0
    assert np.isnan(read.metrics["tflops_per_watt_fp16"].loc["a100-80"])
    assert read.metric_status["tflops_per_watt_fp16"].tolist() == ["derived", "missing"]
    conflict = read.conflicts.iloc[0]
    assert (conflict["key"], conflict["chosen_source"], conflict["other_source"]) == (
        "a100",
        "sheet",
        "other",
    )
    assert read.quarantine["source"].tolist() == ["sheet"]


def test_an_imputed_peak_is_not_known(read):
    assert read.specs.table["fp16_flops"].loc["a100"] == 312e12
    assert np.isnan(read.known["fp16_flops"].loc["a100"])


def test_without_a_database_the_error_says_how_to_make_it(tmp_path):
    with pytest.raises(PerfseerError, match="perfseer hardware build"):
        render(PARAMETERS, tmp_path, tmp_path / "reports")
