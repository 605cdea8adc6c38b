"""The six labels of PerfSeer (paper, Tables 1-3), named once.

Every label belongs to a phase (training or inference) and a quantity (time, memory, utilisation).
Definitions: ``docs/measurement.md``.
"""

from dataclasses import dataclass
from typing import Literal

Phase = Literal["train", "infer"]
Quantity = Literal["time", "mem", "util"]

PHASES: tuple[Phase, ...] = ("train", "infer")
UNITS: dict[Quantity, str] = {"time": "ms", "mem": "MiB", "util": "%"}
_SUFFIXES: dict[Quantity, str] = {"time": "time_ms", "mem": "mem_mib", "util": "util_pct"}
_WORDS = {"train": "training", "infer": "inference", "time": "time", "mem": "memory", "util": "utilisation"}


@dataclass(frozen=True)
class Target:
    """One label: its column, its unit and how to say it.

    Attributes:
        phase: ``train`` (forward, loss, backward, optimiser step) or ``infer`` (forward, no gradients).
        quantity: ``time`` per iteration, peak ``mem``, or mean ``util``.
    """

    phase: Phase
    quantity: Quantity

    @property
    def name(self) -> str:
        """Column name with its unit, for example ``train_time_ms``."""
        return f"{self.phase}_{_SUFFIXES[self.quantity]}"

    @property
    def unit(self) -> str:
        """Unit of the column: ms, MiB or %."""
        return UNITS[self.quantity]

    @property
    def title(self) -> str:
        """In words, for example ``training time``."""
        return f"{_WORDS[self.phase]} {_WORDS[self.quantity]}"


TARGETS: tuple[Target, ...] = tuple(
    Target(phase, quantity) for phase in PHASES for quantity in ("time", "mem", "util")
)
TARGET_NAMES: tuple[str, ...] = tuple(target.name for target in TARGETS)
TARGET_BY_NAME: dict[str, Target] = {target.name: target for target in TARGETS}
TIMES: tuple[Target, ...] = tuple(target for target in TARGETS if target.quantity == "time")
