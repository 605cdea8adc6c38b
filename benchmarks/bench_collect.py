"""Speed of collecting: how many configurations a minute, and where the time goes.

    python benchmarks/bench_collect.py --device cpu --seconds 60
    python benchmarks/bench_collect.py --device cuda --seconds 600 --overlay workflow/presets/gpu.yaml

Runs `collect` itself, with a journal of its own in a temporary folder, so nothing is taken from earlier runs.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from perfseer.errors import PerfseerError
from perfseer.measure.collector import Collection, collect
from perfseer.measure.progress import summary
from perfseer.measure.settings import CollectSettings
from perfseer.measure.table import write_table
from perfseer.parameters import load_mapping
from perfseer.zoo.space import SearchSpace


def main(arguments: argparse.Namespace) -> None:
    """Collect for the seconds given and print what came of it."""
    parameters = load_mapping(arguments.params)
    for path in arguments.overlay:
        parameters = overlaid(parameters, load_mapping(path))
    given = {"device": arguments.device, "time_budget_s": arguments.seconds}
    settings = CollectSettings.from_mapping({**parameters["collect"], **given})
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        collection = collect(
            SearchSpace.from_mapping(parameters["zoo"]),
            settings,
            Path(folder),
            report=lambda _: None,
            note=print,
        )
        write_table(collection.table, Path(folder) / "table.parquet")
    print(described(collection, time.monotonic() - begin))


def described(collection: Collection, wall_s: float) -> str:
    """What `perfseer collect` says at its end, and how far the wall clock is from measuring time."""
    tally = collection.tally
    per_ten_minutes = 600 * tally.rows / wall_s
    return (
        f"{summary(tally)}\nwall clock {wall_s:.1f} s, start, planning, journal and table included: "
        f"{per_ten_minutes:.0f} configurations in ten minutes at this rate"
    )


def overlaid(below: Any, above: Any) -> Any:
    """``above`` over ``below``, mapping by mapping, as Snakemake overlays its configuration files."""
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    return {**below, **{name: overlaid(below.get(name), value) for name, value in above.items()}}


def parsed(words: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--seconds", type=float, default=60.0, help="measuring time")
    parser.add_argument("--params", default="params.yaml")
    parser.add_argument("--overlay", action="append", default=[], help="a preset; may be given again")
    return parser.parse_args(words)


if __name__ == "__main__":
    try:
        main(parsed(sys.argv[1:]))
    except PerfseerError as error:
        sys.exit(f"error: {error}")
