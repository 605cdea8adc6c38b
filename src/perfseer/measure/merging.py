"""Joining measurement tables: of one device, environment and protocol, unless asked otherwise."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from perfseer.errors import PerfseerError, require
from perfseer.measure.soundness import settled
from perfseer.measure.table import COLUMNS, CONFIGURATION, SETTING, cell_facts, typed_table

# What the message calls several of them.
_PLURALS = {
    "device": "devices",
    "environment": "environments",
    "protocol": "protocols",
    "protocol_version": "versions of the protocol",
}
_SOURCE = "_source"


@dataclass(frozen=True)
class Merged:
    """Several measurement tables as one.

    Attributes:
        table: the joined table, by ``order``.
        rows: rows of each table, by its name.
        copies: rows left out because an equal one stands already, whatever its ``order``.
        repeats: rows left out because their configuration was measured already, with another outcome.
        renumbered: whether positions collided, so that ``order`` counts anew.
    """

    table: pd.DataFrame
    rows: dict[str, int]
    copies: int
    repeats: int
    renumbered: bool


def merge_tables(tables: Mapping[str, pd.DataFrame], *, allow_mixed: bool = False) -> Merged:
    """Join measurement tables.

    Of a configuration measured several times in one setting the first row that is ok stays, else the first;
    measuring again on purpose is what `perfseer remeasure` is for. The rows that stay are sorted by
    ``order``, those of an earlier table first where it is the same: tables alternate, so that a prefix is a
    fair sample of each. Precision, memory format and mode belong to the configuration, so they may differ.
    A row that cannot have been measured counts as failed (`soundness.settled`).

    Args:
        tables: measurement tables by name (their files), at least one.
        allow_mixed: admit rows of several devices, environments or protocols; columns tell them apart.

    Raises:
        PerfseerError: the tables have no rows at all, or are of several devices, environments or protocols
            without ``allow_mixed``.
    """
    frames = [settled(table).assign(**{_SOURCE: name}) for name, table in tables.items() if len(table)]
    require(bool(frames), f"no rows in {', '.join(tables)}; `perfseer collect` measures some")
    rows = pd.concat(frames, ignore_index=True)
    if not allow_mixed:
        _require_one_setting(rows)
    distinct = rows[~rows.duplicated([name for name in COLUMNS if name != "order"])]
    kept = _first_of_each(distinct).sort_values("order", kind="stable")
    collides = bool(kept["order"].duplicated().any())
    table = kept.drop(columns=_SOURCE).reset_index(drop=True)
    return Merged(
        table=typed_table(table.assign(order=range(len(table))) if collides else table),
        rows={name: len(frame) for name, frame in tables.items()},
        copies=len(rows) - len(distinct),
        repeats=len(distinct) - len(kept),
        renumbered=collides,
    )


def _first_of_each(rows: pd.DataFrame) -> pd.DataFrame:
    """One row per configuration and setting, the first that is ok if there is one."""
    ok_first = rows.assign(_failed=rows["status"] != "ok").sort_values("_failed", kind="stable")
    return rows.loc[ok_first.drop_duplicates([*CONFIGURATION, *SETTING]).index.sort_values()]


def _require_one_setting(rows: pd.DataFrame) -> None:
    for column in SETTING:
        values = rows[column].unique().tolist()
        if len(values) > 1:
            holders = "; ".join(
                f"{name} has {', '.join(_told(column, value, values[0]) for value in found.unique())}"
                for name, found in rows.groupby(_SOURCE, sort=False)[column]
            )
            raise PerfseerError(
                f"the tables are of {len(values)} {_PLURALS[column]}, whose labels have no common scale: "
                f"{holders}. Join those that agree, or give --allow-mixed to have all in one table"
            )


def _told(column: str, value: object, first: object) -> str:
    """A value in words; of an environment or a protocol only in what it differs from the first."""
    if column not in ("environment", "protocol"):
        return str(value)
    told = [(cell, cell_facts(cell)) for cell in (value, first)]
    here, there = ({"digest": repr(str(cell)[:40])} if facts is None else facts for cell, facts in told)
    differs = {
        key: here.get(key) for key in sorted(here.keys() | there.keys()) if here.get(key) != there.get(key)
    }
    name = str(here.get("digest", "")) or ("another one" if differs else "the first one")
    changed = ", ".join(f"{key} {found}" for key, found in differs.items() if key != "digest")
    return f"{name} ({changed})" if changed else name
