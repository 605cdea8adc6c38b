"""How many closed results reach an accelerator, round by round, and the names that do not."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from perfseer.hardware.names import identify


def closed_names(tables: Mapping[str, Any]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Count the names of the closed division.

    Args:
        tables: ``systems``, ``system_accelerators`` and ``results``, each a table or its rows.

    Returns:
        A row per round: ``round``, ``results``, ``named`` (those that name an accelerator), ``identified``
        (of these, reach one) and ``share`` = identified / named, 1; and a row per name that reaches none:
        ``accelerator``, ``results``, the most frequent first.
    """
    systems = _frame(tables["systems"], ("id", "round", "division", "accelerator"))
    inside = _frame(tables["system_accelerators"], ("system_id",))
    results = _frame(tables["results"], ("system_id",))
    systems = systems[systems["division"] == "closed"]
    names = {text: identify(text).names_something for text in systems["accelerator"].unique()}
    systems = systems.assign(
        named=systems["accelerator"].map(names).astype(bool),
        identified=systems["id"].isin(inside["system_id"]),
    )
    rows = results.merge(systems, left_on="system_id", right_on="id")
    rows["identified"] &= rows["named"]
    rounds = rows.groupby("round", sort=False).agg(
        results=("named", "size"), named=("named", "sum"), identified=("identified", "sum")
    )
    rounds = rounds.assign(share=rounds["identified"] / rounds["named"].where(rounds["named"] > 0))
    unknown = rows[rows["named"] & ~rows["identified"]]["accelerator"].value_counts()
    return rounds.reset_index(), unknown.rename("results").rename_axis("accelerator").reset_index()


def _frame(table: Any, columns: tuple[str, ...]) -> pd.DataFrame:
    return pd.DataFrame(table, columns=list(columns))
