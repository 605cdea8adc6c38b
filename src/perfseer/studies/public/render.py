"""Rendering the report on published results: Markdown, HTML, figures and tables for ``dvc plots``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from perfseer.reporting.document import Published, fill, publish
from perfseer.studies.memory import section as memory
from perfseer.studies.public import breakdown, claims, costs, devices, figures, reasons, tables, wording
from perfseer.studies.public.about import DOCUMENT
from perfseer.studies.public.agreement import agreements, floor_by_file
from perfseer.studies.public.settings import PublicSettings
from perfseer.studies.public.study import LEDGER_FILE, Study, load_study
from perfseer.validation import section

PAGE = Path(__file__).with_name("page.md.j2")


def render(parameters: Mapping[str, Any], results: Path, out: Path) -> Published:
    """Write the document below ``out``; equal records give equal bytes.

    Args:
        parameters: raw mapping with section ``public``.
        results: folder the verbs wrote to.
        out: folder for the document.

    Raises:
        PerfseerError: the section is at fault, or a folder cannot be written.
    """
    return render_folder(section(PublicSettings, parameters, "public"), results / "public", out)


def render_folder(settings: PublicSettings, folder: Path, out: Path) -> Published:
    """The same from the folder of the study, which receives its ledger."""
    study = load_study(settings, folder)
    study.ledger.write(folder / LEDGER_FILE)
    return render_study(study, out)


def render_study(study: Study, out: Path) -> Published:
    """The same for a study that was read."""
    return publish(
        DOCUMENT,
        markdown(study),
        out,
        figures=figures.figure_makers(study),
        tables={"public_accuracy": accuracy_rows(study)},
        missing=study.missing(),
    )


def markdown(study: Study) -> str:
    """The report as Markdown."""
    settings = study.settings
    agreeing = agreements(study.facts, confidence=settings.seed_confidence, resamples=settings.resamples)
    return fill(
        PAGE,
        study=study,
        settings=settings,
        agreements=agreeing,
        floors=floor_by_file(agreeing),
        misses=reasons.worst(study, settings.groupings[0], settings.worst),
        breakdown=breakdown,
        claims=claims,
        costs=costs,
        devices=devices,
        memory=memory,
        reasons=reasons,
        tables=tables,
        title=wording.title,
    )


def accuracy_rows(study: Study) -> pd.DataFrame:
    """One row per entrant × grouping × file × seed: MAPE and median [%]."""
    rows = [
        (name, grouping, file, seed, mape_pct, medians[seed])
        for name in (*study.names, *study.settings.variants)
        for grouping in study.settings.groupings
        for file in study.files(name)
        for medians in [study.values(name, grouping, file, "median_pct")]
        for seed, mape_pct in study.values(name, grouping, file).items()
    ]
    columns = ["predictor", "grouping", "file", "seed", "mape_pct", "median_pct"]
    return pd.DataFrame(rows, columns=columns)
