"""The ablation report on records with known errors: outcomes by rule, missing ones shown, equal bytes."""

import copy
import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import yaml

from perfseer.data.assembly import assemble, write_dataset
from perfseer.data.dataset import Dataset
from perfseer.data.folds import open_fold
from perfseer.data.settings import DatasetSettings
from perfseer.errors import PerfseerError
from perfseer.evaluation.noise import NoiseFloor
from perfseer.evaluation.records import Cost, build_record, write_record
from perfseer.evaluation.settings import EvaluationSettings
from perfseer.reporting.floors import FLOOR
from perfseer.reporting.outputs import OUTPUTS
from perfseer.studies.ablation.claims import CLAIMS, judge
from perfseer.studies.ablation.contrasts import Contrast, compare
from perfseer.studies.ablation.render import against_base, compare_all, render
from perfseer.studies.ablation.study import Paths, load_study
from perfseer.studies.ablation.tables import accuracy_table, mark
from perfseer.studies.ablation.variants import resolve, variant_digests
from tests.helpers.experiment_files import ROOT, FakePredictor, measurements
from tests.helpers.synthetic import make_store
from tests.studies.overview.test_report import table_after

# Relative errors of the made-up variants; whatever is not listed errs like the base, up to noise.
BASE_ERROR = 0.10
ERRORS = {
    "without_node_features": 0.30,
    "without_edge_features": 0.12,
    "without_global_features": 0.20,
    "max": 0.08,
    "mean": 0.13,
    "multi_pcgrad": 0.14,
    "multi_sum": 0.15,
    "operator_one_hot": 0.101,
}
MISSING = (("blocks_3", 0), ("blocks_3", 1), ("blocks_3", 2), ("multi_sum", 2))


def parameters():
    mapping = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    mapping["seeds"] = [0, 1, 2]
    mapping["report"]["comparison"] |= {"resamples": 4000, "min_networks": 20}
    return mapping


def write_dataset_files(folder, mapping):
    table = measurements(n_architectures=60)
    store, index = make_store(table)
    store.save(folder / "graphs.safetensors")
    index.to_parquet(folder / "index.parquet", index=False)
    settings = DatasetSettings.from_mapping(mapping)
    inputs = {"graphs": folder / "graphs.safetensors", "index": folder / "index.parquet"}
    write_dataset(
        assemble(table, store, index, settings), folder / "dataset", inputs=inputs, settings=settings
    )
    return Dataset.open(folder / "dataset", folder / "graphs.safetensors")


def predict(part, variant, seed):
    """Off by ± the variant's error, with noise above the excess of `operator_one_hot`."""
    rng = np.random.default_rng([1, seed, len(part), *variant.name.encode()])
    error = ERRORS.get(variant.name, BASE_ERROR) * (1 + 0.2 * rng.uniform(-1, 1, len(part)))
    signs = np.where(np.arange(len(part)) % 2, 1.0, -1.0)
    values = part.rows[list(variant.targets)].to_numpy() * (1 + signs * error)[:, None]
    return pd.DataFrame(values, columns=list(variant.targets))


def write_run(folder, mapping, data, variant, seed):
    fold = open_fold(data, folder / "dataset", variant.split, seed)
    record, table = build_record(
        FakePredictor(variant.predictor, 1000 + len(variant.name)),
        fold,
        predict(fold.test, variant, seed),
        settings=variant.fitting["settings"],
        digests=variant_digests(variant, folder / "dataset"),
        cost=Cost(fit_s=4.5, predict_ms_per_row=0.25, peak_mem_mib=300.0),
        environment={"python": "3.11"},
        evaluation=EvaluationSettings.model_validate(mapping["evaluation"]),
        valid_predictions=predict(fold.valid, variant, seed),
    )
    write_record(folder / "ablation" / variant.name / str(seed), record, table)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Parameters, paths and the folder of a rendered report; some records are missing."""
    folder = tmp_path_factory.mktemp("ablation")
    mapping = parameters()
    data = write_dataset_files(folder, mapping)
    for variant in resolve(mapping).values():
        for seed in mapping["seeds"]:
            if (variant.name, seed) not in MISSING:
                write_run(folder, mapping, data, variant, seed)
    paths = Paths(folder / "ablation", folder / "dataset", folder / "repeats.parquet")
    render(mapping, paths, folder / "reports")
    return mapping, paths, folder / "reports"


def judged(study):
    return judge(study, compare_all(study))


def only(study, first, second):
    (tested,) = compare(study, [Contrast((first,), (second,))]).values()
    return tested


@pytest.fixture(scope="module")
def study(written):
    return load_study(written[0], written[1])


@pytest.fixture(scope="module")
def text(written):
    return (written[2] / "ablation.md").read_text(encoding="utf-8")


@pytest.fixture
def tampered(written, tmp_path):
    """A private copy of parameters and records."""
    mapping, paths, _ = written
    shutil.copytree(paths.ablation, tmp_path / "ablation")
    return copy.deepcopy(mapping), Paths(tmp_path / "ablation", paths.dataset, paths.repeats)


def test_outcomes_follow_from_the_errors(study):
    outcomes = {one.claim.says: one.outcome for one in judged(study)}
    assert outcomes == {
        "The choice of features is worth more than the architecture": "agrees",
        "Node features matter": "agrees",
        "Global features have a very large share once node features exist": "agrees",
        "Edge features are measurable": "agrees",
        "Edge features are worth less than global ones": "agrees",
        "SynMM is better than the maximum alone": "contradicts",
        "SynMM is better than the mean alone": "agrees",
        "The global-node boost (GNPB) helps": "no difference shown",
        "The operator's category is harmful": "no difference shown",
        "One network for all labels costs accuracy": "agrees",
        # Two seeds of three: never shown.
        "PCGrad helps SeerNet-Multi": "no difference shown",
    }


def test_a_difference_by_hand(study):
    """Mean over seeds of the differences of MAPE, from the records themselves."""
    tested = only(study, "without_node_features", "base")
    expected = []
    for seed in study.seeds:
        mape = [
            np.mean(
                [study.fitted[name, seed].record.metrics[t]["mape_pct"].value for t in study.base.targets]
            )
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
    claims = {one.claim.says: one for one in judge(study, compared)}
    assert (
        claims["The global-node boost (GNPB) helps"].tested is against_base(study, compared)["without_gnpb"]
    )
    assert len(compared) == len(study.variants) - 1 + 3  # three claims compare something else


def test_claims_are_found_by_what_variants_change(tampered):
    """A renamed variant still answers its claim; one that changes something else too does not."""
    mapping, paths = tampered
    variants = mapping["ablation"]["variants"]
    variants["no_boost"] = variants.pop("without_gnpb")
    variants["max"]["predictors.seernet.blocks"] = 2
    shutil.move(paths.ablation / "without_gnpb", paths.ablation / "no_boost")
    shutil.rmtree(paths.ablation / "max")
    outcomes = {one.claim.says: one for one in judged(load_study(mapping, paths))}
    assert outcomes["The global-node boost (GNPB) helps"].tested is not None
    lost = outcomes["SynMM is better than the maximum alone"]
    assert (lost.outcome, lost.missing) == ("not computed", ("predictors.seernet.aggregation=max",))


def test_few_seeds_or_networks_show_nothing(tampered):
    mapping, paths = tampered
    for change in ({"min_seeds": 4}, {"min_networks": 10_000}):
        strict = copy.deepcopy(mapping)
        strict["report"]["comparison"] |= change
        assert {one.outcome for one in judged(load_study(strict, paths))} == {"no difference shown"}


def test_every_variant_and_claim_has_its_line(written, text):
    claims = table_after(text, "## The paper's claims")[2:]
    assert [row[1].split(" (")[0] for row in claims] == [claim.says.split(" (")[0] for claim in CLAIMS]
    accuracy = table_after(text, "### Accuracy and cost")[2:]
    assert [row[0] for row in accuracy] == ["base", *written[0]["ablation"]["variants"], FLOOR]
    changes = {row[0]: row[1] for row in table_after(text, "What each variant changes")[2:]}
    assert changes["blocks_2"] == "`predictors.seernet.blocks=2`"


def test_the_floor_stands_below_the_variants(study, text):
    assert table_after(text, "### Accuracy and cost")[-1][-3:] == ["not measured"] * 3
    assert "**Measurement noise (floor): not measured.**" in text
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
    assert "**Missing records:** blocks_3 / seed 0, 1, 2; multi_sum / seed 2." in text
    for heading in ("### Against the base", "### Accuracy and cost", "### Label by label"):
        row = next(row for row in table_after(text, heading) if row[0] == "blocks_3")
        assert "missing" in row[1]
    assert "not computed: `blocks_3`" in text


def test_choices_that_no_claim_is_about_are_listed_apart(text):
    section = text[text.index("### Choices that are not") : text.index("### Accuracy and cost")]
    listed = re.findall(r"^- `(\w+)`", section, re.MULTILINE)
    assert "roofline_both" in listed
    assert "loss_relative" in listed
    assert not {"base", "max", "without_gnpb", "multi_pcgrad"} & set(listed)


def test_headline_counts_the_outcomes(text):
    assert "agree with 7, contradict 1, and show no difference for 3.**" in text


def test_no_impossible_number(written, text):
    page = (written[2] / "ablation.html").read_text(encoding="utf-8")
    for content in (text, page[page.index("<body>") :]):
        words = re.findall(r"[A-Za-z]+|\d[\d.,e+-]*", content)
        assert not {"nan", "NaN", "inf", "Inf", "None", "Undefined"} & set(words)


def test_rendering_again_changes_no_byte(written, tmp_path):
    mapping, paths, reports = written
    render(mapping, paths, tmp_path)
    first = {path.relative_to(reports): path.read_bytes() for path in reports.rglob("*") if path.is_file()}
    again = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert first == again


def test_the_workflow_waits_for_what_the_report_writes(written):
    found = {path.relative_to(written[2]).as_posix() for path in written[2].rglob("*") if path.is_file()}
    outputs = OUTPUTS["ablation"]
    expected = {"ablation.md", "ablation.html"}
    expected |= {f"plots/{name}.csv" for name in outputs.tables}
    expected |= {f"figures/{stem}.svg" for stem in outputs.figures}
    assert found == expected


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
    render(mapping, paths, tmp_path / "out")
    assert (tmp_path / "out" / "ablation.md").read_text() != text


def test_records_of_other_parameters_are_refused(tampered):
    mapping, paths = tampered
    mapping["ablation"]["base"]["training.max_epochs"] = 7
    with pytest.raises(PerfseerError, match="parameters digest"):
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


def test_nothing_fitted_yet_is_a_report_too(written, tmp_path):
    mapping, paths, _ = written
    markdown, _ = render(mapping, Paths(tmp_path / "nothing", paths.dataset, paths.repeats), tmp_path / "out")
    text = markdown.read_text()
    assert f"{len(CLAIMS)} could not be computed" in text
    assert "not computed" in text
