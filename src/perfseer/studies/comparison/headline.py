"""README's table of accuracy, taken from the report of the comparison so that the two cannot differ.

``python -m perfseer.studies.comparison.headline README.md reports/comparison.md`` renews it.
"""

import re
import sys
from collections.abc import Mapping
from pathlib import Path

from perfseer.data.files import atomic
from perfseer.errors import PerfseerError, require

# Utilisation is left out: on one thread it is 100 % throughout.
_LABELS = ("Training time", "Training memory", "Inference time", "Inference memory")
_FLOOR = "measurement noise (floor)"
_NAMES: Mapping[str, str] = {
    _FLOOR: "*measurement noise: nobody can be better*",
    "brp_nas": "brp_nas (operator types only)",
}
_NOT_CLAIMED = "n/a"
_TABLE = re.compile(r"^\| predictor \| training time \|.*?\n(?=\n)", re.MULTILINE | re.DOTALL)


def headline(report: str) -> str:
    """The table, in Markdown: MAPE [%] of each predictor and label on the split by architecture.

    Args:
        report: text of the comparison's report.

    Raises:
        PerfseerError: the report has no section of a label.
    """
    columns = [_errors(report, label) for label in _LABELS]
    predictors = list(dict.fromkeys(name for column in columns for name in column if name != _FLOOR))
    lines = ["| predictor | " + " | ".join(label.lower() for label in _LABELS) + " |"]
    lines.append("|---|" + "--:|" * len(_LABELS))
    for name in (*predictors, _FLOOR):
        cells = [column.get(name, _NOT_CLAIMED) for column in columns]
        lines.append(f"| {' | '.join([_NAMES.get(name, name), *cells])} |")
    return "\n".join(lines) + "\n"


def renewed(readme: str, report: str) -> str:
    """README with its table replaced by that of the report.

    Raises:
        PerfseerError: README has no such table, or as `headline`.
    """
    text, tables = _TABLE.subn(lambda _: headline(report), readme)
    require(tables == 1, f"README has {tables} tables that begin with `| predictor | training time |`, not 1")
    return text


def _errors(report: str, label: str) -> dict[str, str]:
    """MAPE of each predictor, as it stands in the report's section of a label."""
    section = report.partition(f"#### {label}, `architecture`\n")[2].partition("\n#")[0]
    rows = [[cell.strip() for cell in line.strip("|\n ").split("|")] for line in section.splitlines()]
    errors = {row[0]: row[1] for row in rows if len(row) > 1}
    require("MAPE [%]" in errors.values(), f"the report has no table of {label}, split `architecture`")
    heads = [name for name, value in errors.items() if value == "MAPE [%]" or set(name) <= set(":- ")]
    return {name: value for name, value in errors.items() if name not in heads}


def main(arguments: list[str]) -> None:
    """Renew the table of the README named first by the report named second."""
    require(len(arguments) == 2, f"expected README.md and reports/comparison.md, got {arguments}")
    readme, report = map(Path, arguments)
    text = renewed(readme.read_text(encoding="utf-8"), report.read_text(encoding="utf-8"))
    with atomic(readme) as temporary:
        temporary.write_text(text, encoding="utf-8")
    print(readme)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (PerfseerError, OSError) as fault:
        sys.exit(str(fault))
