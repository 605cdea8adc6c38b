"""``perfseer public`` fit, describe, unseen, ship and report: the study of published results."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from perfseer.console.groups import PUBLIC, PUBLIC_HELP, group
from perfseer.console.progress import line_log, tell

if TYPE_CHECKING:
    from perfseer.evaluation.group_folds import Grouping
    from perfseer.studies.public.settings import PublicSettings

_STUDY = Path("results/public")
_DEFAULT = Path("src/perfseer/shipped/default")
_PRESET = "workflow/presets/public.yaml"
_PARAMS_HELP = "A YAML file with section `public`, such as workflow/presets/public.yaml, or inline JSON."
Params = Annotated[str, typer.Option(help=_PARAMS_HELP)]
Folder = Annotated[Path, typer.Option(help="Folder of the study.")]
Threads = Annotated[int, typer.Option(min=1, help="Threads of the numerical libraries.")]


def fit(
    entrant: Annotated[str, typer.Option(help="An entrant or variant of section public.")],
    grouping: Annotated[str, typer.Option(help="What folds keep together: architecture or family.")],
    seed: Annotated[int, typer.Option(min=0, help="Draws the folds and the initial weights.")],
    params: Params = _PRESET,
    out: Folder = _STUDY,
    threads: Threads = 1,
) -> None:
    """Fit one entrant on every fold of one draw; valid records are kept."""
    from perfseer.studies.public.fitting import Case, run
    from perfseer.training.process import prepare_process

    case = Case(_settings(params), entrant, cast("Grouping", grouping), seed)
    prepare_process(threads)
    for record in run(case, out, threads, line_log("")):
        typer.echo(record)


def describe(params: Params = _PRESET, out: Folder = _STUDY) -> None:
    """Tabulate what is known of every row besides its time: size, operators, platform."""
    from perfseer.studies.public.facts import row_facts, write_facts
    from perfseer.studies.public.source import dataset

    settings = _settings(params)
    typer.echo(write_facts(out, row_facts(dataset(settings, settings.files))))


def ship(
    params: Params = _PRESET,
    study: Folder = _STUDY,
    out: Annotated[Path, typer.Option(help="Folder of the predictor.")] = _DEFAULT,
    threads: Threads = 1,
) -> None:
    """Fit the subject on the rows of every file and save it, with the study's errors on its card."""
    from perfseer.studies.public.shipping import ship as fit_and_save
    from perfseer.training.process import prepare_process

    settings = _settings(params)
    prepare_process(threads)
    fit_and_save(settings, study, out, line_log(""))
    typer.echo(out)


def unseen(
    device: Annotated[str, typer.Option(help="A device of public.unseen.devices.")],
    seed: Annotated[int, typer.Option(min=0, help="Draws the held-out fold and the initial weights.")],
    params: Params = _PRESET,
    out: Folder = _STUDY,
    threads: Threads = 1,
) -> None:
    """Fit without a device, predict it, and calibrate on a few of its models; a valid record is kept."""
    from perfseer.studies.public.unseen import UnseenCase, run_unseen
    from perfseer.training.process import prepare_process

    case = UnseenCase(_settings(params), device, seed)
    prepare_process(threads)
    typer.echo(run_unseen(case, out, line_log("")))


def report(
    params: Params = _PRESET,
    study: Folder = _STUDY,
    out: Annotated[Path, typer.Option(help="Folder to write the report to.")] = Path("reports"),
) -> None:
    """Render the report from whatever records there are."""
    from perfseer.studies.public.render import render_folder

    tell(render_folder(_settings(params), study, out))


def _settings(params: str) -> "PublicSettings":
    """Section ``public`` of the parameters, validated.

    Raises:
        PerfseerError: it is missing or at fault.
    """
    from perfseer.parameters import load_mapping
    from perfseer.studies.public.settings import PublicSettings
    from perfseer.validation import section

    return section(PublicSettings, load_mapping(params), "public")


def register(app: typer.Typer) -> None:
    """Add the study's verbs."""
    verbs = group(app, PUBLIC, PUBLIC_HELP)
    for verb in (describe, fit, unseen, ship, report):
        verbs.command()(verb)
