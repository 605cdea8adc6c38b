"""What each document consists of: the files the workflow waits for, and what each figure shows.

Imports nothing heavy, so that the workflow can read it. A new document adds its entry to `OUTPUTS`; its
figures and tables begin with its name (those of ``perfseer`` bear no prefix).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

MAIN = "perfseer"


@dataclass(frozen=True)
class Outputs:
    """Files of one document, below the reports folder.

    Attributes:
        title: what the document is, for lists of documents.
        tables: stems of ``plots/*.csv``.
        figures: stem of ``figures/*.svg`` → what it shows; only those that are always drawn.
        others: further files, beside the Markdown and its HTML twin.
    """

    title: str
    tables: tuple[str, ...] = ()
    figures: Mapping[str, str] = field(default_factory=dict)
    others: tuple[str, ...] = ()


OUTPUTS: dict[str, Outputs] = {
    MAIN: Outputs(
        title="What was measured, and how well it is predicted",
        tables=("predicted_vs_measured", "learning_curves"),
        figures={
            "label_distributions": "Distribution of the six labels",
            "search_space": "Search space beside the paper's",
            "graph": "One network as the predictors see it",
            "mape_by_predictor": "MAPE of the predictor and those it is held against",
            "error_by_style": "Error by stage style",
            "error_by_batch_size": "Error by batch size",
        },
        others=("metrics.json",),
    ),
    "comparison": Outputs(
        title="Every predictor on the same rows",
        tables=("comparison_mape", "comparison_accuracy", "comparison_pairs", "comparison_groups"),
        figures={
            "comparison_mape": "MAPE of every predictor",
            "comparison_cost": "Error against cost",
            "comparison_pairs": "Which differences are shown",
            "comparison_groups": "Where each predictor fails",
        },
    ),
    "ablation": Outputs(
        title="What each part of SeerNet is worth",
        tables=("ablation_mape", "ablation_claims"),
        figures={
            "ablation_claims": "The paper's claims and what was measured",
            "ablation_differences": "Every variant against the base",
        },
    ),
    "benchmark": Outputs(
        title="What training and using each predictor costs",
        tables=("benchmark_fits", "benchmark_predictions", "benchmark_regression"),
        figures={
            "benchmark_fitting": "Fitting time and memory against training rows",
            "benchmark_learning": "Error against training rows",
            "benchmark_predicting": "Prediction time and throughput against rows at once",
            "benchmark_tradeoff": "Error against fitting time",
            "benchmark_regression": "A smooth function of five numbers",
        },
    ),
    "measurement": Outputs(
        title="How the labels were measured, and how far to trust them",
        tables=(
            "measurement_floors",
            "measurement_repeats",
            "measurement_protocol",
            "measurement_violations",
        ),
        figures={
            "measurement_precision": "Precision of single measurements",
            "measurement_machine": "Speed of the machine over the run",
            "measurement_protocol": "Short protocol against long",
            "measurement_repeats": "Differences of repeated measurements",
        },
    ),
    "nasbench201": Outputs(
        title="BRP-NAS on its own ground",
        tables=("nasbench201_accuracy",),
        figures={"nasbench201_shares": "Share of cells within each tolerance"},
    ),
    "public": Outputs(
        title="Published results of real models, on groups and devices never seen",
        tables=("public_accuracy",),
        figures={
            "public_errors": "MAPE of every predictor beside the goals",
            "public_families": "MAPE of families never seen",
            "public_sizes": "MAPE against size and batch",
            "public_coverage": "Share of measurements inside their intervals",
            "public_memory": "Forecast against observed shares of what fits",
            "public_unseen": "Devices never seen, after so many measured models",
        },
    ),
}


def document_of(stem: str) -> str:
    """The document a figure or table belongs to, from its file stem."""
    prefix = stem.split("_", 1)[0]
    return prefix if prefix in OUTPUTS else MAIN


def documents(document: str) -> tuple[str, ...]:
    """Names of a document's files other than figures and tables: Markdown, HTML and the rest."""
    return (f"{document}.md", f"{document}.html", *OUTPUTS[document].others)


def detailed_predictors(parameters: Mapping[str, Any]) -> tuple[str, ...]:
    """Predictors with tables and figures of their own in the main document, once each."""
    report = parameters["report"]
    return tuple(dict.fromkeys((report["predictor"], report["reference"], *report["beside"])))


def figure_titles(document: str, detailed: Iterable[str] = ()) -> dict[str, str]:
    """File stem → title of every figure that is always drawn.

    Args:
        document: a key of `OUTPUTS`.
        detailed: `detailed_predictors`; only the main document has figures for each of them.
    """
    scatter = {f"predicted_vs_measured_{name}": f"Predicted against measured: {name}" for name in detailed}
    return {**OUTPUTS[document].figures, **(scatter if document == MAIN else {})}
