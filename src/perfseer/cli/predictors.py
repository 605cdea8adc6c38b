"""``perfseer predictors list`` and ``show``: which there are, and what is on record about them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from perfseer.console.tables import Column, console, listed, table

if TYPE_CHECKING:
    from rich.table import Table

    from perfseer.data.platforms import Platform
    from perfseer.forecast.card import HeldOut
    from perfseer.forecast.predictor import Predictor
    from perfseer.predictors.coverage import TrainingRange

_PIPED_WIDTH = 200  # columns where standard output is no terminal


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
        _print(_range(loaded.model.range_))


def _listing(found: dict[str, Path]) -> "Table":
    from perfseer.forecast.card import read_card
    from perfseer.forecast.shelf import checkpoint_digest, size_bytes
    from perfseer.predictors.base import read_predictor

    rows = [(name, folder, read_predictor(folder)) for name, folder in found.items()]
    columns: list[Column[tuple[str, Path, dict[str, Any]]]] = [
        Column("name", lambda row: row[0]),
        Column("algorithm", lambda row: row[2]["name"]),
        Column("labels", lambda row: ", ".join(row[2]["targets"])),
        Column("size [MB]", lambda row: f"{size_bytes(row[1]) / 1e6:.2f}", number=True),
        Column("checkpoint", lambda row: checkpoint_digest(row[1])),
        Column("description", lambda row: read_card(row[1]).description),
    ]
    return table(columns, rows, fold=True)


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
    def key(platform: "Platform") -> str:
        return platform.key + " (default)" * (platform.key == predictor.card.default_target)

    columns: list[Column[Platform]] = [
        Column("target", key),
        Column("device", lambda platform: platform.device),
        Column("precision", lambda platform: platform.precision),
        Column("layout", lambda platform: platform.memory_format),
        Column("mode", lambda platform: platform.mode),
        Column("software", lambda platform: platform.software),
    ]
    return table(columns, predictor.platforms, fold=True)


def _errors(predictor: "Predictor") -> "Table":
    from perfseer.reporting.units import number

    def covered(entry: "HeldOut") -> str:
        return "n/a" if entry.interval_coverage_pct is None else number(entry.interval_coverage_pct)

    columns: list[Column[HeldOut]] = [
        Column("target", lambda entry: entry.target or "as trained"),
        Column("label", lambda entry: entry.label),
        Column("held out", lambda entry: entry.grouping),
        Column("MAPE [%]", lambda entry: number(entry.mape_pct), number=True),
        Column("rows", lambda entry: f"{entry.rows:,d}", number=True),
        Column("in 90 % interval [%]", covered, number=True),
    ]
    return table(columns, predictor.card.held_out, fold=True)


def _range(seen: "TrainingRange") -> "Table":
    from perfseer.reporting.units import number

    ends = ("lowest trained on", "highest trained on")
    rows = [[name, number(lowest), number(seen.highest[name])] for name, lowest in seen.lowest.items()]
    operators = ["operators", "", ", ".join(seen.operators)]
    return table(listed(("feature of the graph", *ends), numbers=ends), [*rows, operators], fold=True)


def _print(shown: "Table") -> None:
    console(_PIPED_WIDTH).print(shown)
