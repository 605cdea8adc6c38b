"""measurement.md: how the labels were measured, and how far to trust them. No predictor is in it.

Rendered from the measurement table and what was measured beside it, so that it exists before any training. No
date, host or absolute path, so that equal inputs give equal bytes.
"""

from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from perfseer.digests import file_digest
from perfseer.reporting.document import Published, fill, publish
from perfseer.reporting.tables import Column, table
from perfseer.reporting.units import MISSING
from perfseer.studies.measurement import agreement, collection, precision, rules
from perfseer.studies.measurement.about import DOCUMENT
from perfseer.studies.measurement.figures import figure_makers
from perfseer.studies.measurement.study import Paths, Study, load_study
from perfseer.studies.profile import described, distinct

PAGE = Path(__file__).with_name("page.md.j2")
_FLOOR_COLUMNS = (
    *("target", "mape_pct", "low_pct", "high_pct", "median_pct", "p95_pct"),
    *("configurations", "measurements"),
)


def render(parameters: Mapping[str, Any], results: Path, out: Path) -> Published:
    """Write measurement.md, its HTML twin, figures and plot tables below ``out``; equal inputs, equal bytes.

    Args:
        parameters: raw mapping of params.yaml; sections ``trust``, ``report`` and ``evaluation``.
        results: folder the verbs wrote to.
        out: folder for the document.

    Raises:
        PerfseerError: see `load_study`; or the folder cannot be written.
    """
    paths = Paths.below(results)
    study = load_study(parameters, paths)
    return publish(
        DOCUMENT,
        markdown(study, paths),
        out,
        figures=figure_makers(study),
        tables=plot_tables(study),
    )


def plot_tables(study: Study) -> dict[str, pd.DataFrame]:
    """File stem → table.

    Returns:
        measurement_floors (a line per label with a noise floor), measurement_repeats
        (`agreement.PAIR_COLUMNS`), measurement_protocol (`agreement.SHORT_LONG_COLUMNS`),
        measurement_violations (`rules.VIOLATION_COLUMNS`).
    """
    floors = pd.DataFrame([asdict(floor) for floor in study.floors.values()], columns=list(_FLOOR_COLUMNS))
    return {
        "measurement_floors": floors,
        "measurement_repeats": agreement.pairs(study),
        "measurement_protocol": agreement.short_and_long(study),
        "measurement_violations": rules.violation_rows(study),
    }


def markdown(study: Study, paths: Paths) -> str:
    """The document as Markdown.

    Args:
        study: what was read.
        paths: of the tables it was read from, whose digests are shown.
    """
    columns: list[Column[Path]] = [
        ("table", lambda path: f"results/measurements/{path.name}"),
        ("SHA-256 of the file, first digits", lambda path: file_digest(path) if path.is_file() else MISSING),
    ]
    return fill(
        PAGE,
        study=study,
        agreement=agreement,
        collection=collection,
        precision=precision,
        rules=rules,
        distinct=partial(distinct, study.table),
        described=partial(described, study.table),
        digests=table(paths, columns, align="ll"),
    )
