"""``perfseer import`` and ``perfseer export``: the format in which PerfSeer's dataset was published."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from perfseer.console.places import GRAPHS, INDEX, MEASUREMENTS, Graphs, Index, Measurements
from perfseer.console.progress import progress

if TYPE_CHECKING:
    from perfseer.data.sources.perfseer_release.reading import Imported

_FORMAT = "perfseer-release"
_SHOWN = 5  # refused files told on the screen; the report has all


def import_release(
    path: Annotated[
        Path | None,
        typer.Argument(help="Folder that holds cg and label, or cg.zip and label.zip; default: downloaded."),
    ] = None,
    table: Annotated[Path | None, typer.Option(help="The measurement table to write (Parquet).")] = None,
    graphs: Annotated[Path | None, typer.Option(help="The packed graphs to write.")] = None,
    index: Annotated[Path | None, typer.Option(help="Which graph belongs to which row, to write.")] = None,
    report: Annotated[Path | None, typer.Option(help="List of files not used as they stand (CSV).")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; default: all cores.")] = None,
    device_name: Annotated[
        str | None, typer.Option(help="The device measured; default: an RTX 3090.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse the whole if one file is.")] = False,
) -> None:
    """Read the PerfSeer release, or whatever `perfseer export` wrote in its format.

    Its pickles and texts are interpreted as data; nothing in them is ever run. A file that asks for more is
    refused by name, and the rest is read. Without options nothing is written: the release is only examined.
    """
    from perfseer.data.files import write_csv, write_parquet
    from perfseer.data.sources.perfseer_release.source import PerfseerRelease
    from perfseer.errors import require
    from perfseer.measure.fingerprint import usable_cores
    from perfseer.measure.table import write_table

    started = time.monotonic()
    with progress("reading graphs") as tell:
        found = PerfseerRelease(
            [path] if path else [],
            workers or usable_cores(),
            tell,
            device_name or PerfseerRelease.device_name,
        ).imported
    if report is not None:
        write_csv(report, found.notes)
    reasons = found.refused["reason"].tolist()
    require(
        not (strict and reasons),
        f"--strict, and {len(reasons)} files were refused: {'; '.join(reasons[:_SHOWN])}",
    )
    if graphs is not None:
        found.graphs.save(graphs)
    if index is not None:
        write_parquet(index, found.index)
    if table is not None:
        write_table(found.table, table)
    _summarise(found, time.monotonic() - started)


def export_dataset(
    out: Annotated[Path, typer.Option(help="Folder to write; absent or empty.")],
    format_name: Annotated[str, typer.Option("--format", help="perfseer-release.")] = "perfseer-release",
    measurements: Measurements = MEASUREMENTS,
    graphs: Graphs = GRAPHS,
    index: Index = INDEX,
    archives: Annotated[bool, typer.Option(help="Write cg.zip and label.zip instead of folders.")] = False,
) -> None:
    """Write a dataset as PerfSeer's was published, for other people's programs; docs/perfseer-release.md."""
    from perfseer.data.assembly import read_index
    from perfseer.data.packed import PackedGraphs
    from perfseer.data.sources.perfseer_release.writing import export
    from perfseer.errors import require
    from perfseer.measure.table import read_table

    require(format_name == _FORMAT, f"--format {format_name!r} is unknown; there is {_FORMAT}")
    started = time.monotonic()
    table, packed = read_table(measurements), PackedGraphs.load(graphs)
    with progress("writing graphs") as tell:
        done = export(table, packed, read_index(index), out, archives=archives, progress=tell)
    for reason, count in done.left_out.items():
        typer.echo(f"left out: {count} × {reason}", err=True)
    typer.echo(
        f"{done.configurations} configurations in {out}, {done.rows_left_out} rows left out, "
        f"{time.monotonic() - started:.1f} s"
    )


def _summarise(found: "Imported", seconds: float) -> None:
    """Counts to stdout; refused files, the first of them with reasons, to stderr."""
    table, refused = found.table, found.refused
    for reason in refused["reason"].tolist()[:_SHOWN]:
        typer.echo(reason, err=True)
    if len(refused) > _SHOWN:
        typer.echo(f"and {len(refused) - _SHOWN} further files; --report FILE.csv lists all", err=True)
    n, complete = len(table), int((table["status"] == "ok").sum())
    typer.echo(f"graphs         {n} ({found.graphs.node_ptr[-1]} nodes, {found.graphs.edge_ptr[-1]} edges)")
    typer.echo(f"architectures  {table['architecture'].nunique()}")
    typer.echo(f"rows           {n}, {complete} with all labels, {n - complete} without some")
    typer.echo(f"refused files  {len(refused)}")
    for kind, count in found.notes["kind"].value_counts().sort_index().items():
        typer.echo(f"  {count} × {kind}")
    typer.echo(f"{seconds:.1f} s, {n / seconds:.0f} graphs/s")
