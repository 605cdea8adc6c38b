"""Geekbench: compute scores of graphics processors under CUDA, Metal, OpenCL and Vulkan, of 2022."""

from typing import ClassVar

import pandas as pd

from perfseer.data.download import NOT_STATED, RemoteFile
from perfseer.hardware.checks import Checks
from perfseer.hardware.csv_source import CsvSource
from perfseer.hardware.source import Reading

_COMMIT = "6b14a45b854d6087281e9c2d19e3f59348c37673"
_FILE = "GPU_scores_graphicsAPIs.csv"
_APIS = ("CUDA", "Metal", "OpenCL", "Vulkan")
# The best card of 2022 has 260,346.
_MOST = 5_000_000


class Geekbench(CsvSource):
    """A row for each device name that people's runs reported: cards, virtual ones, Mesa drivers, phones."""

    name = "geekbench"
    title = "Geekbench 5 compute scores of 1,213 graphics processors (Primate Labs, via gradedSystem)"
    licence = f"{NOT_STATED}: fetched, never passed on"
    url = "https://github.com/gradedSystem/GPU_Price_Specs"
    published = "2022"
    files: ClassVar[tuple[RemoteFile, ...]] = (
        RemoteFile(
            folder="hardware",
            name=_FILE,
            url=f"https://raw.githubusercontent.com/gradedSystem/GPU_Price_Specs/{_COMMIT}/{_FILE}",
            sha256="d087293c77a41c82df8cde78fb07611146da047bf318a547456141f24b5b918e",
            n_bytes=43403,
        ),
    )
    header = ("Manufacturer", "Device", *_APIS)
    columns: ClassVar[dict[str, str]] = {
        "name": "as the driver reported it; unique",
        "manufacturer": "Nvidia, AMD, Intel, Apple, ARM, Qualcomm, Samsung, PowerVR or Other",
        "cuda": "score under CUDA; NaN where there is none",
        "metal": "score under Metal; NaN where there is none",
        "opencl": "score under OpenCL; NaN where there is none",
        "vulkan": "score under Vulkan; NaN where there is none",
    }

    def read(self) -> Reading:
        """All devices; see `HardwareSource.read`."""
        cells = self.checked_cells()
        checks = Checks(cells.table)
        scores = {api.lower(): checks.number(api, 1, _MOST, "points") for api in _APIS}
        rows = pd.DataFrame(
            {"name": checks.name("Device"), "manufacturer": checks.name("Manufacturer"), **scores}
        )
        checks.refuse(rows[list(scores)].isna().all(axis=1), "Device", "no score under any of the four")
        checks.unique(["Device"])
        return checks.reading(rows, where=cells.where)
