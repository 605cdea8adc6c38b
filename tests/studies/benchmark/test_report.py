"""The benchmark report on made-up points: numbers worked out by hand, nothing hidden, nothing stale."""

import json
import re
import shutil
from dataclasses import dataclass

import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from perfseer.cli.main import app
from perfseer.data.files import write_json
from perfseer.errors import PerfseerError
from perfseer.evaluation.ledger import VALIDATION_MAPE, Contender, Ledger
from perfseer.evaluation.records import read_as
from perfseer.reporting.floors import FLOOR
from perfseer.studies.benchmark.about import DOCUMENT
from perfseer.studies.benchmark.conclusions import (
    accuracy_observations,
    batch_gain,
    batch_knee,
    choices,
    dominated,
    efficient,
    knee,
    prediction_observations,
    recommendations,
)
from perfseer.studies.benchmark.records import (
    BenchmarkRecord,
    RegressionRecord,
    benchmark_digests,
    regression_digests,
)
from perfseer.studies.benchmark.render import render
from perfseer.studies.benchmark.study import load_study
from perfseer.studies.benchmark.tables import (
    error_table,
    failure_table,
    fit_table,
    model_table,
    prediction_table,
    record_table,
)
from tests.helpers.experiment_files import write_experiment
from tests.helpers.places import PARAMS
from tests.helpers.reading import rows_after, rows_of, table_after

SECTIONS = (
    "## 1. Overview",
    "### 1.1 Model configuration",
    "## 2. Training performance",
    "### 2.1 Training time against the amount of data",
    "### 2.2 Memory against the amount of data",
    "### 2.3 Scaling analysis",
    "## 3. Model accuracy",
    "### 3.1 Accuracy against the amount of data",
    "### 3.2 Accuracy observations",
    "## 4. Prediction performance",
    "### 4.1 Inference time",
    "## 5. The old report's experiment: five numbers and a smooth function",
    "## 6. Conclusions",
    "### 6.1 Performance summary",
    "### 6.2 Recommendations",
    "## How to regenerate every number",
)
SEEDS = (0, 1, 2)
SHARES = {0.25: 25, 0.5: 50, 1.0: 100}
BATCHES = (1, 10)


@dataclass(frozen=True)
class Made:
    """Law behind a predictor's points.

    Fitting takes ``seconds`` per row and ``rows ** growth``; the error is ``error`` percent, divided by
    ``learns`` each time the rows double. Seeds differ by a factor of ``1 + seed * spread`` in everything.
    """

    seconds: float
    growth: float
    error: float
    learns: float
    spread: float = 0.0


MADE = {
    "roofline": Made(0.01, 0.0, 20.0, 1.0),
    "boosting": Made(0.02, 1.0, 12.0, 1.0, 0.01),
    "seernet": Made(0.2, 2.0, 40.0, 2.0, 0.01),
    "seernet_multi": Made(0.3, 1.0, 30.0, 1.0),
}


def cost(wall, peak):
    return {"wall_s": wall, "cpu_s": wall, "peak_mib": peak, "mean_mib": peak / 2, "total_peak_mib": 300.0}


def fit(made, seed, share, rows):
    point = {"seed": seed, "share": share, "status": "ok", "reason": "", "networks": rows // 2}
    error = made.error / made.learns ** ({25: 0, 50: 1, 100: 2}[rows]) * (1 + seed * made.spread)
    result = {
        "cost": cost(made.seconds * (rows / 25) ** made.growth * (1 + seed * made.spread), rows / 10),
        "rounds": None,
        "n_parameters": 77,
        "valid_mape_pct": {"train_time_ms": error},
        "test_mape_pct": {"train_time_ms": error},
    }
    return {**point, "train_rows": rows, "valid_rows": 10, "test_rows": 40, "result": result}


def prediction(seed, rows):
    """Ten rows take twice as long as one."""
    seconds = 0.001 * (1 if rows == 1 else 2)
    result = {"first_s": 0.1, "median_s": seconds, "calls": 5, "cost": cost(0.1, 2.0)}
    point = {"seed": seed, "status": "ok", "reason": "", "rows": rows, "distinct_rows": min(rows, 4)}
    return {**point, "result": result}


def record(mapping, name, digests, **changes):
    made = MADE.get(name)
    fits = [fit(made, seed, share, rows) for seed in SEEDS for share, rows in SHARES.items()] if made else []
    contents = {
        "predictor": name,
        "members": [],
        "split": "architecture",
        "targets": ["train_time_ms"] if made else [],
        "settings": {name: {"depth": 3, "recipe": {"rate": 0.1}, "absent": None}},
        "training": {},
        "overrides": mapping["benchmark"]["overrides"],
        "threads": 1,
        "digests": digests,
        "environment": {"cores": 2, "packages": {"torch": "2.13.0"}},
        "fits": fits,
        "predictions": [prediction(seed, rows) for seed in SEEDS for rows in BATCHES] if made else [],
    }
    return BenchmarkRecord.model_validate(contents | changes)


def regression_point(seed, samples, library):
    r2 = 0.9990 if library == "perfseer" else 0.9980
    result = {
        "cost": cost(
            samples / 1000 * (1 if library == "perfseer" else 2) * (1 + 0.01 * seed), samples / 1000
        ),
        "epochs": 90,
        "scores": {"r2": r2, "rmse": 0.1, "mse": 0.01, "mae": 0.08},
        "predict_s": {100: 0.001, 10000: 0.01},
    }
    point = {"seed": seed, "status": "ok", "reason": "", "library": library, "samples": samples}
    return {**point, "result": result}


def regression_record(mapping):
    points = [
        regression_point(seed, samples, library)
        for seed in SEEDS
        for samples in mapping["benchmark"]["regression"]["samples"]
        for library in ("perfseer", "scikit-learn")
    ]
    return RegressionRecord.model_validate(
        {
            "settings": mapping["predictors"]["mlp5d"],
            "regression": mapping["benchmark"]["regression"],
            "noise_r2": 0.9997,
            "threads": 1,
            "digests": regression_digests(mapping),
            "environment": {},
            "points": points,
        }
    )


def write_record(path, contents):
    write_json(path, contents.model_dump(mode="json"))


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Parameters, results and the folder of a report; the ensemble has no points, mlp5d supports no label."""
    folder = tmp_path_factory.mktemp("benchmark")
    mapping, _ = write_experiment(folder / "results")
    mapping["seeds"] = list(SEEDS)
    mapping["predictors"]["mlp5d"] = PARAMS["predictors"]["mlp5d"]
    mapping["benchmark"] |= {"shares": list(SHARES), "batch_rows": list(BATCHES)}
    mapping["benchmark"]["regression"] |= {"samples": [1000, 10000], "batch_rows": [100, 10000]}
    results = folder / "results"
    for name in (*MADE, "mlp5d"):
        digests = benchmark_digests(mapping, name, (), results / "dataset", None)
        write_record(results / "benchmark" / f"{name}.json", record(mapping, name, digests))
    write_record(results / "benchmark" / "regression5d.json", regression_record(mapping))
    render(mapping, results, folder / "reports")
    return mapping, results, folder / "reports"


def read(mapping, results):
    return load_study(mapping, results)


@pytest.fixture(scope="module")
def study(written):
    return read(*written[:2])


@pytest.fixture(scope="module")
def text(written):
    return (written[2] / "benchmark.md").read_text(encoding="utf-8")


@pytest.fixture
def copy(written, tmp_path):
    """Parameters and results of their own, to be tampered with."""
    mapping, results, _ = written
    shutil.copytree(results, tmp_path / "results")
    return json.loads(json.dumps(mapping)), tmp_path / "results"


def test_every_section_of_the_old_report_is_there_in_order(text):
    places = [text.index(f"\n{section}\n") for section in SECTIONS]
    assert places == sorted(places)


def test_no_impossible_number(written, text):
    page = (written[2] / "benchmark.html").read_text(encoding="utf-8")
    for content in (text, page[page.index("<body>") :]):
        words = re.findall(r"[A-Za-z]+|\d[\d.,e+-]*", content)
        assert not {"nan", "NaN", "inf", "Inf", "None", "Undefined"} & set(words)


def test_the_workflow_waits_for_what_the_report_writes(written):
    found = {path.relative_to(written[2]).as_posix() for path in written[2].rglob("*") if path.is_file()}
    assert found == set(DOCUMENT.outputs())
    for name in re.findall(r"\]\((figures/[^)]+)\)", (written[2] / "benchmark.md").read_text()):
        assert name in found


def test_rendering_again_changes_no_byte(written, tmp_path):
    mapping, results, reports = written
    render(mapping, results, tmp_path)
    first = {path.relative_to(reports): path.read_bytes() for path in reports.rglob("*") if path.is_file()}
    again = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert first == again


def test_times_are_means_over_seeds(text):
    header = table_after(text, "### 2.1 Training time")[0]
    assert header[1:] == ["12 networks, 25 rows", "25 networks, 50 rows", "50 networks, 100 rows"]
    rows = rows_after(text, "### 2.1 Training time")
    # 0.01 s whatever the rows, in the unit that suits all: milliseconds.
    assert rows["roofline"] == ["10.0 ± 0.0"] * 3
    # 20, 20.2 and 20.4 ms: mean 20.2, half width 4.303 · 0.2 / √3.
    assert rows["boosting"] == ["20.2 ± 0.5", "40.4 ± 1.0", "80.8 ± 2.0"]
    assert rows["ensemble"] == ["missing"] * 3
    assert rows["mlp5d"] == ["n/a"] * 3


def test_memory_doubles_with_the_rows(study):
    assert rows_of(fit_table(study, "peak_mib", "MiB"))["seernet"] == [
        "2.50 ± 0.00",
        "5.00 ± 0.00",
        "10.0 ± 0.0",
    ]
    assert rows_of(fit_table(study, "mean_mib", "MiB"))["seernet"] == [
        "1.25 ± 0.00",
        "2.50 ± 0.00",
        "5.00 ± 0.00",
    ]


def test_exponents_and_their_words(text):
    rows = rows_after(text, "### 2.3 Scaling analysis")
    assert [row[2] for row in (rows["roofline"], rows["boosting"], rows["seernet"])] == [
        "**constant**",
        "**linear**",
        "**super-linear**",
    ]
    assert rows["seernet"][:2] == ["16.0 (16.0 to 16.0)", "2.00 ± 0.00"]
    assert rows["seernet"][3:] == ["4.00 (4.00 to 4.00)", "1.00 ± 0.00", "**linear**"]
    assert rows["ensemble"] == ["missing"] * 6


def test_learning_curves_and_knees(study):
    errors = rows_of(error_table(study))
    assert errors["seernet"] == ["40.4 ± 1.0", "20.2 ± 0.5", "10.1 ± 0.2"]
    assert errors[FLOOR] == ["2.30 (2.30 to 2.30)"] * 3
    assert (knee(study, "roofline"), knee(study, "seernet")) == (0.25, 1.0)
    sentences = dict(zip(study.measured, accuracy_observations(study), strict=True))
    assert "20.0 ± 0.0 %" in sentences["roofline"]
    assert "25 rows" in sentences["roofline"]  # its knee
    assert "**stable**" in sentences["roofline"]
    assert "4.00 (4.00 to 4.00)" in sentences["seernet"]


def test_throughput(study):
    assert rows_of(prediction_table(study, "call_s", "s"))["seernet"] == ["1.00 ± 0.00", "2.00 ± 0.00"]
    assert rows_of(prediction_table(study, "rows_per_s", "1"))["seernet"] == [
        "1,000 ± 0",
        "5,000 ± 0",
    ]
    assert str(batch_gain(study, "seernet")) == "5.00 (5.00 to 5.00)"
    assert batch_knee(study, "seernet") == 10
    assert all("**more efficient**" in sentence for sentence in prediction_observations(study))


def test_conclusions_follow_from_the_points(study):
    # boosting has the least error until seernet has learned from all rows.
    assert [choice.best for choice in choices(study)] == ["boosting", "boosting", "seernet"]
    assert efficient(study) == ("roofline", "boosting", "seernet")
    # Shown to be both less accurate and slower: seernet_multi, by either of two; nobody else.
    ratios = {(worse, better): error.value for worse, better, error, _ in dominated(study)}
    assert ratios == pytest.approx(
        {("seernet_multi", "roofline"): 1.5, ("seernet_multi", "boosting"): 30 / 12.12}, rel=1e-3
    )
    advice = recommendations(study).splitlines()
    assert [line.split(".")[0] for line in advice] == ["1", "2", "3", "4", "5", "6", "7"]
    assert "`seernet_multi`" in advice[3]
    assert "2.48" in advice[3]


def test_the_ledger_holds_every_fit(written, study):
    ledger = Ledger.read(written[1] / "ledger" / "benchmark.parquet", study.confidence)
    pd.testing.assert_frame_equal(ledger.table, study.ledger.table, check_dtype=False)
    halved = Contender("seernet", "0.5", "architecture")
    assert ledger.values(halved, "train_time_ms", "mape_pct") == pytest.approx({0: 20.0, 1: 20.2, 2: 20.4})
    assert ledger.values(halved, "train_time_ms", VALIDATION_MAPE) == ledger.values(
        halved, "train_time_ms", "mape_pct"
    )
    assert ledger.values(halved, "", "peak_mib") == {0: 5.0, 1: 5.0, 2: 5.0}
    assert study.fitted("seernet", "test_mape_pct")[0.5] == ledger.values(halved, "train_time_ms", "mape_pct")
    # mlp5d has none of the labels, so nothing of it is expected.
    assert set(ledger.table["predictor"]) == {*MADE, "ensemble"}
    assert ledger.missing() == {
        Contender("ensemble", share, "architecture"): [0, 1, 2] for share in ("0.25", "0.5", "1")
    }
    assert study.missing() == ["ensemble"]


def test_a_curve_holds_what_was_measured(study):
    calls = study.called("seernet", "call_s")
    assert calls == {1: dict.fromkeys(SEEDS, 0.001), 10: dict.fromkeys(SEEDS, 0.002)}
    assert (calls.first, calls.last) == (calls[1], calls[10])
    assert study.called("seernet", "rows_per_s").means == pytest.approx({1: 1000, 10: 5000})
    assert study.fitted("seernet", "rounds").means == {}  # it has none
    assert study.perceptron("perfseer", "wall_s")[1000] == pytest.approx({0: 1.0, 1: 1.01, 2: 1.02})
    assert set(study.called("ensemble", "call_s")) == {1, 10}  # sizes stay where nothing was measured


def test_the_old_experiment_stands_beside_ours(text):
    rows = table_after(text, "### 5.2 Training time")[2:]
    # 1, 1.01 and 1.02 s; scikit-learn takes twice as long.
    assert rows[0][:3] == ["1,000", "1.01 ± 0.02", "0.0100"]
    assert rows[0][5:] == ["0.500 (0.500 to 0.500)", "1.67 (sd 1.30)"]
    assert "exponent 1.00 ± 0.00: **linear**" in text
    asked = table_after(text, "### 5.7 What was asked of it")[2:]
    assert [row[2] for row in asked] == ["yes", "yes"]
    assert "0.9990" in asked[0][1]


def test_what_is_missing_is_said(study, text):
    assert "**Missing:** ensemble." in text
    assert study.failures() == []
    assert rows_of(record_table(study, {}))["ensemble.json"] == ["missing", "missing"]


def test_settings_are_shown_flat(study):
    assert rows_of(model_table(study))["seernet"][2].split(", ") == ["depth 3", "recipe.rate 0.1"]


def test_a_failed_point_is_a_row_with_its_reason(copy, tmp_path):
    mapping, results = copy
    path = results / "benchmark" / "boosting.json"
    contents = json.loads(path.read_text())
    contents["fits"][0] |= {"status": "oom", "reason": "12 GiB | 8 GiB", "result": None}
    path.write_text(json.dumps(contents))
    study = read(mapping, results)
    assert study.failures() == [("boosting", "fit, 25 rows, seed 0", "oom", "12 GiB | 8 GiB")]
    assert list(rows_of(failure_table(study))) == ["boosting"]
    assert "(2 of 3 seeds)" in rows_of(fit_table(study, "wall_s", "s"))["boosting"][0]
    quarter = Contender("boosting", "0.25", "architecture")
    assert list(study.ledger.values(quarter, "train_time_ms", "mape_pct")) == [1, 2]
    assert quarter not in study.ledger.missing()  # it was fitted, and failed


def test_a_missing_seed_is_named(copy):
    mapping, results = copy
    path = results / "benchmark" / "boosting.json"
    contents = json.loads(path.read_text())
    contents["fits"] = [point for point in contents["fits"] if point["seed"] != 1]
    path.write_text(json.dumps(contents))
    (results / "benchmark" / "regression5d.json").unlink()
    study = read(mapping, results)
    assert study.missing()[:2] == ["ensemble", "boosting / seed 1"]
    assert len(study.missing()) == 3  # and the experiment on five numbers


def test_points_of_other_parameters_or_data_are_refused(copy):
    mapping, results = copy
    mapping["training"]["max_epochs"] += 1
    with pytest.raises(PerfseerError, match=r"boosting\.json") as caught:
        read(mapping, results)
    assert "regression5d.json" not in str(caught.value)  # it has a recipe of its own
    mapping["training"]["max_epochs"] -= 1
    mapping["benchmark"]["regression"]["noise_sd"] = 0.5
    with pytest.raises(PerfseerError, match=r"regression5d\.json") as caught:
        read(mapping, results)
    assert "boosting.json" not in str(caught.value)


def test_a_file_in_the_wrong_place_is_refused(copy):
    mapping, results = copy
    (results / "benchmark" / "boosting.json").write_bytes(
        (results / "benchmark" / "seernet.json").read_bytes()
    )
    with pytest.raises(PerfseerError, match=r"boosting\.json: .*seernet"):
        read(mapping, results)


def test_without_any_point_the_report_says_so(copy, tmp_path):
    mapping, results = copy
    shutil.rmtree(results / "benchmark")
    render(mapping, results, tmp_path / "out")
    study = read(mapping, results)
    assert study.missing()[:-1] == list(study.predictors)
    assert (choices(study), dominated(study), efficient(study)) == ([], [], ())
    text = (tmp_path / "out" / "benchmark.md").read_text(encoding="utf-8")
    assert set(map(tuple, rows_after(text, "### 2.1 Training time").values())) - {("–",) * 3} == {
        ("missing",) * 3
    }


def test_the_verbs_measure_what_the_report_reads(tmp_path):
    """Real points of two predictors on made-up data, through the command line."""
    mapping, experiment = write_experiment(tmp_path)
    mapping["benchmark"] |= {"shares": [0.5, 1.0], "batch_rows": [2], "predict_s": 0.001}
    for name in ("roofline", "boosting"):
        out = tmp_path / "benchmark" / f"{name}.json"
        arguments = ["--params", json.dumps(mapping), "--dataset", experiment.dataset]
        arguments += ["--graphs", experiment.graphs, "--predictor", name, "--out", out]
        result = CliRunner().invoke(app, ["benchmark", *map(str, arguments)])
        assert result.exit_code == 0, result.output
        assert len(re.findall(rf"{name}: seed [01],", result.stderr)) == 6  # two seeds: two fits, one batch
        found = read_as(out, BenchmarkRecord, "perfseer benchmark")
        assert [fit.status for fit in found.fits] == ["ok"] * 4
    options = [f"--params={json.dumps(mapping)}", f"--results={tmp_path}", f"--out={tmp_path / 'reports'}"]
    result = CliRunner().invoke(app, ["report", "benchmark", *options])
    assert result.exit_code == 0, result.output
    assert rows_after((tmp_path / "reports" / "benchmark.md").read_text(), "### 2.1 Training time")


def test_a_predictor_that_is_null_is_in_no_report(copy, tmp_path):
    mapping, results = copy
    mapping["predictors"] |= {"mlp5d": None, "seernet": None, "nn_meter": None}
    mapping["ensembles"] = {"ensemble": None}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(mapping))
    ended = CliRunner().invoke(
        app,
        [
            *("report", "benchmark", "--params", f"{tmp_path / 'params.yaml'}"),
            *("--results", f"{results}", "--out", f"{tmp_path / 'reports'}"),
        ],
    )
    assert ended.exit_code == 0, ended.output
    study = load_study(mapping, results)
    assert study.predictors == ("roofline", "boosting", "seernet_multi")
    assert study.missing() == []
    text = (tmp_path / "reports" / "benchmark.md").read_text(encoding="utf-8")
    shown = {row[0] for row in table_after(text, "### 6.1 Performance summary")}
    assert "boosting" in shown
    assert not {"seernet", "nn_meter", "ensemble"} & shown
    assert "Missing" not in text
