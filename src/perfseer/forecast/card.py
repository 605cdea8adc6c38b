"""The card of a saved predictor: what it was trained on and how far off it was on models it never saw.

``card.json`` lies beside ``predictor.json``. A predictor that ``perfseer train`` saved has no card but a
record, of which `read_card` makes one.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator

from perfseer.data.files import read_json, write_json
from perfseer.errors import PerfseerError
from perfseer.targets import TARGET_BY_NAME, TARGET_NAMES
from perfseer.validation import Strict

CARD_FILE, RECORD_FILE = "card.json", "record.json"

Percent = Annotated[float, Field(ge=0)]


class HeldOut(Strict):
    """Error of one label on rows whose group was never trained on.

    Attributes:
        target: key of the platform; None where the predictor does not say what it was trained on.
        label: a name of `perfseer.targets.TARGET_NAMES`.
        grouping: what was held out together: ``architecture``, ``family``, …
        mape_pct: mean absolute percentage error [%].
        rows: how many were predicted.
        interval_coverage_pct: share of them inside the 90 % interval [%]; None without intervals.
    """

    target: str | None
    label: str
    grouping: str
    mape_pct: Percent
    rows: Annotated[int, Field(ge=1)]
    interval_coverage_pct: Percent | None = None

    @field_validator("label")
    @classmethod
    def _known(cls, label: str) -> str:
        if label not in TARGET_BY_NAME:
            raise ValueError(f"no label {label!r}; there are {', '.join(TARGET_NAMES)}")
        return label


class Card(Strict):
    """What is on record about a saved predictor.

    Attributes:
        description: a sentence for ``perfseer predictors list``.
        commit: of the code it was trained with.
        dataset_digest: of what it was trained on.
        sources: the published files or the table it was trained on.
        default_target: platform that is meant where none is named.
        held_out: errors on held-out groups.
    """

    schema_version: Literal[1] = 1
    description: str = ""
    commit: str | None = None
    dataset_digest: str | None = None
    sources: tuple[str, ...] = ()
    default_target: str | None = None
    held_out: tuple[HeldOut, ...] = ()

    def mape_pct(self, target: str | None, label: str) -> float | None:
        """Error [%] on unseen architectures, or on whatever was held out; None where nothing is on record."""
        found = [entry for entry in self.held_out if entry.label == label and entry.target in (target, None)]
        found.sort(key=lambda entry: entry.grouping != "architecture")
        return found[0].mape_pct if found else None


def write_card(folder: Path, card: Card) -> None:
    """Write ``card.json`` beside a saved predictor, atomically."""
    write_json(folder / CARD_FILE, card.model_dump(mode="json"))


def read_card(folder: Path) -> Card:
    """What is on record about the predictor in ``folder``; an empty card where there is nothing.

    Raises:
        PerfseerError: the card or the record is damaged.
    """
    path = folder / CARD_FILE
    try:
        if path.is_file():
            return Card.model_validate(read_json(path, "perfseer"))
        path = folder.parent / RECORD_FILE
        return _of_record(read_json(path, "perfseer train")) if path.is_file() else Card()
    except (ValidationError, KeyError, TypeError, AttributeError) as error:
        first = str(error).splitlines()[0]
        raise PerfseerError(f"{path} is no valid record of a predictor ({first}): train it again") from error


def _of_record(record: dict[str, Any]) -> Card:
    """The card of a predictor that ``perfseer train`` fitted on one split."""
    measures = {label: metrics["mape_pct"] for label, metrics in record["metrics"].items()}
    held_out = tuple(
        HeldOut(target=None, label=label, grouping=record["split"], mape_pct=mape["value"], rows=mape["n"])
        for label, mape in measures.items()
        if label in TARGET_BY_NAME and mape["value"] is not None
    )
    return Card(
        description=f"{record['predictor']} on split {record['split']}, seed {record['seed']}",
        dataset_digest=record["digests"]["data"],
        held_out=held_out,
    )
