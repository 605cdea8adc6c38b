"""``perfseer graph build``: a graph of every model of a measurement table."""

import time
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from perfseer.console.places import GRAPHS, INDEX, MEASUREMENTS, Measurements, require_apart
from perfseer.console.progress import progress


def graph_build(
    measurements: Measurements = MEASUREMENTS,
    out: Annotated[Path, typer.Option(help="The packed graphs to write.")] = GRAPHS,
    index: Annotated[Path, typer.Option(help="Which graph belongs to which row, to write.")] = INDEX,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
) -> None:
    """Capture a graph of every distinct model, input and batch size of a measurement table."""
    from perfseer.data.building import build_graphs
    from perfseer.data.files import write_parquet
    from perfseer.measure.table import read_table

    require_apart([out, index], [measurements])
    started = time.monotonic()
    with progress("capturing graphs of models") as report:
        packed, table = build_graphs(read_table(measurements), workers, report)
    packed.save(out)
    write_parquet(index, table)
    failed = table[table["reason"].notna()]
    for reason, count in failed["reason"].value_counts().items():
        typer.echo(f"no graph for {count} configurations: {reason}", err=True)
    _warn_of_unknown(packed.unknown)
    typer.echo(
        f"{len(packed)} graphs with {packed.node_ptr[-1]} nodes in {out}, {len(failed)} failed, "
        f"{time.monotonic() - started:.1f} s"
    )


def _warn_of_unknown(unknown: Any) -> None:
    totals: Counter[str] = Counter()
    for counts in unknown.values():
        totals.update(counts)
    if totals:
        listed = ", ".join(f"{name} ×{count}" for name, count in sorted(totals.items()))
        typer.echo(f"operators outside the vocabulary, kept as other: {listed}", err=True)
