"""Judgements follow from thresholds and data: change either and the words change."""

import dataclasses

import numpy as np
import pytest

from perfseer.errors import PerfseerError
from perfseer.reporting.settings import ReportSettings
from perfseer.studies.experiment import load_experiment
from perfseer.studies.overview import judgement
from perfseer.studies.overview.checks import checks
from perfseer.studies.profile import constant_note
from tests.helpers.experiment_files import parameters, write_experiment


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    return load_experiment(*write_experiment(tmp_path_factory.mktemp("experiment")))


def changed(experiment, **update):
    """The same results under other report settings."""
    report = experiment.report.model_copy(update=update)
    return dataclasses.replace(experiment, report=report)


def with_threshold(experiment, **update):
    return changed(experiment, judgement=experiment.report.judgement.model_copy(update=update))


def found(experiment, start):
    return [check for check in checks(experiment) if check.question.startswith(start)]


@pytest.mark.parametrize(
    ("mape", "word"), [(0.0, "excellent"), (5.0, "excellent"), (5.01, "good"), (20.0, "fair"), (20.1, "poor")]
)
def test_grade_words(mape, word):
    assert ReportSettings.model_validate(parameters()["report"]).grades.word(mape) == word


def test_grades_must_ascend():
    section = parameters()["report"] | {"grades": {"excellent": 5, "good": 4, "fair": 20}}
    with pytest.raises(ValueError, match="ascend"):
        ReportSettings.model_validate(section)


def test_grade_says_when_the_interval_reaches_another_word(experiment):
    # MAPE 8.1 ± 1.27: inside good; with the bound at 9 it reaches fair.
    assert judgement.grade(experiment, "train_time_ms") == "good"
    grades = experiment.report.grades.model_copy(update={"good": 9.0})
    assert (
        judgement.grade(changed(experiment, grades=grades), "train_time_ms")
        == "good (the interval reaches fair)"
    )


def test_a_network_worse_than_boosting_is_called_so_with_both_numbers(experiment):
    (sentence, _) = judgement.verdicts(experiment)
    assert "seernet is **worse than boosting**" in sentence
    assert "8.10 ± 1.27 % against 5.10 ± 1.27 %" in sentence
    advice = judgement.recommendations(checks(experiment), ("model", "training"))
    assert any(line.startswith("Use boosting for training time") for line in advice)


def test_a_better_network_is_called_better(experiment):
    swapped = changed(experiment, predictor="boosting", reference="seernet")
    assert all("**better than seernet**" in sentence for sentence in judgement.verdicts(swapped))
    assert not any(check.triggered for check in found(swapped, "Is boosting worse"))


def test_noise_is_judged_by_the_floor_where_there_is_one(experiment):
    # Floor 2.30 %, MAPE 8.10 %: a share of 0.28.
    (train, _) = found(experiment, "Does measurement noise limit")
    assert train.found == "noise floor 2.30 % (24 configurations measured again), MAPE 8.10 %"
    assert not train.triggered
    assert found(with_threshold(experiment, noise_share=0.25), "Does measurement noise")[0].triggered
    assert "3.5 × the noise floor" in judgement.assessments(experiment)[0]
    once = dataclasses.replace(experiment, floors={})
    assert found(once, "Does measurement noise")[0].found.startswith("median half width 2.00 % over 46 rows")
    assert "noise floor" not in judgement.assessments(once)[0]


def test_few_rows(experiment):
    assert found(experiment, "Is there little")[0].triggered
    assert not found(with_threshold(experiment, rows=10), "Is there little")[0].triggered


def test_quarantine_share_is_counted_by_row(experiment):
    (check,) = found(experiment, "Were many configurations refused")
    assert check.found == "2 of 48 (4.17 %)"
    assert check.triggered
    assert not found(with_threshold(experiment, quarantine_pct=5), "Were many")[0].triggered


def test_a_busy_machine_is_called_busy(experiment):
    (check, _) = found(experiment, "Were other processes busy")
    assert (check.found, check.triggered) == ("0.25 cores on average", True)
    assert not found(with_threshold(experiment, foreign_cores=0.3), "Were other processes")[0].triggered


def test_a_label_that_does_not_vary_is_called_constant(experiment):
    assert not found(experiment, "Are labels practically constant")[0].triggered
    rows = experiment.rows.assign(train_util_pct=np.linspace(99.0, 100.0, len(experiment.rows)))
    flat = dataclasses.replace(experiment, rows=rows)
    (check,) = found(flat, "Are labels practically constant")
    # 90 % of a range of one point around 99.5.
    assert (check.triggered, check.found) == (True, "training utilisation: middle 90 % within 0.905 %")
    assert "training utilisation" in constant_note(flat)
    assert constant_note(experiment) == ""


def test_noise_beside_error(experiment):
    # Half widths are 2 %, MAPE 8.1 %: a share of 0.247.
    assert not found(experiment, "Does measurement noise")[0].triggered
    assert found(with_threshold(experiment, noise_share=0.24), "Does measurement noise")[0].triggered


def test_checks_that_lead_to_the_same_advice_share_a_line(experiment):
    once = dataclasses.replace(experiment, floors={})
    strict = with_threshold(once, noise_share=0.24)
    lines = judgement.recommendations(checks(strict), ("data", "measurement"))
    (line,) = [line for line in lines if line.startswith("Measure longer")]
    assert "limit training time?" in line
    assert "limit inference time?" in line


def test_noise_of_too_few_rows_is_not_computed(experiment):
    rows = experiment.rows.copy()
    rows.loc[rows.index[3:], ["train_time_ci_low_ms", "train_time_ci_high_ms"]] = float("nan")
    sparse = dataclasses.replace(experiment, rows=rows, floors={})
    noise = found(sparse, "Does measurement noise limit training")[0]
    assert (noise.triggered, noise.found) == (None, "only 3 rows with an interval")
    missed = found(sparse, "Did many measurements of training")[0]
    assert missed.found == "93.5 %"  # 43 of 46 rows have no interval


def test_curves_that_end_at_their_best_are_cut_short(experiment):
    (check,) = found(experiment, "Did training end")
    assert check.triggered
    assert check.found.startswith("12 of 12 curves")


def test_validation_far_above_training_is_overfitting(experiment):
    # The made-up histories have 1.2 / epoch against 1 / epoch.
    (check,) = found(experiment, "Is validation loss far above")
    assert (check.found, check.triggered) == ("median ratio 1.20 over 12 curves", False)
    assert found(with_threshold(experiment, overfit_ratio=1.1), "Is validation loss far above")[0].triggered


def test_a_check_without_data_is_not_computed(experiment):
    empty = dataclasses.replace(experiment, runs={})
    states = {check.question: check.triggered for check in checks(empty)}
    assert states["Are results missing?"] is True
    assert states["Is there little to learn from?"] is None
    assert judgement.grade(empty, "train_time_ms") == "not graded: no record"
    assert "no record of seernet" in judgement.conclusion(empty, checks(empty))


def test_every_recommendation_names_a_number(experiment):
    for areas in (("data", "measurement"), ("model", "training")):
        for line in judgement.recommendations(checks(experiment), areas):
            assert any(character.isdigit() for character in line)


def test_unknown_predictor_in_the_report_section(experiment, tmp_path):
    mapping, paths = write_experiment(tmp_path)
    mapping["report"]["predictor"] = "crystal_ball"
    with pytest.raises(PerfseerError, match="crystal_ball"):
        load_experiment(mapping, paths)


def test_the_cost_of_the_shared_trunk_is_claimed_only_with_its_interval(experiment):
    (check,) = found(experiment, "Does the shared trunk")
    gap, half = (float(part.split()[0]) for part in check.found.split("±"))
    established = gap > half
    assert check.triggered == (gap > 0)
    assert check.advice.startswith("prefer the six") == established
    assert ("do not establish" in check.advice) == (not established)
