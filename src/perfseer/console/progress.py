"""How far a verb has come: a bar on a terminal, lines in a log, both on stderr."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from perfseer.reporting.document import Published

_LOG_EVERY_S = 10.0


@contextmanager
def progress(title: str) -> Iterator[Callable[[int, int], None]]:
    """Gives a function to call with what is done and what there is; in a log, a line every ten seconds."""
    if not sys.stderr.isatty():
        yield _log_lines(title)
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _log_lines(title: str) -> Callable[[int, int], None]:
    last = time.monotonic()

    def report(done: int, total: int) -> None:
        nonlocal last
        if done == total or time.monotonic() - last >= _LOG_EVERY_S:
            last = time.monotonic()
            typer.echo(f"{title}: {done} of {total}", err=True)

    return report


def line_log(name: str) -> Callable[[str], None]:
    """A function that writes lines to stderr, the name of what they are about before each."""

    def line(text: str) -> None:
        typer.echo(f"{name}: {text}" if name else text, err=True)

    return line


def tell(published: "Published") -> None:
    """What was written to stdout, what is missing from it to stderr."""
    for path in published.paths:
        typer.echo(path)
    if published.missing:
        typer.echo(f"records are missing: {'; '.join(published.missing)}", err=True)
