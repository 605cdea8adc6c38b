"""``perfseer collect``: measure networks of the search space on this machine."""

from pathlib import Path
from typing import Annotated

import typer

from perfseer.cli.measuring import Device, Journal, Retry, collect_settings, conclude, measuring


def collect(
    out: Annotated[Path, typer.Option(help="The measurement table to write (Parquet).")],
    params: Annotated[str, typer.Option(help="params.yaml, or inline JSON.")] = "params.yaml",
    device: Device = None,
    time_budget: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="Measuring time of the whole table, resumed runs included; default collect.time_budget_s.",
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most this many configurations.")] = None,
    skip: Annotated[
        Path | None, typer.Option(help="An earlier measurement table; its configurations are left out.")
    ] = None,
    journal: Journal = None,
    retry_failed: Retry = False,
) -> None:
    """Measure time, memory and utilisation of random networks, in training and inference.

    Results go to the journal at once: however this ends, the same command goes on where it stopped.
    """
    from perfseer.measure.collector import collect as run
    from perfseer.measure.collector import configuration_ids
    from perfseer.measure.table import read_table, require_writable, write_table
    from perfseer.parameters import load_mapping

    space, settings = collect_settings(load_mapping(params), device=device, time_budget_s=time_budget)
    require_writable(out)
    skipped = configuration_ids(read_table(skip)) if skip else frozenset()
    with measuring("collect", journal, retry_failed=retry_failed) as logbook:
        collection = run(space, settings, logbook, limit=limit, skip=skipped)
    write_table(collection.table, out)
    conclude("collect", f"{out}: ", collection.tally)
