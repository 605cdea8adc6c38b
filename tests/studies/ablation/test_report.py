"""The ablation report on records with known errors: outcomes by rule, missing ones shown, equal bytes."""

import copy
import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from perfseer.errors import PerfseerError
from perfseer.evaluation.ledger import Ledger
from perfseer.evaluation.noise import NoiseFloor
from perfseer.reporting.floors import FLOOR
from perfseer.studies.ablation.about import DOCUMENT
from perfseer.studies.ablation.claims import CLAIMS, MAX, NO_GNPB, judge
from perfseer.studies.ablation.contrasts import Contrast, compare
from perfseer.studies.ablation.render import against_base, compare_all, render
from perfseer.studies.ablation.study import load_study
from perfseer.studies.ablation.tables import accuracy_table, mark
from perfseer.studies.experiment import Paths
from tests.helpers.ablation_files import MISSING, write_study
from tests.helpers.reading import numbers, table_after
from tests.helpers.rendered import check_figures, check_outputs, check_pages, files_in


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Parameters, results and the folder of a rendered report; some records are missing."""
    results = tmp_path_factory.mktemp("ablation")
    mapping, _ = write_study(results)
    reports = tmp_path_factory.mktemp("reports")
    published = render(mapping, results, reports)
    assert len(published.missing) == len({name for name, _ in MISSING})
    return mapping, results, reports


def judged(study):
    return judge(study, compare_all(study))


def only(study, first, second):
    (tested,) = compare(study, [Contrast((first,), (second,))]).values()
    return tested


@pytest.fixture(scope="module")
def study(written):
    return load_study(written[0], Paths.below(written[1]))


@pytest.fixture(scope="module")
def text(written):
    return (written[2] / "ablation.md").read_text(encoding="utf-8")


@pytest.fixture
def tampered(written, tmp_path):
    """Parameters and a private copy of the records."""
    mapping, results, _ = written
    shutil.copytree(results, tmp_path / "results", ignore=shutil.ignore_patterns("ledger"))
    return copy.deepcopy(mapping), Paths.below(tmp_path / "results")


def test_outcomes_follow_from_the_errors(study):
    outcomes = [one.outcome for one in judged(study)]
    # In the order of the claims: features, nodes, globals, edges, edges under globals, max, mean, GNPB, …
    agrees, differs = ["agrees"], ["no difference shown"]
    assert outcomes == [*agrees * 5, "contradicts", *agrees, *differs * 2, *agrees, *differs]


def test_a_difference_by_hand(study):
    """Mean over seeds of the differences of MAPE, from the records themselves."""
    tested = only(study, "without_node_features", "base")
    expected = []
    for seed in study.seeds:
        mape = [
            np.mean([study.runs[name, seed].record.metrics[t]["mape_pct"].value for t in study.base.targets])
            for name in ("without_node_features", "base")
        ]
        expected.append(mape[0] - mape[1])
    assert tested.seeds.mean == pytest.approx(np.mean(expected))
    assert tested.seeds.mean == pytest.approx(20, abs=1)
    assert tested.low < tested.seeds.mean < tested.high
    assert (tested.seeds.n, tested.same_sign, tested.verdict) == (3, True, "larger")


def test_a_contrast_of_means_is_the_mean_of_contrasts(study):
    pairs = [Contrast((name,), ("base",)) for name in ("max", "mean")]
    both = list(compare(study, [*pairs, Contrast(("max", "mean"), ("base",))]).values())
    assert both[2].seeds.mean == pytest.approx((both[0].seeds.mean + both[1].seeds.mean) / 2)


def test_p_values_are_corrected_for_the_number_of_comparisons(study):
    alone = only(study, "without_edge_features", "base")
    family = [one for one in compare_all(study).values() if one is not None]
    assert alone.p_holm == alone.p_value
    assert all(one.p_holm >= one.p_value for one in family)
    least = min(one.p_value for one in family)
    assert min(one.p_holm for one in family) == pytest.approx(min(1, least * len(family)))


def test_variants_without_a_common_seed_are_not_compared(tampered):
    mapping, paths = tampered
    for name, seeds in (("multi_sum", (0,)), ("multi_pcgrad", (1, 2))):
        for seed in seeds:
            shutil.rmtree(paths.ablation / name / str(seed))
    # Seed 1 of the one, seed 0 of the other.
    study = load_study(mapping, paths)
    assert only(study, "multi_sum", "multi_pcgrad") is None
    last = judged(study)[-1]
    assert (last.outcome, last.missing) == ("not computed", ("a seed that all have",))


def test_a_share_of_the_error_it_is_counted_from(study):
    tested = only(study, "multi_pcgrad", "base")
    assert tested.reference == pytest.approx(10, abs=0.5)
    assert tested.seeds.mean / tested.reference == pytest.approx(0.4, abs=0.05)


def test_marks_say_what_a_verdict_hangs_on(study):
    """Shown by resampling alone; shown by both; lost to the correction; never near."""
    shown = only(study, "without_node_features", "base")
    assert mark(shown) == ""
    wide = replace(shown, seeds=replace(shown.seeds, half_width=100.0))
    assert mark(wide) == " †"
    lost = replace(shown, verdict="not shown", p_value=0.04, p_holm=0.3)
    assert mark(lost) == " ‡"
    assert mark(replace(lost, p_value=0.06)) == mark(replace(lost, same_sign=False)) == mark(None) == ""


def test_a_claim_and_its_variant_have_one_verdict(study):
    """They are one comparison, counted once."""
    compared = compare_all(study)
    (boost,) = (one for one in judge(study, compared) if one.claim.worse == (NO_GNPB,))
    assert boost.tested is against_base(study, compared)["without_gnpb"]
    assert len(compared) == len(study.variants) - 1 + 3  # three claims compare something else


def test_claims_are_found_by_what_variants_change(tampered):
    """A renamed variant still answers its claim; one that changes something else too does not."""
    mapping, paths = tampered
    variants = mapping["ablation"]["variants"]
    variants["no_boost"] = variants.pop("without_gnpb")
    variants["max"]["predictors.seernet.blocks"] = 2
    shutil.move(paths.ablation / "without_gnpb", paths.ablation / "no_boost")
    shutil.rmtree(paths.ablation / "max")
    outcomes = judged(load_study(mapping, paths))
    boost, lost = (one for part in (NO_GNPB, MAX) for one in outcomes if one.claim.worse == (part,))
    assert boost.tested is not None
    assert (lost.outcome, lost.missing) == ("not computed", ("predictors.seernet.aggregation=max",))


def test_few_seeds_or_networks_show_nothing(tampered):
    mapping, paths = tampered
    for change in ({"min_seeds": 4}, {"min_networks": 10_000}):
        strict = copy.deepcopy(mapping)
        strict["report"]["comparison"] |= change
        assert {one.outcome for one in judged(load_study(strict, paths))} == {"no difference shown"}


def test_the_ledger_holds_every_record_and_what_is_missing(written, study):
    table = Ledger.read(written[1] / "ledger/ablation.parquet", 0.95).table
    assert set(table["variant"]) == set(study.variants)
    lacking = table.loc[table["status"] == "missing", ["variant", "seed"]]
    assert set(lacking.itertuples(index=False, name=None)) == set(MISSING)
    value = study.runs["max", 1].record.metrics["infer_time_ms"]["mape_pct"].value
    rows = table.query("variant == 'max' and seed == 1 and label == 'infer_time_ms' and metric == 'mape_pct'")
    assert rows["value"].tolist() == [value]
    assert study.ledger.values(study.contender("base"), "", "n_parameters") == dict.fromkeys(range(3), 1004.0)


def test_every_variant_and_claim_has_its_line(written, text):
    claims = table_after(text, "## The paper's claims")[2:]
    assert [row[1].split(" (")[0] for row in claims] == [claim.says.split(" (")[0] for claim in CLAIMS]
    accuracy = table_after(text, "### Accuracy and cost")[2:]
    assert [row[0] for row in accuracy] == ["base", *written[0]["ablation"]["variants"], FLOOR]
    changes = {row[0]: row[1] for row in table_after(text, "What each variant changes")[2:]}
    assert changes["blocks_2"] == "`predictors.seernet.blocks=2`"


def test_the_floor_stands_below_the_variants(study, text):
    assert table_after(text, "### Accuracy and cost")[-1][-3:] == ["not measured"] * 3
    known = {
        target: NoiseFloor(target, size, size - 1, size + 1, 2.0, 4.0, configurations=12, measurements=36)
        for target, size in (("train_time_ms", 3.0), ("infer_time_ms", 4.0))
    }
    *_, line = accuracy_table(replace(study, floors=known)).splitlines()
    assert [cell.strip() for cell in line.strip("|").split("|")] == [
        *(FLOOR, "–", "–", "–"),
        *("3.00 (2.00 to 4.00)", "4.00 (3.00 to 5.00)", "3.50"),
    ]


def test_accuracy_of_a_variant(text):
    rows = {row[0]: row[1:] for row in table_after(text, "### Accuracy and cost")[2:]}
    assert rows["base"][0] == "1,004"
    assert rows["base"][1] == "4.50"
    for cell in rows["base"][2:]:
        assert float(cell.split(" ± ")[0]) == pytest.approx(10, abs=0.5)


def test_missing_results_are_shown_as_missing(text):
    for heading in ("### Against the base", "### Accuracy and cost", "### Label by label"):
        row = next(row for row in table_after(text, heading) if row[0] == "blocks_3")
        assert "missing" in row[1]


def test_choices_that_no_claim_is_about_are_listed_apart(text):
    section = text[text.index("### Choices that are not") : text.index("### Accuracy and cost")]
    listed = re.findall(r"^- `(\w+)`", section, re.MULTILINE)
    assert "roofline_both" in listed
    assert "loss_relative" in listed
    assert not {"base", "max", "without_gnpb", "multi_pcgrad"} & set(listed)


def test_headline_counts_the_outcomes(text):
    headline = next(line for line in text.splitlines() if line.startswith("**"))
    assert numbers(headline) == [len(CLAIMS), 7, 1, 3]


def test_the_document_is_whole(written):
    check_pages(written[2], "ablation")
    check_figures(written[2], "ablation", 2)
    check_outputs(DOCUMENT, written[2])


def test_rendering_again_changes_no_byte(written, tmp_path):
    mapping, results, reports = written
    render(mapping, results, tmp_path)
    assert files_in(tmp_path) == files_in(reports)


def test_plot_tables(written):
    rows = pd.read_csv(written[2] / "plots" / "ablation_mape.csv")
    base = rows[rows["variant"] == "base"]
    assert (base["difference_points"] == 0).all()
    assert set(rows["label"]) == set(written[0]["ablation"]["targets"])
    assert "blocks_3" not in set(rows["variant"])


def test_a_changed_record_changes_the_report(tampered, text, tmp_path):
    mapping, paths = tampered
    path = paths.ablation / "max" / "0" / "record.json"
    record = json.loads(path.read_text())
    record["metrics"]["train_time_ms"]["mape_pct"]["value"] = 42.0
    path.write_text(json.dumps(record))
    render(mapping, tmp_path / "results", tmp_path / "out")
    assert (tmp_path / "out" / "ablation.md").read_text() != text


def test_records_of_other_parameters_are_refused(tampered):
    mapping, paths = tampered
    mapping["ablation"]["base"]["training.max_epochs"] = 7
    with pytest.raises(PerfseerError, match="parameters"):
        load_study(mapping, paths)


def test_a_changed_variant_concerns_its_own_records_only(tampered):
    mapping, paths = tampered
    mapping["ablation"]["variants"]["blocks_2"]["predictors.seernet.blocks"] = 4
    with pytest.raises(PerfseerError) as caught:
        load_study(mapping, paths)
    assert set(re.findall(r"^  (\w+)/", str(caught.value), re.MULTILINE)) == {"blocks_2"}


def test_a_record_in_the_wrong_place_is_refused(tampered):
    mapping, paths = tampered
    for name in ("record.json", "predictions.parquet"):
        shutil.copy(paths.ablation / "max" / "0" / name, paths.ablation / "max" / "1" / name)
    with pytest.raises(
        PerfseerError, match=r"max/1/record\.json: it is the record of seernet / architecture / 0"
    ):
        load_study(mapping, paths)


def test_nothing_fitted_yet_is_a_report_too(tampered, tmp_path):
    mapping, paths = tampered
    shutil.rmtree(paths.ablation)
    published = render(mapping, tmp_path / "results", tmp_path / "out")
    rows = table_after(published.paths[0].read_text(), "## The paper's claims")[2:]
    assert [row[3] for row in rows] == ["missing"] * len(CLAIMS)
    assert len(published.missing) == 1 + len(mapping["ablation"]["variants"])


def test_a_variant_that_is_null_is_in_no_report(written, tmp_path):
    mapping, results, _ = written
    changed = copy.deepcopy(mapping)
    changed["ablation"]["variants"] |= {"blocks_3": None, "multi_sum": None, "mean": None}
    study = load_study(changed, Paths.below(results))
    assert not {"blocks_3", "multi_sum", "mean"} & set(study.variants)
    assert study.missing() == []
    render(changed, results, tmp_path)
    text = (tmp_path / "ablation.md").read_text(encoding="utf-8")
    assert "`blocks_3`" not in text
    assert "Missing records" not in text
