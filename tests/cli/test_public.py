"""``perfseer public table`` and ``graphs`` on files of one's own."""

import json
import re

import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from perfseer.cli.main import app
from perfseer.errors import PerfseerError
from perfseer.measure.table import read_table
from perfseer.zoo import references
from tests.helpers.reading import numbers

HEADER = "model,infer_step_time,infer_samples_per_sec,infer_batch_size,infer_img_size,param_count"


def invoke(*arguments):
    return CliRunner().invoke(app, ["public", *map(str, arguments)], catch_exceptions=False)


@pytest.fixture
def results(tmp_path):
    path = tmp_path / "benchmark-infer-amp-nchw-pt240-cu124-rtx3090.csv"
    rows = ["small,10,6400,64,32,0.0", "small,1,1000,1,32,0.0", "gone,10,100,1,32,0.0", "small,,,,32,0.0"]
    path.write_text("\n".join([HEADER, *rows]) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def model(monkeypatch):
    """The one model there is."""

    def build(ref, *, spec_json, input_shape):
        assert input_shape == (3, 32, 32)
        if ref != "timm:small":
            raise PerfseerError(f"{ref} is unknown")
        with torch.device("meta"):
            return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.LazyLinear(2))[:2]

    monkeypatch.setattr(references, "build", build)


def test_the_table_is_written_and_every_row_accounted_for(results, tmp_path):
    done = invoke("table", results, "--out", tmp_path / "table.parquet")
    assert done.exit_code == 0
    assert "rtx3090-amp-fp16-nchw-eager-torch2.4" in done.stdout
    assert "left out small:" in done.stderr
    table = read_table(tmp_path / "table.parquet")
    assert table["infer_time_ms"].tolist() == [10.0, 1.0, 10.0]


def test_json_for_programs(results):
    (file,) = json.loads(invoke("table", results, "--format", "json").stdout)
    assert (file["rows"], file["measured"], file["refused"]) == (4, 3, 1)
    (refused,) = file["refused_rows"]
    assert (refused["line"], refused["model"]) == (5, "small")
    assert "batch size" in refused["reason"]


def test_options_say_what_a_name_does_not(results, tmp_path):
    mine = results.rename(tmp_path / "mine.csv")
    with pytest.raises(PerfseerError, match="--precision, --memory-format, --software"):
        invoke("table", mine, "--device", "my-card")
    options = ["--precision", "fp32", "--memory-format", "nhwc", "--software", "torch 2.9.0 cu128"]
    done = invoke("table", mine, "--device", "my-card", *options)
    assert "my-card-fp32-nhwc-eager-torch2.9" in done.stdout
    with pytest.raises(PerfseerError, match="give the files"):
        invoke("table", "--device", "my-card")


def test_graphs_are_captured_once_and_what_has_none_is_named(results, model, monkeypatch, tmp_path):
    monkeypatch.setenv("PERFSEER_CACHE", str(tmp_path / "cache"))
    done = invoke("graphs", results)
    assert done.exit_code == 0
    assert numbers(done.stdout)[:4] == [2, 2, 2, 3]  # rows, graphs, nodes, captures
    assert re.search("gone: .*timm:gone", done.stderr)
    monkeypatch.setattr(references, "build", None)
    assert numbers(invoke("graphs", results).stdout)[:2] == [2, 2]


def test_a_file_that_is_nowhere_is_refused():
    with pytest.raises(PerfseerError, match=r"nowhere\.csv"):
        invoke("table", "nowhere.csv")
