"""Checks of the data and of the measuring, behind the improvement recommendations."""

from collections.abc import Iterator
from itertools import product

import numpy as np

from perfseer.evaluation.breakdowns import GROUPINGS
from perfseer.evaluation.ledger import VALIDATION_MAPE
from perfseer.reporting.units import count, number, percent, plural, share_text
from perfseer.studies.experiment import Experiment
from perfseer.studies.overview.analysis import group_errors
from perfseer.studies.overview.check import Check
from perfseer.studies.profile import (
    constant_labels,
    foreign_cores,
    measurement_intervals,
    n_refused,
    wide_share_pct,
)
from perfseer.targets import TIMES, Target


def generalisation(experiment: Experiment) -> Iterator[Check]:
    """Whether unseen networks, rather than the fit, are the problem: test against validation error."""
    bound = experiment.report.judgement.generalisation_ratio
    for target in TIMES:
        question = f"Is the test error of {target.title} far above the validation error?"
        tested, chosen = (
            experiment.values(experiment.report.predictor, experiment.headline, target.name, metric)
            for metric in ("mape_pct", VALIDATION_MAPE)
        )
        seeds = [seed for seed in tested if seed in chosen]
        if not seeds:
            yield Check(question, "data", "records hold no validation error")
            continue
        test, valid = (float(np.mean([values[seed] for seed in seeds])) for values in (tested, chosen))
        yield Check(
            question,
            "data",
            f"{percent(test)} on test, {percent(valid)} on validation",
            f"ratio above {bound:g}",
            test > bound * valid,
            "measure more architectures: early stopping has fitted the few validation networks",
        )


def splits(experiment: Experiment) -> Iterator[Check]:
    """What the family and the random split say beside the headline."""
    judge = experiment.report.judgement
    yield from _ratio(
        experiment,
        ("family", experiment.headline),
        judge.family_ratio,
        "Are unseen stage styles much harder than unseen networks",
        "do not trust predictions for styles outside the measured ones; measure more styles",
    )
    yield from _ratio(
        experiment,
        (experiment.headline, "random"),
        judge.leak_ratio,
        "Does the random split flatter",
        "quote the random split only beside published figures; it lets test networks into training",
    )


def _ratio(
    experiment: Experiment, compared: tuple[str, str], bound: float, question: str, advice: str
) -> Iterator[Check]:
    """MAPE on the first split over MAPE on the second, both times."""
    upper, lower = compared
    if upper == lower or not {upper, lower} <= set(experiment.splits):
        return
    for target in TIMES:
        asked = f"{question} ({target.title})?"
        high, low = (experiment.mape(experiment.report.predictor, split, target.name) for split in compared)
        if high is None or low is None:
            yield Check(asked, "data", f"no records on the {upper} or the {lower} split")
            continue
        found = f"{percent(high.mean)} on {upper}, {percent(low.mean)} on {lower}"
        yield Check(asked, "data", found, f"ratio above {bound:g}", high.mean > bound * low.mean, advice)


def groups(experiment: Experiment) -> Iterator[Check]:
    """Groups of rows that are much worse than the whole."""
    judge, ours = experiment.report.judgement, experiment.report.predictor
    for target, grouping in product(TIMES, GROUPINGS):
        whole = experiment.mape(ours, experiment.headline, target.name)
        if whole is None:
            continue
        table = group_errors(experiment, ours, target.name, grouping)
        table = table[table["n"] >= judge.group_rows]
        question = f"Is one {grouping} much worse than the rest ({target.title})?"
        if table.empty:
            yield Check(question, "data", f"no group has {judge.group_rows} test rows")
            continue
        # Column by column: a row of mixed types would turn batch size 8 into 8.0.
        worst = int(table["mape_pct"].argmax())
        name, rows, error = (table[column].tolist()[worst] for column in ("group", "n", "mape_pct"))
        yield Check(
            question,
            "data",
            f"{name}: {percent(error)} over {count(rows)} rows; all: {percent(whole.mean)}",
            f"ratio above {judge.group_ratio:g}",
            error > judge.group_ratio * whole.mean,
            f"measure more configurations of {grouping} {name}",
        )


def constant(experiment: Experiment) -> Iterator[Check]:
    """Whether labels hardly vary, so that predicting them proves nothing."""
    found = constant_labels(experiment)
    listed = "; ".join(f"{title}: middle 90 % within {percent(spread)}" for title, spread in found.items())
    yield Check(
        "Are labels practically constant?",
        "data",
        listed or "none",
        f"middle 90 % within {experiment.report.judgement.constant_pct:g} % of the median",
        bool(found),
        "judge predictors by the other labels, and compare means over all labels with that in mind",
    )


def noise(experiment: Experiment) -> Iterator[Check]:
    """Whether the labels' own noise limits the error: the floor, or the half width where it is not known."""
    for target in TIMES:
        question = f"Does measurement noise limit {target.title}?"
        found = experiment.mape(experiment.report.predictor, experiment.headline, target.name)
        if found is None:
            yield Check(question, "measurement", "no record")
        elif target.name in experiment.floors:
            yield _against_floor(experiment, target, question, found.mean)
        else:
            yield _against_half_width(experiment, target, question, found.mean)


def _against_floor(experiment: Experiment, target: Target, question: str, mape_pct: float) -> Check:
    """The noise floor of repeated measurements beside the error."""
    bound, floor = experiment.report.judgement.noise_share, experiment.floors[target.name]
    measured = plural(floor.configurations, "configuration")
    return Check(
        question,
        "measurement",
        f"noise floor {percent(floor.mape_pct)} ({measured} measured again), MAPE {percent(mape_pct)}",
        f"floor above {bound:g} of the MAPE",
        floor.mape_pct > bound * mape_pct,
        "measure on a quieter machine or for longer (collect.protocol): much of the error is the labels' own",
    )


def _against_half_width(experiment: Experiment, target: Target, question: str, mape_pct: float) -> Check:
    """The half width of single measurements beside the error; it knows nothing of how runs differ."""
    judge = experiment.report.judgement
    widths = measurement_intervals(experiment.rows).get(target.name)
    if widths is None:
        return Check(question, "measurement", "no measurement interval")
    if len(widths) < judge.group_rows:
        return Check(question, "measurement", f"only {plural(len(widths), 'row')} with an interval")
    half = float(np.median(widths))
    return Check(
        question,
        "measurement",
        f"median half width {percent(half)} over {plural(len(widths), 'row')}, MAPE {percent(mape_pct)}",
        f"half width above {judge.noise_share:g} of the MAPE",
        half > judge.noise_share * mape_pct,
        "measure longer (collect.protocol.phase_budget_s): the labels are almost as uncertain",
    )


def quiet_machine(experiment: Experiment) -> Iterator[Check]:
    """Whether other processes were busy while measuring."""
    bound = experiment.report.judgement.foreign_cores
    for target in TIMES:
        busy = foreign_cores(experiment, target.name)
        question = f"Were other processes busy while {target.title} was measured?"
        if busy is None:
            yield Check(question, "measurement", "not recorded")
            continue
        mean = float(busy.mean())
        yield Check(
            question,
            "measurement",
            f"{number(mean, 2)} cores on average",
            f"above {bound:g} cores",
            mean > bound,
            "measure again on a quiet machine: times and utilisations here include what others took away",
        )


def label_quality(experiment: Experiment) -> Iterator[Check]:
    """Measurements that missed the asked precision, and refused rows."""
    judge = experiment.report.judgement
    for target in TIMES:
        share = wide_share_pct(experiment, target.name)
        question = f"Did many measurements of {target.title} miss the asked precision?"
        if share is None:
            yield Check(question, "measurement", "no measurement intervals")
            continue
        yield Check(
            question,
            "measurement",
            percent(share),
            f"above {judge.wide_pct:g} %",
            share > judge.wide_pct,
            "raise collect.protocol.phase_budget_s or max_iterations, or quieten the machine",
        )
    refused, kept = n_refused(experiment), len(experiment.rows)
    yield Check(
        "Were many configurations refused?",
        "measurement",
        share_text(refused, refused + kept),
        f"above {judge.quarantine_pct:g} %",
        100.0 * refused / (refused + kept) > judge.quarantine_pct,
        "read the reasons in the quarantine table: what is refused is missing from every result here",
    )


def amount(experiment: Experiment) -> Iterator[Check]:
    """Whether there are few training rows."""
    bound, question = experiment.report.judgement.rows, "Is there little to learn from?"
    runs = experiment.runs_of(experiment.report.predictor, experiment.headline)
    if not runs:
        yield Check(question, "data", "no record")
        return
    rows = min(run.record.n.train for run in runs)
    yield Check(
        question,
        "data",
        f"{count(rows)} training rows",
        f"fewer than {count(bound)}",
        rows < bound,
        "raise collect.time_budget_s; measuring resumes from the journal, so nothing is repeated",
    )
