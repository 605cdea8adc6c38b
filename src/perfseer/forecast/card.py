"""The card of a saved predictor: what it was trained on and how far off it was on models it never saw.

``card.json`` lies beside ``predictor.json``. A predictor that ``perfseer train`` saved has no card but a
record, of which `read_card` makes one.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator

from perfseer.data.files import read_json, write_json
from perfseer.errors import PerfseerError
from perfseer.targets import TARGET_BY_NAME, TARGET_NAMES, Phase
from perfseer.validation import Strict

CARD_FILE, RECORD_FILE = "card.json", "record.json"
# Beside them: what is known of a predictor on devices it never saw (`forecast.transfer`).
TRANSFER_FILE = "transfer.json"

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
        batch_sizes: least and greatest of the rows; None where nobody wrote them down.
    """

    target: str | None
    label: str
    grouping: str
    mape_pct: Percent
    rows: Annotated[int, Field(ge=1)]
    interval_coverage_pct: Percent | None = None
    batch_sizes: tuple[int, int] | None = None

    @field_validator("label")
    @classmethod
    def _known(cls, label: str) -> str:
        if label not in TARGET_BY_NAME:
            raise ValueError(f"no label {label!r}; there are {', '.join(TARGET_NAMES)}")
        return label


class HostBound(Strict):
    """Least time per launch that was measured on a platform, which its host does not exceed.

    Attributes:
        target: key of the platform.
        phase: inference or training.
        us_per_launch: microseconds.
    """

    target: str
    phase: Phase
    us_per_launch: Annotated[float, Field(gt=0)]


class Card(Strict):
    """What is on record about a saved predictor.

    Attributes:
        description: a sentence for ``perfseer predictors list``.
        commit: of the code it was trained with.
        dataset_digest: of what it was trained on.
        sources: the published files or the table it was trained on.
        default_target: platform that is meant where none is named.
        held_out: errors on held-out groups.
        hosts: bounds on the hosts of platforms.
    """

    schema_version: Literal[1] = 1
    description: str = ""
    commit: str | None = None
    dataset_digest: str | None = None
    sources: tuple[str, ...] = ()
    default_target: str | None = None
    held_out: tuple[HeldOut, ...] = ()
    hosts: tuple[HostBound, ...] = ()

    def mape_pct(self, target: str | None, label: str, batch_size: int | None = None) -> float | None:
        """Error [%] on unseen architectures, or on whatever was held out; None where nothing is on record.

        Args:
            target: key of the platform.
            label: a name of `perfseer.targets.TARGET_NAMES`.
            batch_size: asked about; a figure of other batch sizes does not count.
        """
        found = [
            entry
            for entry in self.held_out
            if entry.label == label and entry.target in (target, None) and _within(entry, batch_size)
        ]
        found.sort(key=lambda entry: entry.grouping != "architecture")
        return found[0].mape_pct if found else None

    def least_us(self, target: str, phase: Phase) -> float | None:
        """Least time per launch [us] measured on a platform in a phase; None where nothing is on record."""
        found = [entry for entry in self.hosts if (entry.target, entry.phase) == (target, phase)]
        return found[0].us_per_launch if found else None


def _within(entry: HeldOut, batch_size: int | None) -> bool:
    """Whether a figure is of batch sizes like this one, as far as anybody says."""
    if entry.batch_sizes is None or batch_size is None:
        return True
    return entry.batch_sizes[0] <= batch_size <= entry.batch_sizes[1]


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
