"""dvc.yaml: the resident stages, and those of the studies, with what each depends on."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from perfseer.cli.schema import Parameters
from perfseer.data.files import atomic
from perfseer.data.sources import module_name as source_module
from perfseer.data.sources import source_names
from perfseer.errors import PerfseerError
from perfseer.evaluation.parameters import RECIPE
from perfseer.parameters import load_mapping
from perfseer.predictors.registry import module_name
from perfseer.provenance import ROOT
from perfseer.reporting.settings import detailed_predictors
from perfseer.stages import Stage, dvc_stages
from perfseer.studies import shelf

_HEAD = Path(__file__).with_name("dvc_head.yaml")
_ROWS = ("results/measurements", "results/graphs", "results/dataset")


def dvc_file(parameters: Mapping[str, Any]) -> str:
    """The text of dvc.yaml for these parameters.

    Args:
        parameters: raw mapping of params.yaml, complete.

    Raises:
        PerfseerError: names the parameter at fault.
    """
    Parameters.from_mapping(dict(parameters))
    stages = dvc_stages(stages_of(parameters))
    text = yaml.safe_dump({"stages": stages}, sort_keys=False, width=10_000)
    head, tail = _HEAD.read_text(encoding="utf-8").split("---\n")
    return f"{head}{text}\n{tail}"


def refresh(path: str, params: str) -> None:
    """Write dvc.yaml anew where it is not the one that follows from params.yaml and the code.

    Args:
        path: of dvc.yaml; where there is none, nothing is written.
        params: of params.yaml. Where it is at fault by itself, and the run has other parameters laid over it,
            dvc.yaml stays.

    Raises:
        PerfseerError: the file cannot be written.
    """
    file = Path(path)
    if not file.is_file():
        return
    try:
        text = dvc_file(load_mapping(params))
    except PerfseerError:
        return
    if file.read_text(encoding="utf-8") != text:
        with atomic(file) as temporary:
            temporary.write_text(text, encoding="utf-8")


def stages_of(parameters: Mapping[str, Any]) -> Iterator[Stage]:
    """Every stage, in the order in which they run."""
    yield from _measuring(parameters["source"]["kind"])
    for name in parameters["predictors"]:
        yield _training(f"train-{name}", "predictors", name, "models", _ROWS)
    for name in parameters["ensembles"]:
        reads = ("results/models", "results/graphs", "results/dataset")
        yield _training(f"combine-{name}", "ensembles", name, "ensembles", reads)
    for study in _taking_part(parameters):
        yield from shelf.about(study).stages(parameters)
    yield from _rendering(parameters)


def _taking_part(parameters: Mapping[str, Any]) -> Iterator[str]:
    """Studies whose section, if they have one, is not null."""
    return (study for study in shelf.STUDY_NAMES if parameters.get(study, {}) is not None)


def _measuring(source: str) -> Iterator[Stage]:
    """The table and all that is measured, from a kind of source; the search space; the dataset."""
    published = (source_module(source),) if source in source_names() else ()
    yield Stage(
        name="collect",
        target="measurements",
        modules=(
            *("perfseer.cli.collect", "perfseer.cli.trust", "perfseer.cli.kernels"),
            *("perfseer.cli.merge", "perfseer.cli.sources", *published),
        ),
        rules=("collect",),
        params=("source", "zoo", "collect", "trust", "kernels"),
        writes=("results/measurements",),
    )
    yield Stage(
        name="survey",
        target="results/zoo/survey.parquet",
        modules=("perfseer.cli.zoo",),
        rules=("collect",),
        params=("zoo", "survey"),
        writes=("results/zoo",),
    )
    yield Stage(
        name="dataset",
        target="results/dataset/manifest.json",
        modules=("perfseer.cli.graphs", "perfseer.cli.dataset"),
        rules=("graphs", "dataset"),
        reads=("results/measurements",),
        params=("seeds", "labels", "splits"),
        writes=("results/graphs", "results/dataset"),
    )


def _training(stage: str, section: str, name: str, folder: str, reads: tuple[str, ...]) -> Stage:
    """Fitting one predictor, or making one from others."""
    return Stage(
        name=stage,
        target=f"results/{folder}/{name}/summary.json",
        modules=("perfseer.cli.train", "perfseer.cli.summarize", module_name(name)),
        rules=("train",),
        reads=reads,
        params=(*RECIPE, f"{section}.{name}"),
        writes=(f"results/{folder}/{name}",),
    )


def _rendering(parameters: Mapping[str, Any]) -> Iterator[Stage]:
    """A stage for each document that people get without asking for it."""
    predictors = (*parameters["predictors"], *parameters["ensembles"])
    for study in _taking_part(parameters):
        about = shelf.about(study)
        rendered = Path("workflow/rules", f"{study}.smk")
        if about.document is None or not about.by_default or not (ROOT.parent.parent / rendered).is_file():
            continue
        written = about.document.outputs(detailed_predictors(parameters))
        yield Stage(
            name=f"report-{about.document.name}",
            target=f"reports/{about.document.name}.md",
            modules=shelf.rendering(study, predictors),
            rules=("report", study),
            reads=about.reads,
            params=tuple(parameters),
            writes=(f"results/{about.ledger}",) if about.ledger else (),
            shows=tuple(f"reports/{name}" for name in written),
        )
