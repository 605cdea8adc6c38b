"""``perfseer summarize``: list the records of one predictor."""

from pathlib import Path
from typing import Annotated

import typer


def summarize(
    records: Annotated[list[Path], typer.Argument(help="record.json files of one predictor.")],
    out: Annotated[Path, typer.Option(help="The summary to write.")],
) -> None:
    """List the records of one predictor with their digests: what a report is made from."""
    from perfseer.evaluation.summaries import summarise, write_summary

    write_summary(out, summarise(records))
