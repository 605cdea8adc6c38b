"""Judgements follow from thresholds and data: change either and the words change."""

import dataclasses

import numpy as np
import pytest

from perfseer.errors import PerfseerError
from perfseer.evaluation.intervals import Difference, Interval
from perfseer.reporting.settings import ReportSettings
from perfseer.studies.experiment import load_experiment
from perfseer.studies.overview import data_checks, judgement, model_checks
from perfseer.studies.overview.check import Check
from perfseer.studies.overview.checks import RULES, checks
from perfseer.studies.profile import constant_labels, constant_note
from tests.helpers.experiment_files import parameters, write_experiment
from tests.helpers.reading import numbers


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    return load_experiment(*write_experiment(tmp_path_factory.mktemp("experiment")))


def changed(experiment, **update):
    """The same results under other report settings."""
    report = experiment.report.model_copy(update=update)
    return dataclasses.replace(experiment, report=report)


def with_threshold(experiment, **update):
    return changed(experiment, judgement=experiment.report.judgement.model_copy(update=update))


def triggered(rule, experiment, **update):
    """Which checks of a rule trigger, under other thresholds."""
    return [check.triggered for check in rule(with_threshold(experiment, **update))]


def found(rule, experiment):
    """The numbers its checks found."""
    return [numbers(check.found) for check in rule(experiment)]


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
    hedged = judgement.grade(changed(experiment, grades=grades), "train_time_ms")
    assert hedged == "good (the interval reaches fair)"


def test_a_network_worse_than_boosting_is_called_so_with_both_numbers(experiment):
    (sentence, _) = judgement.verdicts(experiment)
    assert "**worse than boosting**" in sentence
    assert numbers(sentence) == [8.10, 1.27, 5.10, 1.27, 3.00, 0.0]
    assert triggered(model_checks.against_reference, experiment) == [True, True]


def test_a_better_network_is_called_better(experiment):
    swapped = changed(experiment, predictor="boosting", reference="seernet")
    assert all("**better than seernet**" in sentence for sentence in judgement.verdicts(swapped))
    assert triggered(model_checks.against_reference, swapped) == [False, False]


def test_noise_is_judged_by_the_floor_where_there_is_one(experiment):
    # Floor 2.30 %, from 24 configurations, MAPE 8.10 %: a share of 0.28.
    assert found(data_checks.noise, experiment) == [[2.30, 24, 8.10]] * 2
    assert triggered(data_checks.noise, experiment) == [False, False]
    assert triggered(data_checks.noise, experiment, noise_share=0.25) == [True, True]
    assert numbers(judgement.assessments(experiment)[0])[-1] == 3.5


def test_without_a_floor_noise_is_judged_by_half_widths(experiment):
    # Half widths are 2 %, over 46 rows, MAPE 8.1 %: a share of 0.247.
    once = dataclasses.replace(experiment, floors={})
    assert found(data_checks.noise, once) == [[2.00, 46, 8.10]] * 2
    assert triggered(data_checks.noise, once) == [False, False]
    assert triggered(data_checks.noise, once, noise_share=0.24) == [True, True]
    assert numbers(judgement.assessments(once)[0]) == [8.10, 1.27]


def test_few_rows(experiment):
    assert triggered(data_checks.amount, experiment) == [True]
    assert triggered(data_checks.amount, experiment, rows=10) == [False]


def test_quarantine_share_is_counted_by_row(experiment):
    assert found(data_checks.label_quality, experiment)[-1] == [2, 48, 4.17]
    assert triggered(data_checks.label_quality, experiment)[-1] is True
    assert triggered(data_checks.label_quality, experiment, quarantine_pct=5)[-1] is False


def test_a_busy_machine_is_called_busy(experiment):
    assert found(data_checks.quiet_machine, experiment) == [[0.25]] * 2
    assert triggered(data_checks.quiet_machine, experiment) == [True, True]
    assert triggered(data_checks.quiet_machine, experiment, foreign_cores=0.3) == [False, False]


def test_a_label_that_does_not_vary_is_called_constant(experiment):
    assert triggered(data_checks.constant, experiment) == [False]
    assert constant_note(experiment) == ""
    rows = experiment.rows.assign(train_util_pct=np.linspace(99.0, 100.0, len(experiment.rows)))
    flat = dataclasses.replace(experiment, rows=rows)
    assert triggered(data_checks.constant, flat) == [True]
    # 90 % of a range of one point around 99.5.
    assert constant_labels(flat) == {"training utilisation": pytest.approx(0.905, abs=5e-4)}
    assert numbers(constant_note(flat)) == [90, 0.905]


def test_a_test_error_far_above_the_validation_error_is_a_matter_of_data(experiment):
    # The made-up predictors err alike on all rows.
    assert found(data_checks.generalisation, experiment) == [[8.10, 8.10]] * 2
    assert triggered(data_checks.generalisation, experiment) == [False, False]
    assert triggered(data_checks.generalisation, experiment, generalisation_ratio=0.5) == [True, True]


def test_checks_that_lead_to_the_same_advice_share_a_line():
    same = [Check(f"{label}?", "data", "2", "1", True, "measure longer") for label in ("train", "infer")]
    other = [
        Check("rows?", "data", "2", "1", False, "add rows"),
        Check("fit?", "model", "2", "1", True, "fit"),
    ]
    assert len(judgement.recommendations([*same, *other], ("data",))) == 1


def test_noise_of_too_few_rows_is_not_computed(experiment):
    rows = experiment.rows.copy()
    rows.loc[rows.index[3:], ["train_time_ci_low_ms", "train_time_ci_high_ms"]] = float("nan")
    sparse = dataclasses.replace(experiment, rows=rows, floors={})
    noise = next(data_checks.noise(sparse))
    assert (noise.triggered, numbers(noise.found)) == (None, [3])
    assert found(data_checks.label_quality, sparse)[0] == [93.5]  # 43 of 46 rows have no interval


def test_curves_that_end_at_their_best_are_cut_short(experiment):
    assert triggered(model_checks.cut_short, experiment) == [True]
    assert found(model_checks.cut_short, experiment)[0][:2] == [12, 12]


def test_validation_far_above_training_is_overfitting(experiment):
    # The made-up histories have 1.2 / epoch against 1 / epoch.
    assert found(model_checks.overfitting, experiment) == [[1.20, 12]]
    assert triggered(model_checks.overfitting, experiment) == [False]
    assert triggered(model_checks.overfitting, experiment, overfit_ratio=1.1) == [True]


def test_a_check_without_data_is_not_computed(experiment):
    empty = dataclasses.replace(experiment, runs={})
    assert triggered(model_checks.complete, empty) == [True]
    for rule in (data_checks.amount, data_checks.generalisation, data_checks.noise, model_checks.cut_short):
        assert set(triggered(rule, empty)) == {None}, rule
    assert judgement.grade(empty, "train_time_ms").startswith("not graded")
    assert numbers(judgement.conclusion(empty, [])) == [0, 0]


def test_every_rule_is_asked(experiment):
    assert len(checks(experiment)) == sum(len(list(rule(experiment))) for rule in RULES)


def test_every_recommendation_names_a_number(experiment):
    for areas in (("data", "measurement"), ("model", "training")):
        for line in judgement.recommendations(checks(experiment), areas):
            assert numbers(line)


def test_unknown_predictor_in_the_report_section(tmp_path):
    mapping, paths = write_experiment(tmp_path)
    mapping["report"]["predictor"] = "crystal_ball"
    with pytest.raises(PerfseerError, match="crystal_ball"):
        load_experiment(mapping, paths)


@pytest.mark.parametrize(("half_width", "advice"), [(1.0, "shown"), (3.0, "not shown"), (None, "not shown")])
def test_a_difference_is_claimed_only_with_its_interval(half_width, advice):
    difference = Difference(Interval(2.0, half_width, 2, 0.95), (0, 1))
    check = model_checks.positive("worse?", difference, "shown", "not shown")
    assert (check.triggered, check.advice) == (True, advice)
