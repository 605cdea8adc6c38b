"""What a rendered document consists of, and what may never stand in one."""

import re
from pathlib import Path

from perfseer.reporting.outputs import Document


def files_in(folder: Path) -> dict[str, bytes]:
    """Path below the folder → contents of every file."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def check_outputs(document: Document, folder: Path, detailed: tuple[str, ...] = ()) -> None:
    """The files the workflow waits for are those that were written, but for figures not always drawn."""
    written = {name for name in files_in(folder) if not name.startswith("figures/learning_curves_")}
    assert written == set(document.outputs(detailed))


def check_figures(folder: Path, name: str, number: int) -> None:
    """As many figures as asked stand in the document, and all of them exist."""
    named = re.findall(r"\]\((figures/[^)]+)\)", (folder / f"{name}.md").read_text(encoding="utf-8"))
    assert len(named) == number
    assert all((folder / path).is_file() for path in named)


def check_pages(folder: Path, name: str) -> None:
    """No broken number, placeholder, date or absolute path in the document or its twin for browsers."""
    page = (folder / f"{name}.html").read_text(encoding="utf-8")
    for content in ((folder / f"{name}.md").read_text(encoding="utf-8"), page[page.index("<body>") :]):
        words = re.findall(r"[A-Za-z]+|\d[\d.,e+-]*", content)
        assert not {"nan", "NaN", "inf", "Inf", "None", "Undefined", "TODO"} & set(words)
        assert not re.search(r"\b0\.0+ (G|M|k|ms|MiB)", content)
        assert not re.search(r"\b20\d\d-\d\d-\d\d\b", content)
        assert not re.search(r"(?<![\w.])/(tmp|home|root|work|usr)/", content)
