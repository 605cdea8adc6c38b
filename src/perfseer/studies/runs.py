"""Runs: the records of a study with what lies beside them, read once and checked.

A record whose digests differ from the present parameters, code or dataset is refused: a report would
otherwise mix results of different experiments.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

import pandas as pd

from perfseer.digests import file_digest
from perfseer.errors import PerfseerError
from perfseer.evaluation.records import (
    HISTORY_FILE,
    RECORD_FILE,
    Digests,
    Record,
    differing,
    read_predictions,
    read_record,
)
from perfseer.evaluation.trials import require_valid
from perfseer.plain_data import PlainDataError, parse_json

HISTORY_COLUMNS = ("target", "epoch", "train_loss", "valid_loss")
Key = TypeVar("Key", bound=Hashable)


class Expected(NamedTuple):
    """A record that should be there.

    Attributes:
        root: folder that holds all records of its kind.
        folder: of this one, below ``root``.
        identity: predictor, split and seed it must be of.
        present: digests it must carry.
        labels: it must hold, and no others; None for whatever the predictor supports.
    """

    root: Path
    folder: str
    identity: tuple[str, str, int]
    present: Digests
    labels: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Run:
    """One fitted predictor: record, predictions of its test rows, training history.

    Attributes:
        folder: where the record lies.
        source: path of the record below the folder of all records, as shown in reports.
        digest: of the record file.
        history: columns `HISTORY_COLUMNS` and more; empty for predictors that have no epochs.
    """

    record: Record
    predictions: pd.DataFrame
    history: pd.DataFrame
    folder: Path
    source: str
    digest: str


def load_runs(expected: Mapping[Key, Expected], verb: str) -> dict[Key, Run]:
    """Those runs that are there.

    Args:
        expected: every run there should be.
        verb: the command that makes them.

    Raises:
        PerfseerError: a file is damaged, or records do not belong to the present experiment; lists them.
    """
    runs = {key: _load(asked) for key, asked in expected.items() if _path(asked).exists()}
    faults = [f"{run.source}: {fault}" for key, run in runs.items() for fault in _faults(run, expected[key])]
    require_valid(faults, verb)
    return runs


def _path(asked: Expected) -> Path:
    return asked.root / asked.folder / RECORD_FILE


def _load(asked: Expected) -> Run:
    path = _path(asked)
    record = read_record(path)
    return Run(
        record=record,
        predictions=read_predictions(path, record),
        history=_read_history(path.with_name(HISTORY_FILE)),
        folder=path.parent,
        source=path.relative_to(asked.root).as_posix(),
        digest=file_digest(path),
    )


def _faults(run: Run, asked: Expected) -> list[str]:
    record, faults = run.record, differing(run.record.digests, asked.present)
    identity = (record.predictor, record.split, record.seed)
    labels = None if asked.labels is None else sorted(record.metrics)
    if identity != asked.identity or labels != (asked.labels and sorted(asked.labels)):
        holds = "" if labels is None else f", {labels}"
        faults.append(f"it is the record of {' / '.join(map(str, identity))}{holds}")
    return faults


def _read_history(path: Path) -> pd.DataFrame:
    if not path.is_file():
        return pd.DataFrame(columns=list(HISTORY_COLUMNS))
    try:
        lines = [parse_json(line) for line in path.read_bytes().splitlines() if line.strip()]
    except PlainDataError as error:
        raise PerfseerError(f"{path} is damaged ({error}); run `perfseer train` again") from error
    return pd.DataFrame(lines) if lines else pd.DataFrame(columns=list(HISTORY_COLUMNS))
