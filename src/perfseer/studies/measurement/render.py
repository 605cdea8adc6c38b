"""measurement.md: how the labels were measured, and how far to trust them. No predictor is in it.

Rendered from the measurement table and what was measured beside it, so that it exists before any training. No
date, host or absolute path, so that equal inputs give equal bytes.
"""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from perfseer.digests import file_digest
from perfseer.reporting.document import Published, fill, publish
from perfseer.reporting.tables import bullet_list, markdown_table
from perfseer.reporting.units import MISSING
from perfseer.studies.measurement import agreement, collection, precision, rules
from perfseer.studies.measurement.about import DOCUMENT
from perfseer.studies.measurement.figures import figure_makers
from perfseer.studies.measurement.study import Paths, Study, load_study
from perfseer.studies.profile import described

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
    digests = {path.name: file_digest(path) for path in _tables(paths) if path.is_file()}
    return publish(
        DOCUMENT,
        markdown(study, digests),
        out,
        figures=figure_makers(study),
        tables=plot_tables(study),
    )


def _tables(paths: Paths) -> tuple[Path, ...]:
    return paths.table, paths.repeats, paths.protocol


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


def markdown(study: Study, digests: Mapping[str, str]) -> str:
    """The document as Markdown.

    Args:
        study: what was read.
        digests: file name → SHA-256 of the tables it was read from, first digits.
    """
    values = {
        **_about_collection(study),
        **_about_precision(study),
        **_about_agreement(study),
        **_about_rules(study),
        "digests": markdown_table(
            ["table", "SHA-256 of the file, first digits"],
            [
                [f"results/measurements/{name}", digests.get(name, MISSING)]
                for name in ("local.parquet", "repeats.parquet", "protocol.parquet")
            ],
            align="ll",
        ),
    }
    return fill(PAGE, **values)


def _about_collection(study: Study) -> dict[str, object]:
    return {
        "facts": collection.facts(study),
        "environment": described(study.table, "environment"),
        "protocol_words": collection.protocol_words(study),
        "protocol": described(study.table, "protocol"),
        "speed": collection.speed_sentence(study),
        "times": collection.time_table(study),
        "statuses": collection.status_table(study),
    }


def _about_precision(study: Study) -> dict[str, object]:
    return {
        "intervals": precision.precision_table(study),
        "aim": precision.aim_words(study),
        "machine": precision.machine_table(study),
        "unrecorded": precision.unrecorded(study),
    }


def _about_agreement(study: Study) -> dict[str, object]:
    return {
        "confidence": f"{100 * study.confidence:g} %",
        "floor_sentence": agreement.floor_sentence(study),
        "floors": agreement.floor_table(study),
        "protocol_sentence": agreement.protocol_sentence(study),
        "differences": agreement.protocol_table(study),
        "cost": agreement.cost_sentence(study),
        "long_words": agreement.long_protocol_words(study),
    }


def _about_rules(study: Study) -> dict[str, object]:
    return {
        "rule_sentence": rules.rule_sentence(study),
        "rules": rules.rule_table(study),
        "violations": rules.violation_tables(study),
        "headlines": bullet_list(
            [
                collection.speed_sentence(study),
                agreement.protocol_sentence(study),
                agreement.floor_sentence(study),
                rules.rule_sentence(study),
            ]
        ),
    }
