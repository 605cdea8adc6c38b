"""Rows of result files as measurement tables."""

import json
from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest

from perfseer.data.platforms import Platform
from perfseer.data.sources.timm_results.names import Given
from perfseer.data.sources.timm_results.tables import PROTOCOL_VERSION, open_all, read_results, renames
from perfseer.errors import PerfseerError
from perfseer.measure.settings import PROTOCOL_VERSION as OUR_PROTOCOL_VERSION
from perfseer.measure.table import COLUMNS, read_table, write_table
from perfseer.zoo import libraries
from tests.helpers.timm_files import HEADER, STEM, write


def test_rows_become_a_measurement_table(tmp_path):
    read = read_results(write(tmp_path, "resnet50.a1_in1k,79.5,3220.1,256.0,224,25.56,4.11"))
    row = read.table.iloc[0]
    assert list(read.table.columns) == list(COLUMNS)
    assert (row["model_ref"], row["architecture"], row["family"]) == (
        "timm:resnet50.a1_in1k",
        "resnet50",
        "resnet",
    )
    assert (row["input_shape"], row["batch_size"], row["infer_time_ms"]) == ("3x224x224", 256, 79.5)
    assert np.isnan(row["train_time_ms"])
    assert np.isnan(row["infer_mem_mib"])
    assert np.isnan(row["infer_iterations"])
    assert (row["status"], row["reason"]) == ("ok", "")
    assert PROTOCOL_VERSION != OUR_PROTOCOL_VERSION == 2
    assert row["protocol_version"] == PROTOCOL_VERSION
    facts = json.loads(row["environment"])
    assert (facts["torch"], facts["source"]) == ("2.4.0+cu124", STEM)
    assert Platform.of_rows(read.table) == [read.platform]
    assert read.published.iloc[0][["param_count", "gmacs"]].tolist() == [25.56, 4.11]
    assert np.isnan(read.published["macts"].iloc[0])
    write_table(read.table, tmp_path / "table.parquet")
    pd.testing.assert_frame_equal(read_table(tmp_path / "table.parquet"), read.table)


def test_every_row_is_accounted_for(tmp_path):
    read = read_results(
        write(
            tmp_path,
            "a,10,25600,256,224,1,1",
            "b,,,256,224,1,1",  # ran out of memory, or worse
            "c,,,,224,1,1",
            "d,10,100,1,,1,1",
            ",10,100,1,224,1,1",
            "e,-1,100,1,224,1,1",
            "f,10,100,1.5,224,1,1",
            "g,10,100,0,224,1,1",
            "h,inf,100,1,224,1,1",
            "a,11,23272,256,224,1,1",
            "a,10,12800,128,224,1,1",
            "i,10,90,1,224,1,1",  # 10 ms are 100 samples per second
            "i j,10,100,1,224,1,1",
        )
    )
    assert read.table["model_ref"].tolist() == ["timm:a", "timm:b", "timm:h", "timm:a", "timm:i"]
    assert read.table["status"].tolist() == ["ok", "error", "error", "ok", "ok"]
    assert read.table["reason"].astype(bool).tolist() == [False, True, True, False, False]
    assert dict(zip(read.refused["line"], read.refused["reason"], strict=True)) == {
        4: "no batch size",
        5: "no image size",
        6: "no name of a model",
        7: "the step time is not positive",
        8: "the batch size is no count",
        9: "the batch size is no count",
        11: "was there before",
        14: "no name of a model",
    }
    assert read.counts == {
        "rows": 13,
        "measured": 3,
        "renamed": 0,
        "without_time": 2,
        "refused": 8,
        "disagreeing": 1,
    }


def test_one_network_has_one_name_in_files_of_all_ages(tmp_path):
    read = read_results(
        write(tmp_path, "gluon_resnet18_v1b,10,100,1,224,11.69,1", "resnet18,9.9,101,1,224,11.69,1")
    )
    assert read.table["architecture"].tolist() == ["resnet18", "resnet18"]
    assert read.table["model_ref"].tolist() == ["timm:resnet18.gluon_in1k", "timm:resnet18"]
    assert read.published["model"].tolist() == ["gluon_resnet18_v1b", "resnet18"]
    assert read.counts["renamed"] == 1


@pytest.mark.skipif(find_spec("timm") is None, reason="needs the extra timm")
def test_the_renames_are_those_of_timm():
    models = libraries.import_library("timm.models")
    assert renames() == {name: libraries.current_name(name) for name in models.get_deprecated_models()}


def test_the_columns_say_the_phase_where_nothing_else_does(tmp_path):
    given = Given(
        device="rtx3090", precision="fp32", memory_format="nchw", software="torch 2.4.0", device_kind="cuda"
    )
    header = HEADER.replace("infer_", "train_")
    read = read_results(write(tmp_path, "a,10,100,1,224,1,1", header=header, stem="mine"), given)
    assert read.phase == "train"
    assert read.table["train_time_ms"].tolist() == [10.0]
    both = write(tmp_path, "a,1,1,1,1,1,1,9", header=f"{HEADER},train_step_time", stem="both")
    with pytest.raises(PerfseerError, match="give --phase"):
        read_results(both, given)


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (b"", "cannot be read as a CSV file"),
        (b"model\n", "has a header and no rows"),
        (b"name,x\na,1\n", "no column `model`"),
        (b"model,x\na,1\n", "lacks the columns infer_step_time, infer_samples_per_sec"),
        (b"\xff\xfe\x00m\n", "cannot be read as a CSV file"),
        (b'model,x\n"a,1\n', "cannot be read as a CSV file"),
    ],
)
def test_files_that_are_something_else(tmp_path, contents, message):
    path = tmp_path / f"benchmark-{STEM}.csv"
    path.write_bytes(contents)
    with pytest.raises(PerfseerError, match=message):
        read_results(path)


def test_files_are_given_by_path_or_by_name(tmp_path, monkeypatch):
    path = write(tmp_path, "a,10,100,1,224,1,1")
    assert [file.source for file in open_all([path])] == [STEM]
    monkeypatch.setenv("PERFSEER_MIRROR", str(tmp_path))
    with pytest.raises(PerfseerError, match=f"timm/benchmark-{STEM}.csv"):
        open_all([STEM])
