"""How good the predictions are: tables of metrics over predictors, splits and labels."""

from perfseer.evaluation.metrics import within_name
from perfseer.reporting.floors import FLOOR, floor_cell, mean_floor_cell
from perfseer.reporting.tables import escape, markdown_table
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
from perfseer.studies.results import Results
from perfseer.targets import TARGET_NAMES, TARGETS


def metric_columns(experiment: Experiment) -> dict[str, str]:
    """Record key → column title of the metrics shown."""
    within = {within_name(x): f"within {x:g} % [%]" for x in experiment.evaluation.within_pct}
    return {"mape_pct": "MAPE [%]", "rmspe_pct": "RMSPE [%]", **within, "spearman": "Spearman"}


def accuracy_table(results: Results, split: str) -> str:
    """All metrics of all labels of the detailed predictors on one split, mean ± interval over seeds."""
    metrics = metric_columns(results.experiment)
    lines = []
    for target in TARGETS:
        for predictor in results.experiment.detailed:
            cells = [results.cell(predictor, split, target.name, metric) for metric in metrics]
            lines.append([target.title, predictor, *cells])
        lines.append([target.title, FLOOR, *floor_metrics(results.experiment, target.name)])
    return markdown_table(["label", "predictor", *metrics.values()], lines, align="ll")


def floor_metrics(experiment: Experiment, target: str) -> list[str]:
    """The noise floor of a label under `metric_columns`: it is a MAPE, the other columns stay empty."""
    return [
        floor_cell(experiment.floors, target) if metric == "mape_pct" else "–"
        for metric in metric_columns(experiment)
    ]


def error_table(results: Results, split: str) -> str:
    """MAE and RMSE of the detailed predictors in physical units."""
    lines = []
    for target in TARGETS:
        for predictor in results.experiment.detailed:
            cells = [results.cell(predictor, split, target.name, metric) for metric in ("mae", "rmse")]
            lines.append([f"{target.title} [{target.unit}]", predictor, *cells])
    return markdown_table(["label", "predictor", "MAE", "RMSE"], lines, align="ll")


def overview_table(results: Results, splits: tuple[str, ...]) -> str:
    """MAPE of every predictor and label on these splits [%], the mean over the labels; last the floor."""
    floors, lines = results.experiment.floors, []
    for split in splits:
        for predictor in results.experiment.predictors:
            cells = [results.cell(predictor, split, name, "mape_pct") for name in TARGET_NAMES]
            lines.append([split, predictor, *cells, mean_cell(results, predictor, split)])
    cells = [floor_cell(floors, name) for name in TARGET_NAMES]
    lines.append(["any" if len(splits) > 1 else splits[0], FLOOR, *cells, mean_floor_cell(floors)])
    header = ["split", "predictor", *(target.title for target in TARGETS), "mean of six"]
    return markdown_table(header, lines, align="ll")


def mean_cell(results: Results, predictor: str, split: str) -> str:
    """MAPE averaged over the six labels; ``n/a`` for a predictor that does not support them all."""
    if not results.experiment.runs_of(predictor, split):
        return MISSING
    if not all(results.supports(predictor, split, name) for name in TARGET_NAMES):
        return NOT_APPLICABLE
    return results.show(results.mean_mape_by_seed(predictor, split))


def comparison_table(results: Results) -> str:
    """The analysed predictor against the other detailed ones on the same rows, paired by seed."""
    experiment, ours = results.experiment, results.experiment.report.predictor
    lines = []
    for other in (name for name in experiment.detailed if name != ours):
        for target in TARGETS:
            difference = results.difference(ours, other, experiment.headline, target.name)
            if difference is None:
                continue
            mine, theirs = (
                results.cell(name, experiment.headline, target.name, "mape_pct") for name in (ours, other)
            )
            shown = signed_interval(difference.interval)
            floor = floor_cell(experiment.floors, target.name)
            lines.append([target.title, other, mine, theirs, shown, difference.verdict, floor])
    if not lines:
        return f"{MISSING}: no two predictors have records of the same seeds."
    header = ["label", "against", f"{ours} [%]", "other [%]", "difference [points]", f"{ours} is"]
    return markdown_table([*header, f"{FLOOR} [%]"], lines, align="llrrrlr")


def published_table(results: Results) -> str:
    """Published MAPE beside ours on the published protocol's split and on the headline split."""
    experiment = results.experiment
    lines = [
        [
            entry.system,
            "mean of six" if entry.target == "mean" else entry.target,
            "not published" if entry.value is None else f"{entry.value:g}",
            ours(results, entry, PUBLISHED_SPLIT),
            ours(results, entry, experiment.headline),
            published_floor(experiment, entry),
            entry.source,
        ]
        for entry in SEERNET
    ]
    header = [
        "system",
        "label",
        "published [%]",
        f"ours, {PUBLISHED_SPLIT} split [%]",
        f"ours, {experiment.headline} split [%]",
        f"{FLOOR} of ours [%]",
        "source",
    ]
    return markdown_table(header, lines, align="llrrrrl")


def published_floor(experiment: Experiment, entry: PublishedFigure) -> str:
    """The noise floor below which our figure beside a published MAPE cannot come; ``–`` for other metrics."""
    if entry.metric != "mape_pct":
        return "–"
    floors = experiment.floors
    return mean_floor_cell(floors) if entry.target == "mean" else floor_cell(floors, entry.target)


def ours(results: Results, entry: PublishedFigure, split: str) -> str:
    """Our figure beside a published one, on one of our splits."""
    if split not in results.experiment.splits or entry.predictor not in results.experiment.predictors:
        return MISSING
    if entry.target == "mean":
        return mean_cell(results, entry.predictor, split)
    return results.cell(entry.predictor, split, entry.target, entry.metric)


def size_table(results: Results, predictors: tuple[str, ...]) -> str:
    """Learned numbers of these predictors, published and ours."""
    split, lines = results.experiment.headline, []
    for system, predictor, published, source in PARAMETERS:
        if predictor not in predictors:
            continue
        runs = results.experiment.runs_of(predictor, split)
        ours = count(runs[0].record.n_parameters) if runs else MISSING
        lines.append([system, count(published), f"{predictor}: {ours}", source])
    return markdown_table(["system", "published", "ours, all labels together", "source"], lines, align="lrrl")


def cost_table(results: Results, predictors: tuple[str, ...]) -> str:
    """Learned numbers, fitting and predicting time of each predictor on the headline split."""
    split, lines = results.experiment.headline, []
    for predictor in predictors:
        runs = results.experiment.runs_of(predictor, split)
        if not runs:
            lines.append([predictor, *[MISSING] * 4])
            continue
        costs = [run.record.cost for run in runs]
        memory = max((cost.peak_mem_mib for cost in costs if cost.peak_mem_mib is not None), default=None)
        lines.append(
            [
                predictor,
                count(runs[0].record.n_parameters),
                _mean([cost.fit_s for cost in costs], "s"),
                _mean([cost.predict_ms_per_row for cost in costs], "ms"),
                MISSING if memory is None else choose_scale([memory], "MiB").named(memory),
            ]
        )
    header = ["predictor", "learned numbers", "fitting, all its labels", "predicting, per row", "peak memory"]
    return markdown_table(header, lines)


def _mean(values: list[float], kind: str) -> str:
    mean = sum(values) / len(values)
    return choose_scale([mean], kind).named(mean)


def record_table(results: Results, predictors: tuple[str, ...]) -> str:
    """The records of these predictors: path, file digest, rows, mean MAPE; missing ones too."""
    experiment, lines = results.experiment, []
    for predictor in predictors:
        for split in experiment.splits:
            for seed in experiment.seeds:
                run = experiment.runs.get((predictor, split, seed))
                if run is None:
                    lines.append([f"{predictor}/{split}/{seed}/record.json", *[MISSING] * 3])
                    continue
                scores = [run.record.metrics[name]["mape_pct"].value or 0.0 for name in run.record.metrics]
                rows = "/".join(
                    count(part) for part in (run.record.n.train, run.record.n.valid, run.record.n.test)
                )
                mean = sum(scores) / len(scores)
                lines.append([escape(run.source), run.digest, rows, f"{number(mean)} ({len(scores)} labels)"])
    header = ["record", "SHA-256 of the file, first digits", "train/validation/test rows", "mean MAPE [%]"]
    return markdown_table(header, lines, align="ll")


def headline_sentence(results: Results) -> str:
    """The result in one sentence: MAPE of both times on the headline split."""
    experiment = results.experiment
    ours = experiment.report.predictor
    parts = []
    for target in TARGETS:
        if target.quantity != "time":
            continue
        found = results.mape(ours, experiment.headline, target.name)
        shown = MISSING if found is None else f"{interval(found, '%')}"
        parts.append(f"{target.title} {shown}")
    return f"{ours} on the {experiment.headline} split: MAPE of " + ", of ".join(parts)
