"""``perfseer source list`` and ``table``: published measurements by name, read as what the pipeline takes."""

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from perfseer.console.places import require_apart
from perfseer.console.progress import progress
from perfseer.console.tables import Format, Style

if TYPE_CHECKING:
    from perfseer.data.source import Source


def source_list(style: Style = Format.table) -> None:
    """List the published measurements there are: their files, and which of them are here."""
    from perfseer.data.download import NOT_STATED
    from perfseer.data.source import source_class
    from perfseer.data.sources import source_names

    sources = {name: source_class(name) for name in source_names()}
    if style is Format.json:
        typer.echo(json.dumps({name: _facts(source) for name, source in sources.items()}, indent=1))
        return
    for name, source in sources.items():
        files = source.files
        here = sum(file.path.is_file() for file in files)
        sizes = [file.n_bytes for file in files if file.n_bytes is not None]
        size = f"{sum(sizes) / 1e6:.2f} MB" if len(sizes) == len(files) else f"size {NOT_STATED}"
        licences = " | ".join(dict.fromkeys(file.licence for file in files))
        typer.echo(f"{name}: {source.title}\n  graphs by {source.graphs_by}; licence: {licences}")
        typer.echo(f"  {len(files)} files, {size}, {here} of them here")


def source_table(
    name: Annotated[str, typer.Argument(help="A name of `perfseer source list`.")],
    places: Annotated[
        list[str] | None,
        typer.Argument(help="Published files by name, your own by path; default: all.", show_default=False),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The measurement table to write (Parquet).")] = None,
    graphs: Annotated[Path | None, typer.Option(help="The packed graphs to write.")] = None,
    index: Annotated[Path | None, typer.Option(help="Which graph belongs to which row, to write.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    sample: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Rows of so many architectures alone, or so many single operators of all kinds and sizes; "
            "default: all.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the sample.")] = 0,
) -> None:
    """Read published measurements as a measurement table, with their graphs if they are asked for."""
    from perfseer.data.files import write_parquet
    from perfseer.data.source import source_class
    from perfseer.errors import require
    from perfseer.measure.table import write_table

    require((graphs is None) == (index is None), "--graphs and --index belong together: give both or neither")
    require_apart([out, graphs, index], places or ())
    started = time.monotonic()
    with progress("reading graphs") as report:
        source = source_class(name)(places or (), workers, report, sample=sample, seed=seed)
        table = source.table
        if graphs is not None and index is not None:
            packed, listed = source.graphs()
            packed.save(graphs)
            write_parquet(index, listed)
            for reason, count in listed["reason"].value_counts().items():
                typer.echo(f"no graph for {count} configurations: {reason}", err=True)
    if out is not None:
        write_table(table, out)
    ok = int((table["status"] == "ok").sum())
    typer.echo(f"{len(table)} rows, {ok} of them measured, {time.monotonic() - started:.1f} s")


def _facts(source: "type[Source]") -> dict[str, Any]:
    files = [{**asdict(file), "here": file.path.is_file()} for file in source.files]
    return {"title": source.title, "graphs_by": source.graphs_by, "files": files}
