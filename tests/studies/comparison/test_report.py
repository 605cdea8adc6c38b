"""comparison.md on fixed records: every predictor, exact numbers, what is shown and what is not."""

import json
import re
import shutil

import pandas as pd
import pytest

from perfseer.predictors.registry import predictor_class
from perfseer.reporting.floors import FLOOR
from perfseer.studies.comparison.about import DOCUMENT
from perfseer.studies.comparison.aligned import align
from perfseer.studies.comparison.failures import group_all
from perfseer.studies.comparison.memory import mig_table
from perfseer.studies.comparison.pairs import compare_all
from perfseer.studies.comparison.render import markdown, render
from perfseer.studies.experiment import load_experiment
from tests.helpers.experiment_files import MISSING, NOISE
from tests.helpers.reading import numbers, rows_after, rows_of, table_after
from tests.helpers.rendered import check_figures, check_outputs, check_pages, files_in

SECTIONS = (
    "## Accuracy",
    "## Which differences are shown",
    "### Ranking",
    "### Wins and losses",
    "## Cost",
    "## Where each predictor fails",
    "## Error beside the measurement's own noise",
    "## What predicted memory suggests",
    "## Published figures beside ours",
    "## Where each predictor comes from, and what differs",
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
    return (written[2] / "comparison.md").read_text(encoding="utf-8")


def rendered(mapping, paths):
    experiment = load_experiment(mapping, paths)
    aligned = align(experiment, experiment.headline)
    return markdown(aligned, compare_all(aligned), group_all(aligned), "0" * 12)


def shown(content):
    """How many differences are shown; None where nothing is compared."""
    found = re.search(r"(\d+) are \*\*shown\*\*", content)
    return int(found[1]) if found else None


def test_every_section_is_there_in_order(text):
    places = [text.index(f"\n{section}\n") for section in SECTIONS]
    assert places == sorted(places)


def test_the_document_is_whole(written):
    check_pages(written[2], "comparison")
    check_figures(written[2], "comparison", len(DOCUMENT.figures))
    check_outputs(DOCUMENT, written[2])


def test_web_pages_link_to_web_pages(written):
    content = (written[2] / "comparison.html").read_text(encoding="utf-8")
    assert 'href="perfseer.html"' in content
    assert 'href="perfseer.md"' not in content


def test_rendering_again_changes_no_byte(written, tmp_path):
    mapping, paths, reports = written
    render(mapping, paths.models.parent, tmp_path)
    assert files_in(tmp_path) == files_in(reports)


def test_every_predictor_label_and_split_has_its_metrics(text):
    rows = rows_after(text, "#### Training time, `architecture`")
    assert list(rows) == [*NOISE, FLOOR]
    assert rows[FLOOR] == ["2.30 (2.30 to 2.30)", "–", "–", "–", "–"]
    assert rows["ensemble"][:4] == ["4.10 ± 1.27", "4.10 ± 1.27", "100 ± 0", "100 ± 0"]
    assert rows["seernet_multi"][0] == "10.0 (1 seed)"
    assert rows_after(text, "#### Inference utilisation, `random`")["roofline"] == ["n/a"] * 5
    assert rows_after(text, "#### Training memory, `family`")["boosting"] == ["missing"] * 5
    headings = re.findall(r"^#### .*, `(\w+)`$", text, re.MULTILINE)
    assert [headings.count(split) for split in ("architecture", "random", "family")] == [6, 6, 6]


def test_ranking_gives_places_distances_and_says_what_is_shown(text):
    rows = rows_after(text, "#### Training time, ranked", key=1)
    assert list(rows) == ["ensemble", "boosting", "seernet", "seernet_multi", "roofline", FLOOR]
    assert rows[FLOOR][:2] == ["–", "2.30 (2.30 to 2.30)"]
    # Errors alternate around 4 %, 5 % ..., so the differences of all rows are those of the noise: 1, 4, 21.
    assert [rows[name][2] for name in ("boosting", "seernet", "roofline")] == [
        "+1.00 (+1.00 to +1.00)",
        "+4.00 (+4.00 to +4.00)",
        "+21.0 (+21.0 to +21.0)",
    ]
    assert rows["ensemble"] == ["1", "4.10 ± 1.27", "–", "–", "–", "smallest error"]
    assert rows["boosting"][0] == "2"
    assert rows["boosting"][-1].startswith("worse")
    # One seed only: nothing is shown, so no place is lost, whatever the distance.
    assert rows["seernet_multi"][0] == "1"
    assert rows["seernet_multi"][-1].startswith("not shown")
    assert rows["roofline"][0] == "4"


def test_the_sentences_count_what_the_matrix_shows(text):
    # 10 pairs on 4 labels and 6 on the two the roofline lacks; those with seernet_multi rest on one seed.
    (overall,) = {line for line in text.splitlines() if line.startswith("Of ")}
    assert numbers(overall)[:3] == [52, 30, 22]
    matrix = rows_after(text, "### Wins and losses")
    assert matrix["ensemble"] == ["4–0", "6–0", "6–0", "0–0", "·", "**16–0**"]
    assert matrix["roofline"] == ["·", "0–4", "0–4", "0–0", "0–4", "**0–12**"]
    won, lost = (sum(int(row[-1].strip("*").split("–")[i]) for row in matrix.values()) for i in (0, 1))
    assert won == lost == 30
    first = next(line for line in text.splitlines() if line.startswith("- training time"))
    assert numbers(first) == [4.10, 1.27, 1.8]
    assert re.findall(r"`(\w+)`", first)[:2] == ["ensemble", "seernet_multi"]


def test_too_few_seeds_show_nothing(copy):
    mapping, paths = copy
    mapping["report"]["comparison"]["min_seeds"] = 3
    content = rendered(mapping, paths)
    assert shown(content) == 0
    assert {row[0] for row in table_after(content, "#### Training time, ranked")[2:]} == {"1", "–"}


def test_too_few_networks_show_nothing(copy):
    mapping, paths = copy
    mapping["report"]["comparison"]["min_networks"] = 17
    assert shown(rendered(mapping, paths)) == 0


def test_a_sign_that_changes_with_the_seed_shows_nothing(copy):
    mapping, paths = copy
    path = paths.ensembles / "ensemble" / "architecture" / "1" / "record.json"
    record = json.loads(path.read_text())
    record["metrics"]["train_time_ms"]["mape_pct"]["value"] = 50.0
    path.write_text(json.dumps(record))
    rows = rows_after(rendered(mapping, paths), "#### Training time, ranked", key=1)
    assert rows["ensemble"][-1].startswith("not shown")


def test_worst_groups_are_named(text):
    rows = rows_after(text, "## Where each predictor fails")
    assert list(rows) == list(NOISE)
    assert re.fullmatch(r"[\w ]+: 4\.\d\d %, 1\.0 ×", rows["ensemble"][0])
    assert rows["roofline"][2] == "n/a"
    sizes = rows_after(text, "#### Training time, by batch size")
    assert sizes["test rows"][-1] == "22"
    assert rows_after(text, "#### Training time, by batch size")["roofline"][-1] == "25.1"
    header = table_after(text, "#### Inference time, by size")[0]
    assert header[1:5] == ["smallest quarter", "second quarter", "third quarter", "largest quarter"]


def test_error_stands_beside_the_measurement(text):
    multiples = rows_after(text, "## Error beside the measurement's own noise")
    # 4.1 and 25.1 over 2.2986; memory has no noise here, and roofline predicts no utilisation.
    assert multiples["ensemble"] == ["1.8 ×", "–", "–", "1.8 ×", "–", "–"]
    assert multiples["roofline"] == ["11 ×", "–", "n/a", "11 ×", "–", "n/a"]
    rows = rows_after(text, "A label is also a median with a confidence interval")
    # The intervals are ± 2 % of the label, the errors 4.0 and 4.2 % (the median of 10 and 12 rows is 4.2).
    assert rows["ensemble"][:4] == ["4.20 %", "± 2.00 %", "2.1", "0 of 22 (0 %)"]


def test_memory_suggests_a_profile(text, copy):
    assert text.count("1g.5gb in 22") == 2
    # Two of the seeds' measured memories become 4,800 MiB: 5,033 MB need the second profile.
    mapping, paths = copy
    experiment = load_experiment(mapping, paths)
    tested = experiment.runs["seernet", "architecture", 0].predictions["configuration"].iloc[:2]
    experiment.rows.loc[experiment.rows["configuration"].isin(tested), "train_mem_mib"] = 4_800.0
    aligned = align(experiment, "architecture")
    content = mig_table(aligned)
    # Errors are kept, so predictions are 4 to 25 % off 4,800 MiB, below or above the bound.
    assert rows_of(content)["ensemble"][:3] == ["21 of 22 (95.5 %)", "1 of 22 (4.55 %)", "0 of 22 (0 %)"]
    assert rows_of(content)["roofline"][3:] == ["22 of 22 (100 %)", "0 of 22 (0 %)", "0 of 22 (0 %)"]


def test_practically_constant_labels_win_nothing(copy):
    mapping, paths = copy
    mapping["report"]["judgement"]["constant_pct"] = 1e9
    content = rendered(mapping, paths)
    matrix = rows_after(content, "### Wins and losses")
    assert matrix["ensemble"][-1] == "**0–0**"
    assert rows_after(content, "### Ranking")["ensemble"] == ["(1)"] * 6 + ["0 of 0"]


def test_published_figures_name_source_and_difference(text):
    rows = table_after(text, "## Published figures beside ours")[2:]
    assert rows[0][:4] == [
        "SeerNet (paper)",
        "seernet, mean of six labels, MAPE [%]",
        "5.14",
        "8.10 ± 1.27 (random)",
    ]
    assert all(row[5] and row[6] for row in rows)
    assert not any("nn-Meter" in row[0] for row in rows)  # takes no part here


def test_sources_and_departures_are_those_of_the_classes(text):
    section = text[text.index("## Where each predictor comes from") :]
    assert re.findall(r"^\*\*`(\w+)`\*\*", section, re.MULTILINE) == list(NOISE)
    assert section.count(predictor_class("ensemble").source) == 1
    assert section.count("utilisation, inference utilisation.") == 1  # what the roofline does not predict


def test_fitted_predictors_report_skipped_kernels_and_weights(copy):
    mapping, paths = copy
    state = {
        "skipped": {"kernels": 0.125, "bytes": 0.01, "types": {"pixel_shuffle": 1200}},
        "choices": [{"target": "train_time_ms", "shares": {"seernet": 0.25, "boosting": 0.75}}],
    }
    folder = paths.ensembles / "ensemble" / "architecture" / "0" / "model"
    folder.mkdir()
    contents = {"schema_version": 1, "vocabulary_version": 1, "name": "ensemble", "state": state}
    (folder / "predictor.json").write_text(json.dumps(contents))
    content = rendered(mapping, paths)
    assert table_after(content, "### Kernels without a forest")[2] == [
        "ensemble",
        "0",
        "12.5 %",
        "1.00 %",
        "pixel_shuffle (1,200)",
    ]
    weights = table_after(content, "### What the ensembles are made of")[2]
    assert weights[2:4] == ["0.75 boosting + 0.25 seernet", "n/a"]


def test_every_record_is_listed(text):
    records = table_after(text, "## How to regenerate every number")[2:]
    assert len(records) == len(NOISE) * 3 * 2
    assert sum(row[1] == "missing" for row in records) == len(MISSING)


def test_plot_tables_hold_the_numbers_of_the_document(written):
    tables = {name: pd.read_csv(written[2] / "plots" / f"{name}.csv") for name in DOCUMENT.tables}
    means = tables["comparison_mape"].set_index("predictor")["mape_pct"]
    assert means.to_dict() == pytest.approx(
        {"roofline": 25.1, "boosting": 5.1, "seernet": 8.1, "seernet_multi": 10.0, "ensemble": 4.1}
    )
    accuracy = tables["comparison_accuracy"]
    assert len(accuracy) == 6 * (30 - len(MISSING)) - 2 * 6
    one = accuracy.query("split == 'architecture' and predictor == 'seernet' and label == 'train_time_ms'")
    assert one["mape_pct"].tolist() == pytest.approx([8.0, 8.2])
    pairs = tables["comparison_pairs"]
    assert len(pairs) == 52
    assert (pairs["verdict"] != "not shown").sum() == 30
    assert (pairs["p_holm"] >= pairs["p_value"]).all()
    groups = tables["comparison_groups"].query("grouping == 'batch size' and predictor == 'ensemble'")
    assert groups.query("label == 'train_time_ms'")["n"].sum() == 22


def test_without_any_record_the_document_says_so(copy):
    mapping, paths = copy
    shutil.rmtree(paths.models)
    shutil.rmtree(paths.ensembles)
    content = rendered(mapping, paths)
    assert content.count("/ seed 0, 1") == 5 * 3
    assert shown(content) is None
    assert rows_after(content, "#### Training time, `architecture`")["seernet"] == ["missing"] * 5
