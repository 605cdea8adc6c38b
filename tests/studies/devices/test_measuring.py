"""What measuring a few models brings: by hand where a card is off by one factor."""

import numpy as np
import pandas as pd
import pytest

from perfseer.predictors.parts.work_profile import PROFILE_COLUMNS
from perfseer.studies.devices.measuring import after_measuring


def rows_of(n, factor):
    predicted = 10.0 + np.arange(n)
    return pd.DataFrame(
        {
            **{"seed": 0, "device": "t4", "platform": "t4-fp32", "phase": "infer", "source": "made_up"},
            **{"architecture": [f"net{number}" for number in range(n)], "predicted_ms": predicted},
            **{"measured_ms": factor * predicted, **dict.fromkeys(PROFILE_COLUMNS, 0.0)},
        }
    )


def test_one_factor_is_learnt_from_five_models():
    after = after_measuring(rows_of(20, 2.0), (5, 10, 50)).set_index("known")["error_pct"]
    assert after.index.tolist() == [0, 5, 10]  # fifty are more than there are
    assert after[0] == pytest.approx(50.0)
    assert after[5] == pytest.approx(0.0, abs=1e-6)


def test_models_that_were_measured_do_not_judge():
    """One odd network of ten: it counts where it was not measured, and never in the measured five."""
    rows = rows_of(10, 1.0)
    rows.loc[0, "measured_ms"] *= 10
    after = after_measuring(rows, (5,)).set_index("known")["error_pct"]
    assert after[0] == pytest.approx(9.0)  # 0.9 of one in ten
    assert 0 < after[5] < 40
    assert len(after_measuring(rows_of(9, 1.0), (5,))) == 1  # four are left to judge by
