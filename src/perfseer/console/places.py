"""Where verbs look for what other verbs wrote, unless told otherwise."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from perfseer.errors import require

MEASUREMENTS = Path("results/measurements/local.parquet")
KERNELS = Path("results/measurements/kernels.parquet")
GRAPHS = Path("results/graphs/graphs.safetensors")
INDEX = Path("results/graphs/index.parquet")
DATASET = Path("results/dataset")

Measurements = Annotated[Path, typer.Option(help="Measurement table written by `perfseer collect`.")]
Graphs = Annotated[Path, typer.Option(help="Graphs written by `perfseer graph build`.")]
Index = Annotated[Path, typer.Option(help="Index written by `perfseer graph build`.")]


def require_apart(outputs: Iterable[Path | None], inputs: Iterable[Path | str | None]) -> None:
    """Nothing that is read is written over.

    Args:
        outputs: files to write; None where nothing is.
        inputs: what is read; names that are no files do no harm.

    Raises:
        PerfseerError: a file stands among both.
    """
    # os.path, since Path.is_file raises where a name is too long, which whoever writes says better.
    written = {_identity(path): path for path in outputs if path is not None and os.path.isfile(path)}  # noqa: PTH113
    for given in inputs:
        source = None if given is None or "\0" in str(given) else Path(given)
        both = None if source is None else written.get(_identity(source))
        require(both is None, f"{both} would be written over {given}, which is read: name another output")


def _identity(path: Path) -> tuple[int, int] | None:
    """What is the same for all names of a file; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
