"""Rules about the table as a whole: each configuration once, in order, in one setting."""

import pandas as pd

from perfseer.measure.table import CONFIGURATION, SETTING, cell_facts
from perfseer.measure.trust.rules.evidence import Evidence, every, evidence, told
from perfseer.measure.trust.settings import SanitySettings

_NO_ROWS = "there are no rows"


def no_duplicates(table: pd.DataFrame, _: SanitySettings) -> Evidence:
    """Each configuration stands once per device, environment and protocol."""
    groups = table.groupby([*CONFIGURATION, *SETTING], sort=False, dropna=False)
    rows = pd.DataFrame({"first": groups["order"].transform("first")})
    text = "the same configuration as the row of order {first}"
    return evidence(table, every(table), [told(rows[groups.cumcount() > 0], text)], _NO_ROWS)


def order_without_holes(table: pd.DataFrame, _: SanitySettings) -> Evidence:
    """Positions in the plan run on from 0, each once."""
    order = table["order"].sort_values(kind="stable")
    expected = order.shift(fill_value=-1) + 1
    rows = pd.DataFrame({"order": order, "expected": expected, "last": order - 1})
    missing = told(rows[order > expected], "positions {expected} to {last} are missing before it")
    repeated = told(rows[order < expected], "position {order} is taken already")
    return evidence(table, every(table), [missing, repeated], _NO_ROWS)


def one_setting(table: pd.DataFrame, _: SanitySettings) -> Evidence:
    """All rows are of one device, one environment and one protocol."""
    parts = []
    for name in SETTING:
        texts = table[name].map({value: short_setting(name, value) for value in table[name].unique()})
        rows = pd.DataFrame({"value": texts, "first": texts.iloc[:1].squeeze() if len(texts) else ""})
        differs = table[name] != table[name].iloc[0] if len(table) else every(table)
        parts.append(told(rows[differs], "{name} {value}, in the first row {first}", name=name))
    return evidence(table, every(table), parts, _NO_ROWS)


def short_setting(name: str, value: object) -> str:
    """A device, environment or protocol in a few characters; an environment is named by its digest."""
    if name != "environment":
        return str(value)
    return str((cell_facts(value) or {}).get("digest", repr(str(value)[:40])))
