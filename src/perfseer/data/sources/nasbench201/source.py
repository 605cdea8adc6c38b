"""NAS-Bench-201 as a source: a row for each cell and device, graphs computed rather than captured."""

import numpy as np
import pandas as pd

from perfseer.data.building import INDEX_COLUMNS, KEY, NO_GRAPH
from perfseer.data.packed import PackedGraphs
from perfseer.data.source import Source
from perfseer.data.sources.nasbench201.cells import CELLS_FILE, DEVICES, LABEL, SOURCE, Device
from perfseer.data.sources.nasbench201.dataset import connected_cells, device_table
from perfseer.data.sources.nasbench201.graphs import network_graphs
from perfseer.errors import require

_CUT_OFF = "the output is cut off from the input"


class NasBench201(Source):
    """Latencies of some or all devices, over whole networks with what each device ran."""

    name = SOURCE
    title = "latencies of the 15,625 cells of NAS-Bench-201 on seven settings (Lee et al., HELP)"
    files = (CELLS_FILE, *(device.file for device in DEVICES.values()))
    labels = (LABEL,)
    graphs_by = "rebuilding"

    @property
    def devices(self) -> list[Device]:
        """The chosen ones.

        Raises:
            PerfseerError: one is unknown.
        """
        names = [str(place) for place in self.places] or list(DEVICES)
        unknown = ", ".join(name for name in names if name not in DEVICES)
        require(not unknown, f"no device {unknown}; there are {', '.join(DEVICES)}")
        return [DEVICES[name] for name in names]

    def read(self) -> pd.DataFrame:
        """Rows in the order of devices and cells' indices; other labels than the latency are null."""
        return pd.concat([device_table(device) for device in self.devices], ignore_index=True)

    def graphs(self) -> tuple[PackedGraphs, pd.DataFrame]:
        """Of networks whose input reaches their output, as executed."""
        kept, chosen = connected_cells()
        packed: list[PackedGraphs] = []
        indices: list[pd.DataFrame] = []
        for device in {(device.runs, device.batch_size): device for device in self.devices}.values():
            rows = device_table(device)
            numbers = np.full(len(rows), NO_GRAPH)
            numbers[kept] = len(packed) * len(kept) + np.arange(len(kept))
            reasons = pd.Series(numbers).map({NO_GRAPH: _CUT_OFF})
            indices.append(rows.assign(graph=numbers, reason=reasons)[list(INDEX_COLUMNS)])
            ran = chosen.ran("executed", device)
            packed.append(network_graphs(chosen.operations, ran, device.batch_size))
        return PackedGraphs.concatenate(packed), pd.concat(indices).sort_values(list(KEY), ignore_index=True)
