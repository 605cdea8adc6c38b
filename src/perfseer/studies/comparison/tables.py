"""Tables of every predictor: accuracy by label, published figures beside ours, where each one comes from."""

from perfseer.predictors.registry import predictor_class
from perfseer.reporting.floors import FLOOR
from perfseer.reporting.tables import bullet_list, escape, table
from perfseer.reporting.units import MISSING, number
from perfseer.studies.accuracy import (
    mean_cost,
    metric_cells,
    metric_columns,
    ours,
    published_floor,
    published_value,
)
from perfseer.studies.experiment import Experiment
from perfseer.studies.published import OTHERS, PREDICTING, SEERNET, PublishedFigure
from perfseer.targets import TARGET_BY_NAME, TARGETS, Target


def accuracy_table(experiment: Experiment, split: str, target: Target) -> str:
    """All metrics of every predictor at one label, mean ± interval over seeds; last the floor."""
    return table(
        [(target, name) for name in (*experiment.predictors, FLOOR)],
        [("predictor", lambda row: row[1]), *metric_cells(experiment, split)],
    )


def published_table(experiment: Experiment) -> str:
    """Published figures beside ours, on the split that asks most nearly the same and on the headline."""
    headline, metrics = experiment.headline, metric_columns(experiment)

    def asked(entry: PublishedFigure) -> str:
        label = "mean of six labels" if entry.target == "mean" else TARGET_BY_NAME[entry.target].title
        return f"{entry.predictor}, {label}, {metrics.get(entry.metric, entry.metric)}"

    return table(
        [entry for entry in (*SEERNET, *OTHERS) if entry.predictor in experiment.predictors],
        [
            ("system", lambda entry: entry.system),
            ("ours, label, metric", asked),
            ("published", published_value),
            ("ours, nearest split", lambda entry: f"{ours(experiment, entry, entry.split)} ({entry.split})"),
            (f"ours, {headline} split", lambda entry: ours(experiment, entry, headline)),
            (f"{FLOOR} of ours", lambda entry: published_floor(experiment, entry)),
            ("what differs there", lambda entry: entry.differs),
            ("source", lambda entry: entry.source),
        ],
        align="llrrrrll",
    )


def predicting_table(experiment: Experiment) -> str:
    """Published times of a prediction beside ours, mean over seeds on the headline split."""

    def our_time(predictor: str) -> str:
        return f"{predictor}: {mean_cost(experiment, predictor, 'predict_ms_per_row', 'ms')}"

    return table(
        PREDICTING,
        [
            ("system", lambda entry: entry.system),
            ("published", lambda entry: f"{number(entry.milliseconds)} ms"),
            ("of what", lambda entry: entry.what),
            ("ours, per test row from captured graphs", lambda entry: our_time(entry.predictor)),
            ("source", lambda entry: entry.source),
        ],
        align="lrlrl",
    )


def origins(experiment: Experiment) -> str:
    """Every predictor: its source, the labels it does not predict, what differs from the published one."""
    return "\n\n".join(_origin(name) for name in experiment.predictors)


def _origin(name: str) -> str:
    kind = predictor_class(name)
    without = [target.title for target in TARGETS if target.name not in kind.supported]
    head = f"**`{name}`** — {escape(getattr(kind, 'source', MISSING))}."
    if without:
        head += f" Not predicted: {', '.join(without)}."
    if not kind.departures:
        return f"{head} No departures are stated."
    return f"{head}\n\n{bullet_list(escape(sentence) for sentence in kind.departures)}"
