"""What a document consists of: the files the workflow waits for, and what each figure shows.

Imports nothing heavy, so that the workflow can read it. Each study says what its document is
(`studies.shelf`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Document:
    """Files of one document, below the reports folder.

    Attributes:
        name: of the Markdown and its twin for browsers; figures and tables begin with it, unless ``prefixes``
            says otherwise.
        title: what the document is, for lists of documents.
        tables: stems of ``plots/*.csv``.
        figures: stem of ``figures/*.svg`` → what it shows; only those that are always drawn.
        per_predictor: the same for figures of one predictor each, which stand in the document for those it
            dwells on; the predictor's name is put behind stem and title.
        others: further files, beside the Markdown and its HTML twin.
        folder: of figures and tables, below that of the document.
        prefixes: what the stems of its figures begin with, where not with its name.
    """

    name: str
    title: str
    tables: tuple[str, ...] = ()
    figures: Mapping[str, str] = field(default_factory=dict)
    per_predictor: Mapping[str, str] = field(default_factory=dict)
    others: tuple[str, ...] = ()
    folder: str = ""
    prefixes: tuple[str, ...] = ()

    def owns(self, stem: str) -> bool:
        """Whether a figure of this stem is one of the document's, drawn now or in an earlier run."""
        return stem.startswith(self.prefixes or (f"{self.name}_",))

    def files(self) -> tuple[str, ...]:
        """Names of its files other than figures and tables: Markdown, HTML and the rest."""
        return (f"{self.name}.md", f"{self.name}.html", *self.others)

    def titles(self, detailed: Iterable[str] = ()) -> dict[str, str]:
        """File stem → title of every figure that is always drawn.

        Args:
            detailed: predictors the document dwells on.
        """
        own = {
            f"{stem}_{name}": f"{title}: {name}"
            for stem, title in self.per_predictor.items()
            for name in detailed
        }
        return {**self.figures, **own}

    def outputs(self, detailed: Iterable[str] = ()) -> tuple[str, ...]:
        """Every file below the reports folder that is always written."""
        place = Path(self.folder)
        figures = (place / "figures" / f"{stem}.svg" for stem in self.titles(detailed))
        tables = (place / "plots" / f"{stem}.csv" for stem in self.tables)
        return (*self.files(), *map(Path.as_posix, (*figures, *tables)))
