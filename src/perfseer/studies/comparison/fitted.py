"""What the fitted predictors themselves report: kernels nn-Meter could not predict, shares of an ensemble."""

from collections.abc import Mapping
from typing import Any

from perfseer.predictors.base import MODEL_FILE, read_predictor
from perfseer.reporting.tables import escape, markdown_table
from perfseer.reporting.units import NOT_APPLICABLE, count, number, percent
from perfseer.studies.results import Results
from perfseer.targets import TARGETS


def states(results: Results, key: str) -> dict[tuple[str, int], Any]:
    """What fitted predictors of the headline split keep under ``key`` of their state, by name and seed.

    Raises:
        PerfseerError: a saved predictor is damaged.
    """
    found = {}
    for name in results.experiment.predictors:
        for run in results.experiment.runs_of(name, results.experiment.headline):
            folder = run.folder / "model"
            state = read_predictor(folder)["state"] if (folder / MODEL_FILE).is_file() else {}
            if key in state:
                found[name, run.record.seed] = state[key]
    return found


def skipped_table(results: Results) -> str:
    """Kernels of the training rows without a forest, which count as no time; may be empty."""
    lines = [
        [name, str(seed), _share(found["kernels"]), _share(found["bytes"]), _types(found["types"])]
        for (name, seed), found in states(results, "skipped").items()
    ]
    header = ["predictor", "seed", "share of the kernels", "share of the bytes", "types"]
    return markdown_table(header, lines, align="lrrrl") if lines else ""


def _share(value: float) -> str:
    return percent(100.0 * float(value))


def _types(found: Mapping[str, int]) -> str:
    return ", ".join(f"{escape(name)} ({count(int(n))})" for name, n in sorted(found.items())) or "none"


def share_table(results: Results) -> str:
    """Weights of an ensemble's members, label by label and seed by seed; may be empty."""
    lines = []
    for (name, seed), choices in states(results, "choices").items():
        shares = {choice["target"]: choice["shares"] for choice in choices}
        cells = [_weights(shares[t.name]) if t.name in shares else NOT_APPLICABLE for t in TARGETS]
        lines.append([name, str(seed), *cells])
    return (
        markdown_table(["ensemble", "seed", *(t.title for t in TARGETS)], lines, align="lr") if lines else ""
    )


def _weights(shares: Mapping[str, float]) -> str:
    largest_first = sorted(shares.items(), key=lambda item: -item[1])
    return " + ".join(f"{number(weight, 2)} {name}" for name, weight in largest_first)
