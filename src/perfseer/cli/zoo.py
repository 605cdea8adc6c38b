"""``perfseer zoo sample`` and ``perfseer zoo survey``: the search space, listed and counted."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import pandas as pd

    from perfseer.zoo.space import SearchSpace

_PARAMS = Annotated[str, typer.Option(help="params.yaml, or inline JSON.")]


def zoo_sample(
    params: _PARAMS = "params.yaml",
    count: Annotated[int, typer.Option(min=1, help="How many architectures.")] = 10,
    out: Annotated[Path | None, typer.Option(help="File to write; without it, standard output.")] = None,
) -> None:
    """Print the first architectures of the search space, one JSON object a line."""
    from perfseer.data.files import atomic

    lines = "".join(f"{line}\n" for line in _lines(_space(params), count))
    if out is None:
        typer.echo(lines, nl=False)
        return
    with atomic(out) as temporary:
        temporary.write_text(lines, encoding="utf-8")
    typer.echo(f"{count} architectures in {out}", err=True)


def zoo_survey(
    params: _PARAMS = "params.yaml",
    out: Annotated[Path, typer.Option(help="Table to write.")] = Path("results/zoo/survey.parquet"),
    workers: Annotated[int, typer.Option(min=1, help="Processes that capture.")] = 1,
) -> None:
    """Count FLOPs, bytes and parameters of the search space at the paper's own setting."""
    from rich.console import Console
    from rich.progress import Progress

    from perfseer.data.files import write_parquet
    from perfseer.parameters import load_mapping
    from perfseer.zoo.survey import SurveySettings, survey

    settings = SurveySettings.from_mapping(load_mapping(params).get("survey"))
    space = _space(params)
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("capturing architectures", total=settings.architectures)
        table = survey(space, settings, workers=workers, advance=lambda: progress.advance(task))
    write_parquet(out, table)
    typer.echo(f"{settings.architectures} architectures, {len(table)} rows in {out}", err=True)
    typer.echo(_comparison(table))


def _space(params: str) -> "SearchSpace":
    from perfseer.parameters import load_mapping
    from perfseer.zoo.space import SearchSpace

    return SearchSpace.from_mapping(load_mapping(params).get("zoo"))


def _lines(space: "SearchSpace", count: int) -> Iterator[str]:
    from perfseer.zoo.sampler import sample
    from perfseer.zoo.space import n_parameters

    for spec in sample(space, count):
        facts = {"id": spec.id, "family": spec.family, "n_parameters": n_parameters(spec)}
        yield json.dumps(facts | {"spec": spec.to_mapping()}, separators=(",", ":"))


def _comparison(table: "pd.DataFrame") -> str:
    """Mean, least, median and most of each surveyed quantity, above the paper's."""
    from perfseer.studies.published import DISTRIBUTION

    lines = [f"{'':<24}" + "".join(f"{name:>12}" for name in ("mean", "min", "median", "max"))]
    for entry in DISTRIBUTION:
        if entry.column in table.columns:
            values = table[entry.column]
            here = (values.mean(), values.min(), values.median(), values.max())
            paper = (entry.mean, entry.minimum, entry.median, entry.maximum)
            for source, numbers in (("here", here), ("paper", paper)):
                cells = "".join(f"{number:12.3g}" for number in numbers)
                lines.append(f"{entry.column + ', ' + source:<24}{cells}")
    return "\n".join(lines)
