"""BRP-NAS's network on PerfGraph's node features: what its architecture is worth with the same inputs."""

from typing import ClassVar

from perfseer.predictors.parts.linked.brp_nas import DEPARTURES, SOURCE, BrpNasBase


class BrpNasFeaturesPredictor(BrpNasBase):
    """All labels from operator types and normalised node features."""

    name: ClassVar[str] = "brp_nas_features"
    source: ClassVar[str] = f"{SOURCE}; with PerfGraph node features"
    departures: ClassVar[tuple[str, ...]] = (
        "Nodes carry PerfGraph's features beside their type; memory and utilisation are learned too.",
        *DEPARTURES,
    )
    node_features: ClassVar[bool] = True
