"""Rendering the report on NAS-Bench-201: Markdown, HTML, figure, table for ``dvc plots``, and the ledger."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from perfseer.data.sources.nasbench201.cells import LABEL, N_CELLS, N_CONNECTED
from perfseer.predictors.registry import predictor_class
from perfseer.reporting.document import Published, fill, publish
from perfseer.studies.nasbench201 import figures, published, sentences, tables
from perfseer.studies.nasbench201.about import DOCUMENT
from perfseer.studies.nasbench201.study import SUBJECT, Study, load_study

PAGE = Path(__file__).with_name("page.md.j2")
LEDGER_FILE = "ledger.parquet"


def render(parameters: Mapping[str, Any], results: Path, out: Path) -> Published:
    """Write the document below ``out`` and the ledger beside the records; equal records give equal bytes.

    Args:
        parameters: raw mapping of params.yaml.
        results: folder the verbs wrote to.
        out: folder for the document.

    Raises:
        PerfseerError: a section is at fault, or a folder cannot be written.
    """
    return render_folder(parameters, results / "nasbench201", out)


def render_folder(parameters: Mapping[str, Any], folder: Path, out: Path) -> Published:
    """The same from the folder of the study."""
    study = load_study(parameters, folder)
    study.ledger.write(folder / LEDGER_FILE)
    return publish(
        DOCUMENT,
        markdown(study),
        out,
        figures={"nasbench201_shares": partial(figures.shares, study)},
        tables={"nasbench201_accuracy": accuracy_rows(study)},
        missing=study.missing(),
    )


def markdown(study: Study) -> str:
    """The report as Markdown."""
    return fill(
        PAGE,
        study=study,
        subject=SUBJECT,
        predictor=predictor_class(SUBJECT),
        batch_size=study.settings.settings_of(SUBJECT).model_dump()["recipe"].get("batch_size"),
        tables=tables,
        sentences=sentences,
        published=published,
        n_cells=N_CELLS,
        n_connected=N_CONNECTED,
    )


def accuracy_rows(study: Study) -> pd.DataFrame:
    """One row per record: reading, predictor, device, seed, every metric of the latency, seconds to fit."""
    rows = [
        {
            "reading": contender.variant,
            "predictor": contender.predictor,
            "device": contender.split,
            "seed": seed,
            **{name: measure.value for name, measure in record.metrics[LABEL].items()},
            "fit_s": record.cost.fit_s,
        }
        for (contender, seed), record in study.records.items()
    ]
    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=["reading", "predictor", "device", "seed"])
