"""What the fitted predictors themselves report: kernels nn-Meter could not predict, shares of an ensemble."""

from collections.abc import Mapping
from typing import Any

from perfseer.predictors.base import MODEL_FILE, read_predictor
from perfseer.reporting.tables import escape, table
from perfseer.reporting.units import NOT_APPLICABLE, count, number, percent
from perfseer.studies.experiment import Experiment
from perfseer.targets import TARGETS

State = tuple[str, int, Any]  # predictor, seed, what it keeps


def states(experiment: Experiment, key: str) -> list[State]:
    """What fitted predictors of the headline split keep under ``key`` of their state.

    Raises:
        PerfseerError: a saved predictor is damaged.
    """
    found = []
    for name in experiment.predictors:
        for run in experiment.runs_of(name, experiment.headline):
            folder = run.folder / "model"
            state = read_predictor(folder)["state"] if (folder / MODEL_FILE).is_file() else {}
            if key in state:
                found.append((name, run.record.seed, state[key]))
    return found


def skipped_table(experiment: Experiment) -> str:
    """Kernels of the training rows without a forest, which count as no time; may be empty."""
    skipped = states(experiment, "skipped")
    columns = [
        ("predictor", lambda row: row[0]),
        ("seed", lambda row: str(row[1])),
        ("share of the kernels", lambda row: percent(100.0 * float(row[2]["kernels"]))),
        ("share of the bytes", lambda row: percent(100.0 * float(row[2]["bytes"]))),
        ("types", lambda row: _types(row[2]["types"])),
    ]
    return table(skipped, columns, align="lrrrl") if skipped else ""


def _types(found: Mapping[str, int]) -> str:
    return ", ".join(f"{escape(name)} ({count(int(n))})" for name, n in sorted(found.items())) or "none"


def share_table(experiment: Experiment) -> str:
    """Weights of an ensemble's members, label by label and seed by seed; may be empty."""
    chosen = [
        (name, seed, {choice["target"]: choice["shares"] for choice in choices})
        for name, seed, choices in states(experiment, "choices")
    ]
    columns = [
        ("ensemble", lambda row: row[0]),
        ("seed", lambda row: str(row[1])),
        *((t.title, lambda row, t=t: _weights(row[2].get(t.name))) for t in TARGETS),
    ]
    return table(chosen, columns, align="lr") if chosen else ""


def _weights(shares: Mapping[str, float] | None) -> str:
    if shares is None:
        return NOT_APPLICABLE
    largest_first = sorted(shares.items(), key=lambda item: -item[1])
    return " + ".join(f"{number(weight, 2)} {name}" for name, weight in largest_first)
