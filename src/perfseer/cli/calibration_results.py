"""What ``perfseer calibrate`` prints: the models it measured, and the error before and after."""

import sys
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from rich.table import Table

    from perfseer.data.dataset import Dataset
    from perfseer.graphs.perfgraph import FloatArray
    from perfseer.predictors.base import Predictor
    from perfseer.predictors.library.calibrated import CalibratedPredictor

_PIPED_WIDTH = 160  # columns where standard output is no terminal
_CONFIDENCE = 0.9


def models_table(model: "CalibratedPredictor", base: "Predictor", rows: "Dataset") -> "Table":
    """Measured time of every row beside what the base and the calibrated predictor say."""
    from rich.markup import escape

    from perfseer.targets import TARGET_BY_NAME, TARGET_NAMES

    before, after = base.predict(rows), model.predict(rows)
    columns = {"batch": rows.rows["batch_size"].astype(str).tolist()}
    for name in model.targets:
        if TARGET_BY_NAME[name].quantity == "time":
            measured = rows.labels[:, TARGET_NAMES.index(name)]
            phase = TARGET_BY_NAME[name].phase
            columns[f"{phase} measured [ms]"] = _cells(measured)
            columns[f"{phase} before [ms]"] = _cells(before[name].to_numpy())
            columns[f"{phase} after [ms]"] = _cells(after[name].to_numpy())
    table = _table("model", *columns)
    for ref, *cells in zip(rows.rows["model_ref"].astype(str), *columns.values(), strict=True):
        table.add_row(escape(ref), *cells)
    return table


def _cells(values: "FloatArray") -> list[str]:
    return ["-" if np.isnan(value) else f"{value:.4g}" for value in values]


def errors_table(model: "CalibratedPredictor", rows: "Dataset") -> "Table":
    """For each label the factor found, and the error before and after, on models left out of calibrating."""
    found = model.intervals(rows, _CONFIDENCE)
    assert found is not None
    table = _table(
        "label",
        "factor",
        "exponents",
        "models",
        "MAPE before [%]",
        "after, left out [%]",
        "90 % interval, times or over",
    )
    for name, shift in model.shifts_.items():
        ratios = np.sqrt(found[f"{name}_high"] / found[f"{name}_low"])
        after = "-" if shift.after_mape_pct is None else f"{shift.after_mape_pct:.1f}"
        table.add_row(
            name,
            f"{np.exp(shift.correction.offset):.3g}",
            str(shift.correction.n_parameters - 1),
            str(shift.architectures),
            f"{shift.before_mape_pct:.1f}",
            after,
            f"{np.median(ratios):.2f}",
        )
    return table


def print_table(table: "Table") -> None:
    """To stdout, wide enough to be read by programs where that is no terminal."""
    from rich.console import Console

    Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH, highlight=False).print(table)


def _table(first: str, *numbers: str) -> "Table":
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(first)
    for heading in numbers:
        table.add_column(escape(heading), justify="right")
    return table
