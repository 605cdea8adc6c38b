"""``perfseer nasbench201``: predictors on the latencies of NAS-Bench-201, BRP-NAS's own ground."""

from pathlib import Path
from typing import Annotated

import typer

from perfseer.console.groups import group
from perfseer.console.progress import line_log, tell

_STUDY = Path("results/nasbench201")
_PARAMS_HELP = "params.yaml, or inline JSON."


def fit(
    predictor: Annotated[str, typer.Option(help="A predictor of nasbench201.predictors, such as brp_nas.")],
    device: Annotated[str, typer.Option(help="A file of latencies, for example 1080ti_256.")],
    reading: Annotated[str, typer.Option(help="Which operations a graph shows: executed or pruned.")],
    params: Annotated[str, typer.Option(help=_PARAMS_HELP)] = "params.yaml",
    out: Annotated[Path, typer.Option(help="Folder of the study.")] = _STUDY,
    threads: Annotated[int, typer.Option(min=1, help="Threads of the numerical libraries.")] = 1,
) -> None:
    """Fit one predictor to one device's latencies, once per seed; valid records are kept."""
    from perfseer.parameters import load_mapping
    from perfseer.studies.nasbench201.fitting import Plan, run
    from perfseer.training.process import prepare_process

    case = Plan.of(load_mapping(params)).case(reading, predictor, device)
    prepare_process(threads)
    for record in run(case, out, line_log("")):
        typer.echo(record)


def readings(
    params: Annotated[str, typer.Option(help=_PARAMS_HELP)] = "params.yaml",
    out: Annotated[Path, typer.Option(help="File to write.")] = _STUDY / "readings.json",
) -> None:
    """Find out from the latencies which operations of a cell each device ran."""
    from perfseer.parameters import load_mapping
    from perfseer.studies.nasbench201.readings import describe_all, write_readings

    write_readings(out, describe_all(load_mapping(params)))
    typer.echo(out)


def report(
    params: Annotated[str, typer.Option(help=_PARAMS_HELP)] = "params.yaml",
    study: Annotated[Path, typer.Option(help="Folder of the study.")] = _STUDY,
    out: Annotated[Path, typer.Option(help="Folder to write the report to.")] = Path("reports"),
) -> None:
    """Render the report from whatever records there are."""
    from perfseer.parameters import load_mapping
    from perfseer.studies.nasbench201.render import render_folder

    tell(render_folder(load_mapping(params), study, out))


def register(app: typer.Typer) -> None:
    """Add the study's verbs."""
    verbs = group(app, "nasbench201", "Predictors on the latencies of NAS-Bench-201, BRP-NAS's own ground.")
    for verb in (fit, readings, report):
        verbs.command()(verb)
