"""Rendering the report on published results: Markdown, HTML, figures and tables for ``dvc plots``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from perfseer.evaluation.group_folds import Grouping
from perfseer.predictors.base import Predictor
from perfseer.predictors.registry import predictor_class
from perfseer.reporting.document import Published, fill, publish
from perfseer.reporting.tables import bullet_list
from perfseer.reporting.units import choose_scale, count, interval, plural
from perfseer.studies.memory import section as memory
from perfseer.studies.public import breakdown, devices, figures, reasons, tables
from perfseer.studies.public.about import DOCUMENT
from perfseer.studies.public.agreement import Agreement, agreements
from perfseer.studies.public.goals import GOALS, goal_of
from perfseer.studies.public.settings import PublicSettings
from perfseer.studies.public.study import Study, load_study
from perfseer.studies.public.wording import short_title, title
from perfseer.validation import section

PAGE = Path(__file__).with_name("page.md.j2")
_FAMILIES = 12  # lines of the table by family


def render(parameters: Mapping[str, Any], results: Path, out: Path) -> Published:
    """Write the document below ``out``; equal records give equal bytes.

    Args:
        parameters: raw mapping with section ``public``.
        results: folder the verbs wrote to.
        out: folder for the document.

    Raises:
        PerfseerError: the section is at fault, or the folder cannot be written.
    """
    return render_study(load_study(section(PublicSettings, parameters, "public"), results / "public"), out)


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
    found = _agreements(study)
    floors = floor_by_file(found)
    misses = reasons.worst(study, settings.groupings[0], settings.worst)
    return fill(
        PAGE,
        **{
            **_about_study(study),
            **_about_machine(study),
            "goals": tables.goal_table(study, floors),
            "headlines": bullet_list(_headline(study, file, floors) for file in settings.headline),
            "comparisons": {
                f"{title(file)}, by {grouping}": tables.entrant_table(study, file, grouping)
                for file in settings.headline
                for grouping in settings.groupings
            },
            "variants": tables.variant_table(study) if settings.variants else "",
            "files": tables.file_table(study),
            "families": {title(file): _family_table(study, file) for file in settings.headline},
            "sizes": {title(file): _size_tables(study, file) for file in settings.headline},
            "devices": devices.device_table(study) if devices.cases(study) else "",
            "memory": memory.section(study.memory),
            "coverage": breakdown.coverage_table(study),
            "coverage_verdicts": "; ".join(
                breakdown.coverage_verdict(study, grouping) for grouping in settings.groupings
            ),
            "worst": reasons.worst_table(misses),
            "n_worst": len(misses),
            "n_explained": sum(bool(one.reasons) for one in misses),
            "worst_grouping": settings.groupings[0],
            "agreements": tables.agreement_table(found),
            "costs": tables.cost_table(study),
        },
    )


def floor_by_file(found: list[Agreement]) -> Mapping[str, Agreement]:
    """File → its closest agreement with another version of the software: a bound on the noise of labels."""
    floors: dict[str, Agreement] = {}
    for one in sorted(found, key=lambda one: one.mean_pct):
        floors.setdefault(one.first, one)
        floors.setdefault(one.second, one)
    return floors


def accuracy_rows(study: Study) -> pd.DataFrame:
    """One row per entrant × grouping × file × seed: MAPE and median [%]."""
    rows = [
        {
            "predictor": name,
            "grouping": grouping,
            "file": file,
            "seed": seed,
            "mape_pct": value,
            "median_pct": study.values(name, grouping, file, "median_pct")[seed],
        }
        for name in (*study.names, *study.settings.variants)
        for grouping in study.settings.groupings
        for file in study.files(name)
        for seed, value in study.values(name, grouping, file, "mape_pct").items()
    ]
    columns = ["predictor", "grouping", "file", "seed", "mape_pct", "median_pct"]
    return pd.DataFrame(rows, columns=columns)


def _agreements(study: Study) -> list[Agreement]:
    if study.facts.empty:
        return []
    return agreements(
        study.facts, confidence=study.settings.seed_confidence, resamples=study.settings.resamples
    )


def _headline(study: Study, file: str, floors: Mapping[str, Agreement]) -> str:
    """What the subject reaches on one file, in a sentence."""
    parts = []
    for grouping in study.settings.groupings:
        found = study.mean(study.settings.subject, grouping, file)
        if found is not None:
            goal = goal_of(file, grouping)
            verdict = f" ({tables.goal_verdict(goal, found)})" if goal else ""
            parts.append(f"**{interval(found, '%')}** where the {grouping} is unseen{verdict}")
    floor = floors.get(file)
    noise = f"; labels agree with another version's to {floor.mean_pct:.1f} %" if floor and parts else ""
    return f"{title(file)}: {' and '.join(parts) or 'no result yet'}{noise}."


def _family_table(study: Study, file: str) -> str:
    found = breakdown.by_family(study, study.settings.subject, "family", file)
    return breakdown.group_table("family", found[:_FAMILIES])


def _size_tables(study: Study, file: str) -> dict[Grouping, str]:
    return {
        grouping: breakdown.group_table(
            "GFLOPs a sample", breakdown.by_size(study, study.settings.subject, grouping, file)
        )
        for grouping in study.settings.groupings
    }


def _about_study(study: Study) -> dict[str, object]:
    settings = study.settings
    missing = study.missing()
    goals = [goal for goal in GOALS if goal.file in settings.files]
    return {
        "subject": settings.subject,
        "subject_source": _source(study),
        "subject_departures": _departures(study),
        "groupings": settings.groupings,
        "n_files": len(settings.files),
        "n_rows": count(len(study.facts)),
        "n_architectures": count(study.facts["architecture"].nunique()),
        "n_families": count(study.facts["family"].nunique()),
        "n_folds": settings.folds,
        "n_seeds": len(settings.seeds),
        "valid_share": f"{100 * settings.valid_share:g} %",
        "confidence": f"{100 * settings.seed_confidence:g} %",
        "interval_confidence": f"{100 * settings.confidence:g} %",
        "resamples": count(settings.resamples),
        "any_goals": bool(goals),
        "missing": "; ".join(missing),
        "headline_titles": [short_title(file) for file in settings.headline],
    }


def _subject_class(study: Study) -> type[Predictor] | None:
    name = study.settings.subject
    return (
        predictor_class(study.settings.entrants[name].predictor) if name in study.settings.entrants else None
    )


def _source(study: Study) -> str:
    found = _subject_class(study)
    return found.source if found else f"the mean of {', '.join(study.settings.means[study.settings.subject])}"


def _departures(study: Study) -> str:
    found = _subject_class(study)
    return bullet_list(found.departures) if found else ""


def _about_machine(study: Study) -> dict[str, object]:
    records = [record for found in study.records.values() for record in found]
    seconds = sum(record.fit_s for record in records)
    machines = {
        f"{record.environment.get('system')}, {record.environment.get('cores')} logical cores, "
        f"torch {record.environment.get('packages', {}).get('torch')}"
        for record in records
    }
    memory = [record.peak_mem_mib for record in records if record.peak_mem_mib is not None]
    return {
        "n_records": count(len(records)),
        "n_older": plural(study.n_older, "record"),
        "any_older": study.n_older > 0,
        "total_time": choose_scale([seconds], "s").named(seconds) if records else "0 s",
        "peak_memory": choose_scale([max(memory)], "MiB").named(max(memory)) if memory else "unknown",
        "machines": "; ".join(sorted(machines)) or "none yet",
    }
