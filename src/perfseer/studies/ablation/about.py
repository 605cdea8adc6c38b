"""What the study is about: what each part of SeerNet is worth."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from perfseer.reporting.outputs import Document
from perfseer.studies.shelf import Study

if TYPE_CHECKING:
    from perfseer.stages import Stage


def _stages(parameters: Mapping[str, Any]) -> Iterator["Stage"]:
    from perfseer.predictors.registry import module_name
    from perfseer.stages import Stage
    from perfseer.studies.ablation.settings import NETWORKS

    networks = [name for name in NETWORKS if name in parameters["predictors"]]
    yield Stage(
        name="ablation",
        target="ablation",
        modules=("perfseer.studies.ablation.verbs", *map(module_name, networks)),
        rules=("ablation",),
        reads=("results/graphs", "results/dataset"),
        params=(
            *("seeds", "splits", "labels", "training", "evaluation"),
            *(f"predictors.{name}" for name in networks),
            "ablation",
        ),
        writes=("results/ablation",),
    )


DOCUMENT = Document(
    name="ablation",
    title="What each part of SeerNet is worth",
    tables=("ablation_mape", "ablation_claims"),
    figures={
        "ablation_claims": "The paper's claims and what was measured",
        "ablation_differences": "Every variant against the base",
    },
)
ABOUT = Study(
    document=DOCUMENT,
    ledger="ledger/ablation.parquet",
    by_default=True,
    reads=("results/ablation", "results/dataset", "results/measurements"),
    stages=_stages,
)
