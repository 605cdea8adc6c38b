"""The workflow as its users run it: real Snakemake and DVC on a real run (order matters, top to bottom)."""

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from .conftest import PREDICTORS, Repository

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

DOCUMENTS = ("perfseer", "comparison", "ablation", "benchmark", "measurement")
# What an edit of boosting runs: its three splits, the ensemble made from it, their benchmarks, and the
# reports, all of which are given the whole of params.yaml.
AFTER_BOOSTING = {
    "train_predictor": 3,
    "combine_predictors": 3,
    "summarize_predictor": 2,
    "benchmark_predictor": 2,
    "render_overview": 1,
    "render_comparison": 1,
    "render_ablation": 1,
    "render_benchmark": 1,
    "render_measurement": 1,
}
STAGES_AFTER_BOOSTING = {
    *("train-boosting", "combine-ensemble", "benchmark"),
    *(f"report-{document}" for document in DOCUMENTS),
}
# What an edit of its source runs: documents without any of its numbers stay.
AFTER_ITS_CODE = {
    name: jobs
    for name, jobs in AFTER_BOOSTING.items()
    if name not in ("render_ablation", "render_measurement")
}
STAGES_AFTER_ITS_CODE = STAGES_AFTER_BOOSTING - {"report-ablation", "report-measurement"}


def stages_run(text: str) -> set[str]:
    return {line.split("'")[1] for line in text.splitlines() if "Running stage" in line}


def stamps(folder: Path) -> dict[str, int]:
    return {str(p.relative_to(folder)): p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}


def test_a_finished_run_leaves_nothing_to_do(finished):
    assert finished.planned() == {}


def test_a_finished_run_leaves_dvc_clean(finished):
    assert "up to date" in finished.dvc("status")


def test_dvc_repro_after_snakemake_runs_nothing(finished):
    before = stamps(finished.path / "results")
    assert "Running stage" not in finished.dvc("repro")
    assert stamps(finished.path / "results") == before


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_reports_name_no_impossible_number(finished, document):
    text = (finished.path / f"reports/{document}.md").read_text()
    words = text.lower().replace("|", " ").replace("%", " ").split()
    assert not {"inf", "nan", "-inf"} & set(words)
    assert json.loads((finished.path / "reports/metrics.json").read_text())


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_figure_a_report_shows_is_there(finished, document):
    text = (finished.path / f"reports/{document}.md").read_text()
    shown = re.findall(r"\]\((figures/[^)]+)\)", text)
    assert shown
    assert [name for name in shown if not (finished.path / "reports" / name).is_file()] == []


@pytest.mark.parametrize(
    ("path", "value"),
    [("predictors.boosting.num_leaves", -3), ("training.max_epoch", 10), ("collect.device", "abacus")],
)
def test_a_bad_parameter_stops_before_any_job(finished, path, value):
    original = (finished.path / "params.yaml").read_text()
    try:
        finished.edit(path, value)
        done = finished.run("snakemake", check=False)
    finally:
        (finished.path / "params.yaml").write_text(original)
    assert done.returncode != 0
    assert path.split(".")[-1] in done.stderr
    assert "Traceback" not in done.stderr
    assert "rule " not in done.stderr


def test_an_edit_of_one_predictor_reruns_it_and_the_reports_under_dvc(finished):
    finished.edit("predictors.boosting.n_estimators", 50)
    others = stamps(finished.path / "results/models/seernet")
    dataset = stamps(finished.path / "results/dataset")
    text = finished.dvc("repro")
    assert stages_run(text) == STAGES_AFTER_BOOSTING
    assert stamps(finished.path / "results/models/seernet") == others
    assert stamps(finished.path / "results/dataset") == dataset
    assert "up to date" in finished.dvc("status")
    assert finished.planned() == {}
    record = finished.path / "results/models/boosting/architecture/0/record.json"
    assert json.loads(record.read_text())["settings"]["n_estimators"] == 50


def test_an_edit_of_one_predictor_reruns_it_and_the_reports_under_snakemake(finished):
    finished.edit("predictors.boosting.n_estimators", 60)
    assert finished.planned() == AFTER_BOOSTING
    others = stamps(finished.path / "results/models/seernet")
    finished.snakemake()
    assert stamps(finished.path / "results/models/seernet") == others
    assert finished.planned() == {}
    finished.run("sh", "workflow/record.sh")
    assert "up to date" in finished.dvc("status")
    finished.commit("boosting with 60 trees")


def after_an_edit(finished, file, edit) -> tuple[dict[str, int], set[str]]:
    """Jobs that Snakemake would run, and stages that DVC calls changed, after an edit of one source file."""
    path = finished.path / "src/perfseer" / file
    original = path.read_text()
    try:
        path.write_text(edit(original))
        return finished.planned(), changed_stages(finished.dvc("status"))
    finally:
        path.write_text(original)


def changed_stages(text: str) -> set[str]:
    """Stages of which `dvc status` says that a source file changed; what follows shows when they ran."""
    stages = re.split(r"^(?=\S+:$)", text, flags=re.MULTILINE)
    return {stage.split(":")[0] for stage in stages if "src/perfseer" in stage}


def comment(text: str) -> str:
    return text + "\n# an edit\n"


def test_an_edit_of_what_all_predictors_share_refits_them_and_measures_nothing(finished):
    planned, stages = after_an_edit(finished, "predictors/base.py", comment)
    assert planned["train_predictor"] == 18
    assert not {"collect", "build_graphs", "build_dataset"} & set(planned)
    assert {name for name in stages if name.startswith("train-")} == {f"train-{name}" for name in PREDICTORS}
    assert not {"collect", "dataset"} & stages


def test_an_edit_of_a_helper_refits_the_predictors_that_import_it(finished):
    planned, stages = after_an_edit(finished, "predictors/parts/tabular.py", comment)
    assert planned == AFTER_ITS_CODE
    # The ensemble's own source is unchanged; DVC learns of its members when they have run.
    assert stages == STAGES_AFTER_ITS_CODE - {"combine-ensemble", "report-perfseer"}


def test_an_edit_of_one_predictors_file_is_not_one_of_the_others(finished):
    planned, stages = after_an_edit(finished, "predictors/library/boosting.py", comment)
    assert planned == AFTER_ITS_CODE
    assert {name for name in stages if name.startswith("train-")} == {"train-boosting"}


def test_an_edit_of_a_template_renders_its_document_and_no_other(finished):
    planned, stages = after_an_edit(finished, "studies/ablation/page.md.j2", lambda text: text + "\n")
    assert planned == {"render_ablation": 1}
    assert stages == {"report-ablation"}


def test_an_edit_of_a_devices_figure_runs_what_reads_the_table(finished):
    """No predictor of this preset does: they learn from one device."""
    planned, stages = after_an_edit(
        finished, "data/catalogue/figures.csv", lambda text: text.replace("5.704e12", "5.705e12", 1)
    )
    assert not {name for name in stages if name.startswith("train-")}
    assert {f"report-{name}" for name in DOCUMENTS if f"render_{name}" in planned} <= stages


def test_a_deleted_table_costs_seconds_because_the_journal_stays(finished):
    table = finished.path / "results/measurements/local.parquet"
    before = table.read_bytes()
    table.unlink()
    finished.snakemake(str(table.relative_to(finished.path)))
    assert table.read_bytes() == before


def test_a_fresh_clone_runs_everything_although_reports_are_in_git(finished, tmp_path):
    finished.run("git", "clone", "--quiet", str(finished.path), str(tmp_path / "clone"))
    clone = Repository(tmp_path / "clone")
    assert (clone.path / "reports/perfseer.md").is_file()
    planned = clone.planned()
    assert planned["collect"] == 1
    assert planned["train_predictor"] == 18
    assert planned["render_overview"] == 1


def test_a_fresh_clone_with_a_remote_bootstraps(finished, tmp_path):
    finished.dvc("remote", "add", "--default", "--force", "store", str(tmp_path / "store"))
    finished.commit("remote")
    finished.dvc("push")
    finished.run("git", "clone", "--quiet", str(finished.path), str(tmp_path / "clone"))
    clone = Repository(tmp_path / "clone")
    clone.dvc("pull")
    clone.snakemake("--touch", "--forceall")
    assert clone.planned() == {}
    assert "up to date" in clone.dvc("status")
    clone.edit("predictors.boosting.num_leaves", 7)
    assert clone.planned() == AFTER_BOOSTING


def test_a_clone_without_bootstrap_still_repros_only_what_changed(finished, tmp_path):
    """File times after a checkout mean nothing; the dvc profile keeps Snakemake from believing them."""
    finished.run("git", "clone", "--quiet", str(finished.path), str(tmp_path / "clone"))
    clone = Repository(tmp_path / "clone")
    shutil.copytree(finished.path / ".dvc/cache", clone.path / ".dvc/cache", dirs_exist_ok=True)
    clone.dvc("checkout")
    clone.edit("predictors.boosting.num_leaves", 9)
    text = clone.dvc("repro")
    assert stages_run(text) == STAGES_AFTER_BOOSTING
    assert "up to date" in clone.dvc("status")


@pytest.fixture
def elsewhere(finished, tmp_path):
    """A clone that is to take its measurements from somewhere else, and so has no kernels."""
    finished.run("git", "clone", "--quiet", str(finished.path), str(tmp_path / "clone"))
    clone = Repository(tmp_path / "clone")
    clone.edit("predictors.nn_meter", None)
    return clone


def test_a_shipped_table_takes_the_place_of_measuring(finished, elsewhere):
    measured, shipped = finished.path / "results/measurements", elsewhere.path / "data/measurements"
    shipped.mkdir(parents=True, exist_ok=True)
    for name in ("local", "repeats", "protocol"):
        shutil.copy2(measured / f"{name}.parquet", shipped)
    paths = {
        "tables": ["data/measurements/local.parquet"],
        "repeats": "data/measurements/repeats.parquet",
        "protocol_study": "data/measurements/protocol.parquet",
    }
    elsewhere.edit("source", {"kind": "table", **paths})
    planned = elsewhere.planned()
    assert planned["join_tables"] == 1
    assert planned["take_study"] == 2
    assert not {"collect", "remeasure", "measure_kernels"} & set(planned)
    elsewhere.snakemake("reports/measurement.md", "results/dataset/manifest.json")
    pd.testing.assert_frame_equal(
        pd.read_parquet(elsewhere.path / "results/measurements/local.parquet"),
        pd.read_parquet(measured / "local.parquet"),
    )


def test_an_exported_release_takes_the_place_of_measuring(finished, elsewhere, tmp_path):
    finished.run(
        *("perfseer", "export", "--format", "perfseer-release", "--out", str(tmp_path / "release")),
        *("--measurements", "results/measurements/local.parquet"),
        *("--graphs", "results/graphs/graphs.safetensors", "--index", "results/graphs/index.parquet"),
    )
    elsewhere.edit("source", {"kind": "perfseer_release", "release": str(tmp_path / "release")})
    assert not {"collect", "remeasure", "measure_kernels"} & set(elsewhere.planned())
    elsewhere.snakemake("results/dataset/manifest.json", "reports/measurement.md")
    times = [
        pd.read_parquet(repository.path / "results/dataset/rows.parquet")["train_time_ms"].sort_values()
        for repository in (finished, elsewhere)
    ]
    assert times[1].to_numpy() == pytest.approx(times[0].to_numpy(), rel=1e-6)
