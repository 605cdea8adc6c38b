"""``perfseer check``: a finished measurement table, held against the rules a sound one obeys.

It runs where only the measuring path's libraries exist.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from perfseer.cli.measuring import trust_settings
from perfseer.console.tables import Column, Format, Style, console
from perfseer.console.tables import table as console_table

if TYPE_CHECKING:
    from rich.table import Table

    from perfseer.measure.trust.sanity import Finding

# Neither a fault of the program (1) nor of what was given (2): the table is readable, and not sound.
VIOLATED_EXIT_CODE = 3


def check(
    table: Annotated[Path, typer.Argument(help="The measurement table (Parquet).")],
    params: Annotated[str, typer.Option(help="params.yaml, or inline JSON.")] = "params.yaml",
    style: Style = Format.table,
    limit: Annotated[int, typer.Option(min=0, help="Rows listed per rule; 0 lists all.")] = 10,
) -> None:
    """Hold a measurement table against the rules a sound one obeys, and list the rows that break them.

    Exit code 0 if none does, 3 if some do; 2 if the table or the parameters cannot be read.
    """
    from perfseer.measure.table import read_as_written
    from perfseer.measure.trust.sanity import check_table

    settings = trust_settings(params).sanity
    measurements = read_as_written(table)
    findings = check_table(measurements, settings)
    if style is Format.json:
        typer.echo(json.dumps(_as_json(table, len(measurements), findings), indent=1))
    else:
        _print(table, len(measurements), findings, limit)
    if any(len(finding.violations) for finding in findings):
        raise typer.Exit(VIOLATED_EXIT_CODE)


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
    out = console()
    out.print(_overview(f"{path}: {rows} rows", findings))
    for finding in findings:
        if len(finding.violations):
            out.print(_listing(finding, limit or len(finding.violations)))
            if 0 < limit < len(finding.violations):
                out.print(f"{len(finding.violations) - limit} more; --limit 0 lists all", style="dim")
    broken = sum(len(finding.violations) > 0 for finding in findings)
    unknown = sum(finding.unknown != "" for finding in findings)
    out.print(f"{len(findings)} rules: {broken} broken, {unknown} could not be checked")


def _overview(title: str, findings: "list[Finding]") -> "Table":
    def said(finding: "Finding") -> str:
        return f"{finding.meaning} Unknown: {finding.unknown}." if finding.unknown else finding.meaning

    columns: list[Column[Finding]] = [
        Column("rule", lambda finding: finding.rule, unbroken=True),
        Column("rows checked", lambda finding: finding.checked, number=True),
        Column(
            "violations",
            lambda finding: "unknown" if finding.unknown else len(finding.violations),
            number=True,
        ),
        Column("what it says", said),
    ]

    def style(finding: "Finding") -> str | None:
        return "red" if len(finding.violations) else "dim" if finding.unknown else None

    return console_table(columns, findings, title=title, style=style)


def _listing(finding: "Finding", limit: int) -> "Table":
    columns: list[Column[Any]] = [
        Column("order", lambda row: row.order, number=True),
        Column("model", lambda row: row.model_ref, unbroken=True),
        Column("batch", lambda row: row.batch_size, number=True),
        Column("detail", lambda row: row.detail),
    ]
    return console_table(columns, finding.violations.head(limit).itertuples(index=False), title=finding.rule)
