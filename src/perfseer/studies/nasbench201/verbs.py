"""``perfseer nasbench201``: predictors on the latencies of NAS-Bench-201, BRP-NAS's own ground."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from perfseer.console.groups import group
from perfseer.console.progress import line_log, tell

if TYPE_CHECKING:
    from perfseer.studies.nasbench201.settings import NasBench201Settings

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
    from perfseer.data.settings import DatasetSettings
    from perfseer.errors import require
    from perfseer.evaluation.settings import EvaluationSettings
    from perfseer.parameters import load_mapping
    from perfseer.studies.nasbench201.fitting import Case, run
    from perfseer.training.process import prepare_process

    mapping = load_mapping(params)
    settings = study_settings(mapping)
    shared = DatasetSettings.from_mapping(mapping)
    require(reading in settings.readings, f"no reading {reading!r}; there are {', '.join(settings.readings)}")
    prepare_process(threads)
    case = Case(
        settings=settings,
        labels=shared.labels,
        confidence=EvaluationSettings.model_validate(mapping["evaluation"]).confidence,
        reading="executed" if reading == "executed" else "pruned",
        predictor=predictor,
        device=device,
    )
    for record in run(case, shared.seeds, out, line_log("")):
        typer.echo(record)


def readings(
    params: Annotated[str, typer.Option(help=_PARAMS_HELP)] = "params.yaml",
    out: Annotated[Path, typer.Option(help="File to write.")] = _STUDY / "readings.json",
) -> None:
    """Find out from the latencies which operations of a cell each device ran."""
    from perfseer.data.settings import DatasetSettings
    from perfseer.data.sources.nasbench201.cells import DEVICES
    from perfseer.parameters import load_mapping
    from perfseer.studies.nasbench201.readings import describe, write_readings

    mapping = load_mapping(params)
    settings = study_settings(mapping)
    seeds = DatasetSettings.from_mapping(mapping).seeds
    write_readings(out, {name: describe(settings, seeds, DEVICES[name]) for name in settings.devices})
    typer.echo(out)


def report(
    params: Annotated[str, typer.Option(help=_PARAMS_HELP)] = "params.yaml",
    study: Annotated[Path, typer.Option(help="Folder of the study.")] = _STUDY,
    out: Annotated[Path, typer.Option(help="Folder to write the report to.")] = Path("reports"),
) -> None:
    """Render the report from whatever records there are."""
    from perfseer.parameters import load_mapping
    from perfseer.studies.nasbench201.render import render_study
    from perfseer.studies.nasbench201.study import load_study

    tell(render_study(load_study(load_mapping(params), study), out))


def study_settings(mapping: dict[str, Any]) -> "NasBench201Settings":
    """Section ``nasbench201`` of the parameters, validated.

    Raises:
        PerfseerError: it is missing or at fault.
    """
    from perfseer.studies.nasbench201.settings import NasBench201Settings
    from perfseer.validation import section

    return section(NasBench201Settings, mapping, "nasbench201")


def register(app: typer.Typer) -> None:
    """Add the study's verbs."""
    verbs = group(app, "nasbench201", "Predictors on the latencies of NAS-Bench-201, BRP-NAS's own ground.")
    for verb in (fit, readings, report):
        verbs.command()(verb)
