"""``perfseer public table`` and ``graphs``: published results as a measurement table, and their graphs."""

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from perfseer.console.progress import progress
from perfseer.console.tables import Format, Style, console, listed
from perfseer.console.tables import table as console_table

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

    from perfseer.data.sources.timm_results.tables import Imported

Files = Annotated[
    list[str] | None,
    typer.Argument(
        help="Result files of timm's benchmark: published ones by name, your own by path. All published ones "
        "if none is given.",
        show_default=False,
    ),
]
_LISTED = 10


def table(
    files: Files = None,
    out: Annotated[Path | None, typer.Option(help="Measurement table (Parquet) to write.")] = None,
    device: Annotated[str | None, typer.Option(help="Device, where a file's name does not say.")] = None,
    device_kind: Annotated[str | None, typer.Option(help="cpu or cuda.")] = None,
    precision: Annotated[str | None, typer.Option(help="fp32, tf32, amp-fp16, amp-bf16, bf16, fp16.")] = None,
    memory_format: Annotated[str | None, typer.Option(help="nchw or nhwc.")] = None,
    mode: Annotated[str | None, typer.Option(help="eager or compiled.")] = None,
    software: Annotated[str | None, typer.Option(help="For example 'torch 2.4.0 cu124'.")] = None,
    phase: Annotated[str | None, typer.Option(help="infer or train.")] = None,
    style: Style = Format.table,
) -> None:
    """Read published results as a measurement table, and say what became of every row.

    What a file was measured on is read from its name; the options are for files whose names do not say it.
    """
    from perfseer.data.sources.timm_results.names import Given
    from perfseer.data.sources.timm_results.source import TimmResults
    from perfseer.errors import require
    from perfseer.measure.table import write_table

    given = Given(device, device_kind, precision, memory_format, mode, software, phase)
    require(
        given == Given() or bool(files), "give the files that the options are about; published ones need none"
    )
    source = TimmResults(files or (), given=given)
    imported = source.opened
    if out is not None:
        write_table(source.table, out)
        typer.echo(f"{len(source.table)} rows in {out}", err=True)
    if style is Format.json:
        typer.echo(json.dumps([_as_json(file) for file in imported], indent=1))
        return
    console().print(_counts(imported))
    for file in imported:
        _warn_of_refused(file.source, file.refused, "model")


def graphs(
    files: Files = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    as_measured: Annotated[
        bool, typer.Option(help="In each row's precision, with the casts of mixed precision.")
    ] = False,
) -> None:
    """Capture the graphs of published results' models, keep them, and say which rows have none.

    What is captured already stays, so an interrupted run is continued. The folder is PERFSEER_CACHE, or
    ~/.cache/perfseer.
    """
    from perfseer.data.sources.timm_results.source import TimmResults, join

    started = time.monotonic()
    with progress("capturing models") as report:
        source = TimmResults(files or (), workers, report, as_measured=as_measured)
        captures = source.captures
    joined = join(source.opened, captures, as_measured=as_measured)
    for file, refused in joined.refused.groupby("source", sort=False):
        _warn_of_refused(str(file), refused, "published")
    data = joined.data
    typer.echo(
        f"{len(data)} rows over {len(data.graphs)} graphs with {data.graphs.node_ptr[-1]} nodes, from "
        f"{len(captures.graphs)} captures in {captures.folder}; {len(joined.refused)} rows left out, "
        f"{time.monotonic() - started:.1f} s"
    )


def _as_json(file: "Imported") -> dict[str, object]:
    return {
        "source": file.source,
        "platform": file.platform.key,
        "phase": file.phase,
        **file.counts,
        "refused_rows": file.refused.to_dict("records"),
    }


def _counts(imported: "list[Imported]") -> "Table":
    counts = [name.replace("_", " ") for name in imported[0].counts]
    rows = [[file.platform.key, file.phase, *file.counts.values()] for file in imported]
    shown = console_table(listed(("platform", "phase", *counts), numbers=counts), rows)
    if len(imported) > 1:
        shown.add_section()
        totals = [sum(file.counts[name] for file in imported) for name in imported[0].counts]
        shown.add_row("all", "", *map(str, totals))
    return shown


def _warn_of_refused(source: str, refused: "pd.DataFrame", model: str) -> None:
    """The reasons, and the first models of each."""
    for reason, rows in refused.groupby("reason", sort=False):
        names = list(rows[model].iloc[:_LISTED])
        more = f" and {len(rows) - _LISTED} more" if len(rows) > _LISTED else ""
        typer.echo(f"{source}: left out {', '.join(map(str, names))}{more}: {reason}", err=True)
