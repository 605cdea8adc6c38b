"""Small CSV files in the form of the published ones, in the folder where people's own are looked for."""

import csv
from pathlib import Path

from perfseer.hardware.csv_source import CsvSource
from perfseer.hardware.source import Reading, hardware_source

PASSMARK = {
    **{"gpuName": "GeForce RTX 3090", "G3Dmark": "26395", "G2Dmark": "999", "price": "1749.99"},
    **{"gpuValue": "15.08", "TDP": "350.0", "powerPerformance": "75.41", "testDate": "2020"},
    **{"category": "Desktop", "brand": "NVIDIA"},
}
GEEKBENCH = {
    **{"Manufacturer": "Nvidia", "Device": "GeForce RTX 3090", "CUDA": "238123", "Metal": ""},
    **{"OpenCL": "204921", "Vulkan": "138859"},
}
CLOUD = {
    **{"Cloud": "AWS", "GPU Type": "A100 (80 GB)", "GPU Arch": "Ampere", "GPUs": "8", "GPU RAM": "640"},
    **{"vCPUs": "96", "RAM": "1152", "On-demand": "40.97", "Per-GPU": "5.12", "Spot": "8.0"},
    "Name": "p4de.24xlarge",
}
EPOCH = {
    **{
        "Hardware name": "NVIDIA A100",
        "Manufacturer": "NVIDIA",
        "Type": "GPU",
        "Notes": "two\nlines, one cell",
    },
    **{"Release date": "2020-05-14", "Release price (USD)": "15000", "TDP (W)": "400"},
    **{
        "Tensor-FP16/BF16 performance (FLOP/s)": "3.12e14",
        "FP16 (half precision) performance (FLOP/s)": "7.8e13",
    },
    **{"Memory (bytes)": "80000000000", "Internode bandwidth (bit/s)": "200000000000"},
    **{"Boost clock (MHz)": "1410", "Transistors (millions)": "54200", "Max performance": "3.12e14"},
    **{"Energy efficiency": "7.8e11", "ML OP/s": "3.12e14", "Price-performance": "2.08e10"},
}


def write_table(path: Path, header: tuple[str, ...], *rows: dict[str, str], encoding: str = "utf-8") -> None:
    with path.open("w", encoding=encoding, newline="") as stream:
        writer = csv.DictWriter(stream, header, restval="")
        writer.writeheader()
        writer.writerows(rows)


def reading_of(source: str, folder: Path, *rows: dict[str, str], encoding: str = "utf-8") -> Reading:
    """What a source reads of a file with these rows."""
    kind = hardware_source(source)
    assert issubclass(kind, CsvSource)
    write_table(folder / f"{source}.csv", kind.header, *rows, encoding=encoding)
    return kind(folder=folder).read()


def refusals(reading: Reading) -> list[tuple[int, str, str]]:
    """Row, column and value of each refusal."""
    return list(reading.refused[["row", "column", "value"]].itertuples(index=False, name=None))
