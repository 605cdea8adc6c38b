"""PassMark: graphics scores, shop prices and TDP of graphics cards, as collected in 2022."""

from typing import Any, ClassVar

import pandas as pd

from perfseer.data.download import NOT_STATED, RemoteFile
from perfseer.hardware.checks import Checks
from perfseer.hardware.csv_source import CsvSource
from perfseer.hardware.source import Reading

_COMMIT = "6b14a45b854d6087281e9c2d19e3f59348c37673"
_CATEGORIES = ("Unknown", "Desktop", "Workstation", "Mobile", "Mobile, Workstation", "Desktop, Mobile")
_BRANDS = ("NVIDIA", "AMD", "Intel", "Apple", "Other")
# Published ratios come of scores and prices of other days: up to 0.024 and 0.09 off. Beyond their rounding it
# is a finding; beyond the following, one of the three numbers is of another unit or another card.
_ROUNDING = 0.0051
_ABSOLUTE, _RELATIVE = 0.15, 0.05


class Passmark(CsvSource):
    """A row for each name that people's runs reported: cards, pairs of cards, virtual ones, drivers."""

    name = "passmark"
    title = (
        "PassMark G3D and G2D marks, shop prices and TDP of 2,317 graphics cards (PassMark, via gradedSystem)"
    )
    licence = f"{NOT_STATED}: fetched, never passed on"
    url = "https://github.com/gradedSystem/GPU_Price_Specs"
    published = "2022"
    files: ClassVar[tuple[RemoteFile, ...]] = (
        RemoteFile(
            folder="hardware",
            name="GPU_benchmarks_v7.csv",
            url=f"https://raw.githubusercontent.com/gradedSystem/GPU_Price_Specs/{_COMMIT}/GPU_benchmarks_v7.csv",
            sha256="3d4d3476f32d24bb77f54a5856b9936ad518af160e0f701e130cfaa87de74012",
            n_bytes=131785,
        ),
    )
    header = (
        *("gpuName", "G3Dmark", "G2Dmark", "price", "gpuValue"),
        *("TDP", "powerPerformance", "testDate", "category", "brand"),
    )
    columns: ClassVar[dict[str, str]] = {
        "name": "as the benchmark reported it; unique",
        "brand": "NVIDIA, AMD, Intel, Apple or Other, as the file has it: Other hides some of the four",
        "category": "Desktop, Mobile, Workstation or two of them; Unknown for 1,351",
        "year": "testDate, which looks like the year in which the name was first seen",
        "g3d": "PassMark G3D Mark",
        "g2d": "PassMark G2D Mark",
        "price_usd": "seen in shops, US$; NaN where unknown",
        "tdp_w": "TDP, W; NaN where unknown",
        "g3d_per_usd": "gpuValue, as published: G3D Mark per US$; NaN where there is no price",
        "g3d_per_w": "powerPerformance, as published: G3D Mark per W; NaN where there is no TDP",
    }

    def read(self) -> Reading:
        """All names; see `HardwareSource.read`."""
        cells = self.checked_cells()
        checks = Checks(cells.table)
        rows = pd.DataFrame(
            {
                "name": checks.name("gpuName"),
                "brand": checks.one_of("brand", _BRANDS),
                "category": checks.one_of("category", _CATEGORIES),
                "year": checks.number("testDate", 1995, 2035, "", required=True, whole=True),
                "g3d": checks.number("G3Dmark", 1, 500_000, "", required=True),
                "g2d": checks.number("G2Dmark", 1, 20_000, "", required=True),
                "price_usd": checks.number("price", 1, 100_000, "US$"),
                "tdp_w": checks.number("TDP", 1, 3_000, "W"),
                "g3d_per_usd": checks.number("gpuValue", 0, 100_000, "per US$"),
                "g3d_per_w": checks.number("powerPerformance", 0, 10_000, "per W"),
            }
        )
        checks.unique(["gpuName"])
        return checks.reading(
            rows,
            findings={
                "gpuValue is not G3D Mark / price, rounded": _ratio(
                    checks, rows, "price", "price_usd", "g3d_per_usd"
                ),
                "powerPerformance is not G3D Mark / TDP, rounded": _ratio(
                    checks, rows, "TDP", "tdp_w", "g3d_per_w"
                ),
                "a price without gpuValue, or the reverse": _only_one(rows, "price_usd", "g3d_per_usd"),
                "a TDP without powerPerformance, or the reverse": _only_one(rows, "tdp_w", "g3d_per_w"),
            },
            where=cells.where,
        )


def _ratio(checks: Checks, rows: pd.DataFrame, column: str, by: str, published: str) -> Any:
    """[n] whose published ratio is not that of their numbers; where it is far off, they are refused."""
    ratio = rows["g3d"] / rows[by]
    difference = (ratio - rows[published]).abs()
    far = difference > _ABSOLUTE + _RELATIVE * rows[published]
    reasons = [
        f"with the G3D Mark {g3d:.12g} it gives {own:.4g}, published is {given:.12g}: another unit?"
        for g3d, own, given in zip(rows["g3d"][far], ratio[far], rows[published][far], strict=True)
    ]
    checks.refuse(far, column, reasons)
    return difference > _ROUNDING


def _only_one(rows: pd.DataFrame, first: str, second: str) -> Any:
    return rows[first].isna() != rows[second].isna()
