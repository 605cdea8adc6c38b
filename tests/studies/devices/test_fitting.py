"""Which devices and models a fit never sees: by hand on a made-up table, and a fit of one fold."""

import numpy as np
import pandas as pd
import pytest

from perfseer.data.dataset import Dataset
from perfseer.data.packed import PackedGraphs
from perfseer.data.platforms import Platform
from perfseer.errors import PerfseerError
from perfseer.forecast.asking import platform_row
from perfseer.studies.devices.errors import COLUMNS, fit_to_folder, read_errors
from perfseer.studies.devices.fitting import Leaving, balanced
from perfseer.studies.devices.rows import read_rows, write_rows
from perfseer.studies.devices.settings import DevicesSettings
from perfseer.targets import TARGET_NAMES
from perfseer.validation import section
from tests.helpers.places import PARAMS
from tests.helpers.synthetic_graphs import lawful_graph

HOME, GUESTS = ("rtx3090", "rtx4090"), ("Tesla T4", "Tesla P4", "Tesla V100-PCIE-32GB")
MODELS = 90
SMALL = {
    **PARAMS["devices"],
    **{"folds": 3, "seeds": [0], "rows": 10, "known": [5], "variants": {}},
    "settings": {**PARAMS["devices"]["settings"], "hidden": 8, "epochs": 2, "trees": 10, "process_steps": 2},
}


def settings(**changed):
    return section(DevicesSettings, {"devices": {**SMALL, **changed}}, "devices")


@pytest.fixture(scope="module")
def data():
    """Ninety networks on two cards at home, three elsewhere and a CPU; twelve operators of an A100."""
    drawing = np.random.default_rng(0)
    graphs = [lawful_graph(drawing, 64) for _ in range(MODELS)]
    rows = []
    for device in (*HOME, *GUESTS):
        platform = Platform(device, "cuda", "fp32", "nchw", "eager", "torch 2.4.0")
        rows += [row(platform, number, device in HOME) for number in range(MODELS)]
    ampere = Platform("NVIDIA A100 80GB PCIe", "cuda", "fp16", "nchw", "eager", "torch 2.4.0")
    operators = [row(ampere, number, False) for number in range(12)]
    for number, operator in enumerate(operators):
        family = "linear" if number % 2 else "relu"
        operator |= {"is_operator": True, "family": family, "architecture": f"{family}-{number}"}
        operator["published_by"] = "vidur_operators"
    cpu = Platform("Core i9-10940X", "cpu", "fp32", "nchw", "eager", "torch 2.4.0")
    return Dataset.from_rows(
        pd.DataFrame([*rows, *operators, *(row(cpu, number, True) for number in range(MODELS))]),
        PackedGraphs.pack(graphs),
    )


def row(platform, number, at_home):
    return {
        **dict.fromkeys(TARGET_NAMES, np.nan),
        **{"infer_time_ms": 1e3 + number, "train_time_ms": 3e3 + number if at_home else np.nan},
        **{"graph": number, "architecture": f"net{number}", "family": "nets", "batch_size": 8},
        **{"configuration": f"{platform.key}-{number}", "is_operator": False},
        "published_by": "timm_results" if at_home else "once_for_all",
        **platform_row(platform),
    }


def test_cards_at_home_have_a_fold_each_and_a_lonely_cpu_none(data):
    folds = Leaving(settings(), data, 0).fold_of
    assert sorted(folds[key] for key in ("rtx3090", "rtx4090")) == [0, 1]
    assert {folds[key] for key in ("t4", "p4", "v100-pcie-32gb", "a100-pcie-80gb")} == {2}
    assert "i9-10940x" not in folds
    with pytest.raises(PerfseerError, match="folds must be more than the 2"):
        _ = Leaving(settings(folds=2), data, 0).fold_of


@pytest.mark.parametrize("fold", [0, 1, 2])
def test_neither_device_nor_model_was_seen(data, fold):
    leaving = Leaving(settings(), data, 0)
    judged = data.rows.iloc[leaving.judged(fold)]
    parts = leaving.learnt(fold)
    learnt = pd.concat([part.rows for part in parts if part is not None])
    assert set(judged["device"]).isdisjoint(learnt["device"])
    assert set(judged["architecture"]).isdisjoint(learnt["architecture"])
    assert set(parts[0].rows["architecture"]).isdisjoint(parts[1].rows["architecture"])
    assert set(parts[0].rows["published_by"]) == {"timm_results"}
    assert judged.groupby(["device", "published_by"]).size().max() <= 10
    if fold == 2:  # of the operators on a card without models, products alone
        assert set(judged.loc[judged["is_operator"], "family"]) == {"linear"}


def test_a_fold_is_fitted_once_and_says_what_it_was_made_from(data, tmp_path):
    write_rows(tmp_path, data)
    assert len(read_rows(tmp_path)) == len(data)
    said = []
    paths = [fit_to_folder(settings(), tmp_path, None, 0, 2, said.append) for _ in range(2)]
    assert paths[0] == paths[1]
    assert any("kept" in line for line in said)
    found = pd.read_parquet(paths[0])
    assert list(found.columns[: len(COLUMNS)]) == list(COLUMNS)
    assert set(found["device"]) == {"t4", "p4", "v100-pcie-32gb", "a100-pcie-80gb"}
    assert (found.loc[found["source"] == "vidur_operators", "host_ms"] == 0).all()
    assert (found.loc[found["source"] == "once_for_all", "host_ms"] > 0).all()
    with pytest.raises(PerfseerError, match=r"errors\.parquet"):
        read_errors(tmp_path, settings())  # the other folds are not there
    with pytest.raises(PerfseerError, match="no fold 3"):
        fit_to_folder(settings(), tmp_path, None, 0, 3, said.append)
    with pytest.raises(PerfseerError, match="no variant 'x'"):
        fit_to_folder(settings(), tmp_path, "x", 0, 0, said.append)


def test_large_tables_do_not_drown_others():
    groups = ["a"] * 100 + ["b"] * 3
    chosen = balanced(groups, 10)
    assert len(chosen) == 13
    assert set(chosen[-3:]) == {100, 101, 102}
    assert balanced(groups, 10).tolist() == chosen.tolist()
    assert balanced(groups, 10, seed=1).tolist() != chosen.tolist()
