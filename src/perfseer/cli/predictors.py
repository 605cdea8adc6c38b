"""``perfseer predictors list`` and ``show``: which there are, and what is on record about them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from perfseer.forecast.predictor import Predictor


def predictors_list(
    folder: Annotated[
        Path | None, typer.Argument(help="Also list those saved below this folder, such as results/models.")
    ] = None,
) -> None:
    """List the predictors that ship with perfseer, and those in a folder."""
    from perfseer.errors import PerfseerError
    from perfseer.forecast.shelf import saved_in, shipped

    found = shipped() | {str(path): path for path in (saved_in(folder) if folder else [])}
    if not found:
        raise PerfseerError(
            "no predictor ships with this installation; name a folder that `perfseer train` wrote, such as "
            "results/models"
        )
    _print(_listing(found))


def predictors_show(
    name: Annotated[str, typer.Argument(help="A shipped predictor or a folder.")] = "default",
) -> None:
    """Show what a predictor was trained on, how far off it was on models it never saw, and its range."""
    from perfseer.forecast.predictor import Predictor
    from perfseer.forecast.shelf import find, size_bytes

    loaded = Predictor.load(name)
    for line in _facts(loaded, size_bytes(find(name))):
        typer.echo(line)
    if loaded.platforms:
        _print(_platforms(loaded))
    if loaded.card.held_out:
        _print(_errors(loaded))
    if loaded.model.range_ is not None:
        _print(_range(loaded))


def _listing(found: dict[str, Path]) -> "Table":
    from perfseer.forecast.card import read_card
    from perfseer.forecast.shelf import checkpoint_digest, size_bytes
    from perfseer.predictors.base import read_predictor

    table = _table("name", "algorithm", "labels", "size [MB]", "checkpoint", "description", numbers=(3,))
    for name, folder in found.items():
        contents = read_predictor(folder)
        table.add_row(
            name,
            contents["name"],
            ", ".join(contents["targets"]),
            f"{size_bytes(folder) / 1e6:.2f}",
            checkpoint_digest(folder),
            read_card(folder).description,
        )
    return table


def _facts(predictor: "Predictor", size: int) -> list[str]:
    provenance, card = predictor.provenance, predictor.card
    lines = [
        f"algorithm   {provenance.predictor}: {predictor.model.source}",
        f"labels      {', '.join(predictor.model.targets)}",
        f"parameters  {predictor.model.n_parameters_:,d}",
        f"size        {size / 1e6:.2f} MB",
        f"checkpoint  {provenance.checkpoint_digest}",
        f"dataset     {provenance.dataset_digest or 'not recorded'}",
        f"commit      {provenance.commit or 'not recorded'}",
    ]
    lines += [f"about       {card.description}"] if card.description else []
    return lines + [f"source      {source}" for source in card.sources]


def _platforms(predictor: "Predictor") -> "Table":
    table = _table("target", "device", "precision", "layout", "mode", "software")
    for p in predictor.platforms:
        default = " (default)" if p.key == predictor.card.default_target else ""
        table.add_row(p.key + default, p.device, p.precision, p.memory_format, p.mode, p.software)
    return table


def _errors(predictor: "Predictor") -> "Table":
    from perfseer.reporting.units import number

    headings = ("target", "label", "held out", "MAPE [%]", "rows", "in 90 % interval [%]")
    table = _table(*headings, numbers=(3, 4, 5))
    for entry in predictor.card.held_out:
        covered = entry.interval_coverage_pct
        table.add_row(
            entry.target or "as trained",
            entry.label,
            entry.grouping,
            number(entry.mape_pct),
            f"{entry.rows:,d}",
            "n/a" if covered is None else number(covered),
        )
    return table


def _range(predictor: "Predictor") -> "Table":
    from perfseer.reporting.units import number

    table = _table("feature of the graph", "lowest trained on", "highest trained on", numbers=(1, 2))
    seen = predictor.model.range_
    assert seen is not None
    for name, lowest in seen.lowest.items():
        table.add_row(name, number(lowest), number(seen.highest[name]))
    table.add_row("operators", "", ", ".join(seen.operators))
    return table


def _table(*headings: str, numbers: tuple[int, ...] = ()) -> "Table":
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for position, heading in enumerate(headings):
        table.add_column(heading, justify="right" if position in numbers else "left", overflow="fold")
    return table


def _print(table: "Table") -> None:
    import sys

    from rich.console import Console

    Console(width=None if sys.stdout.isatty() else 200, highlight=False, markup=False).print(table)
