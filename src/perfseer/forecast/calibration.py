"""A predictor for another device: which few models to measure there, and what their measurements change."""

import numpy as np
from scipy.spatial.distance import cdist

from perfseer.data.dataset import Dataset
from perfseer.data.label_scale import fit_scale
from perfseer.data.normalisation import FeatureNormaliser, LabelNormaliser, Normaliser
from perfseer.data.platforms import Platform
from perfseer.data.settings import LabelSettings
from perfseer.errors import require
from perfseer.graphs.perfgraph import FloatArray, IntArray
from perfseer.predictors.base import FitInputs, Predictor
from perfseer.predictors.library.calibrated import CalibratedPredictor, CalibratedSettings
from perfseer.predictors.parts.work_profile import nominal_rates, work_profile
from perfseer.targets import TARGET_NAMES, Phase

# Measuring takes this long whatever the model: building it, warming up, counting a few iterations ...
OVERHEAD_S = 4.0
# ... and so many iterations of it.
ITERATIONS = 30
# Labels as logarithms. Predictions of a calibrated predictor are bounded by its base, not by the few labels
# measured.
LOGARITHMS = LabelSettings.model_validate(
    {
        "time": {"transform": "log", "standardise": True, "margin": 20},
        "mem": {"transform": "log", "standardise": True, "margin": 20},
        "util": {"transform": "logit", "standardise": True, "margin": 20, "ceiling": 101},
    }
)


def choose(
    pool: Dataset,
    k: int,
    *,
    cost_s: FloatArray | None = None,
    phase: Phase = "infer",
    platform: Platform | None = None,
) -> IntArray:
    """Which k rows of a pool to measure so that every other one has a measured one like it, at little cost.

    Greedy facility location: the next row is the one that brings the pool nearest to what is chosen (distance
    between kinds of work, `work_profile`) per second of measuring. So the first five of ten are the five of
    five, and a run that is cut short has measured the most telling ones. Depends on nothing random.

    Args:
        pool: n rows; labels play no part.
        k: rows wanted, at most n.
        cost_s: [n] seconds that measuring each would take, positive; None counts them alike.
        phase: whose work decides.
        platform: the device, for its rates.

    Returns:
        [k] row numbers, the most telling first.

    Raises:
        PerfseerError: there are fewer than k rows, or a cost is not positive.
    """
    n = len(pool)
    require(0 <= k <= n, f"cannot choose {k} models of a pool of {n}: ask for at most {n}")
    costs = np.ones(n) if cost_s is None else np.asarray(cost_s, dtype=np.float64)
    require(
        bool(len(costs) == n and (np.isfinite(costs) & (costs > 0)).all()),
        f"costs of measuring {n} models must be {n} positive numbers of seconds",
    )
    if not k:
        return np.zeros(0, dtype=np.int64)
    profile = work_profile(pool, phase, nominal_rates(platform))
    spread = profile.std(axis=0)
    scaled = profile / np.where(spread > 0, spread, 1.0)
    return _facilities(cdist(scaled, scaled), costs, k)


def _facilities(distances: FloatArray, costs: FloatArray, k: int) -> IntArray:
    """[k] greedy choice; earlier rows where gains are equal."""
    # Far enough away that the first choice is the most central row per second.
    nearest = np.full(len(costs), distances.max() + 1.0)
    chosen: list[int] = []
    for _ in range(k):
        gains = np.maximum(nearest[:, None] - distances, 0.0).sum(axis=0) / costs
        gains[chosen] = -1.0
        chosen.append(int(gains.argmax()))
        nearest = np.minimum(nearest, distances[:, chosen[-1]])
    return np.array(chosen, dtype=np.int64)


def measuring_cost_s(
    base: Predictor, pool: Dataset, phases: tuple[Phase, ...] = ("infer", "train")
) -> FloatArray:
    """[n] seconds that measuring each row will take, roughly, by what the base predicts for it."""
    predicted = base.predict(pool)
    names = [f"{phase}_time_ms" for phase in phases if f"{phase}_time_ms" in predicted]
    return np.asarray(OVERHEAD_S + ITERATIONS * predicted[names].to_numpy().sum(axis=1) / 1e3)


def calibrate(base: Predictor, measured: Dataset) -> CalibratedPredictor:
    """Move a fitted predictor to the device that some rows were measured on.

    Args:
        base: fitted elsewhere, on one platform or many.
        measured: the rows, all of one platform; some may lack labels. Five architectures are a start.

    Returns:
        A predictor like any other; its labels are those that the base predicts and the rows have.

    Raises:
        PerfseerError: there are no rows, they are of several platforms, or have no label in common with the
            base.
    """
    require(len(measured) > 0, "no measured rows to calibrate with: measure at least one model")
    model = CalibratedPredictor(CalibratedSettings(base=base.name), base.targets)
    inputs = FitInputs(members={base.name: base})
    normaliser = Normaliser(
        _label_scales(measured), FeatureNormaliser.fit(measured.features, measured.graph_rows)
    )
    return model.fit(measured, measured.subset([]), normaliser, seed=0, log=lambda _: None, inputs=inputs)


def _label_scales(measured: Dataset) -> LabelNormaliser:
    columns = {name: measured.labels[:, TARGET_NAMES.index(name)] for name in measured.targets}
    return LabelNormaliser(
        {name: fit_scale(values[~np.isnan(values)], name, LOGARITHMS) for name, values in columns.items()}
    )


def measured_labels(dataset: Dataset, target: str) -> IntArray:
    """Numbers of the rows that have a label.

    Raises:
        PerfseerError: there is no such label.
    """
    require(target in TARGET_NAMES, f"no label {target!r}; there are {', '.join(TARGET_NAMES)}")
    return np.flatnonzero(~np.isnan(dataset.labels[:, TARGET_NAMES.index(target)]))
