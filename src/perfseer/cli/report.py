"""``perfseer report``: render a document that people read from the results."""

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from perfseer.reporting.outputs import OUTPUTS

# Configurations measured again, below the results folder; every document about accuracy shows what they tell.
REPEATS = "measurements/repeats.parquet"


class Document(StrEnum):
    """Documents that can be rendered; `perfseer.reporting.outputs` says what each is."""

    PERFSEER = "perfseer"
    COMPARISON = "comparison"
    ABLATION = "ablation"
    BENCHMARK = "benchmark"
    MEASUREMENT = "measurement"


def report(
    document: Annotated[
        Document, typer.Argument(help="; ".join(f"{name.value}: {OUTPUTS[name].title}" for name in Document))
    ] = Document.PERFSEER,
    params: Annotated[str, typer.Option(help="params.yaml, or inline JSON.")] = "params.yaml",
    results: Annotated[Path, typer.Option(help="Folder the other verbs wrote to.")] = Path("results"),
    out: Annotated[Path, typer.Option(help="Folder to write the document to.")] = Path("reports"),
) -> None:
    """Render a document: Markdown, its HTML twin, figures, tables for `dvc plots`."""
    from perfseer.parameters import load_mapping

    for path in _RENDERERS[document](load_mapping(params), results, out):
        typer.echo(path)


def _evaluated(document: Document, parameters: Mapping[str, Any], results: Path, out: Path) -> Iterable[Path]:
    """The documents about predictors, from their records."""
    from perfseer.studies.comparison.render import render as render_comparison
    from perfseer.studies.experiment import Paths, load_experiment
    from perfseer.studies.overview.render import render as render_main
    from perfseer.studies.results import Results

    paths = Paths.below(results)
    experiment = load_experiment(parameters, paths)
    missing = Results(experiment).missing()
    if missing:
        typer.echo(f"{len(missing)} records are missing: {'; '.join(missing)}", err=True)
    render = render_comparison if document is Document.COMPARISON else render_main
    return render(experiment, paths, out)


def _perfseer(parameters: Mapping[str, Any], results: Path, out: Path) -> Iterable[Path]:
    return _evaluated(Document.PERFSEER, parameters, results, out)


def _comparison(parameters: Mapping[str, Any], results: Path, out: Path) -> Iterable[Path]:
    return _evaluated(Document.COMPARISON, parameters, results, out)


def _ablation(parameters: Mapping[str, Any], results: Path, out: Path) -> Iterable[Path]:
    from perfseer.studies.ablation.render import render
    from perfseer.studies.ablation.study import Paths

    return render(parameters, Paths(results / "ablation", results / "dataset", results / REPEATS), out)


def _benchmark(parameters: Mapping[str, Any], results: Path, out: Path) -> Iterable[Path]:
    from perfseer.studies.benchmark.render import render
    from perfseer.studies.benchmark.study import Paths

    kernels = results / "measurements/kernels.parquet"
    paths = Paths(results / "benchmark", results / "dataset", kernels, results / REPEATS)
    return render(parameters, paths, out)


def _measurement(parameters: Mapping[str, Any], results: Path, out: Path) -> Iterable[Path]:
    from perfseer.studies.measurement.render import render
    from perfseer.studies.measurement.study import Paths

    return render(parameters, Paths.below(results), out)


_RENDERERS: dict[Document, Callable[[Mapping[str, Any], Path, Path], Iterable[Path]]] = {
    Document.PERFSEER: _perfseer,
    Document.COMPARISON: _comparison,
    Document.ABLATION: _ablation,
    Document.BENCHMARK: _benchmark,
    Document.MEASUREMENT: _measurement,
}
