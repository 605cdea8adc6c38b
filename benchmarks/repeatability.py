"""How far two measurement tables of the same configurations differ: the table in docs/measurement.md.

python benchmarks/repeatability.py once.parquet again.parquet
"""

import sys
from pathlib import Path

from perfseer.errors import PerfseerError, require
from perfseer.measure.table import CONFIGURATION, read_table
from perfseer.targets import TARGETS


def main(paths: list[str]) -> None:
    """Print median, mean and 95th percentile of |second / first − 1| per label [%]."""
    require(len(paths) == 2, f"{len(paths)} tables given, expected two: once.parquet again.parquet")
    first, second = (read_table(Path(path)).query("status == 'ok'") for path in paths)
    both = first.merge(second, on=list(CONFIGURATION), suffixes=("", "_again"))
    require(len(both) > 0, f"{paths[0]} and {paths[1]} have no configuration in common")
    print(f"{len(both)} configurations\n| label | median | mean | 95th percentile |\n|---|--:|--:|--:|")
    for target in TARGETS:
        share = 100 * (both[f"{target.name}_again"] / both[target.name] - 1).abs()
        cells = (share.median(), share.mean(), share.quantile(0.95))
        print(f"| {target.title} | " + " | ".join(f"{cell:.2g} %" for cell in cells) + " |")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except PerfseerError as error:
        sys.exit(f"error: {error}")
