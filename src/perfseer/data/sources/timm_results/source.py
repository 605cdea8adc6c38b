"""timm's published results as a source; their graphs are captured once and kept."""

from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from perfseer.data.captures import Captures
from perfseer.data.packed import PackedGraphs
from perfseer.data.source import Source
from perfseer.data.sources.timm_results.matching import Joined, capture_graphs, graph_index, join
from perfseer.data.sources.timm_results.names import FILES, Given
from perfseer.data.sources.timm_results.tables import Imported, open_all


@dataclass(eq=False)
class TimmResults(Source):
    """Result files, published or one's own.

    Attributes:
        given: what the files' names do not say.
        as_measured: graphs in each row's precision, with the casts of mixed precision; else all in single
            precision.
    """

    name = "timm_results"
    title = "step times of the image classifiers of timm, by its benchmark.py (Wightman)"
    files = tuple(file.remote for file in FILES)
    given: Given | None = None
    as_measured: bool = False

    @cached_property
    def opened(self) -> list[Imported]:
        """The chosen files, with what was refused of them."""
        return open_all(self.places, self.given)

    @cached_property
    def captures(self) -> Captures:
        """What the files' networks gave, now or earlier."""
        return capture_graphs(
            self.opened, Captures.open(), self.workers, self.progress, as_measured=self.as_measured
        )

    def read(self) -> pd.DataFrame:
        """Rows in the files' order."""
        return pd.concat([file.table for file in self.opened], ignore_index=True)

    def graphs(self) -> tuple[PackedGraphs, pd.DataFrame]:
        """Of the networks that were measured, as far as their parameters tell."""
        return graph_index(self.opened, self.captures, as_measured=self.as_measured)

    def joined(self) -> Joined:
        """Rows over their graphs, and those without.

        Raises:
            PerfseerError: as `matching.join`.
        """
        return join(self.opened, self.captures, as_measured=self.as_measured)
