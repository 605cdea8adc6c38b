"""``perfseer check`` and ``perfseer merge``: finished measurement tables, examined and joined.

Both run where only the measuring path's libraries exist.
"""

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import RenderableType

    from perfseer.measure.merging import Merged
    from perfseer.measure.trust.sanity import Finding
    from perfseer.measure.trust.settings import SanitySettings

# Neither a fault of the program (1) nor of what was given (2): the table is readable, and not sound.
VIOLATED_EXIT_CODE = 3
_PIPED_WIDTH = 160  # columns where standard output is no terminal


class Format(StrEnum):
    """How findings are printed."""

    table = "table"
    json = "json"


def check(
    table: Annotated[Path, typer.Argument(help="The measurement table (Parquet).")],
    params: Annotated[str, typer.Option(help="params.yaml, or inline JSON.")] = "params.yaml",
    style: Annotated[
        Format, typer.Option("--format", help="A table for people, JSON for programs.")
    ] = Format.table,
    limit: Annotated[int, typer.Option(min=0, help="Rows listed per rule; 0 lists all.")] = 10,
) -> None:
    """Hold a measurement table against the rules a sound one obeys, and list the rows that break them.

    Exit code 0 if none does, 3 if some do; 2 if the table or the parameters cannot be read.
    """
    from perfseer.measure.table import read_table
    from perfseer.measure.trust.sanity import check_table

    settings = _settings(params)
    measurements = read_table(table)
    findings = check_table(measurements, settings)
    if style is Format.json:
        typer.echo(json.dumps(_as_json(table, len(measurements), findings), indent=1))
    else:
        _print(table, len(measurements), findings, limit)
    if any(len(finding.violations) for finding in findings):
        raise typer.Exit(VIOLATED_EXIT_CODE)


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


def _settings(params: str) -> "SanitySettings":
    from perfseer.measure.trust.settings import TrustSettings
    from perfseer.parameters import load_mapping, section

    return TrustSettings.from_mapping(section(load_mapping(params), "trust")).sanity


def _as_json(path: Path, rows: int, findings: "list[Finding]") -> dict[str, Any]:
    """What ``--format json`` prints; keys are only ever added."""
    return {
        "table": str(path),
        "rows": rows,
        "violations": sum(len(finding.violations) for finding in findings),
        "rules": [
            {
                "rule": finding.rule,
                "meaning": finding.meaning,
                "checked": finding.checked,
                "unknown": finding.unknown,
                "violations": json.loads(finding.violations.to_json(orient="records")),
            }
            for finding in findings
        ],
    }


def _print(path: Path, rows: int, findings: "list[Finding]", limit: int) -> None:
    import sys

    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH, highlight=False)
    console.print(_overview(f"{path}: {rows} rows", findings))
    for finding in findings:
        if len(finding.violations):
            console.print(_listing(finding, limit or len(finding.violations)))
            if 0 < limit < len(finding.violations):
                console.print(f"{len(finding.violations) - limit} more; --limit 0 lists all", style="dim")
    broken = sum(len(finding.violations) > 0 for finding in findings)
    unknown = sum(finding.unknown != "" for finding in findings)
    console.print(f"{len(findings)} rules: {broken} broken, {unknown} could not be checked", markup=False)


def _overview(title: str, findings: "list[Finding]") -> "RenderableType":
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(title), title_justify="left")
    table.add_column("rule", no_wrap=True)
    table.add_column("rows checked", justify="right")
    table.add_column("violations", justify="right")
    table.add_column("what it says")
    for finding in findings:
        said = f"{finding.meaning} Unknown: {finding.unknown}." if finding.unknown else finding.meaning
        style = "red" if len(finding.violations) else "dim" if finding.unknown else None
        count = "unknown" if finding.unknown else str(len(finding.violations))
        table.add_row(finding.rule, str(finding.checked), count, escape(said), style=style)
    return table


def _listing(finding: "Finding", limit: int) -> "RenderableType":
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(finding.rule), title_justify="left")
    table.add_column("order", justify="right")
    table.add_column("model", no_wrap=True)
    table.add_column("batch", justify="right")
    table.add_column("detail")
    for row in finding.violations.head(limit).itertuples(index=False):
        table.add_row(
            str(row.order), escape(str(row.model_ref)), str(row.batch_size), escape(str(row.detail))
        )
    return table


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
