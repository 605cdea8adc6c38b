"""Errors by group: by stage style, by batch size, by size quartile."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from perfseer.errors import require
from perfseer.evaluation.metrics import relative_errors
from perfseer.evaluation.predictions import actual_column, predicted_column

QUARTILES = ("smallest quarter", "second quarter", "third quarter", "largest quarter")


def errors_of(table: pd.DataFrame, target: str) -> pd.Series:
    """Signed relative errors [%] of one target, indexed like ``table``.

    Raises:
        PerfseerError: the table has no predictions of ``target``.
    """
    columns = actual_column(target), predicted_column(target)
    require(
        set(columns) <= set(table.columns),
        f"predictions table has no {columns[1]}; it has {sorted(map(str, table.columns))}",
    )
    values = 100.0 * relative_errors(table[columns[0]].to_numpy(), table[columns[1]].to_numpy())
    return pd.Series(values, index=table.index)


def by_style(table: pd.DataFrame) -> pd.Series:
    """Groups of each row: every stage style in its ``family`` ("vgg+resnet+vgg+resnet"), once each.

    Returns:
        Series with repeated index: a row belongs to as many groups as it has distinct styles.
    """
    styles = table["family"].str.split("+").map(lambda tokens: sorted(set(tokens)))
    return styles.explode()


def by_quartile(size: pd.Series) -> pd.Series:
    """Group of each row: its quarter by ``size`` (ties share the lower quarter)."""
    share = size.rank(method="min", pct=True).to_numpy()
    index = np.clip(np.ceil(share * 4).astype(int) - 1, 0, 3)
    return pd.Series(
        pd.Categorical([QUARTILES[i] for i in index], list(QUARTILES), ordered=True), index=size.index
    )


# What rows are grouped by, in words → group of each row of a table of configurations.
GROUPINGS: dict[str, Callable[[pd.DataFrame], pd.Series]] = {
    "stage style": by_style,
    "batch size": lambda table: table["batch_size"],
    "quarter by FLOPs": lambda table: by_quartile(table["flops"]),
}


def grouped_errors(errors: pd.Series, groups: pd.Series) -> pd.DataFrame:
    """Error of each group.

    Args:
        errors: signed relative errors [%], one per row.
        groups: group of each row; an index label may occur more than once, then the row counts in each.

    Returns:
        One row per group in order: group, n, mape_pct, median_pct (of absolute errors), bias_pct (median of
        signed errors).
    """
    joined = pd.DataFrame({"group": groups, "error": errors.reindex(groups.index)})
    joined["absolute"] = joined["error"].abs()
    return (
        joined.groupby("group", observed=True)
        .agg(
            n=("absolute", "size"),
            mape_pct=("absolute", "mean"),
            median_pct=("absolute", "median"),
            bias_pct=("error", "median"),
        )
        .reset_index()
    )
