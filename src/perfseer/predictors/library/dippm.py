"""DIPPM as described: all operators and the edges of the graph (METHODS 4)."""

from typing import ClassVar

from perfseer.predictors.parts.linked.dippm import DEPARTURES, SOURCE, DippmBase


class DippmPredictor(DippmBase):
    """GraphSAGE over the graph that the paper describes."""

    name: ClassVar[str] = "dippm"
    source: ClassVar[str] = f"{SOURCE}, as described"
    departures: ClassVar[tuple[str, ...]] = (
        "Edges are those of the graph; the released code has a chain (dippm_chain).",
        *DEPARTURES,
    )
