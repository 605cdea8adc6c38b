"""Cloud prices: what an instance with accelerators cost per hour at 18 providers, March 2025."""

from typing import ClassVar

import pandas as pd

from perfseer.data.download import RemoteFile
from perfseer.hardware.checks import Checks
from perfseer.hardware.csv_source import CsvSource
from perfseer.hardware.source import Reading

_COMMIT = "2bddc6d52544dc258e7e34396c6958377f72816b"
_FILE = "docs/cloud-gpus/cloud-gpus.csv"
# US$/h for one accelerator; the dearest of 2025 is 10, the cheapest spot offer 0.09.
_LEAST, _MOST = 0.005, 40.0
_MOST_ACCELERATORS = 1024
# The file has cents. Some providers' prices per accelerator are for other hosts, up to half as much again.
_ROUNDING, _FACTOR = 0.0051, 3.0


class CloudPrices(CsvSource):
    """A row for each instance type offered."""

    name = "cloud_prices"
    title = "Cloud GPU prices, on demand and spot, of 18 providers, March 2025 (The Full Stack)"
    licence = "MIT"
    url = "https://fullstackdeeplearning.com/cloud-gpus/"
    shipped = "cloud_prices"
    published = "2025-03"
    files: ClassVar[tuple[RemoteFile, ...]] = (
        RemoteFile(
            folder="hardware",
            name="cloud-gpus.csv",
            url=f"https://raw.githubusercontent.com/the-full-stack/website/{_COMMIT}/{_FILE}",
            sha256="cd69e286d6dcf872a5f1829a36e1a28765ce1f4e005fca8c7a88d2d964bffbf3",
            n_bytes=15561,
            licence="MIT",
        ),
    )
    header = (
        *("Cloud", "GPU Type", "GPU Arch", "GPUs", "GPU RAM", "vCPUs", "RAM"),
        *("On-demand", "Per-GPU", "Spot", "Name"),
    )
    columns: ClassVar[dict[str, str]] = {
        "provider": "of the cloud",
        "accelerator": "as the list writes it, with the memory of one, for example A100 (80 GB)",
        "architecture": "as the list has it, for example Ampere",
        "instance": "the provider's name of the type; empty for 133",
        "accelerators": "of the instance",
        "memory_bytes": "of all accelerators, bytes, 1 GB taken as 2³⁰; of one at some providers",
        "vcpus": "of the instance: a number, or a range as the provider writes it",
        "host_memory_gb": "of the instance, GB: a number, or a range as the provider writes it",
        "on_demand_usd_per_h": "for the instance, US$/h; NaN where only a price per accelerator is listed",
        "per_accelerator_usd_per_h": "on_demand_usd_per_h / accelerators, US$/h",
        "listed_per_accelerator_usd_per_h": "the list's own; of the whole instance at Exoscale",
        "spot_usd_per_h": "for the instance, US$/h; NaN where there is no such offer",
        "spot_per_accelerator_usd_per_h": "spot_usd_per_h / accelerators, US$/h",
    }

    def read(self) -> Reading:
        """All offers; see `HardwareSource.read`."""
        cells = self.checked_cells()
        checks = Checks(cells.table)
        count = checks.number("GPUs", 1, _MOST_ACCELERATORS, "accelerators", required=True, whole=True)
        most = _MOST * _MOST_ACCELERATORS
        rows = pd.DataFrame(
            {
                "provider": checks.name("Cloud"),
                "accelerator": checks.name("GPU Type"),
                "architecture": checks.text("GPU Arch"),
                "instance": checks.text("Name"),
                "accelerators": count,
                "memory_bytes": checks.number("GPU RAM", 1, 1_000_000, "GB", scale=2.0**30),
                "vcpus": checks.text("vCPUs"),
                "host_memory_gb": checks.text("RAM"),
                "on_demand_usd_per_h": checks.number("On-demand", _LEAST, most, "US$/h"),
                "listed_per_accelerator_usd_per_h": checks.number("Per-GPU", _LEAST, most, "US$/h"),
                "spot_usd_per_h": checks.number("Spot", _LEAST, most, "US$/h"),
            }
        )
        own = rows["per_accelerator_usd_per_h"] = rows["on_demand_usd_per_h"] / count
        spot = rows["spot_per_accelerator_usd_per_h"] = rows["spot_usd_per_h"] / count
        for column, price in (("On-demand", own), ("Spot", spot)):
            unlikely = (price < _LEAST) | (price > _MOST)
            checks.refuse(
                unlikely, column, f"not within {_LEAST} to {_MOST} US$/h for one accelerator: cents?"
            )
        listed = rows["listed_per_accelerator_usd_per_h"]
        ratio = own / listed
        far = (ratio > _FACTOR) | (ratio < 1 / _FACTOR)
        checks.refuse(far, "Per-GPU", f"more than {_FACTOR:.0f} times off On-demand / GPUs: another unit?")
        checks.refuse(own.isna() & listed.isna() & spot.isna(), "On-demand", "no price at all")
        checks.unique(self.header)
        one = rows["accelerator"].str.extract(r"\((\d+) ?GB\)", expand=False).astype("float64")
        return checks.reading(
            rows[list(self.columns)],
            findings={
                "Per-GPU is not On-demand / GPUs, rounded to cents": (own - listed).abs() > _ROUNDING,
                "there is no On-demand, and Per-GPU with several GPUs": own.isna() & (count > 1),
                "GPU RAM is not the memory of one x GPUs": one.notna()
                & (rows["memory_bytes"] != one * count * 2.0**30),
                "Spot is above On-demand": spot > own,
            },
            where=cells.where,
        )
