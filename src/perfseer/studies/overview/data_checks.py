"""Checks of the data and of the measuring, behind the improvement recommendations."""

from collections.abc import Iterator

import numpy as np

from perfseer.reporting.check import TIMES, Check, unknown
from perfseer.reporting.units import count, number, percent, plural, share_text
from perfseer.studies.experiment import Experiment
from perfseer.studies.overview.analysis import GROUPINGS, group_errors
from perfseer.studies.profile import (
    constant_labels,
    foreign_cores,
    measurement_intervals,
    n_refused,
    wide_share_pct,
)
from perfseer.studies.results import Results
from perfseer.targets import TARGET_BY_NAME


def generalisation(results: Results) -> Iterator[Check]:
    """Whether unseen networks, rather than the fit, are the problem: test against validation error."""
    experiment = results.experiment
    bound = experiment.report.judgement.generalisation_ratio
    for target in TIMES:
        question = f"Is the test error of {TARGET_BY_NAME[target].title} far above the validation error?"
        runs = experiment.runs_of(experiment.report.predictor, experiment.headline)
        pairs = [
            (value, run.record.validation_mape_pct[target])
            for run in runs
            if target in run.record.validation_mape_pct
            and (value := run.record.metrics[target]["mape_pct"].value) is not None
        ]
        if not pairs:
            yield unknown(question, "data", "records hold no validation error")
            continue
        test, valid = (float(np.mean(column)) for column in zip(*pairs, strict=True))
        yield Check(
            question,
            "data",
            f"{percent(test)} on test, {percent(valid)} on validation",
            f"ratio above {bound:g}",
            test > bound * valid,
            "measure more architectures: early stopping has fitted the few validation networks",
        )


def splits(results: Results) -> Iterator[Check]:
    """What the family and the random split say beside the headline."""
    experiment = results.experiment
    judge = experiment.report.judgement
    yield from _ratio(
        results,
        "family",
        experiment.headline,
        judge.family_ratio,
        "Are unseen stage styles much harder than unseen networks?",
        "do not trust predictions for styles outside the measured ones; measure more styles",
    )
    yield from _ratio(
        results,
        experiment.headline,
        "random",
        judge.leak_ratio,
        "Does the random split flatter?",
        "quote the random split only beside published figures; it lets test networks into training",
    )


def _ratio(
    results: Results, upper: str, lower: str, bound: float, question: str, advice: str
) -> Iterator[Check]:
    """MAPE on one split over MAPE on another, both times."""
    experiment = results.experiment
    if upper == lower or not {upper, lower} <= set(experiment.splits):
        return
    for target in TIMES:
        asked = f"{question[:-1]} ({TARGET_BY_NAME[target].title})?"
        high, low = (results.mape(experiment.report.predictor, split, target) for split in (upper, lower))
        if high is None or low is None:
            yield unknown(asked, "data", f"no records on the {upper} or the {lower} split")
            continue
        found = f"{percent(high.mean)} on {upper}, {percent(low.mean)} on {lower}"
        yield Check(asked, "data", found, f"ratio above {bound:g}", high.mean > bound * low.mean, advice)


def groups(results: Results) -> Iterator[Check]:
    """Groups of rows that are much worse than the whole."""
    experiment = results.experiment
    judge = experiment.report.judgement
    for target in TIMES:
        whole = results.mape(experiment.report.predictor, experiment.headline, target)
        for grouping in GROUPINGS if whole is not None else ():
            table = group_errors(results, experiment.report.predictor, target, grouping)
            table = table[table["n"] >= judge.group_rows]
            question = f"Is one {grouping} much worse than the rest ({TARGET_BY_NAME[target].title})?"
            if whole is None or table.empty:
                yield unknown(question, "data", f"no group has {judge.group_rows} test rows")
                continue
            worst = table.iloc[int(table["mape_pct"].argmax())]
            error, rows = float(worst["mape_pct"]), count(int(worst["n"]))
            # Not worst["group"]: a row of mixed types turns batch size 8 into 8.0.
            name = table["group"].tolist()[int(table["mape_pct"].argmax())]
            found = f"{name}: {percent(error)} over {rows} rows"
            yield Check(
                question,
                "data",
                f"{found}; all: {percent(whole.mean)}",
                f"ratio above {judge.group_ratio:g}",
                error > judge.group_ratio * whole.mean,
                f"measure more configurations of {grouping} {name}",
            )


def constant(results: Results) -> Iterator[Check]:
    """Whether labels hardly vary, so that predicting them proves nothing."""
    experiment = results.experiment
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


def noise(results: Results) -> Iterator[Check]:
    """Whether the labels' own noise limits the error: the floor, or the half width where it is not known."""
    experiment = results.experiment
    for target in TIMES:
        question = f"Does measurement noise limit {TARGET_BY_NAME[target].title}?"
        found = results.mape(experiment.report.predictor, experiment.headline, target)
        if found is None:
            yield unknown(question, "measurement", "no record")
        elif target in experiment.floors:
            yield _against_floor(experiment, target, question, found.mean)
        else:
            yield _against_half_width(experiment, target, question, found.mean)


def _against_floor(experiment: Experiment, target: str, question: str, mape_pct: float) -> Check:
    """The noise floor of repeated measurements beside the error."""
    bound, floor = experiment.report.judgement.noise_share, experiment.floors[target]
    measured = plural(floor.configurations, "configuration")
    return Check(
        question,
        "measurement",
        f"noise floor {percent(floor.mape_pct)} ({measured} measured again), MAPE {percent(mape_pct)}",
        f"floor above {bound:g} of the MAPE",
        floor.mape_pct > bound * mape_pct,
        "measure on a quieter machine or for longer (collect.protocol): much of the error is the labels' own",
    )


def _against_half_width(experiment: Experiment, target: str, question: str, mape_pct: float) -> Check:
    """The half width of single measurements beside the error; it knows nothing of how runs differ."""
    judge = experiment.report.judgement
    widths = measurement_intervals(experiment.rows).get(target)
    if widths is None:
        return unknown(question, "measurement", "no measurement interval")
    if len(widths) < judge.group_rows:
        return unknown(question, "measurement", f"only {plural(len(widths), 'row')} with an interval")
    half = float(np.median(widths))
    return Check(
        question,
        "measurement",
        f"median half width {percent(half)} over {plural(len(widths), 'row')}, MAPE {percent(mape_pct)}",
        f"half width above {judge.noise_share:g} of the MAPE",
        half > judge.noise_share * mape_pct,
        "measure longer (collect.protocol.phase_budget_s): the labels are almost as uncertain",
    )


def quiet_machine(results: Results) -> Iterator[Check]:
    """Whether other processes were busy while measuring."""
    experiment = results.experiment
    bound = experiment.report.judgement.foreign_cores
    for target in TIMES:
        busy = foreign_cores(experiment, target)
        question = f"Were other processes busy while {TARGET_BY_NAME[target].title} was measured?"
        if busy is None:
            yield unknown(question, "measurement", "not recorded")
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


def label_quality(results: Results) -> Iterator[Check]:
    """Measurements that missed the asked precision, and refused rows."""
    experiment = results.experiment
    judge = experiment.report.judgement
    for target in TIMES:
        share = wide_share_pct(experiment, target)
        question = f"Did many measurements of {TARGET_BY_NAME[target].title} miss the asked precision?"
        if share is None:
            yield unknown(question, "measurement", "no measurement intervals")
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
    share = 100.0 * refused / (refused + kept)
    yield Check(
        "Were many configurations refused?",
        "measurement",
        share_text(refused, refused + kept),
        f"above {judge.quarantine_pct:g} %",
        share > judge.quarantine_pct,
        "read the reasons in the quarantine table: what is refused is missing from every result here",
    )


def amount(results: Results) -> Iterator[Check]:
    """Whether there are few training rows."""
    experiment = results.experiment
    bound = experiment.report.judgement.rows
    question = "Is there little to learn from?"
    runs = experiment.runs_of(experiment.report.predictor, experiment.headline)
    if not runs:
        yield unknown(question, "data", "no record")
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
