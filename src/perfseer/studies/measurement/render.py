"""measurement.md: how the labels were measured, and how far to trust them. No predictor is in it.

Rendered from the measurement table and what was measured beside it, so that it exists before any training. No
date, host or absolute path, so that equal inputs give equal bytes.
"""

from collections.abc import Mapping
from dataclasses import asdict, fields
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from perfseer.digests import file_digest
from perfseer.evaluation.noise import NoiseFloor
from perfseer.reporting.document import Published, fill, publish
from perfseer.reporting.tables import Column, table
from perfseer.reporting.units import MISSING
from perfseer.studies.measurement import agreement, collection, figures, precision, rules
from perfseer.studies.measurement.about import DOCUMENT
from perfseer.studies.measurement.study import TABLES, Study, load_study
from perfseer.studies.profile import described, distinct

PAGE = Path(__file__).with_name("page.md.j2")


def render(parameters: Mapping[str, Any], results: Path, out: Path) -> Published:
    """Write measurement.md, its HTML twin, figures and plot tables below ``out``; equal inputs, equal bytes.

    Args:
        parameters: raw mapping of params.yaml; sections ``trust``, ``report`` and ``evaluation``.
        results: folder the verbs wrote to.
        out: folder for the document.

    Raises:
        PerfseerError: see `load_study`; or the folder cannot be written.
    """
    study = load_study(parameters, results)
    return publish(
        DOCUMENT,
        markdown(study, results),
        out,
        figures={
            "measurement_precision": partial(figures.precision, study),
            "measurement_machine": partial(figures.machine, study),
            "measurement_protocol": partial(figures.protocol, study),
            "measurement_repeats": partial(figures.repeats, study),
        },
        tables=plot_tables(study),
    )


def plot_tables(study: Study) -> dict[str, pd.DataFrame]:
    """File stem → table.

    Returns:
        measurement_floors (a line per label with a noise floor), measurement_repeats
        (`agreement.PAIR_COLUMNS`), measurement_protocol (`agreement.SHORT_LONG_COLUMNS`),
        measurement_violations (`rules.VIOLATION_COLUMNS`).
    """
    columns = [field.name for field in fields(NoiseFloor)]
    return {
        "measurement_floors": pd.DataFrame(map(asdict, study.floors.values()), columns=columns),
        "measurement_repeats": agreement.pairs(study),
        "measurement_protocol": agreement.short_and_long(study),
        "measurement_violations": rules.violation_rows(study),
    }


def markdown(study: Study, results: Path) -> str:
    """The document as Markdown, with the digests of the tables below ``results`` it was made from."""

    def digest(name: str) -> str:
        return file_digest(results / name) if (results / name).is_file() else MISSING

    columns: list[Column[str]] = [
        ("table", lambda name: f"results/{name}"),
        ("SHA-256 of the file, first digits", digest),
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
        digests=table(TABLES, columns, align="ll"),
    )
