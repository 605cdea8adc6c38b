"""``perfseer hardware``: build the database of accelerators, and ask it."""

import math
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from perfseer.console.groups import group
from perfseer.console.progress import line_log
from perfseer.errors import require
from perfseer.studies.hardware.about import DATABASE

if TYPE_CHECKING:
    import pandas as pd

    from perfseer.hardware.specs import Specs

_DEFAULT = DATABASE
_Database = Annotated[
    str, typer.Option(help="A file of SQLite, or postgresql://user@host/name.", show_default=_DEFAULT)
]


class Format(StrEnum):
    """How answers are printed."""

    table = "table"
    json = "json"
    csv = "csv"
    md = "md"


class Judged(StrEnum):
    """What `quality` judges; `perfseer.studies.hardware.judging.JUDGEMENTS` does it."""

    expectations = "expectations"
    coverage = "coverage"
    imputation = "imputation"
    names = "names"
    unknown = "unknown"
    quarantine = "quarantine"
    observed = "observed"


class _Exported(StrEnum):
    csv = "csv"
    parquet = "parquet"


_Style = Annotated[Format, typer.Option("--format", help="For people, for programs, or for documents.")]
_Columns = Annotated[
    str, typer.Option(help="Columns to show, separated by commas; `perfseer hardware columns` lists them.")
]
_All = Annotated[bool, typer.Option("--all", help="Every record, not only the sourced catalogue.")]
_Use = Annotated[
    str | None, typer.Option(help="Only what is fit for a use, for example train_llm or infer_llm.")
]
_SHOWN = "name,vendor,generation,year,fp16_flops,int8_ops,memory_bytes,bandwidth_bytes_per_s,tdp_w"


def build(
    database: _Database = _DEFAULT,
    params: Annotated[str, typer.Option(help="params.yaml, or inline JSON.")] = "params.yaml",
    folder: Annotated[
        Path | None,
        typer.Option(
            "--folder",
            "--rounds",
            help="Folder with files of your own: epoch.csv and the like in place of a published file, "
            "and further rounds of MLPerf (…_summary_results.json).",
        ),
    ] = None,
) -> None:
    """Read every source that can be had and write the database, if anything changed."""
    from perfseer.hardware.build import build as run
    from perfseer.hardware.storage import database_url
    from perfseer.parameters import load_mapping

    log = line_log("")
    built = run(load_mapping(params), database, folder=folder, log=log)
    log(f"{'written' if built.written.changed else 'unchanged'}: contents {built.written.digest[:12]}")
    # Without the password.
    typer.echo(database_url(database).render_as_string() if "://" in database else database)


def list_(
    where: Annotated[
        list[str] | None,
        typer.Option(
            help="column=value, column>=number or column<=number, such as memory_bytes>=80GB; repeat it."
        ),
    ] = None,
    use: _Use = None,
    all_: Annotated[
        bool, typer.Option("--all", help="Every record, not only the sourced catalogue.")
    ] = False,
    columns: _Columns = _SHOWN,
    style: _Style = Format.table,
    database: _Database = _DEFAULT,
) -> None:
    """List accelerators with figures of theirs."""
    import pandas as pd

    from perfseer.hardware.queries import read_specs, uses_of
    from perfseer.hardware.storage import connected
    from perfseer.studies.hardware.asking import fit_for, narrowed, picked

    with connected(database) as connection:
        specs, uses = read_specs(connection), pd.read_sql(uses_of(), connection)
    table = fit_for(narrowed(specs.table, where or ()), uses, use)
    chosen = table if all_ else table[table["canonical"]]
    _print_figures(picked(chosen, columns).reset_index(), style)


def columns_(style: _Style = Format.table) -> None:
    """List the columns there are, each with its unit."""
    import pandas as pd

    from perfseer.hardware.specs import COLUMNS

    _print(pd.DataFrame(list(COLUMNS.items()), columns=["column", "holds"]), style)


def show(
    name: Annotated[str, typer.Argument(help="Key or name, for example h100-sxm.")],
    style: _Style = Format.table,
    database: _Database = _DEFAULT,
) -> None:
    """Show every figure of one accelerator, with where it comes from."""
    import pandas as pd

    from perfseer.hardware.queries import conflicts_of, figures_of, prices_of, read_specs
    from perfseer.hardware.storage import connected
    from perfseer.studies.hardware.asking import key_of, sheet

    with connected(database) as connection:
        specs = read_specs(connection)
        key = key_of(name, specs.table, line_log(""))
        told = (pd.read_sql(query(key), connection) for query in (figures_of, conflicts_of, prices_of))
        _print(sheet(specs, key, *told, people=_for_people(style)), style)


def compare(
    names: Annotated[list[str], typer.Argument(help="Two or more keys or names.")],
    style: _Style = Format.table,
    database: _Database = _DEFAULT,
) -> None:
    """Compare accelerators figure by figure."""
    from perfseer.studies.hardware.asking import beside, key_of

    specs = _specs(database)
    keys = [key_of(name, specs.table, line_log("")) for name in names]
    _print(beside(specs, keys, people=_for_people(style)), style)


def results(
    name: Annotated[str | None, typer.Argument(help="Key or name, for example h200; none: all.")] = None,
    benchmark: Annotated[str | None, typer.Option(help="Only this one, for example llama2-70b.")] = None,
    scenario: Annotated[
        str | None, typer.Option(help="Offline, Server, Interactive, SingleStream or MultiStream.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="How many.", show_default="all")] = None,
    style: _Style = Format.table,
    database: _Database = _DEFAULT,
) -> None:
    """Show what MLPerf Inference measured: closed results of one accelerator, or who leads a benchmark."""
    import pandas as pd

    from perfseer.hardware.queries import read_specs, results_of, results_on
    from perfseer.hardware.storage import connected
    from perfseer.studies.hardware.asking import key_of, leaders, measured, only_scenario

    log = line_log("")
    require(bool(name or benchmark), "give an accelerator, or --benchmark, or both")
    with connected(database) as connection:
        table = read_specs(connection).table
        key = key_of(name, table, log) if name else ""
        question = results_of(key) if key else results_on(str(benchmark).lower())
        found = pd.read_sql(question, connection)
    of = f"with {key}" if key else f"of {benchmark!r}"
    require(len(found) > 0, f"no closed results of MLPerf {of}")
    shown = measured(found, benchmark, scenario) if key else leaders(only_scenario(found, scenario), table)
    log("per accelerator: derived from results of MLPerf, not verified by MLCommons Association")
    _print(shown.head(limit) if limit else shown, style)


def rank(
    by: Annotated[str, typer.Option(help="A derived metric (`perfseer hardware metrics`) or a figure.")],
    where: Annotated[list[str] | None, typer.Option(help="As of `list`; repeat it.")] = None,
    use: _Use = None,
    limit: Annotated[int, typer.Option(min=1, help="How many.")] = 20,
    ascending: Annotated[
        bool | None,
        typer.Option(
            "--ascending/--descending", help="The least or the greatest first.", show_default="the best"
        ),
    ] = None,
    all_: Annotated[
        bool, typer.Option("--all", help="Every record, not only the sourced catalogue.")
    ] = False,
    style: _Style = Format.table,
    database: _Database = _DEFAULT,
) -> None:
    """Rank accelerators by a derived metric or a figure."""
    import pandas as pd

    from perfseer.hardware.queries import read_metrics, read_specs, uses_of
    from perfseer.hardware.storage import connected
    from perfseer.studies.hardware.asking import fit_for, narrowed, ranked

    with connected(database) as connection:
        specs, metrics = read_specs(connection), read_metrics(connection)
        uses = pd.read_sql(uses_of(), connection)
    table = fit_for(narrowed(specs.table, where or ()), uses, use)
    chosen = table if all_ else table[table["canonical"]]
    _print_figures(ranked(chosen, metrics, by, limit, ascending=ascending), style)


def matrix_(
    name: Annotated[
        str,
        typer.Argument(
            help="complete, compute, memory-bandwidth, graphics, price-performance or unified-ai."
        ),
    ],
    style: _Style = Format.csv,
    database: _Database = _DEFAULT,
) -> None:
    """Print one of the six matrices: observed figures only, no cell empty."""
    from perfseer.hardware.matrices import matrix

    _print_figures(matrix(_specs(database), name).reset_index(), style)


def metrics_(style: _Style = Format.table) -> None:
    """List the 26 derived metrics with formula and unit."""
    import pandas as pd

    from perfseer.hardware.metric_registry import METRICS

    rows = [(metric.name, metric.display_unit, metric.formula) for metric in METRICS.values()]
    _print(pd.DataFrame(rows, columns=["metric", "unit", "formula"]), style)


def quality(
    what: Annotated[Judged, typer.Argument(help="What to judge.")] = Judged.expectations,
    params: Annotated[str, typer.Option(help="params.yaml, or inline JSON.")] = "params.yaml",
    style: _Style = Format.table,
    database: _Database = _DEFAULT,
) -> None:
    """Hold the figures against what is expected of them, and say what is known and what was set aside.

    expectations: rules, and how many figures break them. coverage: key figures before and after rules and
    guesses. imputation: how good the guesses are. names: closed results whose accelerator is known, by round.
    unknown: names of accelerators that are not. quarantine: rows set aside. observed: how far results of
    MLPerf lie apart.
    """
    from perfseer.hardware.settings import HardwareSettings
    from perfseer.hardware.storage import connected
    from perfseer.parameters import load_mapping
    from perfseer.studies.hardware.judging import judged
    from perfseer.validation import section

    settings = section(HardwareSettings, load_mapping(params), "hardware")
    with connected(database) as connection:
        answer = judged(what.value, connection, settings)
    _print(answer, style)


def export(
    out: Annotated[str, typer.Argument(help="Folder to write to, made if need be.")],
    style: Annotated[_Exported, typer.Option("--format", help="Of the files.")] = _Exported.csv,
    database: _Database = _DEFAULT,
) -> None:
    """Write every table of the database, and all accelerators as one wide table, a file each."""
    from perfseer.errors import require
    from perfseer.hardware.queries import read_specs, table_frame
    from perfseer.hardware.schema import METADATA
    from perfseer.hardware.storage import connected
    from perfseer.outputs import atomic

    # A path of nothing would be the folder one happens to be in.
    require(bool(out.strip()), "no folder is named: say where the tables go, for example `tables`")
    with connected(database) as connection:
        frames = {table.name: table_frame(connection, table) for table in METADATA.sorted_tables}
        frames["accelerators"] = read_specs(connection).table.reset_index()
    for name, frame in frames.items():
        path = Path(out) / f"{name}.{style.value}"
        with atomic(path) as temporary:
            frame.to_csv(temporary, index=False) if style is _Exported.csv else frame.to_parquet(temporary)
        typer.echo(path)


def _specs(database: str) -> "Specs":
    from perfseer.hardware.queries import read_specs
    from perfseer.hardware.storage import connected

    with connected(database) as connection:
        return read_specs(connection)


def _for_people(style: Format) -> bool:
    """Whether an answer is in the units that people read, not in SI units for programs."""
    return style in (Format.table, Format.md)


def _print_figures(frame: "pd.DataFrame", style: Format) -> None:
    """An answer whose columns are figures, with their units where people read it."""
    from perfseer.studies.hardware.shown_units import in_shown_units

    _print(in_shown_units(frame) if _for_people(style) else frame, style)


def _print(frame: "pd.DataFrame", style: Format) -> None:
    """An answer on standard output; where it is empty, that it is on standard error."""
    if frame.empty:
        typer.echo("nothing: no accelerator here has what is asked for, or its source is absent", err=True)
    if style is Format.json:
        typer.echo(frame.to_json(orient="records", force_ascii=False, double_precision=15, indent=1))
    elif style is Format.csv:
        typer.echo(frame.to_csv(index=False), nl=False)
    else:
        _print_cells(
            list(frame.columns), [[_cell(v) for v in row] for row in frame.itertuples(index=False)], style
        )


def _print_cells(titles: Sequence[str], cells: list[list[str]], style: Format) -> None:
    from perfseer.console.tables import console, listed, table
    from perfseer.reporting.tables import escape, markdown_table

    numbers = [title for i, title in enumerate(titles) if all(_is_number(row[i]) for row in cells)]
    if style is Format.md:
        align = "".join("r" if title in numbers else "l" for title in titles)
        typer.echo(markdown_table(titles, [[escape(cell) for cell in row] for row in cells], align))
        return
    console().print(table(listed(titles, numbers), cells, fold=True))


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return cell == ""
    return True


def _cell(value: object) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def register(app: typer.Typer) -> None:
    """Add the study's verbs."""
    verbs = group(app, "hardware", "Accelerators: their figures, results, and what they do per watt.")
    for name, verb in (
        ("build", build),
        ("list", list_),
        ("columns", columns_),
        ("show", show),
        ("compare", compare),
        ("results", results),
        ("rank", rank),
        ("matrix", matrix_),
        ("metrics", metrics_),
        ("quality", quality),
        ("export", export),
    ):
        verbs.command(name)(verb)
