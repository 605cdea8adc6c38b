"""The schema as files of docs/: every field in words, DBML, and the diagram.

``python -m perfseer.studies.hardware.schema_files docs`` writes them anew.
"""

import sys
from pathlib import Path

from perfseer.data.files import atomic
from perfseer.errors import PerfseerError, require
from perfseer.hardware.description import dbml, field_tables
from perfseer.hardware.metrics import field_documentation
from perfseer.reporting.style import save, styled
from perfseer.studies.hardware.diagram import diagram

_HEAD = """\
# Fields of the hardware database

Every table and column, then the metrics of `metric_values`. Written from the schema
(`src/perfseer/hardware/schema.py`) by `python -m perfseer.studies.hardware.schema_files docs`. What the
database is for: [hardware.md](hardware.md). The same for tools: [hardware-schema.dbml](hardware-schema.dbml);
drawn: [hardware-schema.svg](hardware-schema.svg).
"""


def schema_texts() -> dict[str, str]:
    """What the files hold that are texts, by their names."""
    metrics = f"## Metrics\n\nIn the formulas:\n\n{field_documentation()}"
    return {
        "hardware-fields.md": "\n".join([_HEAD, field_tables(), metrics]),
        "hardware-schema.dbml": dbml(),
    }


def write_schema_files(folder: Path) -> list[Path]:
    """Write all of them.

    Returns:
        Their paths.

    Raises:
        PerfseerError: the folder cannot be written.
    """
    texts = {folder / name: text for name, text in schema_texts().items()}
    for path, text in texts.items():
        with atomic(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    drawing = folder / "hardware-schema.svg"
    with styled():
        save(diagram(), drawing)
    return [*texts, drawing]


def main(arguments: list[str]) -> None:
    """Write the files into the folder named; prints their paths."""
    require(len(arguments) == 1, f"expected one folder, got {arguments}")
    for path in write_schema_files(Path(arguments[0])):
        print(path)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except PerfseerError as fault:
        sys.exit(str(fault))
