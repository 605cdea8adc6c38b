"""``perfseer merge``: measurement tables joined. Runs where only the measuring path's libraries exist."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from perfseer.measure.merging import Merged


def merge(
    tables: Annotated[list[Path], typer.Argument(help="Measurement tables (Parquet), one or more.")],
    out: Annotated[Path, typer.Option(help="The table to write; it may be one of them.")],
    allow_mixed: Annotated[
        bool,
        typer.Option("--allow-mixed", help="Admit several devices, environments or protocols in one table."),
    ] = False,
) -> None:
    """Join measurement tables of one device, environment and protocol; each measurement is kept once."""
    from perfseer.measure.merging import merge_tables
    from perfseer.measure.table import read_table, require_writable, write_table

    require_writable(out)
    merged = merge_tables({str(path): read_table(path) for path in tables}, allow_mixed=allow_mixed)
    write_table(merged.table, out)
    typer.echo(f"{out}: {_summary(merged)}")


def _summary(merged: "Merged") -> str:
    """One line: rows, where they are from, what was left out, and whether positions are new."""
    sources = ", ".join(f"{rows} of {name}" for name, rows in merged.rows.items())
    parts = [f"{len(merged.table)} rows ({sources})"]
    if merged.copies:
        parts.append(f"{merged.copies} equal to another row left out")
    if merged.repeats:
        parts.append(
            f"{merged.repeats} left out whose configuration was measured before in the same setting "
            "(perfseer remeasure measures again on purpose)"
        )
    if merged.renumbered:
        parts.append("positions collided, so order counts anew")
    return "; ".join(parts)
