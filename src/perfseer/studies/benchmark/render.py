"""Rendering the benchmark report: Markdown, HTML, figures, tables for ``dvc plots``, and the ledger."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from perfseer.digests import file_digest
from perfseer.reporting.document import Published, fill, publish
from perfseer.reporting.floors import floor_note
from perfseer.reporting.tables import escape
from perfseer.reporting.units import plural
from perfseer.studies.benchmark import conclusions, figures, points, regression, smooth, tables, words
from perfseer.studies.benchmark.about import ABOUT, DOCUMENT
from perfseer.studies.benchmark.records import REGRESSION_FILE
from perfseer.studies.benchmark.study import Study, load_study
from perfseer.targets import TARGET_BY_NAME

PAGE = Path(__file__).with_name("page.md.j2")


def render(parameters: Mapping[str, Any], results: Path, out: Path) -> Published:
    """Write the whole report below ``out`` and the ledger below ``results``; equal inputs give equal bytes.

    Args:
        parameters: raw mapping of params.yaml, complete.
        results: folder the verbs wrote to.
        out: folder for the document.

    Raises:
        PerfseerError: see `load_study`; or the folder cannot be written.
    """
    study = load_study(parameters, results)
    study.ledger.write(results / ABOUT.ledger)
    return publish(
        DOCUMENT,
        markdown(study, results),
        out,
        figures={
            "benchmark_fitting": partial(figures.fitting, study),
            "benchmark_learning": partial(figures.learning, study),
            "benchmark_predicting": partial(figures.predicting, study),
            "benchmark_tradeoff": partial(figures.tradeoff, study),
            "benchmark_regression": partial(figures.regression, study),
        },
        tables={
            "benchmark_fits": points.fit_rows(study.fits),
            "benchmark_predictions": points.prediction_rows(study.predictions),
            "benchmark_regression": points.regression_rows(study.regressions),
        },
    )


def markdown(study: Study, results: Path) -> str:
    """The report as Markdown, with the digests of the files below ``results`` it was made from."""
    names = (*study.records, *([Path(REGRESSION_FILE).stem] if study.regression else []))
    return fill(
        PAGE,
        study=study,
        asked=study.settings.regression,
        tables=tables,
        words=words,
        conclusions=conclusions,
        regression=regression,
        smooth=smooth,
        titles=[TARGET_BY_NAME[name].title for name in study.settings.targets],
        overrides=", ".join(f"`{path}: {escape(str(to))}`" for path, to in study.settings.overrides.items()),
        threads={plural(record.threads, "thread") for record in study.records.values()},
        ensembles=[record.predictor for record in study.records.values() if record.members],
        floor_note=floor_note(study.floors),
        digests={name: file_digest(results / "benchmark" / f"{name}.json") for name in names},
        dataset_digest=file_digest(results / "dataset/manifest.json"),
    )
