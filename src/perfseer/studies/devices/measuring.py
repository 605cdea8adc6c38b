"""What measuring a few models on a device brings: errors on its other models after 5, 10, 20, 50 of them.

The correction is the one that `perfseer calibrate` makes (`predictors.parts.correction`), from what the
predictor says of the device before anything was learnt of unseen devices.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from perfseer.predictors.parts.correction import Correction
from perfseer.predictors.parts.work_profile import PROFILE_COLUMNS

# Of which models are measured; errors are means over them.
DRAWS = 3
# Other models there must be to judge by.
_FEWEST_LEFT = 5
# What is measured and corrected together.
_TOGETHER = ("seed", "device", "platform", "phase", "source")


def after_measuring(rows: pd.DataFrame, known: Sequence[int]) -> pd.DataFrame:
    """Errors on models that were not measured.

    Args:
        rows: of `errors.read_errors`.
        known: numbers of measured models.

    Returns:
        Columns ``seed``, ``device``, ``platform``, ``phase``, ``source``, ``known`` and ``error_pct``, a row
        for each of them that has models enough; 0 is before measuring.
    """
    found = []
    for key, part in rows.groupby(list(_TOGETHER), sort=True):
        names = part["architecture"].unique()
        whole = dict(zip(_TOGETHER, key, strict=True))
        for n in (0, *known):
            if n + _FEWEST_LEFT <= len(names):
                found.append({**whole, "known": n, "error_pct": _error_pct(part, n)})
    return pd.DataFrame(found, columns=[*_TOGETHER, "known", "error_pct"])


def _error_pct(rows: pd.DataFrame, known: int) -> float:
    """Mean absolute percentage error after so many models, over draws of them."""
    errors = np.log(rows["measured_ms"].to_numpy() / rows["predicted_ms"].to_numpy())
    if not known:
        return _mape_pct(errors)
    profile, owners = rows[list(PROFILE_COLUMNS)].to_numpy(), rows["architecture"].to_numpy()
    draws = []
    for is_known in _drawn(owners, known):
        moved = Correction.fit(errors[is_known], profile[is_known], owners[is_known], PROFILE_COLUMNS)
        draws.append(_mape_pct(errors[~is_known] - moved.values(profile[~is_known])))
    return float(np.mean(draws))


def _drawn(owners: npt.NDArray[np.object_], known: int) -> Iterator[npt.NDArray[np.bool_]]:
    """[n] whether the model of each row is measured, for every draw."""
    names = np.unique(owners)
    for draw in range(DRAWS):
        chosen = np.random.default_rng([draw, known]).permutation(names)[:known]
        yield np.isin(owners, chosen)


def _mape_pct(errors: npt.NDArray[np.float64]) -> float:
    """Of ln measured - ln predicted."""
    return 100 * float(np.abs(np.expm1(-errors)).mean())
