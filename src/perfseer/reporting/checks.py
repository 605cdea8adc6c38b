"""Checks: one number of this experiment against one threshold of params.yaml (``report.judgement``).

A check that triggers carries advice; one that cannot be computed says why. What the report makes of
them is in ``judgement.py``.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from perfseer.reporting.analysis import GROUPINGS, group_errors
from perfseer.reporting.profile import foreign_cores, measurement_intervals, n_refused, wide_share_pct
from perfseer.reporting.results import Results
from perfseer.reporting.units import count, number, percent, plural, signed, signed_interval
from perfseer.targets import TARGET_BY_NAME, TARGETS

Area = Literal["data", "measurement", "model", "training"]
TIMES = tuple(target.name for target in TARGETS if target.quantity == "time")


@dataclass(frozen=True)
class Check:
    """One comparison of a number with a threshold.

    Attributes:
        question: what is asked.
        area: data and measurement belong to the improvement recommendations, model and training to the
            technical ones.
        found: the number with its unit, or why there is none.
        threshold: what it is compared with, in words.
        triggered: None where it could not be computed.
        advice: what follows when triggered.
    """

    question: str
    area: Area
    found: str
    threshold: str
    triggered: bool | None
    advice: str = ""


def checks(results: Results) -> list[Check]:
    """All checks, in the order the report lists them."""
    return [check for rule in _RULES for check in rule(results)]


def _against_reference(results: Results) -> Iterator[Check]:
    experiment = results.experiment
    ours, theirs = experiment.report.predictor, experiment.report.reference
    for target in TIMES if ours != theirs else ():
        question = f"Is {ours} worse than {theirs} at {TARGET_BY_NAME[target].title}?"
        difference = results.difference(ours, theirs, experiment.headline, target)
        if difference is None:
            yield _unknown(question, "model", "no records of common seeds")
            continue
        gap = difference.interval
        advice = f"use {theirs} for {TARGET_BY_NAME[target].title}; {ours} has not earned its place there"
        if difference.verdict != "worse":
            advice = f"{theirs} is ahead on average, but the seeds do not establish it: add seeds or data"
        yield Check(
            question,
            "model",
            f"{signed_interval(gap)} percentage points",
            "a positive mean difference",
            gap.mean > 0,
            advice,
        )


def _multi_task(results: Results) -> Iterator[Check]:
    single, multi = "seernet", "seernet_multi"
    experiment = results.experiment
    if not {single, multi} <= set(experiment.predictors):
        return
    question = "Does the shared trunk cost accuracy (mean of six labels)?"
    values = [results.mean_mape_by_seed(name, experiment.headline) for name in (single, multi)]
    seeds = sorted(values[0].keys() & values[1].keys())
    if not seeds:
        yield _unknown(question, "model", "no records of common seeds")
        return
    gap = float(np.mean([values[1][seed] - values[0][seed] for seed in seeds]))
    advice = f"prefer the six single networks where accuracy counts; {multi} is the cheaper one"
    yield Check(question, "model", f"{signed(gap)} percentage points", "a positive gap", gap > 0, advice)


def _cut_short(results: Results) -> Iterator[Check]:
    experiment = results.experiment
    share = experiment.report.judgement.late_best_share
    allowed = int(experiment.parameters["training"]["max_epochs"])
    question = "Did training end while validation was still improving?"
    curves = [
        group
        for run in experiment.runs_of(experiment.report.predictor, experiment.headline)
        for _, group in (run.history.groupby("target") if len(run.history) else ())
    ]
    if not curves:
        yield _unknown(question, "training", "no training history")
        return
    best = [int(curve["epoch"].to_numpy()[int(curve["valid_loss"].argmin())]) for curve in curves]
    late = sum(epoch > allowed * (1 - share) for epoch in best)
    window = f"the last {100 * share:g} % of {count(allowed)} epochs"
    yield Check(
        question,
        "training",
        f"{count(late)} of {count(len(curves))} curves had their best epoch in {window}",
        "more than half of the curves",
        late > len(curves) / 2,
        "raise training.max_epochs: the curves had not levelled off",
    )


def _generalisation(results: Results) -> Iterator[Check]:
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
            yield _unknown(question, "data", "records hold no validation error")
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


def _splits(results: Results) -> Iterator[Check]:
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
            yield _unknown(asked, "data", f"no records on the {upper} or the {lower} split")
            continue
        found = f"{percent(high.mean)} on {upper}, {percent(low.mean)} on {lower}"
        yield Check(asked, "data", found, f"ratio above {bound:g}", high.mean > bound * low.mean, advice)


def _groups(results: Results) -> Iterator[Check]:
    experiment = results.experiment
    judge = experiment.report.judgement
    for target in TIMES:
        whole = results.mape(experiment.report.predictor, experiment.headline, target)
        for grouping in GROUPINGS if whole is not None else ():
            table = group_errors(results, experiment.report.predictor, target, grouping)
            table = table[table["n"] >= judge.group_rows]
            question = f"Is one {grouping} much worse than the rest ({TARGET_BY_NAME[target].title})?"
            if whole is None or table.empty:
                yield _unknown(question, "data", f"no group has {judge.group_rows} test rows")
                continue
            worst = table.iloc[int(table["mape_pct"].argmax())]
            error, rows = float(worst["mape_pct"]), count(int(worst["n"]))
            found = f"{worst['group']}: {percent(error)} over {rows} rows"
            yield Check(
                question,
                "data",
                f"{found}; all: {percent(whole.mean)}",
                f"ratio above {judge.group_ratio:g}",
                error > judge.group_ratio * whole.mean,
                f"measure more configurations of {grouping} {worst['group']}",
            )


def _noise(results: Results) -> Iterator[Check]:
    experiment = results.experiment
    bound = experiment.report.judgement.noise_share
    widths = measurement_intervals(experiment.rows)
    for target in TIMES:
        question = f"Does measurement noise limit {TARGET_BY_NAME[target].title}?"
        found = results.mape(experiment.report.predictor, experiment.headline, target)
        if found is None or target not in widths:
            yield _unknown(question, "measurement", "no measurement interval or no record")
            continue
        half = float(np.median(widths[target]))
        yield Check(
            question,
            "measurement",
            f"median half width {percent(half)}, MAPE {percent(found.mean)}",
            f"half width above {bound:g} of the MAPE",
            half > bound * found.mean,
            "measure longer (collect.protocol.phase_budget_s): the labels are almost as uncertain",
        )


def _quiet_machine(results: Results) -> Iterator[Check]:
    experiment = results.experiment
    bound = experiment.report.judgement.foreign_cores
    for target in TIMES:
        busy = foreign_cores(experiment, target)
        question = f"Were other processes busy while {TARGET_BY_NAME[target].title} was measured?"
        if busy is None:
            yield _unknown(question, "measurement", "not recorded")
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


def _label_quality(results: Results) -> Iterator[Check]:
    experiment = results.experiment
    judge = experiment.report.judgement
    for target in TIMES:
        share = wide_share_pct(experiment, target)
        question = f"Did many measurements of {TARGET_BY_NAME[target].title} miss the asked precision?"
        if share is None:
            yield _unknown(question, "measurement", "no measurement intervals")
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
        f"{count(refused)} of {count(refused + kept)} ({percent(share)})",
        f"above {judge.quarantine_pct:g} %",
        share > judge.quarantine_pct,
        "read the reasons in the quarantine table: what is refused is missing from every result here",
    )


def _bias_and_tail(results: Results) -> Iterator[Check]:
    experiment = results.experiment
    judge, ours, split = experiment.report.judgement, experiment.report.predictor, experiment.headline
    for target in TIMES:
        title = TARGET_BY_NAME[target].title
        errors = results.errors(ours, split, target)
        if errors.empty:
            yield _unknown(f"Is {title} predicted systematically high or low?", "model", "no record")
            continue
        bias = float(errors.median())
        side = "high" if bias > 0 else "low"
        yield Check(
            f"Is {title} predicted systematically high or low?",
            "model",
            f"median signed error {signed(bias)} %",
            f"beyond ± {judge.bias_pct:g} %",
            abs(bias) > judge.bias_pct,
            f"predictions of {title} are {side}: a calibration constant would remove {percent(abs(bias))}",
        )
        mape, rmspe = float(errors.abs().mean()), float(np.sqrt(np.square(errors).mean()))
        yield Check(
            f"Do a few rows carry the error of {title}?",
            "training",
            f"RMSPE {percent(rmspe)}, MAPE {percent(mape)}",
            f"ratio above {judge.tail_ratio:g}",
            rmspe > judge.tail_ratio * mape,
            "look at the worst rows of the sample table; a robust loss (training.loss: relative) may help",
        )


def _amount(results: Results) -> Iterator[Check]:
    experiment = results.experiment
    bound = experiment.report.judgement.rows
    question = "Is there little to learn from?"
    runs = experiment.runs_of(experiment.report.predictor, experiment.headline)
    if not runs:
        yield _unknown(question, "data", "no record")
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


def _complete(results: Results) -> Iterator[Check]:
    missing = results.missing()
    yield Check(
        "Are results missing?",
        "training",
        plural(len(missing), "record"),
        "any is",
        bool(missing),
        "run `snakemake` to train what is missing; tables say `missing` until then",
    )


def _unknown(question: str, area: Area, why: str) -> Check:
    return Check(question, area, why, "", None)


_RULES: tuple[Callable[[Results], Iterator[Check]], ...] = (
    _complete,
    _amount,
    _generalisation,
    _splits,
    _groups,
    _label_quality,
    _quiet_machine,
    _noise,
    _against_reference,
    _multi_task,
    _bias_and_tail,
    _cut_short,
)
