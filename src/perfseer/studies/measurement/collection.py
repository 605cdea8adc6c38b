"""How the table was measured: device, protocol in words, where the time went, what failed."""

import math
from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from perfseer.reporting.tables import Column, escape, table
from perfseer.reporting.units import (
    PHASE_WORDS,
    choose_scale,
    count,
    in_percent,
    named,
    number,
    percent,
    plural,
    share_text,
)
from perfseer.studies.measurement.study import Study, known
from perfseer.studies.profile import SHOWN_REASONS
from perfseer.targets import PHASES


def batch_sizes(study: Study) -> str:
    """All that were measured, ascending."""
    return ", ".join(map(str, sorted(study.table["batch_size"].unique())))


def protocol_words(study: Study) -> list[str]:
    """Each protocol of the table as a paragraph."""
    return [_in_words(protocol) for protocol in study.protocols]


# What `_in_words` names; a protocol of another make (a source's own) is shown as a table only.
_NAMED = {
    *("warmup_s", "warmup_iterations", "warmup_drift", "warmup_budget_s", "probe_slack", "ci_width"),
    *("confidence", "min_iterations", "max_iterations", "phase_budget_s", "timeout_s"),
}


def _in_words(protocol: Mapping[str, Any]) -> str:
    if not set(protocol) >= _NAMED:
        return "What its source says of how the labels were measured:"
    p = {name: protocol[name] for name in _NAMED}
    drift = (
        f", and further until the medians of its two latest groups of iterations differ by at most "
        f"{in_percent(p['warmup_drift'])}, but for no longer than {p['warmup_budget_s']:g} s"
        if p["warmup_drift"] < 1
        else ""
    )
    return (
        f"Each phase warms up for at least {p['warmup_s']:g} s and "
        f"{plural(p['warmup_iterations'], 'iteration')}{drift}. Then iterations are counted until the "
        f"{in_percent(p['confidence'])} confidence interval of their median is no wider than "
        f"{in_percent(p['ci_width'])} of it, after at least {count(p['min_iterations'])}; in any case "
        f"counting ends after {count(p['max_iterations'])} iterations or about {p['phase_budget_s']:g} s. On "
        "a processor, iterations beside a reading of the machine's speed more than "
        f"{in_percent(p['probe_slack'])} slower than its full speed are set apart. A configuration that is "
        f"still busy after {p['timeout_s']:g} s is given up."
    )


def speed_sentence(study: Study) -> str:
    """How many configurations a minute of measuring gave."""
    total = float(known(study.table, "measured_s").sum())
    if not total:
        return "The table does not say how long measuring took."
    rows, rate = len(study.table), number(60 * len(study.table) / total)
    taken = f"{plural(rows, 'configuration')} took {named(total, 's')} of measuring"
    return f"{taken}: {rate} configurations per minute."


def time_table(study: Study) -> str:
    """Where the measuring seconds went, estimated from iterations and their mean time; empty if unknown."""
    total = float(known(study.table, "measured_s").sum())
    if not total:
        return ""
    scale, rows = choose_scale([total], "s"), len(study.table)
    columns: list[Column[tuple[str, float]]] = [
        ("part", lambda part: part[0]),
        (f"time [{scale.unit}]", lambda part: scale.show(part[1])),
        ("share", lambda part: percent(100 * part[1] / total)),
        ("per configuration [ms]", lambda part: number(1000 * part[1] / rows)),
    ]
    return table([*_parts(study, total).items(), ("all", total)], columns)


def _parts(study: Study, total: float) -> dict[str, float]:
    finished = study.finished
    parts = {}
    for steps, word in (("iterations", "counting"), ("warmup_iterations", "warming up")):
        for phase in PHASES:
            mean_ms = finished[f"{phase}_time_mean_ms"].fillna(finished[f"{phase}_time_ms"])
            seconds = (finished[f"{phase}_{steps}"] * mean_ms).sum() / 1000
            parts[f"{word}, {PHASE_WORDS[phase]}"] = float(seconds)
    failed = study.table[study.table["status"] != "ok"]
    parts["configurations that failed"] = float(known(failed, "measured_s").sum())
    # Estimates may exceed the whole where warm-up iterations were quicker than counted ones.
    rest = max(total - sum(parts.values()), 0.0)
    return {**parts, "everything else: building, memory, utilisation, iterations set apart": rest}


def status_table(study: Study) -> str:
    """Configurations by status and reason, the most frequent first."""
    rows = study.table
    reasons = rows["reason"].fillna("").map(lambda text: escape(str(text)) or "–")
    grouped = (
        pd.DataFrame({"status": rows["status"], "reason": reasons, "seconds": rows["measured_s"]})
        .groupby(["status", "reason"])["seconds"]
        .agg(rows="size", seconds=lambda seconds: seconds.sum(min_count=1))
        .reset_index()
        .sort_values(["rows", "status", "reason"], ascending=[False, True, True])
    )
    shown, rest = grouped.iloc[:SHOWN_REASONS], grouped.iloc[SHOWN_REASONS:]
    columns: list[Column[Mapping[Hashable, Any]]] = [
        ("status", lambda group: str(group["status"])),
        ("reason", lambda group: str(group["reason"])),
        ("configurations", lambda group: share_text(int(group["rows"]), len(rows))),
        ("measuring time", lambda group: _time(float(group["seconds"]))),
    ]
    groups = shown.to_dict("records")
    if len(rest):
        further = rest[["rows", "seconds"]].sum(min_count=1).to_dict()
        groups.append({"status": "…", "reason": f"{len(rest)} further reasons", **further})
    return table(groups, columns, align="ll")


def _time(seconds: float) -> str:
    return named(seconds, "s") if math.isfinite(seconds) else "–"
