"""Rules that a finished measurement table must obey; what breaks them is listed, never dropped.

A violation is a reason to look, not proof of a fault: labels are noisy, and a device may switch to a faster
algorithm for a larger batch. Rows that missed the precision aim are no violation, their interval says so.
"""

from dataclasses import dataclass

import pandas as pd

from perfseer.measure.trust.rules import bookkeeping, comparisons, labels, machine, parameters
from perfseer.measure.trust.rules.evidence import Rule
from perfseer.measure.trust.settings import SanitySettings

RULES: tuple[Rule, ...] = (
    Rule("labels complete", "Every row that is ok has all six labels.", labels.labels_complete),
    Rule(
        "numbers sound",
        "Times, memory and batch sizes are finite and positive, other numbers finite and not negative.",
        labels.numbers_sound,
    ),
    Rule(
        "utilisation in range",
        "Utilisation is above 0 and at most 100 %.",
        labels.utilisation_in_range,
    ),
    Rule(
        "median in its interval",
        "The median time lies in its own confidence interval.",
        labels.median_in_interval,
    ),
    Rule(
        "failures explained",
        "A row that is not ok says why; one that is ok has nothing to explain.",
        labels.failures_explained,
    ),
    Rule(
        "names agree",
        "A network of the search space is called by the digest of its description.",
        parameters.names_agree,
    ),
    Rule(
        "no duplicates",
        "Each configuration stands once per device, environment and protocol.",
        bookkeeping.no_duplicates,
    ),
    Rule(
        "order without holes",
        "Positions in the plan run on from 0, each once.",
        bookkeeping.order_without_holes,
    ),
    Rule(
        "one setting",
        "All rows are of one device, one environment and one protocol.",
        bookkeeping.one_setting,
    ),
    Rule(
        "labels not copied",
        "No two configurations have the same six labels to the last digit.",
        comparisons.labels_not_copied,
    ),
    Rule(
        "times not stuck",
        "No time stands, to the last digit, in more than five rows and one per cent of them.",
        comparisons.times_not_stuck,
    ),
    Rule("time grows", "Time does not fall when only the batch grows.", comparisons.time_grows),
    Rule("memory grows", "Memory does not fall when only the batch grows.", comparisons.memory_grows),
    Rule(
        "smaller batches fit",
        "Where a batch size runs out of memory, no larger one runs.",
        comparisons.smaller_batches_fit,
    ),
    Rule(
        "training takes longer",
        "Training takes no less time than inference at the same batch.",
        comparisons.training_takes_longer,
    ),
    Rule(
        "training needs more",
        "Training needs no less memory than inference at the same batch.",
        comparisons.training_needs_more,
    ),
    Rule(
        "memory holds the parameters",
        "Inference needs at least the memory of the parameters; training that of gradients and momentum too.",
        parameters.memory_holds_parameters,
    ),
    Rule(
        "memory fits the device",
        "No configuration takes more memory than the device has.",
        labels.memory_fits_the_device,
    ),
    Rule(
        "memory figures agree",
        "The memory label is at most what the allocator gave out, that at most what it held; on the cpu the "
        "label is at most what the process held.",
        labels.memory_figures_agree,
    ),
    Rule(
        "counting fits the clock",
        "The counted iterations took no longer than the whole configuration.",
        labels.counting_fits_the_clock,
    ),
    Rule(
        "machine steady",
        "The median speed of the machine in every fifth of the run is that of the first fifth.",
        machine.machine_steady,
    ),
    Rule("not throttled", "Nothing held the device's clock down while counting.", machine.not_throttled),
    Rule(
        "no foreign load",
        "Other processes kept at most a quarter of a core busy meanwhile.",
        machine.no_foreign_load,
    ),
    Rule(
        "no foreign memory",
        "Other processes held at most 64 MiB of the device's memory meanwhile.",
        machine.no_foreign_memory,
    ),
)


@dataclass(frozen=True)
class Finding:
    """What one rule says of a table.

    Attributes:
        rule: what has to hold, in a few words.
        meaning: the same as a sentence.
        checked: rows the rule could be applied to.
        violations: columns ``model_ref``, ``batch_size``, ``order``, ``detail``; one line per row that breaks
            the rule.
        unknown: why the rule could be applied to no row, else empty.
    """

    rule: str
    meaning: str
    checked: int
    violations: pd.DataFrame
    unknown: str


def check_table(table: pd.DataFrame, settings: SanitySettings) -> list[Finding]:
    """Apply every rule to a measurement table.

    Args:
        table: as `measure.table.read_table` gives it.
        settings: how far labels may stray.

    Returns:
        One finding per rule, always all of `RULES` and in that order.
    """
    table = table.reset_index(drop=True)
    found = [(rule, rule.check(table, settings)) for rule in RULES]
    return [Finding(rule.name, rule.meaning, e.checked, e.violations, e.unknown) for rule, e in found]
