"""The rules a table must obey: every rule with its verdict, and the rows that break it."""

import pandas as pd

from perfseer.measure.trust.sanity import Finding
from perfseer.reporting.tables import escape, markdown_table
from perfseer.reporting.units import count, plural
from perfseer.studies.measurement.study import Study

VIOLATION_COLUMNS = ("rule", "model_ref", "batch_size", "order", "detail")


def rule_table(study: Study) -> str:
    """All rules in their order: what they ask, rows checked, rows that break them."""
    lines = [
        [
            escape(finding.rule),
            escape(finding.meaning),
            count(finding.checked) if not finding.unknown else "–",
            _verdict(finding),
        ]
        for finding in study.findings
    ]
    return markdown_table(["rule", "what it asks", "rows checked", "rows that break it"], lines, align="llrl")


def _verdict(finding: Finding) -> str:
    if finding.unknown:
        return f"unknown: {escape(finding.unknown)}"
    return f"**{count(len(finding.violations))}**" if len(finding.violations) else "none"


def rule_sentence(study: Study) -> str:
    """How many rules hold, are broken, could not be checked."""
    unknown = sum(bool(finding.unknown) for finding in study.findings)
    broken = [finding for finding in study.findings if len(finding.violations)]
    rows = sum(len(finding.violations) for finding in broken)
    held = len(study.findings) - len(broken) - unknown
    listed = (
        f" ({', '.join(escape(finding.rule) for finding in broken)}; {plural(rows, 'row')})" if broken else ""
    )
    return (
        f"Of {plural(len(study.findings), 'rule')} a sound table obeys, {held} hold, {len(broken)} "
        f"{'is' if len(broken) == 1 else 'are'} broken{listed}, {unknown} could not be checked."
    )


def violation_tables(study: Study) -> dict[str, dict[str, str]]:
    """Rule → its meaning, the rows that break it (as many as the aims list) and how many more there are."""
    shown = {}
    for finding in study.findings:
        rows = finding.violations
        if not len(rows):
            continue
        listed = rows.head(study.aims.listed)
        lines = [
            [escape(str(row.order)), escape(str(row.model_ref)), str(row.batch_size), escape(str(row.detail))]
            for row in listed.itertuples(index=False)
        ]
        rest = len(rows) - len(listed)
        shown[escape(finding.rule)] = {
            "meaning": escape(finding.meaning),
            "table": markdown_table(
                ["order", "network", "batch size", "what was found"], lines, align="rlrl"
            ),
            "rest": f"and {count(rest)} more in plots/measurement_violations.csv" if rest else "",
        }
    return shown


def violation_rows(study: Study) -> pd.DataFrame:
    """All violations below each other, `VIOLATION_COLUMNS`."""
    parts = [pd.DataFrame(columns=list(VIOLATION_COLUMNS))]
    parts += [
        f.violations.assign(rule=f.rule)[list(VIOLATION_COLUMNS)] for f in study.findings if len(f.violations)
    ]
    return pd.concat(parts[1:] or parts, ignore_index=True)
