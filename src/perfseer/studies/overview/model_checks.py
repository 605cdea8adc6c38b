"""Checks of the predictors and of their training, behind the technical recommendations."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from perfseer.evaluation.intervals import Difference, paired_difference
from perfseer.reporting.units import count, number, percent, plural, signed, signed_interval
from perfseer.studies.experiment import Experiment
from perfseer.studies.overview.check import Check
from perfseer.targets import TIMES


def against_reference(experiment: Experiment) -> Iterator[Check]:
    """Whether the analysed predictor is behind the reference on the same rows."""
    ours, theirs = experiment.report.predictor, experiment.report.reference
    for target in TIMES if ours != theirs else ():
        yield positive(
            f"Is {ours} worse than {theirs} at {target.title}?",
            experiment.difference(ours, theirs, experiment.headline, target.name),
            f"use {theirs} for {target.title}; {ours} has not earned its place there",
            f"{theirs} is ahead on average, but the seeds do not establish it: add seeds or data",
        )


def positive(question: str, difference: Difference | None, shown: str, not_shown: str) -> Check:
    """Whether a mean difference is positive; the advice depends on whether the seeds establish it."""
    if difference is None:
        return Check(question, "model", "no records of common seeds")
    return Check(
        question,
        "model",
        f"{signed_interval(difference.interval)} percentage points",
        "a positive mean difference",
        difference.interval.mean > 0,
        shown if difference.verdict == "worse" else not_shown,
    )


def multi_task(experiment: Experiment) -> Iterator[Check]:
    """What sharing a trunk costs against six networks."""
    single, multi = "seernet", "seernet_multi"
    if not {single, multi} <= set(experiment.predictors):
        return
    shared, separate = (experiment.mean_mape(name, experiment.headline) for name in (multi, single))
    yield positive(
        "Does the shared trunk cost accuracy (mean of six labels)?",
        paired_difference(shared, separate, experiment.evaluation.confidence),
        f"prefer the six single networks where accuracy counts; {multi} is the cheaper one",
        f"{multi} is behind on average, but the seeds do not establish it: it is the cheaper one",
    )


def cut_short(experiment: Experiment) -> Iterator[Check]:
    """Curves whose best epoch is among the last allowed."""
    share = experiment.report.judgement.late_best_share
    question = "Did training end while validation was still improving?"
    curves = _curves(experiment)
    if not curves:
        yield Check(question, "training", "no training history")
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


def overfitting(experiment: Experiment) -> Iterator[Check]:
    """Validation loss far above training loss where training stopped."""
    bound = experiment.report.judgement.overfit_ratio
    question = "Is validation loss far above training loss at the best epoch?"
    best = [curve.iloc[int(curve["valid_loss"].argmin())] for curve in _curves(experiment)]
    ratios = [float(row["valid_loss"]) / float(row["train_loss"]) for row in best if row["train_loss"] > 0]
    if not ratios:
        yield Check(question, "training", "no training history")
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


def _curves(experiment: Experiment) -> list[pd.DataFrame]:
    """Training histories of the analysed predictor on the headline split, one per seed and label."""
    return [
        curve
        for run in experiment.runs_of(experiment.report.predictor, experiment.headline)
        for _, curve in (run.history.groupby("target") if len(run.history) else ())
    ]


def bias_and_tail(experiment: Experiment) -> Iterator[Check]:
    """Systematic errors, and errors carried by a few rows."""
    judge = experiment.report.judgement
    for target in TIMES:
        question = f"Is {target.title} predicted systematically high or low?"
        errors = experiment.errors(experiment.report.predictor, target.name)
        if errors.empty:
            yield Check(question, "model", "no record")
            continue
        bias = float(errors.median())
        side = "high" if bias > 0 else "low"
        yield Check(
            question,
            "model",
            f"median signed error {signed(bias)} %",
            f"beyond ± {judge.bias_pct:g} %",
            abs(bias) > judge.bias_pct,
            f"predictions of {target.title} are {side}: half of them by {percent(abs(bias))} or more",
        )
        mape, rmspe = float(errors.abs().mean()), float(np.sqrt(np.square(errors).mean()))
        yield Check(
            f"Do a few rows carry the error of {target.title}?",
            "training",
            f"RMSPE {percent(rmspe)}, MAPE {percent(mape)}",
            f"ratio above {judge.tail_ratio:g}",
            rmspe > judge.tail_ratio * mape,
            "look at the worst rows of the sample table; a robust loss (training.loss: relative) may help",
        )


def complete(experiment: Experiment) -> Iterator[Check]:
    """Records that params.yaml asks for and nobody wrote."""
    yield Check(
        "Are results missing?",
        "training",
        plural(experiment.n_missing, "record"),
        "any is",
        experiment.n_missing > 0,
        "run `snakemake` to train what is missing; tables say `missing` until then",
    )
