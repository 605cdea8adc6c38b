"""``perfseer remeasure`` and ``perfseer protocol-study``: measure configurations of a table once more."""

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from perfseer.cli.measuring import Journal, Retry, conclude, measuring, trust_settings

if TYPE_CHECKING:
    from perfseer.measure.session import Collection

_Work = Callable[..., "Collection"]
_Table = Annotated[Path, typer.Option(help="The measurement table whose configurations are measured again.")]
_Params = Annotated[str, typer.Option(help="params.yaml, or inline JSON; section trust.")]


def remeasure(
    table: _Table,
    out: Annotated[Path, typer.Option(help="The table of repeated measurements to write (Parquet).")],
    params: _Params = "params.yaml",
    time_budget: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="Measuring time of all repeats, resumed runs included; default: no limit.",
        ),
    ] = None,
    journal: Journal = None,
    retry_failed: Retry = False,
) -> None:
    """Measure a share of a table's configurations again, in fresh processes and other orders.

    Their differences are the noise of the labels, below which nobody can predict. Results go to the journal
    at once: however this ends, the same command goes on where it stopped.
    """
    from perfseer.measure.trust.repeats import remeasure as run

    budget_s = math.inf if time_budget is None else time_budget
    work = partial(run, settings=trust_settings(params).repeats, time_budget_s=budget_s)
    _measure_again("remeasure", table, out, work, journal, retry_failed=retry_failed)


def protocol_study(
    table: _Table,
    out: Annotated[Path, typer.Option(help="The study's table, short and long rows, to write (Parquet).")],
    params: _Params = "params.yaml",
    journal: Journal = None,
    retry_failed: Retry = False,
) -> None:
    """Measure some of a table's configurations by its protocol and by one as long as the paper's, in turn.

    Results go to the journal at once: however this ends, the same command goes on where it stopped.
    """
    from perfseer.measure.trust.protocol_study import study_protocol

    work = partial(study_protocol, settings=trust_settings(params).protocol_study)
    _measure_again("protocol-study", table, out, work, journal, retry_failed=retry_failed)


def _measure_again(
    verb: str, table: Path, out: Path, work: _Work, journal: Path | None, *, retry_failed: bool
) -> None:
    """Read the table, do the ``work``, write what it gives and say how it went."""
    from perfseer.measure.table import read_table, require_writable, write_table

    frame = read_table(table)
    require_writable(out)
    with measuring(verb, journal, retry_failed=retry_failed) as logbook:
        collection = work(table=frame, logbook=logbook)
    write_table(collection.table, out)
    conclude(verb, f"{out}: ", collection.tally)
