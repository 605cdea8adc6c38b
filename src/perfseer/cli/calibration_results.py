"""What ``perfseer calibrate`` prints: the models it measured, and the error before and after."""

import numpy as np
from rich.table import Table

from perfseer.console.tables import listed, table
from perfseer.data.dataset import Dataset
from perfseer.graphs.perfgraph import FloatArray
from perfseer.predictors.base import Predictor
from perfseer.predictors.library.calibrated import CalibratedPredictor
from perfseer.targets import TARGET_BY_NAME, TARGET_NAMES

_CONFIDENCE = 0.9


def models_table(model: CalibratedPredictor, base: Predictor, rows: Dataset) -> Table:
    """Measured time of every row beside what the base and the calibrated predictor say."""
    before, after = base.predict(rows), model.predict(rows)
    cells: dict[str, list[str]] = {
        "model": rows.rows["model_ref"].tolist(),
        "batch": rows.rows["batch_size"].tolist(),
    }
    for time in (TARGET_BY_NAME[name] for name in model.targets):
        if time.quantity == "time":
            cells[f"{time.phase} measured [ms]"] = _cells(rows.labels[:, TARGET_NAMES.index(time.name)])
            cells[f"{time.phase} before [ms]"] = _cells(before[time.name].to_numpy())
            cells[f"{time.phase} after [ms]"] = _cells(after[time.name].to_numpy())
    return table(listed(cells, numbers=[*cells][1:]), zip(*cells.values(), strict=True))


def _cells(values: FloatArray) -> list[str]:
    return ["-" if np.isnan(value) else f"{value:.4g}" for value in values]


def errors_table(model: CalibratedPredictor, rows: Dataset) -> Table:
    """For each label the factor found, and the error before and after, on models left out of calibrating."""
    found = model.intervals(rows, _CONFIDENCE)
    assert found is not None
    errors = ("MAPE before [%]", "after, left out [%]", "90 % interval, times or over")
    numbers = ("factor", "exponents", "models", *errors)
    cells = [
        [
            name,
            f"{np.exp(shift.correction.offset):.3g}",
            shift.correction.n_parameters - 1,
            shift.architectures,
            f"{shift.before_mape_pct:.1f}",
            "-" if shift.after_mape_pct is None else f"{shift.after_mape_pct:.1f}",
            f"{np.median(np.sqrt(found[f'{name}_high'] / found[f'{name}_low'])):.2f}",
        ]
        for name, shift in model.shifts_.items()
    ]
    return table(listed(("label", *numbers), numbers=numbers), cells)
