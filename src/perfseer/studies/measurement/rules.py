"""The rules a table must obey: every rule with its verdict, and the rows that break it."""

from typing import Any

import pandas as pd

from perfseer.measure.trust.sanity import Finding
from perfseer.reporting.tables import Column, escape, table
from perfseer.reporting.units import count, plural
from perfseer.studies.measurement.study import Study

VIOLATION_COLUMNS = ("rule", "model_ref", "batch_size", "order", "detail")


def rule_table(study: Study) -> str:
    """All rules in their order: what they ask, rows checked, rows that break them."""
    columns: list[Column[Finding]] = [
        ("rule", lambda finding: escape(finding.rule)),
        ("what it asks", lambda finding: escape(finding.meaning)),
        ("rows checked", lambda finding: "–" if finding.unknown else count(finding.checked)),
        ("rows that break it", _verdict),
    ]
    return table(study.findings, columns, align="llrl")


def _verdict(finding: Finding) -> str:
    if finding.unknown:
        return f"unknown: {escape(finding.unknown)}"
    return f"**{count(len(finding.violations))}**" if len(finding.violations) else "none"


def rule_sentence(study: Study) -> str:
    """How many rules hold, are broken, could not be checked."""
    unknown = sum(bool(finding.unknown) for finding in study.findings)
    faulty = broken(study)
    rows = sum(len(finding.violations) for finding in faulty)
    held = len(study.findings) - len(faulty) - unknown
    names = ", ".join(escape(finding.rule) for finding in faulty)
    listed = f" ({names}; {plural(rows, 'row')})" if faulty else ""
    return (
        f"Of {plural(len(study.findings), 'rule')} a sound table obeys, {held} hold, {len(faulty)} "
        f"{'is' if len(faulty) == 1 else 'are'} broken{listed}, {unknown} could not be checked."
    )


def broken(study: Study) -> list[Finding]:
    """Rules that rows break."""
    return [finding for finding in study.findings if len(finding.violations)]


def violation_table(study: Study, finding: Finding) -> str:
    """The rows that break a rule, as many as the aims list."""
    columns: list[Column[Any]] = [
        ("order", lambda row: escape(str(row.order))),
        ("network", lambda row: escape(str(row.model_ref))),
        ("batch size", lambda row: str(row.batch_size)),
        ("what was found", lambda row: escape(str(row.detail))),
    ]
    return table(finding.violations.head(study.aims.listed).itertuples(index=False), columns, align="rlrl")


def violation_rows(study: Study) -> pd.DataFrame:
    """All violations below each other, `VIOLATION_COLUMNS`."""
    columns = list(VIOLATION_COLUMNS)
    parts = [finding.violations.assign(rule=finding.rule)[columns] for finding in broken(study)]
    return pd.concat(parts or [pd.DataFrame(columns=columns)], ignore_index=True)
