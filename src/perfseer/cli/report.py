"""``perfseer report``: render a document that people read from the results."""

from pathlib import Path
from typing import Annotated

import typer

from perfseer.console.progress import tell
from perfseer.studies import shelf

_TITLES = {
    name: document.title
    for name, study in shelf.documents().items()
    if (document := shelf.about(study).document) is not None
}


def report(
    document: Annotated[
        str,
        typer.Argument(help="; ".join(f"{name}: {title}" for name, title in _TITLES.items())),
    ] = "perfseer",
    params: Annotated[str, typer.Option(help="params.yaml, or inline JSON.")] = "params.yaml",
    results: Annotated[Path, typer.Option(help="Folder the other verbs wrote to.")] = Path("results"),
    out: Annotated[
        Path | None, typer.Option(help="Folder to write the document to; default: its own, mostly reports.")
    ] = None,
) -> None:
    """Render a document: Markdown, its HTML twin, figures, tables for `dvc plots`."""
    from perfseer.parameters import load_mapping

    tell(shelf.renderer(document)(load_mapping(params), results, out or shelf.place_of(document)))
