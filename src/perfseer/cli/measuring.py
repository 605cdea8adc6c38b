"""What the verbs that measure share: notes, progress, and what is said after Ctrl-C and at the end."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from perfseer.measure.progress import Reporter
    from perfseer.measure.tally import Tally


def note(verb: str, text: str) -> None:
    """Tell the person at the keyboard; stdout is for results."""
    typer.echo(f"{verb}: {text}", err=True)


@contextmanager
def measuring(verb: str, folder: Path, what: str = "configuration") -> "Iterator[Reporter]":
    """Show progress of a run whose results go to a journal at once.

    Args:
        verb: begins every line.
        folder: of the journal.
        what: is measured, one after the other.

    Raises:
        typer.Exit: with code 130 after a signal, once it is said how to go on.
    """
    from perfseer.measure.interrupts import InterruptError
    from perfseer.measure.progress import reporter

    try:
        with reporter(verb) as report:
            yield report
    except InterruptError:
        note(verb, f"interrupted; every finished {what} is in {folder}/, the same command goes on from there")
        raise typer.Exit(130) from None


def conclude(verb: str, result: str, tally: "Tally") -> None:
    """Say what was made, how fast and where the time went; warn of a busy machine."""
    from perfseer.measure.progress import disturbance, summary

    if warning := disturbance(tally):
        note(verb, warning)
    typer.echo(f"{result}{summary(tally)}")
