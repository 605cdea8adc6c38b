"""The predictions table: what was predicted for every test row, beside what was measured."""

import pandas as pd

from perfseer.digests import digest
from perfseer.errors import require
from perfseer.targets import TARGET_NAMES

# `configuration` is the row's id in the dataset's rows.parquet.
IDENTITY = ("configuration", "architecture", "family", "batch_size")


def actual_column(target: str) -> str:
    """Column of the measured value, in the target's unit."""
    return f"actual_{target}"


def predicted_column(target: str) -> str:
    """Column of the predicted value, in the target's unit."""
    return f"predicted_{target}"


def predicted_targets(table: pd.DataFrame) -> tuple[str, ...]:
    """Targets the table has predictions of, in the order of `targets.TARGET_NAMES`."""
    return tuple(name for name in TARGET_NAMES if predicted_column(name) in table.columns)


def prediction_table(rows: pd.DataFrame, predictions: pd.DataFrame) -> pd.DataFrame:
    """Measured beside predicted values of the test rows.

    Args:
        rows: [n] test rows with `IDENTITY` columns and the labels.
        predictions: [n] rows in the same order, one column per supported target, physical units.

    Returns:
        `IDENTITY` columns, then actual_* and predicted_* of every supported target.

    Raises:
        PerfseerError: lengths differ, or a column is no target.
    """
    require(len(rows) == len(predictions), f"{len(predictions)} predictions for {len(rows)} test rows")
    unknown = [str(name) for name in predictions.columns if name not in TARGET_NAMES]
    require(
        not unknown, f"predictions have columns {unknown} that are no target; targets: {list(TARGET_NAMES)}"
    )
    columns = {name: rows[name].to_numpy() for name in IDENTITY}
    for name in (target for target in TARGET_NAMES if target in predictions.columns):
        columns[actual_column(name)] = rows[name].to_numpy(dtype="float64")
        columns[predicted_column(name)] = predictions[name].to_numpy(dtype="float64")
    return pd.DataFrame(columns)


def table_digest(table: pd.DataFrame) -> str:
    """Digest of a table's columns and values, whatever file it was stored in.

    Raises:
        ValueError: a value is NaN or infinite.
    """
    return digest({str(name): table[name].tolist() for name in table.columns})
