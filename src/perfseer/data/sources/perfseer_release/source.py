"""The release as a source; it brings graphs along, which are read with the labels."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from perfseer.data.packed import PackedGraphs
from perfseer.data.source import Source
from perfseer.data.sources.perfseer_release.drive import FILES, fetch_release
from perfseer.data.sources.perfseer_release.reading import DEVICE, Imported, read_release
from perfseer.errors import require


@dataclass(eq=False)
class PerfseerRelease(Source):
    """The published archives, or a folder or archive of one's own in their format.

    Attributes:
        device_name: the device that was measured.
    """

    name = "perfseer_release"
    title = "53,407 configurations of random networks with all six labels (the authors of PerfSeer)"
    files = FILES
    graphs_by = "rebuilding"
    device_name: str = DEVICE

    @cached_property
    def imported(self) -> Imported:
        """All of the release: a file that is refused is noted, and the rest is read.

        Raises:
            PerfseerError: as `drive.fetch_release` and `reading.read_release`; or several places are given.
        """
        require(len(self.places) <= 1, f"a release is one place; {len(self.places)} are given")
        place = Path(*self.places) if self.places else fetch_release()
        return read_release(place, device_name=self.device_name, workers=self.workers, progress=self.progress)

    def read(self) -> pd.DataFrame:
        """A row per readable graph."""
        return self.imported.table

    def graphs(self) -> tuple[PackedGraphs, pd.DataFrame]:
        """As published."""
        return self.imported.graphs, self.imported.index
