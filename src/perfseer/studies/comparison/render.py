"""comparison.md: every predictor on the same rows. No date, host or absolute path."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from perfseer.digests import file_digest
from perfseer.evaluation.breakdowns import GROUPINGS
from perfseer.reporting.document import Published, fill, publish
from perfseer.reporting.floors import floor_note
from perfseer.studies import accuracy, profile
from perfseer.studies.comparison import failures, fitted, memory, noise, ranking, tables
from perfseer.studies.comparison.about import ABOUT, DOCUMENT
from perfseer.studies.comparison.aligned import Aligned, align
from perfseer.studies.comparison.figures import figure_makers
from perfseer.studies.comparison.pairs import Pairs, compare_all
from perfseer.studies.comparison.plots import plot_tables
from perfseer.studies.experiment import Paths, load_experiment
from perfseer.targets import TARGETS

PAGE = Path(__file__).with_name("page.md.j2")


def render(parameters: Mapping[str, Any], results: Path, out: Path) -> Published:
    """Write the document below ``out``, and the ledger; equal inputs give equal bytes.

    Args:
        parameters: raw mapping of params.yaml, complete.
        results: folder the verbs wrote to.
        out: folder for the document.

    Raises:
        PerfseerError: see `load_experiment`; or a folder cannot be written.
    """
    paths = Paths.below(results)
    experiment = load_experiment(parameters, paths)
    experiment.ledger.write(results / ABOUT.ledger)
    aligned = align(experiment, experiment.headline)
    pairs, groups = compare_all(aligned), failures.group_all(aligned)
    return publish(
        DOCUMENT,
        markdown(aligned, pairs, groups, file_digest(paths.dataset / "manifest.json")),
        out,
        figures=figure_makers(aligned, pairs, groups),
        tables=plot_tables(experiment, pairs, groups),
        missing=experiment.missing(),
    )


def markdown(aligned: Aligned, pairs: Pairs, groups: failures.Groups, dataset_digest: str) -> str:
    """The document as Markdown."""
    return fill(
        PAGE,
        experiment=aligned.experiment,
        aligned=aligned,
        pairs=pairs,
        groups=groups,
        dataset_digest=dataset_digest,
        targets=TARGETS,
        groupings=tuple(GROUPINGS),
        floor_note=floor_note,
        accuracy=accuracy,
        failures=failures,
        fitted=fitted,
        memory=memory,
        noise=noise,
        profile=profile,
        ranking=ranking,
        tables=tables,
    )
