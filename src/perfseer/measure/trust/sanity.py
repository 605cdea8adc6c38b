"""Rules that a finished measurement table must obey; what breaks them is listed, never dropped.

A violation is a reason to look, not proof of a fault: labels are noisy, and a device may switch to a faster
algorithm for a larger batch. Rows that missed the precision aim are no violation, their interval says so.
"""

from dataclasses import dataclass

import pandas as pd

from perfseer.measure.trust.rules import bookkeeping, comparisons, labels, machine, parameters
from perfseer.measure.trust.rules.evidence import Evidence, Rule
from perfseer.measure.trust.settings import SanitySettings

_CHECKS = (
    labels.labels_complete,
    labels.numbers_sound,
    labels.utilisation_in_range,
    labels.median_in_its_interval,
    labels.failures_explained,
    parameters.names_agree,
    bookkeeping.no_duplicates,
    bookkeeping.order_without_holes,
    bookkeeping.one_setting,
    comparisons.labels_not_copied,
    comparisons.times_not_stuck,
    comparisons.time_grows,
    comparisons.memory_grows,
    comparisons.smaller_batches_fit,
    comparisons.training_takes_longer,
    comparisons.training_needs_more,
    parameters.memory_holds_the_parameters,
    labels.memory_fits_the_device,
    labels.memory_figures_agree,
    labels.counting_fits_the_clock,
    machine.machine_steady,
    machine.not_throttled,
    machine.no_foreign_load,
    machine.no_foreign_memory,
)
RULES: tuple[Rule, ...] = tuple(map(Rule, _CHECKS))


@dataclass(frozen=True)
class Finding(Evidence):
    """What one rule says of a table.

    Attributes:
        rule: what has to hold, in a few words.
        meaning: the same as a sentence.
    """

    rule: str
    meaning: str


def check_table(table: pd.DataFrame, settings: SanitySettings) -> list[Finding]:
    """Apply every rule to a measurement table.

    Args:
        table: as `measure.table.read_table` gives it.
        settings: how far labels may stray.

    Returns:
        One finding per rule, always all of `RULES` and in that order.
    """
    table = table.reset_index(drop=True)
    return [
        Finding(**vars(rule.check(table, settings)), rule=rule.name, meaning=rule.meaning) for rule in RULES
    ]
