"""The rendered report on fixed records: complete, byte-stable, tied to its records, no wrong number."""

import dataclasses
import json
import re
import shutil

import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from perfseer.cli.main import app
from perfseer.errors import PerfseerError
from perfseer.measure.table import read_table, write_table
from perfseer.reporting.floors import FLOOR
from perfseer.reporting.settings import detailed_predictors
from perfseer.studies.experiment import load_experiment
from perfseer.studies.overview.about import DOCUMENT
from perfseer.studies.overview.figures import label_distributions
from perfseer.studies.overview.render import markdown, render
from perfseer.targets import TARGET_NAMES
from tests.helpers.experiment_files import MISSING
from tests.helpers.reading import numbers, table_after
from tests.helpers.rendered import check_figures, check_outputs, check_pages, files_in

SECTIONS = (
    "## Dataset Profile",
    "## Dataset Coverage",
    "## Model Performance Evaluation",
    "### Prediction Accuracy",
    "### Assessment",
    "### Detailed Analysis",
    "### Prediction vs Actual Comparison",
    "### Sample Predictions",
    "### Improvement Recommendations",
    "### Technical Recommendations",
    "### Comparison with published results",
    "### Conclusion",
    "## How to regenerate every number",
)


@pytest.fixture(scope="module")
def written(part, tmp_path_factory):
    """Parameters, paths and the folder of the rendered report."""
    reports = tmp_path_factory.mktemp("reports")
    render(part[0], part[1].models.parent, reports)
    return *part, reports


@pytest.fixture(scope="module")
def text(written):
    return (written[2] / "perfseer.md").read_text(encoding="utf-8")


def test_every_section_is_there_in_order(text):
    places = [text.index(f"\n{section}\n") for section in SECTIONS]
    assert places == sorted(places)


def test_the_document_is_whole(written):
    check_pages(written[2], "perfseer")
    check_figures(written[2], "perfseer", 11)
    check_outputs(DOCUMENT, written[2], detailed_predictors(written[0]))


def test_rendering_again_changes_no_byte(written, tmp_path):
    mapping, paths, reports = written
    render(mapping, paths.models.parent, tmp_path)
    assert files_in(tmp_path) == files_in(reports)


def test_profile_has_nine_quantities_with_units(text):
    header, _, *rows = table_after(text, "## Dataset Profile")
    assert len(header) == 10
    assert header[1:3] == ["FLOPs [MFLOPs]", "memory traffic [MB]"]
    assert header[4:7] == ["training utilisation [%]", "training memory [MiB]", "training time [ms]"]
    assert [row[0] for row in rows] == ["mean", "minimum", "median", "maximum"]


def test_accuracy_is_the_mean_over_seeds(text):
    rows = {(row[0], row[1]): row[2:] for row in table_after(text, "#### Split `architecture`")[2:]}
    assert rows["training time", "seernet"][0] == "8.10 ± 1.27"
    assert rows["training time", "seernet_multi"][0] == "10.0 (1 seed)"
    assert {name for _, name in rows} == {"seernet", "boosting", "seernet_multi", FLOOR}
    # Measured as y, 1.02 y and 1.04 y: gaps of 2 % and 2 / 1.04 %, weighed 1/3 and 0.8486.
    assert rows["training time", FLOOR] == ["2.30 (2.30 to 2.30)", "–", "–", "–", "–"]
    assert rows["training memory", FLOOR][0] == "0 (0 to 0)"


def test_the_overview_has_every_predictor_and_ensemble(text):
    rows = {row[1]: row[2:] for row in table_after(text, "#### Every predictor: MAPE [%]")[2:]}
    assert list(rows) == ["roofline", "boosting", "seernet", "seernet_multi", "ensemble", FLOOR]
    # Two times of 2.2986 % and four labels without noise.
    assert rows[FLOOR][-1] == "0.766"
    assert rows["ensemble"][0] == "4.10 ± 1.27"
    assert [rows["roofline"][i] for i in (2, 5, 6)] == ["n/a"] * 3


def test_missing_results_are_shown_as_missing(text):
    missing = next(line for line in text.splitlines() if "missing:**" in line)
    assert numbers(missing) == [3, 0, 1, 1]
    rows = {(row[0], row[1]): row[2:] for row in table_after(text, "#### Split `family`")[2:]}
    assert set(rows["training time", "boosting"]) == {"missing"}
    records = {row[0]: row[1:] for row in table_after(text, "## How to regenerate every number")[2:]}
    assert records["boosting/family/1/record.json"] == ["missing"] * 3


def test_sample_predictions_add_up(text):
    rows = table_after(text, "### Sample Predictions")[2:]
    assert len(rows) == 10
    for row in rows:
        predicted, measured = float(row[4].replace(",", "")), float(row[5].replace(",", ""))
        error = float(row[7].replace("−", "-").replace(" %", ""))
        assert 100 * (predicted - measured) / measured == pytest.approx(error, abs=1.0)


def test_published_figures_stand_beside_ours(text):
    rows = table_after(text, "### Comparison with published results")[2:]
    assert rows[0][:3] == ["SeerNet (paper)", "mean of six", "5.14"]
    assert rows[0][3] == "8.10 ± 1.27"
    assert rows[1][2] == "not published"


def test_text_from_the_table_cannot_break_the_report(text):
    assert "Made-up CPU &lt;2 GHz \\| rev 1&gt;" in text
    assert "12 GiB asked \\| 8 GiB there" in text


def test_every_record_is_named_with_its_digest(text):
    records = table_after(text, "## How to regenerate every number")[2:]
    assert len(records) == 3 * 3 * 2
    assert all(re.fullmatch(r"[0-9a-f]{12}", row[1]) for row in records if row[1] != "missing")


def test_metrics_file_is_flat_and_finite(written):
    found = json.loads((written[2] / "metrics.json").read_text())
    assert found["seernet_train_time_mape_pct"] == pytest.approx(8.1)
    assert found["missing_records"] == 3
    assert found["noise_floor_train_time_mape_pct"] == pytest.approx(2.2986, abs=1e-4)
    assert len(found) < 30
    assert "roofline_mean_mape_pct" not in found


def test_plot_tables(written):
    header = (written[2] / "plots" / "predicted_vs_measured.csv").read_text().splitlines()[0]
    assert header == "predictor,label,seed,measured,predicted"


def test_a_changed_record_changes_the_report(copy, text):
    mapping, paths = copy
    path = paths.models / "seernet" / "architecture" / "0" / "record.json"
    record = json.loads(path.read_text())
    record["metrics"]["train_time_ms"]["mape_pct"]["value"] = 42.0
    path.write_text(json.dumps(record))
    changed = markdown(load_experiment(mapping, paths), "0" * 12)
    assert changed != text
    rows = {(row[0], row[1]): row[2:] for row in table_after(changed, "#### Split `architecture`")[2:]}
    assert rows["training time", "seernet"][0].startswith("25.1 ± ")


@pytest.mark.parametrize(
    ("section", "key", "value", "refused"),
    [
        ("training", "learning_rate", 0.5, "parameters"),
        ("evaluation", "confidence", 0.9, "parameters"),
    ],
)
def test_records_of_other_parameters_are_refused(copy, section, key, value, refused):
    mapping, paths = copy
    mapping[section][key] = value
    with pytest.raises(PerfseerError, match=refused) as caught:
        load_experiment(mapping, paths)
    assert str(caught.value).count("record.json:") == 5 * 3 * 2 - len(MISSING)


def test_one_predictors_parameters_concern_its_records_only(copy):
    mapping, paths = copy
    mapping["predictors"]["boosting"]["num_leaves"] = 3
    with pytest.raises(PerfseerError) as caught:
        load_experiment(mapping, paths)
    assert set(re.findall(r"^  (\w+)/", str(caught.value), re.MULTILINE)) == {"boosting"}


def test_records_of_another_dataset_are_refused(copy):
    mapping, paths = copy
    manifest = paths.dataset / "manifest.json"
    manifest.write_text(manifest.read_text() + "\n")
    with pytest.raises(PerfseerError, match="dataset"):
        load_experiment(mapping, paths)


def test_a_record_in_the_wrong_place_is_refused(copy):
    mapping, paths = copy
    folder = paths.models / "seernet" / "architecture"
    shutil.copy(folder / "0" / "record.json", folder / "1" / "record.json")
    shutil.copy(folder / "0" / "predictions.parquet", folder / "1" / "predictions.parquet")
    with pytest.raises(PerfseerError, match="it is the record of seernet / architecture / 0"):
        load_experiment(mapping, paths)


def test_without_any_record_the_report_says_so(copy):
    mapping, paths = copy
    shutil.rmtree(paths.models)
    shutil.rmtree(paths.ensembles)
    paths.survey.unlink()
    content = markdown(load_experiment(mapping, paths), "0" * 12)
    assert content.count("/ seed 0, 1") == 5 * 3
    assert {row[-1] for row in table_after(content, "### Measured networks")[2:]} == {"missing"}


def test_a_dataset_with_times_only_is_reported(copy, tmp_path):
    mapping, paths = copy
    experiment = load_experiment(mapping, paths)
    others = [name for name in TARGET_NAMES if "time" not in name]
    rows = experiment.rows.assign(**dict.fromkeys(others, float("nan")))
    experiment = dataclasses.replace(experiment, rows=rows, runs={})
    assert [target.name for target in experiment.targets] == ["train_time_ms", "infer_time_ms"]
    content = markdown(experiment, "0" * 12)
    assert len(table_after(content, "## Dataset Profile")[0]) == 1 + 3 + 2
    rows = {row[0]: row[1:] for row in table_after(content, "### Measured networks beside the paper's")}
    assert rows["training memory"][1] == "not measured"
    figure = label_distributions(experiment)
    assert [text.get_text() for text in figure.axes[1].texts] == ["not measured"]


@pytest.mark.parametrize("document", ["perfseer", "comparison"])
def test_the_verb_names_what_to_open(copy, tmp_path, monkeypatch, document):
    monkeypatch.setattr("perfseer.reporting.document.save", lambda *_: None)  # drawing is tested above
    mapping, paths = copy
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(mapping))
    results = f"--results={paths.models.parent}"
    arguments = ["report", document, f"--params={tmp_path / 'params.yaml'}", f"--out={tmp_path / 'out'}"]
    result = CliRunner().invoke(app, [*arguments, results])
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[0] == str(tmp_path / "out" / f"{document}.md")
    assert all(" / ".join(map(str, key)).replace(" 1", " seed 1") in result.stderr for key in MISSING[:1])


def test_without_repeats_the_floor_is_not_measured(copy):
    mapping, paths = copy
    paths.repeats.unlink()
    content = markdown(load_experiment(mapping, paths), "0" * 12)
    rows = {(row[0], row[1]): row[2:] for row in table_after(content, "#### Split `architecture`")[2:]}
    assert rows["training time", FLOOR] == ["not measured", "–", "–", "–", "–"]


@pytest.mark.parametrize(
    ("column", "value", "word"),
    [
        ("device", "Another CPU", "device"),
        ("protocol", "{}", "protocol"),
        ("protocol_version", 1000, "version"),
    ],
)
def test_repeats_of_another_device_or_protocol_are_refused(copy, column, value, word):
    mapping, paths = copy
    write_table(read_table(paths.repeats).assign(**{column: value}), paths.repeats)
    with pytest.raises(PerfseerError, match=rf"repeats\.parquet was measured with another .*{word}.*{value}"):
        load_experiment(mapping, paths)


def test_repeats_of_refused_rows_say_nothing(copy):
    mapping, paths = copy
    repeats = read_table(paths.repeats)
    before = load_experiment(mapping, paths).floors["train_time_ms"]
    # Row 1 of the table was refused for its inference time of zero.
    refused = repeats.iloc[:1].assign(model_ref="zoo:000000000000", batch_size=4, train_time_ms=1e6)
    write_table(pd.concat([repeats, refused], ignore_index=True), paths.repeats)
    assert load_experiment(mapping, paths).floors["train_time_ms"] == before
