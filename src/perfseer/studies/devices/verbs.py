"""``perfseer devices``: what a predictor is worth on devices it never saw."""

from pathlib import Path
from typing import Annotated

import typer

from perfseer.console.groups import group
from perfseer.console.progress import line_log, progress, tell

_ERRORS = Path("results/devices/errors.parquet")
_PARAMS_HELP = "params.yaml, or inline JSON."


def measure(
    params: Annotated[str, typer.Option(help=_PARAMS_HELP)] = "params.yaml",
    out: Annotated[Path, typer.Option(help="Table to write.")] = _ERRORS,
    workers: Annotated[int, typer.Option(min=1, help="Processes that capture models.")] = 1,
) -> None:
    """Predict times that others published of devices the predictor never saw."""
    from perfseer.parameters import load_mapping
    from perfseer.studies.devices.errors import measure_errors, write_errors
    from perfseer.studies.devices.settings import DevicesSettings
    from perfseer.validation import section

    settings = section(DevicesSettings, load_mapping(params), "devices")
    with progress("capturing models") as report:
        errors = measure_errors(settings, workers, report, line_log(""))
    write_errors(out, errors)
    typer.echo(out)


def ship(
    errors: Annotated[Path, typer.Option(help="Written by `perfseer devices measure`.")] = _ERRORS,
    predictor: Annotated[
        str, typer.Option(help="A shipped predictor or a folder: the one that was measured.")
    ] = "default",
) -> None:
    """Write what was learnt beside the predictor, whose answers and intervals on unseen devices it moves."""
    from perfseer.errors import require
    from perfseer.forecast.shelf import checkpoint_digest, find
    from perfseer.forecast.transfer import write_transfer
    from perfseer.studies.devices.errors import read_errors
    from perfseer.studies.devices.study import transfer_of

    folder, transfer = find(predictor), transfer_of(read_errors(errors))
    digest = checkpoint_digest(folder)
    require(
        transfer.checkpoint == digest,
        f"{errors} tells of errors of {transfer.checkpoint}, but {folder} holds {digest}: run "
        "`perfseer devices measure` again",
    )
    require(
        bool(transfer.regimes),
        f"{errors} has too few devices to say anything of another: name more sources in devices.sources",
    )
    typer.echo(write_transfer(folder, transfer))


def report(
    params: Annotated[str, typer.Option(help=_PARAMS_HELP)] = "params.yaml",
    results: Annotated[Path, typer.Option(help="Folder that holds devices/errors.parquet.")] = Path(
        "results"
    ),
    out: Annotated[Path, typer.Option(help="Folder to write the report to.")] = Path("reports"),
) -> None:
    """Render the report on unseen devices."""
    from perfseer.parameters import load_mapping
    from perfseer.studies.devices.render import render

    tell(render(load_mapping(params), results, out))


def register(app: typer.Typer) -> None:
    """Add the study's verbs."""
    verbs = group(app, "devices", "What a predictor is worth on devices it never saw.")
    for verb in (measure, ship, report):
        verbs.command()(verb)
