"""``perfseer devices``: what a predictor is worth on devices it never saw."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from perfseer.console.groups import group
from perfseer.console.progress import line_log, progress, tell

if TYPE_CHECKING:
    from perfseer.studies.devices.settings import DevicesSettings

_STUDY = Path("results/devices")
_PARAMS_HELP = "params.yaml, or inline JSON."
Params = Annotated[str, typer.Option(help=_PARAMS_HELP)]
Folder = Annotated[Path, typer.Option(help="Folder of the study.")]


def gather(
    params: Params = "params.yaml",
    out: Folder = _STUDY,
    workers: Annotated[int, typer.Option(min=1, help="Processes that capture models.")] = 1,
) -> None:
    """Read what others published of many devices, and capture the models they timed."""
    from perfseer.studies.devices.rows import gather as gathered
    from perfseer.studies.devices.rows import write_rows

    with progress("capturing models") as report:
        data = gathered(_settings(params), workers, report, line_log(""))
    for path in write_rows(out, data):
        typer.echo(path)


def fit(
    seed: Annotated[int, typer.Option(min=0, help="Deals devices to folds and draws initial weights.")],
    fold: Annotated[int, typer.Option(min=0, help="Whose devices are left out.")],
    variant: Annotated[str | None, typer.Option(help="One of devices.variants; else as it is.")] = None,
    params: Params = "params.yaml",
    study: Folder = _STUDY,
    threads: Annotated[int, typer.Option(min=1, help="Threads of the numerical libraries.")] = 1,
) -> None:
    """Fit the network without the devices of a fold and predict them; a valid table is kept."""
    from perfseer.studies.devices.errors import fit_to_folder
    from perfseer.training.process import prepare_process

    settings = _settings(params)
    prepare_process(threads)
    typer.echo(fit_to_folder(settings, study, variant, seed, fold, line_log("")))


def ship(
    params: Params = "params.yaml",
    study: Folder = _STUDY,
) -> None:
    """Write what was learnt beside the predictor, whose answers and intervals on unseen devices it moves."""
    from perfseer.studies.devices.shipping import ship as ship_transfer

    typer.echo(ship_transfer(_settings(params), study))


def report(
    params: Params = "params.yaml",
    results: Annotated[Path, typer.Option(help="Folder that holds devices/.")] = Path("results"),
    out: Annotated[Path, typer.Option(help="Folder to write the report to.")] = Path("reports"),
) -> None:
    """Render the report on unseen devices."""
    from perfseer.parameters import load_mapping
    from perfseer.studies.devices.render import render

    tell(render(load_mapping(params), results, out))


def _settings(params: str) -> "DevicesSettings":
    """Section ``devices`` of the parameters, validated.

    Raises:
        PerfseerError: it is missing or at fault.
    """
    from perfseer.parameters import load_mapping
    from perfseer.studies.devices.settings import DevicesSettings
    from perfseer.validation import section

    return section(DevicesSettings, load_mapping(params), "devices")


def register(app: typer.Typer) -> None:
    """Add the study's verbs."""
    verbs = group(app, "devices", "What a predictor is worth on devices it never saw.")
    for verb in (gather, fit, ship, report):
        verbs.command()(verb)
