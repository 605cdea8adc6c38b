"""What the study is about: what training and using each predictor costs."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from perfseer.reporting.outputs import Document
from perfseer.studies.shelf import Study

if TYPE_CHECKING:
    from perfseer.stages import Stage


def _stages(parameters: Mapping[str, Any]) -> Iterator["Stage"]:
    from perfseer.predictors.registry import module_name
    from perfseer.stages import Stage

    names = (*parameters["predictors"], *parameters["ensembles"])
    yield Stage(
        name="benchmark",
        target="benchmark",
        modules=("perfseer.studies.benchmark.verbs", *map(module_name, names)),
        rules=("benchmark",),
        reads=("results/measurements", "results/graphs", "results/dataset"),
        params=(
            *("seeds", "splits", "labels", "training", "evaluation"),
            *("predictors", "ensembles", "benchmark"),
        ),
        writes=("results/benchmark",),
    )


DOCUMENT = Document(
    name="benchmark",
    title="What training and using each predictor costs",
    tables=("benchmark_fits", "benchmark_predictions", "benchmark_regression"),
    figures={
        "benchmark_fitting": "Fitting time and memory against training rows",
        "benchmark_learning": "Error against training rows",
        "benchmark_predicting": "Prediction time and throughput against rows at once",
        "benchmark_tradeoff": "Error against fitting time",
        "benchmark_regression": "A smooth function of five numbers",
    },
)
ABOUT = Study(
    document=DOCUMENT,
    ledger="ledger/benchmark.parquet",
    by_default=True,
    reads=("results/benchmark", "results/dataset", "results/measurements"),
    shows_predictors=True,
    stages=_stages,
)
