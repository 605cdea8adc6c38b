"""The study on published results as its users run it: planned from the preset, and run on made-up files."""

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from perfseer.data.sources.timm_results.names import FILES

from .conftest import ROOT, Repository

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

GPU, CPU = "infer-amp-nchw-pt240-cu124-rtx3090", "infer-fp32-nchw-pt240-cpu-i9_10940x-dynamo"
# Small ones of eight families; times are made up.
MODELS = {
    "test_vit": 1.0,
    "test_resnet": 1.4,
    "lcnet_035": 2.0,
    "lcnet_050": 2.2,
    "resnet10t": 5.0,
    "resnet14t": 6.0,
    "mobilenetv3_small_050": 3.0,
    "tinynet_e": 2.5,
    "ghostnet_050": 4.0,
    "regnetx_002": 4.5,
    "regnety_002": 5.5,
    "efficientvit_b0": 4.2,
}


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Repository:
    """What a clone has, without any result."""
    path = tmp_path_factory.mktemp("clone")
    for name in ("workflow", "src"):
        shutil.copytree(ROOT / name, path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy2(ROOT / "params.yaml", path)
    return Repository(path)


@pytest.fixture(scope="module")
def preset():
    return yaml.safe_load((ROOT / "workflow/presets/public.yaml").read_text())["public"]


def test_the_preset_plans_every_fit_and_no_measuring(clone, preset):
    planned = clone.planned("public", "--configfile", "workflow/presets/public.yaml")
    variants = [
        {**preset["entrants"][one["of"]], **one["changes"]} for one in preset.get("variants", {}).values()
    ]
    cases = sum(
        len(one.get("groupings") or preset["groupings"]) * len(one.get("seeds") or preset["seeds"])
        for one in [*preset["entrants"].values(), *variants]
    )
    unseen = preset["unseen"]
    assert planned.pop("fit_public") == cases
    assert planned.pop("unseen_public", 0) == (len(unseen["devices"]) * len(unseen["seeds"]) if unseen else 0)
    assert planned == {"capture_public": 1, "describe_public": 1, "render_public": 1, "public": 1}


def test_the_preset_has_published_files_of_its_own_choice(preset):
    assert len(set(preset["files"])) == len(preset["files"]) == 15
    assert set(preset["files"]) < {file.name for file in FILES}


def test_without_the_section_there_is_no_such_target(clone):
    done = clone.run("snakemake", "--dry-run", "public", check=False)
    assert done.returncode != 0
    assert "public" in done.stdout + done.stderr


def write_results(folder: Path) -> None:
    """Two result files in the form of timm's; one row without a time, one that was there before."""
    folder.mkdir()
    for file, factor, batch in ((GPU, 1.0, 64), (CPU, 0.6, 1)):
        lines = ["model,infer_img_size,infer_batch_size,infer_samples_per_sec,infer_step_time,param_count"]
        for name, ms in MODELS.items():
            size, time_ms = (160, ms * factor) if name.startswith("test") else (128, ms * factor)
            lines.append(f"{name},{size},{batch},{1000 * batch / time_ms:.2f},{time_ms:.3f},")
        lines += [lines[1], f"resnet18,128,{batch},,,11.69"]
        (folder / f"benchmark-{file}.csv").write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def run(clone, preset, tmp_path_factory):
    """Everything for real, as small as folds allow, interrupted by nothing."""
    if find_spec("timm") is None:
        pytest.skip("needs the extra timm")
    write_results(clone.path / "own")
    boosting = {**preset["entrants"]["boosting"]["settings"], "n_estimators": 20}
    small = {
        **preset,
        "files": [GPU, CPU],
        "folder": "own",
        "headline": [GPU, CPU],
        "folds": 2,
        "seeds": [0],
        "subject": "boosting",
        "resamples": 100,
        "entrants": {
            "roofline": {"predictor": "roofline"},
            "boosting": {"predictor": "boosting", "settings": boosting},
        },
        "means": {},
        "variants": {},
        "unseen": None,
    }
    (clone.path / "tiny.yaml").write_text(yaml.safe_dump({"public": small}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERFSEER_CACHE", str(tmp_path_factory.mktemp("cache")))
        clone.snakemake("public", "--configfile", "tiny.yaml", "--cores", "2")
        yield clone


def test_the_report_is_there_with_its_figures(run):
    text = (run.path / "reports/public.md").read_text()
    assert "No record is missing." in text
    assert "2 result files of timm, 24 rows" in text
    assert (run.path / "reports/public/figures/public_errors.svg").is_file()
    record = json.loads((run.path / "results/public/boosting/family/0/1/record.json").read_text())
    assert set(record["mape_pct"]) == {GPU, CPU}


def test_a_finished_study_leaves_nothing_to_do_and_a_lost_fold_alone_is_fitted_again(run):
    assert run.planned("public", "--configfile", "tiny.yaml") == {}
    folder = run.path / "results/public/boosting/architecture/0"
    kept = (folder / "0/record.json").stat().st_mtime_ns
    (folder / "1/record.json").unlink()
    (folder / "summary.json").unlink()
    target = "results/public/boosting/architecture/0/summary.json"
    assert run.planned(target, "--configfile", "tiny.yaml") == {"fit_public": 1}
    run.snakemake(target, "--configfile", "tiny.yaml", "--cores", "1")
    assert (folder / "0/record.json").stat().st_mtime_ns == kept
    assert (folder / "1/record.json").is_file()


def test_a_fault_in_the_section_stops_before_any_job(clone):
    (clone.path / "wrong.yaml").write_text("public: {files: [nothing]}\n")
    done = clone.run("snakemake", "public", "--configfile", "wrong.yaml", "--cores", "1", check=False)
    assert done.returncode != 0
    assert "public" in done.stderr
    assert "Traceback" not in done.stderr
