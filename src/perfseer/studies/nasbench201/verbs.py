"""``perfseer nasbench201``: predictors on the latencies of NAS-Bench-201, BRP-NAS's own ground."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

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
    for record in run(case, shared.seeds, out, lambda line: typer.echo(line, err=True)):
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
    from perfseer.data.settings import DatasetSettings
    from perfseer.evaluation.settings import EvaluationSettings
    from perfseer.parameters import load_mapping
    from perfseer.studies.nasbench201.render import render
    from perfseer.studies.nasbench201.study import load_study

    mapping = load_mapping(params)
    shared = DatasetSettings.from_mapping(mapping)
    confidence = EvaluationSettings.model_validate(mapping["evaluation"]).confidence
    found = load_study(study_settings(mapping), shared.labels, shared.seeds, confidence, study)
    for path in render(found, out):
        typer.echo(path)
    if found.missing():
        typer.echo(f"records are missing: {'; '.join(found.missing())}", err=True)


def study_settings(mapping: dict[str, Any]) -> "NasBench201Settings":
    """Section ``nasbench201`` of params.yaml, validated.

    Raises:
        PerfseerError: it is missing or at fault.
    """
    from pydantic import ValidationError

    from perfseer.errors import PerfseerError
    from perfseer.studies.nasbench201.settings import NasBench201Settings

    if "nasbench201" not in mapping:
        raise PerfseerError("the parameters have no section nasbench201, which says what is fitted there")
    try:
        return NasBench201Settings.model_validate(mapping["nasbench201"])
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
        raise PerfseerError("section nasbench201 is at fault: " + "; ".join(lines)) from error
