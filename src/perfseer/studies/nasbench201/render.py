"""Rendering the report on NAS-Bench-201: Markdown, HTML, figure and table for ``dvc plots``."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from perfseer.data.sources.nasbench201.cells import DEVICES, LABEL, N_CELLS, N_CONNECTED, Reading
from perfseer.evaluation.metrics import within_name
from perfseer.predictors.registry import predictor_class
from perfseer.reporting.document import Published, fill, publish
from perfseer.reporting.tables import bullet_list
from perfseer.reporting.units import MISSING, choose_scale, count, number, plural
from perfseer.studies.nasbench201 import figures, published, tables
from perfseer.studies.nasbench201.about import DOCUMENT
from perfseer.studies.nasbench201.study import SUBJECT, Study, load_study

PAGE = Path(__file__).with_name("page.md.j2")


def render(parameters: Mapping[str, Any], results: Path, out: Path) -> Published:
    """Write the document below ``out``; equal records give equal bytes.

    Args:
        parameters: raw mapping of params.yaml.
        results: folder the verbs wrote to.
        out: folder for the document.

    Raises:
        PerfseerError: a section is at fault, or the folder cannot be written.
    """
    return render_study(load_study(parameters, results / "nasbench201"), out)


def render_study(study: Study, out: Path) -> Published:
    """The same for a study that was read."""
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
    readings = study.settings.readings
    shown = {
        reading: {
            "subject": tables.subject_table(study, reading),
            "mape": tables.comparison_table(study, reading, "mape_pct"),
            "within": tables.comparison_table(study, reading, within_name(10)),
            "differences": tables.difference_table(study, reading),
        }
        for reading in readings
    }
    return fill(
        PAGE,
        **{
            **_about_study(study),
            **_about_machine(study),
            **_about_readings(study),
            "headlines": bullet_list(_headline(study, reading) for reading in readings),
            "shown": shown,
            "reading_table": tables.reading_table(study),
            "ceilings": tables.ceiling_table(study),
            "published": tables.published_table(study),
            "ranks": tables.rank_table(study),
            "published_paper": published.PAPER,
            "rank_source": published.HELP,
            "unverified": published.UNVERIFIED,
            "differs": bullet_list(published.DIFFERS),
            "departures": bullet_list(predictor_class(SUBJECT).departures),
            "source": predictor_class(SUBJECT).source,
            "costs": tables.cost_table(study),
        },
    )


def accuracy_rows(study: Study) -> pd.DataFrame:
    """One row per record: reading, predictor, device, seed, every metric of the latency, seconds to fit."""
    rows = [
        {
            "reading": reading,
            "predictor": predictor,
            "device": device,
            "seed": seed,
            **{name: measure.value for name, measure in record.metrics[LABEL].items()},
            "fit_s": record.cost.fit_s,
        }
        for (reading, predictor, device), runs in study.runs.items()
        for seed, record in runs.items()
    ]
    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=["reading", "predictor", "device", "seed"])


def _about_study(study: Study) -> dict[str, object]:
    settings = study.settings
    missing = study.missing()
    return {
        "subject": SUBJECT,
        "readings": settings.readings,
        "n_devices": len(settings.devices),
        "n_cells": count(N_CELLS),
        "n_connected": count(N_CONNECTED),
        "n_expected": count(len(study.runs) * len(study.seeds)),
        "n_train": count(settings.train_cells),
        "n_valid": count(settings.valid_cells),
        "n_test": count(N_CONNECTED - settings.train_cells - settings.valid_cells),
        "n_seeds": len(study.seeds),
        "confidence": f"{100 * study.confidence:g} %",
        "cell_view": ", ".join(f"`{name}`" for name in settings.cell_view),
        "batch_size": settings.settings_of(SUBJECT).model_dump()["recipe"].get("batch_size"),
        "missing": "; ".join(missing),
        "n_comparisons": len(settings.devices) * (len(settings.predictor_names) - 1),
    }


def _about_machine(study: Study) -> dict[str, object]:
    records = list(study.records())
    seconds = sum(record.cost.fit_s for record in records)
    machines = {
        f"{record.environment.get('system')}, {record.environment.get('cores')} logical cores, "
        f"torch {record.environment.get('packages', {}).get('torch')}"
        for record in records
    }
    return {
        "n_records": count(len(records)),
        "n_older": plural(study.n_older, "record"),
        "any_older": study.n_older > 0,
        "total_time": choose_scale([seconds], "s").named(seconds) if records else "0 s",
        "machines": "; ".join(sorted(machines)) or "none yet",
    }


def _about_readings(study: Study) -> dict[str, object]:
    """What the latencies say of the reading `executed`, and how far pruned graphs can lead."""
    declared: dict[str, list[str]] = {}
    for name in study.settings.devices:
        declared.setdefault(DEVICES[name].runs, []).append(DEVICES[name].title)
    agree = [name for name, found in study.readings.items() if tables.smallest(found) == DEVICES[name].runs]
    ceilings = [
        found.ceilings["pruned"][within_name(10)]
        for found in study.readings.values()
        if within_name(10) in found.ceilings.get("pruned", {})
    ]
    return {
        "declared": "; ".join(f"{tables.RAN[ran]} on {', '.join(names)}" for ran, names in declared.items()),
        "agreement": f"{len(agree)} of {len(study.readings)}",
        "pruned_ceiling": f"{number(min(ceilings))} to {number(max(ceilings))} %" if ceilings else MISSING,
    }


def _headline(study: Study, reading: Reading) -> str:
    """What the subject reaches over the devices that have records, in a sentence."""
    found = {
        name: (
            study.mean((reading, SUBJECT, name), within_name(10)),
            study.mean((reading, SUBJECT, name), "spearman"),
        )
        for name in study.settings.devices
    }
    shares = {name: pair[0].mean for name, pair in found.items() if pair[0] is not None}
    ranks = [pair[1].mean for pair in found.values() if pair[1] is not None]
    if not shares or not ranks:
        return f"`{reading}`: no result yet."
    least, most = (choose(shares, key=shares.__getitem__) for choose in (min, max))
    return (
        f"`{reading}`: {number(shares[least])} % ({DEVICES[least].title}) to {number(shares[most])} % "
        f"({DEVICES[most].title}) of the test cells within 10 %, Spearman {number(min(ranks))} to "
        f"{number(max(ranks))}; {len(shares)} of {len(found)} devices have results."
    )
