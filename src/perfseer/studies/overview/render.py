"""The main document, perfseer.md: what was measured and how well one predictor does, in detail.

No date, host or absolute path, so that equal inputs give equal bytes.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from perfseer.digests import file_digest
from perfseer.evaluation.trials import fitting_code
from perfseer.reporting.document import Published, fill, publish
from perfseer.reporting.floors import floor_note
from perfseer.studies import accuracy, profile, published
from perfseer.studies.experiment import Experiment, Paths, load_experiment
from perfseer.studies.overview import analysis, judgement
from perfseer.studies.overview.about import DOCUMENT
from perfseer.studies.overview.checks import checks
from perfseer.studies.overview.figures import figure_makers
from perfseer.studies.overview.metrics_file import plot_tables, write_metrics
from perfseer.targets import TARGETS

PAGE = Path(__file__).with_name("page.md.j2")


def render(parameters: Mapping[str, Any], results: Path, out: Path) -> Published:
    """Write the document below ``out``; equal inputs give equal bytes.

    Args:
        parameters: raw mapping of params.yaml, complete.
        results: folder the verbs wrote to.
        out: folder for the document and metrics.json.

    Raises:
        PerfseerError: see `load_experiment`; or a folder cannot be written.
    """
    paths = Paths.below(results)
    experiment = load_experiment(parameters, paths)
    written = publish(
        DOCUMENT,
        markdown(experiment, file_digest(paths.dataset / "manifest.json")),
        out,
        figures=figure_makers(experiment),
        tables=plot_tables(experiment),
        missing=experiment.missing(),
    )
    metrics = out / "metrics.json"
    write_metrics(metrics, experiment)
    return replace(written, paths=(*written.paths, metrics))


def markdown(experiment: Experiment, dataset_digest: str) -> str:
    """The report as Markdown."""
    return fill(
        PAGE,
        experiment=experiment,
        checks=checks(experiment),
        targets=TARGETS,
        dataset_digest=dataset_digest,
        code_digest=fitting_code(*experiment.predictors),
        floor_note=floor_note,
        accuracy=accuracy,
        analysis=analysis,
        judgement=judgement,
        profile=profile,
        published=published,
    )
