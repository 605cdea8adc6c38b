"""NAS-Bench-201 as a source: a row for each cell and device, graphs computed rather than captured."""

import numpy as np
import pandas as pd

from perfseer.data.building import INDEX_COLUMNS, KEY, NO_GRAPH
from perfseer.data.packed import PackedGraphs
from perfseer.data.source import Source, published_table
from perfseer.data.sources.nasbench201.cells import (
    CELLS_FILE,
    DEVICES,
    N_CELLS,
    SOURCE,
    Cells,
    Device,
    cells,
    latencies_ms,
)
from perfseer.data.sources.nasbench201.graphs import network_graphs
from perfseer.errors import PerfseerError
from perfseer.graphs.perfgraph import IntArray

LABEL = "infer_time_ms"
# Of tables measured here it is a small number, of timm's another: no two pass for each other.
PROTOCOL_VERSION = 1002
_PROTOCOL = {"benchmark": "HELP (Lee et al., 2021)", "statistic": "not stated"}


class NasBench201(Source):
    """Latencies of some or all devices, over whole networks with what each device ran."""

    name = SOURCE
    title = "latencies of the 15,625 cells of NAS-Bench-201 on seven settings (Lee et al., HELP)"
    files = (CELLS_FILE, *(device.file for device in DEVICES.values()))
    graphs_by = "rebuilding"

    @property
    def devices(self) -> list[Device]:
        """The chosen ones.

        Raises:
            PerfseerError: one is unknown.
        """
        names = [str(place) for place in self.places] or list(DEVICES)
        unknown = [name for name in names if name not in DEVICES]
        if unknown:
            raise PerfseerError(f"no device {', '.join(unknown)}; there are {', '.join(DEVICES)}")
        return [DEVICES[name] for name in names]

    def read(self) -> pd.DataFrame:
        """Rows in the order of devices and cells' indices; other labels than the latency are null."""
        return pd.concat([device_table(device) for device in self.devices], ignore_index=True)

    def graphs(self) -> tuple[PackedGraphs, pd.DataFrame]:
        """Of networks whose input reaches their output, as executed."""
        kept, chosen = connected_cells()
        settings = {(device.runs, device.batch_size): device for device in self.devices}
        packed = [
            network_graphs(chosen.operations, chosen.ran("executed", device), device.batch_size)
            for device in settings.values()
        ]
        indices = [_index(device, kept, at * len(kept)) for at, device in enumerate(settings.values())]
        index = pd.concat(indices).sort_values(list(KEY), ignore_index=True)
        return PackedGraphs.concatenate(packed), index


def connected_cells() -> tuple[IntArray, Cells]:
    """[15,284] indices of the cells whose output is reachable from the input, and those cells."""
    whole = cells()
    kept = np.flatnonzero(whole.connected)
    return kept, Cells(whole.operations[kept])


def device_table(device: Device) -> pd.DataFrame:
    """All cells' latencies on one device as a measurement table, in the order of their indices.

    Precision, layout and framework are not stated: a framework's defaults are assumed.

    Raises:
        PerfseerError: the file cannot be had.
    """
    names = [f"{SOURCE}-{index:05d}" for index in range(N_CELLS)]
    rows = pd.DataFrame(
        {
            "model_ref": _references(device),
            "architecture": names,
            "family": SOURCE,
            "input_shape": "3x32x32",
            "batch_size": device.batch_size,
            LABEL: latencies_ms(device),
        }
    )
    return published_table(
        rows,
        device=device.title,
        device_kind=device.kind,
        protocol=_PROTOCOL,
        protocol_version=PROTOCOL_VERSION,
        environment={"source": device.name},
    )


def _references(device: Device) -> list[str]:
    """What a device ran: the phone's converted networks are others than those of the same cells elsewhere."""
    ending = "@leading" if device.runs == "leading" else ""
    return [f"{SOURCE}:{index:05d}{ending}" for index in range(N_CELLS)]


def _index(device: Device, kept: IntArray, first: int) -> pd.DataFrame:
    """Which graph belongs to each of a device's rows, where those of ``kept`` are numbered from ``first``."""
    numbers = np.full(N_CELLS, NO_GRAPH)
    numbers[kept] = first + np.arange(len(kept))
    columns = {
        "model_ref": _references(device),
        "input_shape": "3x32x32",
        "batch_size": device.batch_size,
        "graph": numbers,
        "reason": pd.Series(numbers).map({NO_GRAPH: "the output is cut off from the input"}),
    }
    return pd.DataFrame(columns)[list(INDEX_COLUMNS)]
