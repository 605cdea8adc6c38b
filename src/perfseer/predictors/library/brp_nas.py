"""BRP-NAS as published: latency from the types of operators and their wiring alone (METHODS 3)."""

from typing import ClassVar

from perfseer.predictors.parts.linked.brp_nas import DEPARTURES, SOURCE, BrpNasBase


class BrpNasPredictor(BrpNasBase):
    """Times from operator types."""

    name: ClassVar[str] = "brp_nas"
    supported: ClassVar[frozenset[str]] = frozenset({"train_time_ms", "infer_time_ms"})
    source: ClassVar[str] = SOURCE
    departures: ClassVar[tuple[str, ...]] = (
        "Rows differ in batch size and width as well, which the published input cannot tell apart.",
        *DEPARTURES,
    )
    node_features: ClassVar[bool] = False
    reads_sizes: ClassVar[bool] = False
