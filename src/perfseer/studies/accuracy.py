"""How good the predictions are: tables of metrics over predictors, splits and labels."""

from collections.abc import Callable, Sequence
from itertools import product

from perfseer.evaluation.metrics import within_name
from perfseer.reporting.floors import FLOOR, floor_cell, mean_floor_cell
from perfseer.reporting.tables import Column, table
from perfseer.reporting.units import (
    MISSING,
    NOT_APPLICABLE,
    choose_scale,
    count,
    interval,
    number,
    signed_interval,
)
from perfseer.studies.experiment import Experiment
from perfseer.studies.published import PARAMETERS, PUBLISHED_SPLIT, SEERNET, PublishedFigure
from perfseer.studies.runs import Run
from perfseer.targets import TARGET_NAMES, TARGETS, TIMES, Target

Key = tuple[str, str, int]  # predictor, split, seed


def metric_columns(experiment: Experiment) -> dict[str, str]:
    """Record key → column title of the metrics shown."""
    within = {within_name(x): f"within {x:g} % [%]" for x in experiment.evaluation.within_pct}
    return {"mape_pct": "MAPE [%]", "rmspe_pct": "RMSPE [%]", **within, "spearman": "Spearman"}


def score(experiment: Experiment, predictor: str, split: str, target: str, metric: str = "mape_pct") -> str:
    """A metric as `Experiment.cell`; the predictor `FLOOR` stands for the noise floor, which is a MAPE."""
    if predictor != FLOOR:
        return experiment.cell(predictor, split, target, metric)
    return floor_cell(experiment.floors, target) if metric == "mape_pct" else "–"


def metric_cells(experiment: Experiment, split: str) -> list[Column[tuple[Target, str]]]:
    """Columns of all metrics on one split, mean ± interval over seeds; a row is a label and a predictor."""

    def cells(metric: str) -> Callable[[tuple[Target, str]], str]:
        return lambda row: score(experiment, row[1], split, row[0].name, metric)

    return [(title, cells(metric)) for metric, title in metric_columns(experiment).items()]


def accuracy_table(experiment: Experiment, split: str) -> str:
    """All metrics of all labels of the detailed predictors on one split, mean ± interval over seeds."""
    return table(
        list(product(TARGETS, (*experiment.detailed, FLOOR))),
        [
            ("label", lambda row: row[0].title),
            ("predictor", lambda row: row[1]),
            *metric_cells(experiment, split),
        ],
        align="ll",
    )


def error_table(experiment: Experiment, split: str) -> str:
    """MAE and RMSE of the detailed predictors in physical units."""
    return table(
        list(product(TARGETS, experiment.detailed)),
        [
            ("label", lambda row: f"{row[0].title} [{row[0].unit}]"),
            ("predictor", lambda row: row[1]),
            ("MAE", lambda row: score(experiment, row[1], split, row[0].name, "mae")),
            ("RMSE", lambda row: score(experiment, row[1], split, row[0].name, "rmse")),
        ],
        align="ll",
    )


def overview_table(experiment: Experiment, splits: Sequence[str]) -> str:
    """MAPE of every predictor and label on these splits [%], the mean over the labels; last the floor."""
    return table(
        [*product(splits, experiment.predictors), ("any" if len(splits) > 1 else splits[0], FLOOR)],
        [
            ("split", lambda row: row[0]),
            ("predictor", lambda row: row[1]),
            *((t.title, lambda row, t=t: score(experiment, row[1], row[0], t.name)) for t in TARGETS),
            ("mean of six", lambda row: mean_score(experiment, row[1], row[0])),
        ],
        align="ll",
    )


def mean_score(experiment: Experiment, predictor: str, split: str) -> str:
    """MAPE averaged over the six labels; ``n/a`` for a predictor that does not support them all."""
    if predictor == FLOOR:
        return mean_floor_cell(experiment.floors)
    if not experiment.runs_of(predictor, split):
        return MISSING
    if not all(experiment.supports(predictor, split, name) for name in TARGET_NAMES):
        return NOT_APPLICABLE
    return experiment.show(experiment.mean_mape(predictor, split))


def comparison_table(experiment: Experiment) -> str:
    """The analysed predictor against the other detailed ones on the same rows, paired by seed."""
    ours, headline = experiment.report.predictor, experiment.headline
    rows = [
        (target, other, difference)
        for other, target in product(experiment.detailed, TARGETS)
        if other != ours and (difference := experiment.difference(ours, other, headline, target.name))
    ]
    if not rows:
        return f"{MISSING}: no two predictors have records of the same seeds."
    return table(
        rows,
        [
            ("label", lambda row: row[0].title),
            ("against", lambda row: row[1]),
            (f"{ours} [%]", lambda row: score(experiment, ours, headline, row[0].name)),
            ("other [%]", lambda row: score(experiment, row[1], headline, row[0].name)),
            ("difference [points]", lambda row: signed_interval(row[2].interval)),
            (f"{ours} is", lambda row: row[2].verdict),
            (f"{FLOOR} [%]", lambda row: floor_cell(experiment.floors, row[0].name)),
        ],
        align="llrrrlr",
    )


def published_table(experiment: Experiment) -> str:
    """Published MAPE beside ours on the published protocol's split and on the headline split."""
    return table(
        SEERNET,
        [
            ("system", lambda entry: entry.system),
            ("label", lambda entry: "mean of six" if entry.target == "mean" else entry.target),
            ("published [%]", published_value),
            (f"ours, {PUBLISHED_SPLIT} split [%]", lambda entry: ours(experiment, entry, PUBLISHED_SPLIT)),
            (
                f"ours, {experiment.headline} split [%]",
                lambda entry: ours(experiment, entry, experiment.headline),
            ),
            (f"{FLOOR} of ours [%]", lambda entry: published_floor(experiment, entry)),
            ("source", lambda entry: entry.source),
        ],
        align="llrrrrl",
    )


def published_value(entry: PublishedFigure) -> str:
    """The figure, or that there is none."""
    return "not published" if entry.value is None else f"{entry.value:g}"


def published_floor(experiment: Experiment, entry: PublishedFigure) -> str:
    """The noise floor below which our figure beside a published MAPE cannot come; ``–`` for other metrics."""
    if entry.target == "mean" and entry.metric == "mape_pct":
        return mean_floor_cell(experiment.floors)
    return score(experiment, FLOOR, "", entry.target, entry.metric)


def ours(experiment: Experiment, entry: PublishedFigure, split: str) -> str:
    """Our figure beside a published one, on one of our splits."""
    if split not in experiment.splits or entry.predictor not in experiment.predictors:
        return MISSING
    if entry.target == "mean":
        return mean_score(experiment, entry.predictor, split)
    return experiment.cell(entry.predictor, split, entry.target, entry.metric)


def size_table(experiment: Experiment, predictors: Sequence[str]) -> str:
    """Learned numbers of these predictors, published and ours."""
    return table(
        [row for row in PARAMETERS if row[1] in predictors],
        [
            ("system", lambda row: row[0]),
            ("published", lambda row: count(row[2])),
            ("ours, all labels together", lambda row: f"{row[1]}: {_learned(experiment, row[1])}"),
            ("source", lambda row: row[3]),
        ],
        align="lrrl",
    )


def cost_table(experiment: Experiment, predictors: Sequence[str]) -> str:
    """Learned numbers, fitting and predicting time of each predictor on the headline split."""
    return table(
        predictors,
        [
            ("predictor", str),
            ("learned numbers", lambda name: _learned(experiment, name)),
            ("fitting, all its labels", lambda name: mean_cost(experiment, name, "fit_s", "s")),
            ("predicting, per row", lambda name: mean_cost(experiment, name, "predict_ms_per_row", "ms")),
            (
                "peak memory",
                lambda name: _named(max(costs(experiment, name, "peak_mem_mib"), default=None), "MiB"),
            ),
        ],
    )


def costs(experiment: Experiment, predictor: str, metric: str) -> list[float]:
    """One of `ledger.OF_THE_FIT` on the headline split, a number per seed that has it."""
    return list(experiment.values(predictor, experiment.headline, "", metric).values())


def mean_cost(experiment: Experiment, predictor: str, metric: str, kind: str) -> str:
    """Mean over seeds with its unit, a scale of ``kind``; ``missing`` without a record."""
    values = costs(experiment, predictor, metric)
    return _named(sum(values) / len(values) if values else None, kind)


def _named(value: float | None, kind: str) -> str:
    return MISSING if value is None else choose_scale([value], kind).named(value)


def _learned(experiment: Experiment, predictor: str) -> str:
    numbers = costs(experiment, predictor, "n_parameters")
    return count(int(numbers[0])) if numbers else MISSING


def record_table(experiment: Experiment, predictors: Sequence[str]) -> str:
    """The records of these predictors: path, file digest, rows, mean MAPE; missing ones too."""

    def of(cell: Callable[[Run], str]) -> Callable[[Key], str]:
        return lambda key: cell(experiment.runs[key]) if key in experiment.runs else MISSING

    return table(
        list(product(predictors, experiment.splits, experiment.seeds)),
        [
            ("record", lambda key: f"{'/'.join(map(str, key))}/record.json"),
            ("SHA-256 of the file, first digits", of(lambda run: run.digest)),
            ("train/validation/test rows", of(_rows)),
            ("mean MAPE [%]", of(_mean_of_labels)),
        ],
        align="ll",
    )


def _rows(run: Run) -> str:
    return "/".join(count(part) for part in (run.record.n.train, run.record.n.valid, run.record.n.test))


def _mean_of_labels(run: Run) -> str:
    scores = [measures["mape_pct"].value or 0.0 for measures in run.record.metrics.values()]
    return f"{number(sum(scores) / len(scores))} ({len(scores)} labels)"


def headline_sentence(experiment: Experiment) -> str:
    """The result in one sentence: MAPE of both times on the headline split."""
    predictor, headline = experiment.report.predictor, experiment.headline
    found = [(target.title, experiment.mape(predictor, headline, target.name)) for target in TIMES]
    parts = [f"{title} {MISSING if mape is None else interval(mape, '%')}" for title, mape in found]
    return f"{predictor} on the {headline} split: MAPE of " + ", of ".join(parts)
