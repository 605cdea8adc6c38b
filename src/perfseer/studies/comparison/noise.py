"""Errors of all predictors beside the uncertainty of the measurements they are compared with."""

import numpy as np

from perfseer.graphs.perfgraph import FloatArray
from perfseer.reporting.floors import FLOOR, NOT_MEASURED, floor_cell, multiple
from perfseer.reporting.tables import markdown_table, table
from perfseer.reporting.units import MISSING, number, percent, share_text
from perfseer.studies.comparison.aligned import Aligned
from perfseer.studies.experiment import Experiment
from perfseer.targets import TARGETS, TIMES

_IN_PERCENT = f"{FLOOR} [%]"


def multiple_table(experiment: Experiment) -> str:
    """MAPE of every predictor as a multiple of each label's noise floor, headline split."""
    if not experiment.floors:
        return f"{NOT_MEASURED.capitalize()}: no configuration was measured twice."
    return table(
        (*experiment.predictors, _IN_PERCENT),
        [
            ("predictor", str),
            *((t.title, lambda name, t=t: _multiple_cell(experiment, name, t.name)) for t in TARGETS),
        ],
    )


def _multiple_cell(experiment: Experiment, predictor: str, target: str) -> str:
    if predictor == _IN_PERCENT:
        return floor_cell(experiment.floors, target)
    found = experiment.mape(predictor, experiment.headline, target)
    if found is None:
        return experiment.absent(predictor, target)
    return multiple(found.mean, experiment.floors, target)


def noise_table(aligned: Aligned) -> str:
    """Median error over the measurement's median half width, and predictions inside its interval.

    Rows without a measurement interval (too few iterations for one) are left out.
    """
    bounds = {target.name: aligned.interval_bounds(target.name) for target in TIMES}
    if all(found is None or not np.isfinite(found).any() for found in bounds.values()):
        return f"{MISSING}: the measurement table has no confidence intervals of these rows."
    header, lines = ["predictor"], [[name] for name in aligned.experiment.predictors]
    for target in TIMES:
        header += [
            f"{target.title}: median error",
            "measurement, median half width",
            "ratio",
            "predictions inside the measurement's interval",
        ]
        for line in lines:
            line += _cells(aligned, line[0], target.name, bounds[target.name])
    return markdown_table(header, lines)


def _cells(aligned: Aligned, predictor: str, target: str, bounds: FloatArray | None) -> list[str]:
    if predictor not in aligned.predictors(target):
        return [aligned.experiment.absent(predictor, target)] * 4
    errors = aligned.errors[target][predictor].to_numpy(dtype=np.float64)
    known = np.isfinite(errors) & (np.isfinite(bounds).all(axis=1) if bounds is not None else False)
    if bounds is None or not known.any():
        return [MISSING] * 4
    errors, (low, high) = errors[known], bounds[known].T
    middle, half = float(np.median(np.abs(errors))), float(np.median((high - low) / 2))
    inside = int(((errors >= low) & (errors <= high)).sum())
    ratio = number(middle / half, 2) if half else MISSING
    return [percent(middle), f"± {percent(half)}", ratio, share_text(inside, len(errors))]
