"""Rendering the report on unseen devices: Markdown, HTML, figures and the table behind them."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from perfseer.reporting.document import Published, fill, publish
from perfseer.reporting.units import count, number
from perfseer.studies.devices import figures, goals, published, tables
from perfseer.studies.devices.about import DOCUMENT
from perfseer.studies.devices.study import Study, error_pct, inside, load_study, median_device

PAGE = Path(__file__).with_name("page.md.j2")


def render(parameters: Mapping[str, Any], results: Path, out: Path) -> Published:
    """Write the document below ``out``; equal tables give equal bytes.

    Args:
        parameters: raw mapping of params.yaml.
        results: folder the verbs wrote to.
        out: folder for the document.

    Raises:
        PerfseerError: the section is at fault, there is no table, or a folder cannot be written.
    """
    study = load_study(parameters, results / "devices")
    return publish(
        DOCUMENT,
        markdown(study),
        out,
        figures={
            "devices_predicted": partial(figures.predicted, study),
            "devices_batch": partial(figures.by_time_per_kernel, study),
            "devices_coverage": partial(figures.coverage, study),
        },
        tables={"devices_errors": tables.errors_table(study)},
    )


def markdown(study: Study) -> str:
    """The report as Markdown."""
    models = study.of_models
    training = models[models["phase"] == "train"]
    large = models[(models["batch_size"] >= goals.LARGE) & (models["phase"] == "infer")]
    products = study.rows[study.rows["source"].isin(list(study.settings.operators))]
    return fill(
        PAGE,
        study=study,
        rows=models,
        tables=tables,
        published=published,
        goals=goals,
        n_devices=models["device"].nunique(),
        n_training=training["device"].nunique(),
        n_large=large["device"].nunique(),
        products=f"{count(len(products))} layers" if len(products) else "No layers",
        headlines=headlines(study),
    )


def headlines(study: Study) -> list[str]:
    """The errors and intervals in a sentence for each phase and what decides there."""
    words = {"infer": "inference", "train": "training"}
    return [
        _headline(words[str(phase)], str(who), part)
        for (phase, who), part in study.of_models.groupby(["phase", "decides"])
    ]


def _headline(phase: str, who: str, rows: pd.DataFrame) -> str:
    worst = max(error_pct(part, "answer_ms") for _, part in rows.groupby("device"))
    covered = 100 * float(inside(rows).mean())
    width = float((rows["answer_high_ms"] / rows["answer_low_ms"]).median())
    return (
        f"{phase}, bound by the {who}: {number(median_device(rows, 'answer_ms'))} % on the median of "
        f"{rows['device'].nunique()} devices, {number(worst)} % on the worst; "
        f"{number(covered)} % of {len(rows)} times inside the interval, high / low {number(width)}"
    )
