"""Checks of the predictors and of their training, behind the technical recommendations."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from perfseer.evaluation.intervals import paired_difference
from perfseer.reporting.check import TIMES, Check, unknown
from perfseer.reporting.units import count, number, percent, plural, signed, signed_interval
from perfseer.studies.results import Results
from perfseer.targets import TARGET_BY_NAME


def against_reference(results: Results) -> Iterator[Check]:
    """Whether the analysed predictor is behind the reference on the same rows."""
    experiment = results.experiment
    ours, theirs = experiment.report.predictor, experiment.report.reference
    for target in TIMES if ours != theirs else ():
        question = f"Is {ours} worse than {theirs} at {TARGET_BY_NAME[target].title}?"
        difference = results.difference(ours, theirs, experiment.headline, target)
        if difference is None:
            yield unknown(question, "model", "no records of common seeds")
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


def multi_task(results: Results) -> Iterator[Check]:
    """What sharing a trunk costs against six networks."""
    single, multi = "seernet", "seernet_multi"
    experiment = results.experiment
    if not {single, multi} <= set(experiment.predictors):
        return
    question = "Does the shared trunk cost accuracy (mean of six labels)?"
    shared, separate = (results.mean_mape_by_seed(name, experiment.headline) for name in (multi, single))
    difference = paired_difference(shared, separate, experiment.evaluation.confidence)
    if difference is None:
        yield unknown(question, "model", "no records of common seeds")
        return
    advice = f"prefer the six single networks where accuracy counts; {multi} is the cheaper one"
    if difference.verdict != "worse":
        advice = f"{multi} is behind on average, but the seeds do not establish it: it is the cheaper one"
    gap = difference.interval
    yield Check(
        question,
        "model",
        f"{signed_interval(gap)} percentage points",
        "a positive mean difference",
        gap.mean > 0,
        advice,
    )


def cut_short(results: Results) -> Iterator[Check]:
    """Curves whose best epoch is among the last allowed."""
    experiment = results.experiment
    share = experiment.report.judgement.late_best_share
    question = "Did training end while validation was still improving?"
    curves = _curves(results)
    if not curves:
        yield unknown(question, "training", "no training history")
        return
    settings = experiment.parameters["predictors"][experiment.report.predictor]
    allowed = int(settings.get("n_estimators", experiment.parameters["training"]["max_epochs"]))
    best = [int(curve["epoch"].to_numpy()[int(curve["valid_loss"].argmin())]) for curve in curves]
    late = sum(epoch > allowed * (1 - share) for epoch in best)
    window = f"the last {100 * share:g} % of {count(allowed)} steps"
    yield Check(
        question,
        "training",
        f"{count(late)} of {count(len(curves))} curves had their best epoch in {window}",
        "more than half of the curves",
        late > len(curves) / 2,
        "raise training.max_epochs (of boosting: n_estimators): the curves had not levelled off",
    )


def overfitting(results: Results) -> Iterator[Check]:
    """Validation loss far above training loss where training stopped."""
    bound = results.experiment.report.judgement.overfit_ratio
    question = "Is validation loss far above training loss at the best epoch?"
    best = [curve.iloc[int(curve["valid_loss"].argmin())] for curve in _curves(results)]
    ratios = [float(row["valid_loss"]) / float(row["train_loss"]) for row in best if row["train_loss"] > 0]
    if not ratios:
        yield unknown(question, "training", "no training history")
        return
    middle = float(np.median(ratios))
    yield Check(
        question,
        "training",
        f"median ratio {number(middle)} over {plural(len(ratios), 'curve')}",
        f"ratio above {bound:g}",
        middle > bound,
        "measure more networks or make the predictor smaller (hidden): it knows its training rows by heart",
    )


def _curves(results: Results) -> list[pd.DataFrame]:
    """Training histories of the analysed predictor on the headline split, one per seed and label."""
    experiment = results.experiment
    return [
        curve
        for run in experiment.runs_of(experiment.report.predictor, experiment.headline)
        for _, curve in (run.history.groupby("target") if len(run.history) else ())
    ]


def bias_and_tail(results: Results) -> Iterator[Check]:
    """Systematic errors, and errors carried by a few rows."""
    experiment = results.experiment
    judge, ours, split = experiment.report.judgement, experiment.report.predictor, experiment.headline
    for target in TIMES:
        title = TARGET_BY_NAME[target].title
        errors = results.errors(ours, split, target)
        if errors.empty:
            yield unknown(f"Is {title} predicted systematically high or low?", "model", "no record")
            continue
        bias = float(errors.median())
        side = "high" if bias > 0 else "low"
        yield Check(
            f"Is {title} predicted systematically high or low?",
            "model",
            f"median signed error {signed(bias)} %",
            f"beyond ± {judge.bias_pct:g} %",
            abs(bias) > judge.bias_pct,
            f"predictions of {title} are {side}: half of them by {percent(abs(bias))} or more",
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


def complete(results: Results) -> Iterator[Check]:
    """Records that params.yaml asks for and nobody wrote."""
    missing = results.missing()
    yield Check(
        "Are results missing?",
        "training",
        plural(len(missing), "record"),
        "any is",
        bool(missing),
        "run `snakemake` to train what is missing; tables say `missing` until then",
    )
