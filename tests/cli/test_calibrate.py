"""``perfseer calibrate`` on a machine that answers at once, once on this one for real."""

import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from typer import Typer
from typer.testing import CliRunner

from perfseer.cli.calibrate import calibrate
from perfseer.errors import PerfseerError
from perfseer.forecast import candidates
from perfseer.forecast.card import read_card
from perfseer.forecast.measured import measured_rows
from perfseer.forecast.predictor import Predictor
from perfseer.measure.interrupts import InterruptError
from perfseer.measure.table import read_table, write_table
from perfseer.predictors.registry import create
from perfseer.predictors.settings import RooflineSettings
from perfseer.targets import TARGET_NAMES
from tests.helpers.fake_worker import ENVIRONMENT, SPACE, worker
from tests.helpers.synthetic_graphs import make_dataset, make_normaliser

__all__ = ["worker"]
KEY = "a-processor-1units-fp32-nchw-eager-torch2.11"
OWN = "module:perfseer.zoo.reference."
app = Typer()
app.command()(calibrate)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A roofline fitted on synthetic rows, saved."""
    folder = tmp_path_factory.mktemp("base")
    train = make_dataset(40, seed=3)
    model = create("roofline", RooflineSettings())
    model.fit(train, train.subset([]), make_normaliser(train), seed=0, log=lambda line: None).save(folder)
    return folder


@pytest.fixture(autouse=True)
def few_small_models(monkeypatch):
    monkeypatch.setattr(candidates, "find_spec", lambda name: None)
    monkeypatch.setattr(candidates, "_OWN", ("mobilenet_v1",))
    monkeypatch.setattr(candidates, "_SPACE", replace(SPACE, depth=(1, 1), width=(8, 32)))
    monkeypatch.setattr(candidates, "ASSUMED_SHAPE", (3, 64, 64))
    monkeypatch.setattr("perfseer.cli.calibrate._CANDIDATES", 4)


def run(base, folder, *options):
    arguments = ["--predictor", base, "--out", folder / "out", "--journal", folder / "journal", *options]
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def refused(base, folder, *options):
    result = run(base, folder, *options)
    assert isinstance(result.exception, PerfseerError), result.output
    return str(result.exception)


def test_a_few_models_make_a_predictor_that_predict_reads(base, worker, tmp_path):
    done = run(base, tmp_path, "--models", 3, "--batch-size", "1,2", "--phase", "infer", "--threads", 1)
    assert done.exit_code == 0, done.output
    assert len(worker.asked) == 3
    assert "infer_time_ms" in done.stdout
    assert "[ms]" in done.stdout
    table = read_table(tmp_path / "out" / "measurements.parquet")
    assert len(table) == 3
    assert table["train_time_ms"].isna().all()
    loaded = Predictor.load(tmp_path / "out")
    assert [platform.key for platform in loaded.platforms] == [KEY]
    after, before = (
        one.predict(f"{OWN}mobilenet_v1", torch.empty(1, 3, 64, 64)).estimates[0]
        for one in (loaded, Predictor.load(base))
    )
    assert after.metric == before.metric == "time"
    assert abs(np.log(after.value / 2)) < abs(np.log(before.value / 2))  # every model takes 2 ms there
    assert before.interval is None
    assert after.low < 2 < after.high
    card = read_card(tmp_path / "out")
    assert card.default_target == KEY
    assert {entry.label for entry in card.held_out} == {"infer_time_ms", "infer_mem_mib"}


def test_named_models_are_measured_in_their_order(base, worker, tmp_path):
    named = [f"--model={OWN}mobilenet_v1", f"--model={OWN}resnet50"]
    done = run(base, tmp_path, *named, "--input-shape", "3x64x64", "--batch-size", 2)
    assert done.exit_code == 0, done.output
    asked = [configuration for configuration, _, _ in worker.asked]
    assert [one.architecture for one in asked] == ["mobilenet_v1", "resnet50"]
    assert {one.input_shape for one in asked} == {"3x64x64"}
    assert {one.batch_size for one in asked} == {2}


def test_the_same_command_goes_on_after_ctrl_c(base, worker, tmp_path):
    options = ("--models", 3, "--batch-size", 1, "--phase", "infer")
    worker.raises = {1: InterruptError("SIGINT")}
    done = run(base, tmp_path, *options)
    assert done.exit_code == 130
    assert "same command" in done.stderr
    assert not (tmp_path / "out" / "predictor.json").exists()
    assert run(base, tmp_path, *options).exit_code == 0
    assert len(worker.asked) == 4  # one, the one in flight, and what was left
    assert len(set(worker.ids())) == 3


def test_a_table_measured_elsewhere_will_do(base, worker, tmp_path):
    assert run(base, tmp_path, "--models", 3, "--batch-size", 1).exit_code == 0
    table = read_table(tmp_path / "out" / "measurements.parquet")
    table.loc[0, ["status", "reason"]] = ["oom", "infer: out of memory"]
    table["infer_time_ms"] *= 7
    write_table(table, tmp_path / "elsewhere.parquet")
    done = run(base, tmp_path / "b", "--from", tmp_path / "elsewhere.parquet")
    assert done.exit_code == 0, done.output
    assert re.search("2 .*used, 1 left", done.stderr)
    assert len(worker.asked) == 3
    first, second = (Predictor.load(folder / "out").model for folder in (tmp_path, tmp_path / "b"))
    offsets = [model.shifts_["train_time_ms"].correction.offset for model in (first, second)]
    assert offsets[0] != offsets[1]
    assert second.platforms == first.platforms


def test_software_chooses_rows_of_a_table(base, worker, tmp_path):
    assert run(base, tmp_path, "--models", 3, "--batch-size", "1,2").exit_code == 0
    table = read_table(tmp_path / "out" / "measurements.parquet")
    other = table.assign(environment=table["environment"].str.replace("2.11", "2.6"))
    other["infer_time_ms"] *= 7
    write_table(pd.concat([table, other], ignore_index=True), tmp_path / "both.parquet")
    asked = ("--from", tmp_path / "both.parquet")
    assert "one platform at a time" in refused(base, tmp_path / "b", *asked)
    assert run(base, tmp_path / "c", *asked, "--software", "torch2.6").exit_code == 0
    assert Predictor.load(tmp_path / "c" / "out").platforms[0].torch_version == (2, 6)
    assert "2.6, 2.11" in refused(base, tmp_path / "d", *asked, "--software", "2.4")
    assert "2.6" in refused(base, tmp_path / "e", *asked, "--software", "nine")


def test_what_is_measured_here_is_measured_under_what_is_installed(base, worker, tmp_path):
    assert "installed" in refused(base, tmp_path, "--software", "1.12")
    assert worker.asked == []
    own = ".".join(torch.__version__.split(".")[:2])
    assert run(base, tmp_path, "--models", 3, "--batch-size", 1, "--software", own).exit_code == 0


def test_a_card_says_which_batch_sizes_its_errors_are_of(base, worker, tmp_path):
    assert run(base, tmp_path, "--models", 3, "--batch-size", "1,2", "--phase", "infer").exit_code == 0
    table = read_table(tmp_path / "out" / "measurements.parquet")
    card = read_card(tmp_path / "out")
    assert {entry.batch_sizes for entry in card.held_out} == {
        (int(table["batch_size"].min()), int(table["batch_size"].max()))
    }
    assert card.hosts == ()  # a cpu starts no kernels of another device


def test_times_that_the_machine_disturbed_are_left_out(base, worker, tmp_path):
    assert run(base, tmp_path, "--models", 3, "--batch-size", 1).exit_code == 0
    table = read_table(tmp_path / "out" / "measurements.parquet")
    table.loc[0, ["infer_iterations", "infer_disturbed_iterations"]] = [1, 4]
    table["train_time_ci_low_ms"], table["train_time_ci_high_ms"] = [1.9, 1.0, 1.9], [2.1, 3.0, 2.1]
    rows = measured_rows(table)
    assert np.isnan(rows.labels[:, TARGET_NAMES.index("infer_time_ms")]).tolist() == [True, False, False]
    assert np.isnan(rows.labels[:, TARGET_NAMES.index("train_time_ms")]).tolist() == [False, True, False]
    assert not np.isnan(rows.labels[:, TARGET_NAMES.index("infer_mem_mib")]).any()


def test_nothing_measured_is_refused_and_says_why(base, worker, tmp_path):
    worker.status = "oom"
    message = refused(base, tmp_path, "--models", 2, "--batch-size", 1)
    assert "none of 2 " in message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--device", "tpu"), "tpu"),
        (("--phase", "both"), "infer,train"),
        (("--precision", "amp-fp16"), "precision is 'amp-fp16'"),
        (("--batch-size", "0"), "no number of samples"),
        (("--from", "none.parquet"), "no measurement table"),
        (("--model", "timm"), "no model reference"),
        (("--model", f"{OWN}alexnet"), "no attribute"),
        (("--predictor", "nope"), "no predictor 'nope'"),
        (("--budget-s", "0"), "time_budget_s"),
    ],
)
def test_faults_are_named_before_anything_is_measured(base, worker, tmp_path, options, message):
    assert message in refused(base, tmp_path, *options)
    assert worker.asked == []


def test_the_journal_depends_on_device_and_phases(base, worker, tmp_path):
    options = ("--models", 2, "--batch-size", 1)
    run(base, tmp_path, *options, "--phase", "infer")
    run(base, tmp_path, *options)
    worker.here = {**ENVIRONMENT, "digest": "other"}
    run(base, tmp_path, *options)
    assert len(worker.asked) == 6
    assert len(list((tmp_path / "journal").glob("*.jsonl"))) == 3


@pytest.mark.slow
def test_on_this_machine_for_real(base, tmp_path):
    models = [f"--model={OWN}mobilenet_v1", f"--model={OWN}resnet50"]
    options = ["--phase=infer", "--batch-size=1", "--input-shape=3x64x64", "--threads=1"]
    done = run(base, tmp_path, *models, *options)
    assert done.exit_code == 0, done.output
    table = read_table(tmp_path / "out" / "measurements.parquet")
    assert table["status"].tolist() == ["ok"] * 2
    assert (table["infer_time_ms"] > 0).all()
    model = Predictor.load(tmp_path / "out").model
    # On a machine that is busy with something else times are left out; memory never is.
    assert {"infer_mem_mib"} <= set(model.shifts_) <= {"infer_mem_mib", "infer_time_ms"}
    assert all(np.isfinite(shift.correction.offset) for shift in model.shifts_.values())
    assert json.loads(table["environment"][0])["threads"] == 1
