"""``perfseer public memory``: how good forecasts of memory are, and the margins they rest on."""

from pathlib import Path
from typing import Annotated

import typer

from perfseer.console.groups import PUBLIC, PUBLIC_HELP, group
from perfseer.console.places import DATASET, GRAPHS
from perfseer.console.progress import line_log


def memory(
    dataset: Annotated[
        Path, typer.Option(help="Folder written by `perfseer dataset`, with measured memory.")
    ] = DATASET,
    graphs: Annotated[Path, typer.Option(help="Its graphs.")] = GRAPHS,
    files: Annotated[
        list[str] | None,
        typer.Option(
            help="Result files of GPUs: published ones by name, your own by path; default: the study's."
        ),
    ] = None,
    params: Annotated[str, typer.Option(help="params.yaml, for section labels.")] = "params.yaml",
    out: Annotated[Path, typer.Option(help="Folder of the study.")] = Path("results/public"),
    margins: Annotated[
        Path | None, typer.Option(help="Also write the fitted margins here, as the package ships them.")
    ] = None,
) -> None:
    """Compare arithmetic, learned and both on measured memory; judge forecasts of what fits a GPU."""
    from perfseer.data.dataset import Dataset
    from perfseer.data.settings import LabelSettings
    from perfseer.parameters import load_mapping
    from perfseer.predictors.memory.margins import write_margins
    from perfseer.studies.memory.shrunk import GPU_FILES
    from perfseer.studies.memory.study import STUDY_FILE, run
    from perfseer.validation import section

    labels = section(LabelSettings, load_mapping(params), "labels")
    data = Dataset.open(dataset, graphs)
    study = run(data, labels, files or GPU_FILES, out, line_log(""))
    if margins is not None:
        write_margins(margins, study.margins)
    typer.echo(out / STUDY_FILE)


def register(app: typer.Typer) -> None:
    """Add the study's verb, beside those on the same published results."""
    group(app, PUBLIC, PUBLIC_HELP).command()(memory)
