"""The report on published results, from records made on made-up ones."""

import re
import shutil
from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import pytest

from perfseer.data.files import write_json
from perfseer.evaluation.intervals import Interval
from perfseer.evaluation.ledger import Ledger
from perfseer.reporting.units import interval
from perfseer.studies.public import breakdown, devices, reasons
from perfseer.studies.public.about import DOCUMENT
from perfseer.studies.public.agreement import Agreement, floor_by_file
from perfseer.studies.public.facts import row_facts, write_facts
from perfseer.studies.public.fitting import Case, run
from perfseer.studies.public.goals import Goal
from perfseer.studies.public.render import markdown, render, render_study
from perfseer.studies.public.study import load_study
from perfseer.studies.public.tables import goal_verdict
from perfseer.studies.public.unseen import UnseenCase, run_unseen
from perfseer.studies.public.wording import title
from tests.helpers.public_results import (
    BOOSTING,
    CPU,
    FILES,
    GPU_NEW,
    GPU_OLD,
    TRAIN,
    settings,
    silent,
    stand_in,
)
from tests.helpers.reading import table_after

UNSEEN = {"entrant": "elsewhere", "devices": {"cpu": (CPU,)}, "seeds": (0,), "measured": (0, 5)}
ENTRANTS = {
    "roofline": {"predictor": "roofline", "files": (GPU_NEW,)},
    "boosting": {"predictor": "boosting", "settings": BOOSTING, "files": FILES[:3]},
    # Knows one device alone and is asked about another.
    "elsewhere": {
        "predictor": "roofline",
        "files": (GPU_NEW,),
        "fit": "joint",
        "groupings": ("architecture",),
        "seeds": (0,),
        "folds": (0,),
    },
}


@pytest.fixture(scope="module")
def chosen():
    return settings(entrants=ENTRANTS, unseen=UNSEEN)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, chosen, data):
    """Every record of the study but one."""
    out = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        stand_in(patch, data)
        for name in chosen.fitted:
            entrant = chosen.entrant(name)
            for grouping, seed in product(entrant.groupings, entrant.seeds):
                run(Case(chosen, name, grouping, seed), out, 1, silent)
        run_unseen(UnseenCase(chosen, "cpu", 0), out, silent)
        write_facts(out, row_facts(data))
    (out / "roofline" / "family" / "1" / "2" / "record.json").unlink()
    return out


@pytest.fixture(scope="module")
def study(chosen, folder):
    return load_study(chosen, folder)


@pytest.fixture(scope="module")
def report(study, tmp_path_factory):
    out = tmp_path_factory.mktemp("reports")
    render_study(study, out)
    return out


def test_what_is_missing_is_said(study, report):
    (line,) = study.missing()
    assert "`roofline` (11 of 12" in line
    assert line in (report / "public.md").read_text()


def test_the_ledger_has_every_seed_of_everyone(study):
    table = study.ledger.table
    takes_part = table.drop_duplicates(["predictor", "variant", "split", "seed"])
    # roofline, boosting and their mean by two groupings at two seeds, elsewhere and the variant at one.
    assert (takes_part["split"] != "cpu").sum() == 3 * 4 + 1 + 2
    errors = table[(table["variant"] == "stumps") & (table["metric"] == "mape_pct")]
    assert (errors["predictor"] == "boosting").all()
    assert errors.set_index(["split", "label"]).index.is_unique
    assert set(errors["label"]) == set(FILES[:3])
    assert (errors["n"] < 72).all()  # two of three folds
    full = table[(table["predictor"] == "boosting") & (table["variant"] == "")]
    assert set(full["n"]) == {72}
    assert set(full["metric"]) == {"mape_pct", "median_pct", "within_5_pct", "within_10_pct"}


def test_a_trial_without_a_fold_is_missing_and_so_is_the_mean_it_is_part_of(study):
    assert study.ledger.missing() == {
        study.contender("roofline", "family"): [1],
        study.contender("both", "family"): [1],
    }


def test_a_trial_with_a_fold_of_older_code_is_stale(study):
    assert study.ledger.n_stale == 0
    table = replace(study, older=study.records["roofline"][:2]).ledger.table
    stale = table[table["status"] == "stale"]
    assert set(stale["predictor"]) == {"roofline", "both"}
    assert set(zip(stale["split"], stale["seed"], strict=True)) == {("architecture", 0)}


def test_the_ledger_is_written_where_the_records_are(study, chosen, folder, tmp_path):
    copied = shutil.copytree(folder, tmp_path / "results" / "public")
    published = render({"public": chosen.model_dump(mode="json")}, copied.parent, tmp_path / "out")
    assert published.missing == tuple(study.missing())
    written = Ledger.read(copied / "ledger.parquet", 0.95)
    pd.testing.assert_frame_equal(written.table, study.ledger.table)
    assert written.mean(study.contender("boosting", "family"), CPU, "mape_pct") == study.mean(
        "boosting", "family", CPU
    )


def test_a_seed_without_all_its_folds_does_not_count(study):
    assert set(study.values("roofline", "family", GPU_NEW, "mape_pct")) == {0}
    assert set(study.values("roofline", "architecture", GPU_NEW, "mape_pct")) == {0, 1}
    assert study.values("roofline", "family", GPU_OLD, "mape_pct") == {}


def test_the_mean_over_seeds_is_that_of_the_tables(study):
    rows = study.tables["boosting"]
    rows = rows[(rows["grouping"] == "family") & (rows["source"] == CPU)]
    errors = 100 * (rows["predicted_ms"] / rows["actual_ms"] - 1).abs()
    by_seed = errors.groupby(rows["seed"]).mean()
    assert study.mean("boosting", "family", CPU).mean == pytest.approx(by_seed.mean())
    assert study.values("boosting", "family", CPU, "within_10_pct")[0] == pytest.approx(
        100 * (errors[rows["seed"] == 0] <= 10).mean()
    )


def test_a_mean_of_predictors_is_geometric(study):
    keys = ["grouping", "seed", "configuration"]
    one, other, both = (study.tables[name].set_index(keys) for name in ("roofline", "boosting", "both"))
    index = both.index[:50]
    expected = np.sqrt(one.loc[index, "predicted_ms"] * other.loc[index, "predicted_ms"])
    assert both.loc[index, "predicted_ms"].to_numpy() == pytest.approx(expected.to_numpy())


def test_a_difference_is_of_the_rows_both_predicted(study):
    found = study.difference("stumps", "boosting", "architecture", GPU_NEW)
    folds = study.tables["stumps"]
    folds = folds[(folds["grouping"] == "architecture") & (folds["source"] == GPU_NEW)]
    assert set(folds["fold"]) == {0, 2}
    base = study.tables["boosting"].set_index(["grouping", "seed", "configuration"])["error_pct"]
    own = folds.set_index(["grouping", "seed", "configuration"])["error_pct"]
    assert found.mean[0] == pytest.approx((own.abs() - base.reindex(own.index).abs()).mean())
    assert study.difference("stumps", "boosting", "architecture", TRAIN) is None


@pytest.mark.parametrize(
    ("mean", "half_width", "verdict"),
    [
        (2.4, 0.05, "aim reached"),
        (2.4, 0.2, "aim reached (interval straddles it)"),
        (3.0, 0.2, "reached"),
        (3.4, 0.2, "reached (interval straddles it)"),
        (3.6, 0.2, "not reached"),
        (5.0, None, "not reached, behind the prototype"),
    ],
)
def test_verdicts_on_goals(mean, half_width, verdict):
    goal = Goal(GPU_NEW, "architecture", 4.56, 3.5, 2.5)
    assert goal_verdict(goal, Interval(mean, half_width, 3, 0.95)) == verdict
    assert goal_verdict(goal, None) == "missing"


def test_the_report_is_complete_and_repeatable(study, report, tmp_path):
    render_study(study, tmp_path)
    names = sorted(path.relative_to(report).as_posix() for path in report.rglob("*.*"))
    assert names == sorted(DOCUMENT.outputs())
    assert all((report / name).read_bytes() == (tmp_path / name).read_bytes() for name in names)
    text = (report / "public.md").read_text()
    shown = re.findall(r"\]\((public/figures/[^)]+)\)", text)
    assert sorted(shown) == [name for name in names if name.endswith(".svg")]
    words = set(text.lower().replace("|", " ").split())
    assert not words & {"nan", "inf", "-inf"}


def test_the_headline_table_has_the_numbers_of_the_records(study, report):
    text = (report / "public.md").read_text()
    found = study.mean("boosting", "architecture", GPU_NEW)
    goals = {tuple(row[:2]): row[2:] for row in table_after(text, "## What was to be reached")}
    *limits, reached, _, noise = goals[title(GPU_NEW), "architecture"]
    assert [*limits, reached] == ["72", "4.56", "**3.5**", "2.5", f"**{interval(found)}**"]
    assert float(noise.removeprefix("≤ ")) == pytest.approx(
        100 * 0.01 * np.sqrt(2) * np.sqrt(2 / np.pi), rel=0.3
    )
    assert goals[title(TRAIN), "family"] == ["0", "7.56", "**6**", "5", "missing", "missing", "unknown"]


def test_groups_of_sizes_hold_equally_many_rows(study):
    groups = breakdown.by_size(study, "architecture", GPU_NEW)
    assert [one.rows for one in groups] == [15, 14, 14, 14, 15]
    rows = study.rows("boosting", "architecture", GPU_NEW)
    weighted = sum(one.mape_pct * one.rows for one in groups) / 72
    assert weighted == pytest.approx(rows["error_pct"].abs().mean())
    assert all(one.low_pct <= one.mape_pct <= one.high_pct for one in groups)


def test_families_come_largest_error_first(study):
    groups = breakdown.by_family(study, GPU_NEW)
    assert groups == []  # none of the nine has five architectures
    batches = breakdown.by_batch_size(study, "family", GPU_NEW)
    assert [(one.name, one.rows) for one in batches] == [("8", 72)]


def test_coverage_counts_measurements_inside(study):
    assert breakdown.coverage(study, "family", (GPU_NEW,)) is None
    table = study.tables["boosting"]
    low, high = table["actual_ms"] * 0.9, table["actual_ms"] * 1.1
    inside = np.arange(len(table)) % 4 != 0
    widened = table.assign(low_ms=np.where(inside, low, high), high_ms=high * 2)
    known = replace(study, tables={**study.tables, "boosting": widened})
    rows = known.rows("boosting", "family", GPU_NEW)
    expected = 100 * ((rows["low_ms"] <= rows["actual_ms"]) & (rows["actual_ms"] <= rows["high_ms"])).mean()
    found = breakdown.coverage(known, "family", (GPU_NEW,))
    assert found.mean[0] == pytest.approx(expected)
    assert "%, below the 88 to 92 %" in breakdown.coverage_verdict(known, "family")


def test_a_device_left_out_has_a_curve(study, report):
    points = devices.curve(study, "cpu", CPU, known=False)
    assert [one.measured for one in points] == [0, 5]
    assert points[0].mape_pct.mean > 90 > points[1].mape_pct.mean
    assert points[0].rows == points[1].rows
    known = devices.curve(study, "cpu", CPU, known=True)
    assert known[0].rows + points[0].rows == 72
    assert known[1].rows == known[0].rows - 5
    trained = devices.trained(study, "cpu", CPU)
    fold = study.unseen["cpu"]
    names = fold.loc[~fold["known"] & (fold["measured"] == 0), "configuration"]
    rows = study.rows("boosting", "architecture", CPU)
    same = rows[(rows["seed"] == 0) & rows["configuration"].isin(names)]
    assert trained.mean == pytest.approx(same["error_pct"].abs().mean())
    lines = table_after((report / "public.md").read_text(), "## A device never seen")[2:]
    assert [line[2] for line in lines] == ["none", "5", "none", "5", "all"]
    assert lines[1][3:5] == [f"{points[1].rows}", interval(points[1].mape_pct)]


def altered(study, configuration, file, factor):
    """The study with one label and its error changed."""
    facts, table = study.facts.copy(), study.tables["boosting"].copy()
    facts.loc[configuration, "time_ms"] *= factor
    mine = table["configuration"] == configuration
    table.loc[mine, "actual_ms"] *= factor
    table["error_pct"] = 100 * (table["predicted_ms"] / table["actual_ms"] - 1)
    return replace(study, facts=facts, tables={**study.tables, "boosting": table})


def test_a_label_that_another_file_contradicts_is_suspect(study):
    name = f"{GPU_NEW}/neta0/224"
    first = reasons.worst(altered(study, name, GPU_NEW, 10.0), "architecture", 3)[0]
    assert first.facts["configuration"] == name
    assert first.log_error == pytest.approx(np.log(0.1), abs=0.5)
    ms = {file: study.facts.loc[f"{file}/neta0/224", "time_ms"] / 8 for file in (GPU_NEW, GPU_OLD)}
    assert first.reasons[0].startswith("label suspect: ")
    assert f"in {title(GPU_OLD)}" in first.reasons[0]
    assert f" {10 * ms[GPU_NEW]:.3g} ms" in first.reasons[0]
    assert f" {ms[GPU_OLD]:.3g} in" in first.reasons[0]


def test_a_label_that_another_version_confirms_is_no_reason(study):
    name = f"{GPU_NEW}/netb1/224"
    both = altered(altered(study, name, GPU_NEW, 10.0), f"{GPU_OLD}/netb1/224", GPU_OLD, 10.0)
    found = {one.facts["configuration"]: one for one in reasons.worst(both, "architecture", 2)}
    assert found[name].reasons == ()
    (remark,) = found[name].remarks
    assert title(GPU_OLD) in remark
    assert f"| {reasons.NONE_FOUND}; {remark} |" in reasons.worst_table(list(found.values()))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"other_share": 0.5}, "unknown operators move 50.0 % of the bytes"),
        (
            {"rare_share": 0.2, "rare": "31×31 conv"},
            "20.0 % of the bytes in operators few families have (31×31 conv)",
        ),
        (
            {"grouped_share": 0.3, "memory_format": "nhwc"},
            "grouped convolutions in nhwc move 30.0 % of the bytes",
        ),
        ({"batch_size": 1}, "batch of 1 where the file's median is 8"),
        ({"n_nodes": 1e6}, "waiting for launches, not computing"),
        ({"flops": 1e15}, "among the largest 1 % of the file by FLOPs"),
        ({"family": "lonely"}, "family lonely has 1 architecture in this file"),
    ],
)
def test_every_rule_finds_its_cause(study, changes, words):
    name = f"{GPU_NEW}/netc2/224"
    facts = study.facts.copy()
    for column, value in changes.items():
        facts.loc[name, column] = value
    strange = altered(replace(study, facts=facts), name, GPU_NEW, 1.0)
    table = strange.tables["boosting"].copy()
    mine = table["configuration"] == name
    table.loc[mine, "error_pct"] = -95.0
    strange = replace(strange, tables={**strange.tables, "boosting": table})
    first = reasons.worst(strange, "architecture", 1)[0]
    assert first.facts["configuration"] == name
    assert any(words in reason for reason in first.reasons), first.reasons


def test_relatives_that_err_alike_are_a_reason(study):
    table = study.tables["boosting"].copy()
    mine = (table["family"] == "netd") & (table["source"] == GPU_NEW)
    table.loc[mine, "error_pct"] = 400.0
    found = reasons.worst(replace(study, tables={**study.tables, "boosting": table}), "architecture", 8)
    assert {one.facts["family"] for one in found} == {"netd"}
    assert all(
        "its family errs alike: median +400 % over 3 other netd models" in one.reasons for one in found
    )


def test_the_floor_of_a_file_is_its_closest_agreement(study):
    near = Agreement(GPU_NEW, GPU_OLD, 1.0, 2.0, 1.0, 3.0, 1.0, 100)
    far = replace(near, second="other", mean_pct=9.0)
    assert floor_by_file([far, near]) == {GPU_NEW: near, GPU_OLD: near, "other": far}


def test_without_any_record_the_report_says_so(chosen, tmp_path):
    empty = load_study(chosen, tmp_path / "nothing")
    assert len(empty.missing()) == 5
    text = markdown(empty)
    assert "`boosting` (0 of 12" in text
    assert "missing" in {cell for row in table_after(text, "## What was to be reached") for cell in row}
    assert len(empty.ledger.missing()) == 2 * 3 + 1 + 2 + 1


def test_records_of_other_settings_are_left_out(chosen, folder):
    other = chosen.model_copy(update={"valid_share": 0.3})
    assert load_study(other, folder).tables == {}


def test_a_damaged_record_counts_as_absent(chosen, folder):
    record = folder / "stumps" / "family" / "0" / "0" / "record.json"
    original = record.read_bytes()
    try:
        write_json(record, {"schema_version": 0})
        assert len(load_study(chosen, folder).records["stumps"]) == 3
    finally:
        record.write_bytes(original)
    assert len(load_study(chosen, folder).records["stumps"]) == 4


def test_titles_of_files():
    assert title(GPU_NEW) == "RTX 3090 inference, amp-fp16 nchw, torch 2.4.0"
    assert title(CPU) == "i9-10940X inference, fp32 nchw, compiled, torch 2.4.0"
    assert pd.Series([title(file) for file in FILES]).is_unique
