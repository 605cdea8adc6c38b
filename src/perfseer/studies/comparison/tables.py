"""Tables of every predictor: accuracy by label, published figures beside ours, where each one comes from."""

from perfseer.predictors.registry import predictor_class
from perfseer.reporting.floors import FLOOR
from perfseer.reporting.tables import bullet_list, escape, markdown_table
from perfseer.reporting.units import MISSING, choose_scale, number
from perfseer.studies.accuracy import floor_metrics, metric_columns, ours, published_floor
from perfseer.studies.published import OTHERS, PREDICTING, SEERNET, PublishedFigure
from perfseer.studies.results import Results
from perfseer.targets import TARGET_BY_NAME, TARGETS


def accuracy_tables(results: Results, split: str) -> dict[str, str]:
    """Label → all metrics of every predictor on one split, mean ± interval over seeds; last the floor."""
    metrics = metric_columns(results.experiment)
    header = ["predictor", *metrics.values()]
    return {
        target.title: markdown_table(
            header,
            [
                *(
                    [name, *(results.cell(name, split, target.name, metric) for metric in metrics)]
                    for name in results.experiment.predictors
                ),
                [FLOOR, *floor_metrics(results.experiment, target.name)],
            ],
        )
        for target in TARGETS
    }


def published_table(results: Results) -> str:
    """Published figures beside ours, on the split that asks most nearly the same and on the headline."""
    headline, predictors = results.experiment.headline, results.experiment.predictors
    lines = [
        [
            entry.system,
            f"{entry.predictor}, {_label(entry)}, {_metric(results, entry)}",
            "not published" if entry.value is None else f"{entry.value:g}",
            f"{ours(results, entry, entry.split)} ({entry.split})",
            ours(results, entry, headline),
            published_floor(results.experiment, entry),
            entry.differs,
            entry.source,
        ]
        for entry in (*SEERNET, *OTHERS)
        if entry.predictor in predictors
    ]
    header = [
        "system",
        "ours, label, metric",
        "published",
        "ours, nearest split",
        f"ours, {headline} split",
        f"{FLOOR} of ours",
        "what differs there",
        "source",
    ]
    return markdown_table(header, lines, align="llrrrrll")


def _label(entry: PublishedFigure) -> str:
    return "mean of six labels" if entry.target == "mean" else TARGET_BY_NAME[entry.target].title


def _metric(results: Results, entry: PublishedFigure) -> str:
    return metric_columns(results.experiment).get(entry.metric, entry.metric)


def predicting_table(results: Results) -> str:
    """Published times of a prediction beside ours, mean over seeds on the headline split."""
    lines = []
    for entry in PREDICTING:
        runs = results.experiment.runs_of(entry.predictor, results.experiment.headline)
        costs = [run.record.cost.predict_ms_per_row for run in runs]
        shown = MISSING
        if costs:
            mean = sum(costs) / len(costs)
            shown = choose_scale([mean], "ms").named(mean)
        published = f"{number(entry.milliseconds)} ms"
        lines.append([entry.system, published, entry.what, f"{entry.predictor}: {shown}", entry.source])
    header = ["system", "published", "of what", "ours, per test row from captured graphs", "source"]
    return markdown_table(header, lines, align="lrlrl")


def origins(results: Results) -> str:
    """Every predictor: its source, the labels it does not predict, what differs from the published one."""
    return "\n\n".join(_origin(name) for name in results.experiment.predictors)


def _origin(name: str) -> str:
    kind = predictor_class(name)
    without = [target.title for target in TARGETS if target.name not in kind.supported]
    head = f"**`{name}`** — {escape(getattr(kind, 'source', MISSING))}."
    if without:
        head += f" Not predicted: {', '.join(without)}."
    if not kind.departures:
        return f"{head} No departures are stated."
    return f"{head}\n\n{bullet_list(escape(sentence) for sentence in kind.departures)}"
