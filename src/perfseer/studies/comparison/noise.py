"""Errors of all predictors beside the uncertainty of the measurements they are compared with."""

import numpy as np

from perfseer.graphs.perfgraph import FloatArray
from perfseer.reporting.floors import FLOOR, NOT_MEASURED, floor_cell, multiple
from perfseer.reporting.tables import markdown_table
from perfseer.reporting.units import MISSING, number, percent, share_text
from perfseer.studies.comparison.aligned import Aligned
from perfseer.studies.comparison.ranking import absent
from perfseer.targets import TARGETS

TIMES = tuple(target for target in TARGETS if target.quantity == "time")


def multiple_table(aligned: Aligned) -> str:
    """MAPE of every predictor as a multiple of each label's noise floor, headline split."""
    experiment = aligned.results.experiment
    if not experiment.floors:
        return f"{NOT_MEASURED.capitalize()}: no configuration was measured twice."
    lines = [
        [name, *(_multiple_cell(aligned, name, target.name) for target in TARGETS)]
        for name in experiment.predictors
    ]
    lines.append([f"{FLOOR} [%]", *(floor_cell(experiment.floors, target.name) for target in TARGETS)])
    return markdown_table(["predictor", *(target.title for target in TARGETS)], lines)


def _multiple_cell(aligned: Aligned, predictor: str, target: str) -> str:
    experiment = aligned.results.experiment
    found = aligned.results.mape(predictor, experiment.headline, target)
    if found is None:
        return absent(aligned, predictor, target)
    return multiple(found.mean, experiment.floors, target)


def noise_table(aligned: Aligned) -> str:
    """Median error over the measurement's median half width, and predictions inside its interval.

    Rows without a measurement interval (too few iterations for one) are left out.
    """
    bounds = {target.name: aligned.interval_bounds(target.name) for target in TIMES}
    if all(found is None or not np.isfinite(found).any() for found in bounds.values()):
        return f"{MISSING}: the measurement table has no confidence intervals of these rows."
    lines = []
    for name in aligned.results.experiment.predictors:
        cells = [cell for target in TIMES for cell in _cells(aligned, name, target.name, bounds[target.name])]
        lines.append([name, *cells])
    header = ["predictor"]
    for target in TIMES:
        header += [
            f"{target.title}: median error",
            "measurement, median half width",
            "ratio",
            "predictions inside the measurement's interval",
        ]
    return markdown_table(header, lines)


def _cells(aligned: Aligned, predictor: str, target: str, bounds: FloatArray | None) -> list[str]:
    if predictor not in aligned.predictors(target):
        return [absent(aligned, predictor, target)] * 4
    errors = aligned.errors[target][predictor].to_numpy(dtype=np.float64)
    known = np.isfinite(errors) & (np.isfinite(bounds).all(axis=1) if bounds is not None else False)
    if bounds is None or not known.any():
        return [MISSING] * 4
    errors, (low, high) = errors[known], bounds[known].T
    middle, half = float(np.median(np.abs(errors))), float(np.median((high - low) / 2))
    inside = int(((errors >= low) & (errors <= high)).sum())
    ratio = number(middle / half, 2) if half else MISSING
    return [percent(middle), f"± {percent(half)}", ratio, share_text(inside, len(errors))]
