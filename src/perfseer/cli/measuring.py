"""What the verbs that measure share: options, settings, notes, progress, what is said at the end."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from perfseer.measure.session import Logbook
    from perfseer.measure.settings import CollectSettings
    from perfseer.measure.tally import Tally
    from perfseer.measure.trust.settings import TrustSettings
    from perfseer.zoo.space import SearchSpace

Device = Annotated[str | None, typer.Option(help="cpu or cuda, instead of collect.device.")]
Journal = Annotated[
    Path | None, typer.Option(help="Folder of the journal; default $PERFSEER_JOURNAL, else .journal.")
]
Retry = Annotated[bool, typer.Option("--retry-failed", help="Measure rows again that failed before.")]


def collect_settings(
    mapping: Mapping[str, Any], **overrides: object
) -> tuple["SearchSpace", "CollectSettings"]:
    """Sections ``zoo`` and ``collect`` of the parameters; what an option says stands in for the latter's."""
    from perfseer.measure.settings import CollectSettings
    from perfseer.parameters import overridden, section
    from perfseer.zoo.space import SearchSpace

    collect = overridden(section(mapping, "collect"), overrides)
    return SearchSpace.from_mapping(section(mapping, "zoo")), CollectSettings.from_mapping(collect)


def trust_settings(params: str) -> "TrustSettings":
    """Section ``trust`` of the parameters."""
    from perfseer.measure.trust.settings import TrustSettings
    from perfseer.parameters import load_mapping, section

    return TrustSettings.from_mapping(section(load_mapping(params), "trust"))


def note(verb: str, text: str) -> None:
    """Tell the person at the keyboard; stdout is for results."""
    typer.echo(f"{verb}: {text}", err=True)


@contextmanager
def measuring(
    verb: str, journal: Path | None, what: str = "configuration", *, retry_failed: bool = False
) -> "Iterator[Logbook]":
    """Show progress of a run whose results go to a journal at once.

    Args:
        verb: begins every line.
        journal: folder of journals that was given.
        what: is measured, one after the other.
        retry_failed: measure again what failed before.

    Raises:
        typer.Exit: with code 130 after a signal, once it is said how to go on.
    """
    from perfseer.measure.interrupts import InterruptError
    from perfseer.measure.journal import journal_folder
    from perfseer.measure.progress import reporter
    from perfseer.measure.session import Logbook

    folder = journal_folder(journal)
    try:
        with reporter(verb) as report:
            yield Logbook(folder, report, partial(note, verb), retry_failed)
    except InterruptError:
        note(verb, f"interrupted; every finished {what} is in {folder}/, the same command goes on from there")
        raise typer.Exit(130) from None


def conclude(verb: str, result: str, tally: "Tally") -> None:
    """Say what was made, how fast and where the time went; warn of a busy machine."""
    from perfseer.measure.progress import disturbance, summary

    if warning := disturbance(tally):
        note(verb, warning)
    typer.echo(f"{result}{summary(tally)}")
