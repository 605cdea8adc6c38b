"""All checks. One that triggers carries advice; one that cannot be computed says why (`judgement`)."""

from collections.abc import Callable, Iterator

from perfseer.studies.experiment import Experiment
from perfseer.studies.overview import data_checks, model_checks
from perfseer.studies.overview.check import Check

RULES: tuple[Callable[[Experiment], Iterator[Check]], ...] = (
    model_checks.complete,
    data_checks.amount,
    data_checks.generalisation,
    data_checks.splits,
    data_checks.groups,
    data_checks.label_quality,
    data_checks.quiet_machine,
    data_checks.constant,
    data_checks.noise,
    model_checks.against_reference,
    model_checks.multi_task,
    model_checks.bias_and_tail,
    model_checks.cut_short,
    model_checks.overfitting,
)


def checks(experiment: Experiment) -> list[Check]:
    """All checks, in the order the report lists them."""
    return [check for rule in RULES for check in rule(experiment)]
