"""``perfseer report``: render what people read from dataset and records."""

from pathlib import Path
from typing import Annotated, Literal

import typer


def report(
    document: Annotated[
        Literal["perfseer", "comparison"],
        typer.Argument(help="What was measured and one predictor in detail, or every predictor."),
    ] = "perfseer",
    params: Annotated[str, typer.Option(help="params.yaml, or inline JSON.")] = "params.yaml",
    models: Annotated[Path, typer.Option(help="Folder of the records written by `perfseer train`.")] = Path(
        "results/models"
    ),
    dataset: Annotated[Path, typer.Option(help="Folder written by `perfseer dataset`.")] = Path(
        "results/dataset"
    ),
    graphs: Annotated[Path, typer.Option(help="Graphs written by `perfseer graph build`.")] = Path(
        "results/graphs/graphs.safetensors"
    ),
    index: Annotated[Path, typer.Option(help="Index written by `perfseer graph build`.")] = Path(
        "results/graphs/index.parquet"
    ),
    survey: Annotated[Path, typer.Option(help="Table written by `perfseer zoo survey`.")] = Path(
        "results/zoo/survey.parquet"
    ),
    ensembles: Annotated[Path, typer.Option(help="Folder of the ensembles' records; may not exist.")] = Path(
        "results/ensembles"
    ),
    out: Annotated[Path, typer.Option(help="Folder to write the report to.")] = Path("reports"),
) -> None:
    """Render a document: Markdown, its HTML twin, figures, tables for `dvc plots`."""
    from perfseer.cli.parameters import load_mapping
    from perfseer.reporting.comparison.render import render as render_comparison
    from perfseer.reporting.experiment import Paths, load_experiment
    from perfseer.reporting.render import render as render_main
    from perfseer.reporting.results import Results

    paths = Paths(
        models=models, dataset=dataset, graphs=graphs, index=index, survey=survey, ensembles=ensembles
    )
    experiment = load_experiment(load_mapping(params), paths)
    render = render_comparison if document == "comparison" else render_main
    for path in render(experiment, paths, out):
        typer.echo(path)
    missing = Results(experiment).missing()
    if missing:
        typer.echo(f"{len(missing)} records are missing: {'; '.join(missing)}", err=True)
