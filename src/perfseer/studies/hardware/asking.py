"""Questions of the command line as tables: names that forgive, conditions, rankings, comparisons."""

import difflib
import operator
import re
from collections.abc import Callable, Iterable, Sequence

import pandas as pd

from perfseer.data.devices import plain_name
from perfseer.errors import PerfseerError, require
from perfseer.hardware.metric_registry import METRICS
from perfseer.hardware.names import identify
from perfseer.hardware.specs import COLUMNS, IDENTITY, NUMBERS, Specs

_CONDITION = re.compile(r"\s*(\w+)\s*(>=|<=|!=|=|>|<)\s*(.*?)\s*")
_COMPARED: dict[str, Callable[[pd.Series, float], pd.Series]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "=": operator.eq,
    "!=": operator.ne,
}


def key_of(name: str, table: pd.DataFrame) -> str:
    """The key of an accelerator that people name.

    Args:
        name: key, name or any spelling that is understood.
        table: of all accelerators, indexed by key, with their names.

    Raises:
        PerfseerError: nothing is called so, or several are; says what is alike.
    """
    if name in table.index:
        return name
    understood = [part.key for part in identify(name).parts]
    if len(understood) == 1 and understood[0] in table.index:
        return understood[0]
    require(bool(plain_name(name)), f"{name!r} names no accelerator; `perfseer hardware list --all` has all")
    plain = table["name"].map(plain_name)
    called = list(table.index[plain == plain_name(name)])
    if len(called) == 1:
        return str(called[0])
    require(not called, f"{name!r} could be {', '.join(map(str, called[:8]))}: give one of these keys")
    keys = dict(zip(plain, table.index, strict=True)) | {plain_name(key): key for key in table.index}
    alike = [keys[close] for close in difflib.get_close_matches(plain_name(name), keys, n=3, cutoff=0.6)]
    hint = (
        f"did you mean {' or '.join(map(str, alike))}?" if alike else "`perfseer hardware list --all` has all"
    )
    raise PerfseerError(f"no accelerator {name!r}; {hint}")


def narrowed(table: pd.DataFrame, conditions: Iterable[str]) -> pd.DataFrame:
    """Rows that meet all conditions, such as ``vendor=AMD`` and ``memory_bytes>=8e10``.

    Raises:
        PerfseerError: a condition cannot be read, or names no column.
    """
    for condition in conditions:
        said = _CONDITION.fullmatch(condition)
        if said is None:
            raise PerfseerError(f"cannot read {condition!r}: expected column=value, column>=number, …")
        column, sign, value = said.groups()
        _require_column(column)
        table = table[_met(table[column], sign, value, condition)]
    return table


def _met(cells: pd.Series, sign: str, value: str, condition: str) -> pd.Series:
    if cells.name in NUMBERS:
        try:
            return _COMPARED[sign](cells, float(value))
        except ValueError as error:
            raise PerfseerError(f"{condition!r}: {cells.name} is a number, {value!r} is none") from error
    require(sign in ("=", "!="), f"{condition!r}: {cells.name} is no number; use = or !=")
    equal = cells.astype(str).str.casefold() == value.casefold()
    return equal if sign == "=" else ~equal


def picked(table: pd.DataFrame, columns: str) -> pd.DataFrame:
    """Some columns, in the order of ``columns``, separated by commas.

    Raises:
        PerfseerError: there is no such column.
    """
    names = list(dict.fromkeys(name.strip() for name in columns.split(",") if name.strip()))
    for name in names:
        _require_column(name)
    return table[names]


def sheet(specs: Specs, key: str, figures: pd.DataFrame) -> pd.DataFrame:
    """Every figure of an accelerator: value, how it is known, who says so, what others say."""
    told = figures[figures["chosen"].astype(bool)].set_index("figure")
    others = figures[~figures["chosen"].astype(bool)]
    row, status = specs.table.loc[key], specs.status.loc[key]
    lines = [(name, str(row[name]), "", "", "") for name in IDENTITY if str(row[name])]
    for name in NUMBERS:
        if status[name] == "missing":
            continue
        known = told.loc[name] if name in told.index else None
        differ = others[others["figure"] == name]
        said = "; ".join(f"{other.source}: {other.value:g}" for other in differ.itertuples())
        source = "" if known is None else f"{known['source']}: {known['document']}".rstrip(": ")
        lines.append((name, f"{row[name]:.6g}", str(status[name]), source, said))
    return pd.DataFrame(lines, columns=["figure", "value", "status", "source", "others say"])


def beside(specs: Specs, keys: Sequence[str]) -> pd.DataFrame:
    """Accelerators as columns, a row for each figure that one of them has."""
    table = specs.table.loc[list(dict.fromkeys(keys))]
    names = [name for name in COLUMNS if table[name].notna().any() and (table[name].astype(str) != "").any()]
    shown = table[names].map(lambda cell: f"{cell:.6g}" if isinstance(cell, float) else str(cell))
    return shown.replace("nan", "").T.rename_axis("figure").reset_index()


def ranked(
    table: pd.DataFrame, metrics: pd.DataFrame, by: str, limit: int, *, ascending: bool = False
) -> pd.DataFrame:
    """Accelerators by a derived metric, in the unit that tables show, or by a figure, in SI units.

    Raises:
        PerfseerError: there is no such metric.
    """
    if by not in METRICS:
        known = [*METRICS, *NUMBERS]
        alike = difflib.get_close_matches(by, known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(alike)}?" if alike else "`perfseer hardware metrics` has all"
        require(by in NUMBERS, f"no metric {by!r}; {hint}")
        order = table.dropna(subset=by).sort_values([by, "name"], ascending=[ascending, True])
        return order[["name", "vendor", by]].head(limit).reset_index()
    measured = metrics[metrics["metric"] == by].set_index("key")
    scaled = measured[["value", "low", "high"]].astype(float) / METRICS[by].scale
    joined = table[["name", "vendor"]].join(scaled.assign(unit=METRICS[by].display_unit), how="inner")
    joined["status"] = measured["status"]
    order = joined.sort_values(["value", "name"], ascending=[ascending, True]).head(limit)
    return order.rename(columns={"value": by}).dropna(axis="columns", how="all").reset_index()


def _require_column(name: str) -> None:
    alike = difflib.get_close_matches(name, COLUMNS, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(alike)}?" if alike else f"there are {', '.join(COLUMNS)}"
    require(name in COLUMNS, f"no column {name!r}; {hint}")
