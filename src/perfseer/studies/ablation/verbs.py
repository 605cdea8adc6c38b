"""``perfseer ablate``: fit one variant of the ablation with every seed, predict its test rows, record."""

from pathlib import Path
from typing import Annotated

import typer

from perfseer.console.places import DATASET, GRAPHS
from perfseer.console.progress import line_log


def ablate(
    variant: Annotated[str, typer.Option(help="A variant of params.yaml, or `base`.")],
    out: Annotated[Path, typer.Option(help="Folder that receives one folder per seed.")],
    params: Annotated[str, typer.Option(help="params.yaml, or inline JSON.")] = "params.yaml",
    dataset: Annotated[Path, typer.Option(help="Written by `perfseer dataset`.")] = DATASET,
    graphs: Annotated[Path, typer.Option(help="Written by `perfseer graph build`.")] = GRAPHS,
    threads: Annotated[int, typer.Option(min=1, help="Threads of the numerical libraries.")] = 1,
) -> None:
    """Fit one variant of the ablation, once per seed, and write a record for each; models are not kept."""
    from perfseer.parameters import load_mapping
    from perfseer.studies.ablation.fitting import fit_variant

    fit_variant(load_mapping(params), variant, dataset, graphs, out, threads=threads, log_of=line_log)


def register(app: typer.Typer) -> None:
    """Add the study's verb."""
    app.command("ablate")(ablate)
