"""The ablation's conclusions in words."""

from collections.abc import Mapping, Sequence
from statistics import median

from perfseer.reporting.tables import bullet_list
from perfseer.reporting.units import number, signed
from perfseer.studies.ablation import tables
from perfseer.studies.ablation.claims import Judged, claimed
from perfseer.studies.ablation.contrasts import Tested
from perfseer.studies.ablation.study import Study
from perfseer.targets import TARGET_BY_NAME


def labels(study: Study) -> str:
    """The labels that variants are compared on."""
    *others, last = (TARGET_BY_NAME[name].title for name in study.base.targets)
    return f"{', '.join(others)} and {last}" if others else last


def claims(judged: Sequence[Judged]) -> str:
    """What came of every claim, a line each."""
    return bullet_list(_claim(outcome) for outcome in judged)


def _claim(judged: Judged) -> str:
    if judged.tested is None:
        return f"{judged.claim.says}: **{judged.outcome}**, for want of {', '.join(judged.missing)}."
    return f"{judged.claim.says}: **{judged.outcome}**{_proof(judged.tested)}."


def _proof(tested: Tested) -> str:
    numbers = f"{signed(tested.seeds.mean)} points, {signed(tested.low)} to {signed(tested.high)} resampled"
    return f"{tables.mark(tested)} ({numbers})"


def own(study: Study, tested: Mapping[str, Tested | None]) -> str:
    """What came of every variant that no claim is about, a line each."""
    apart = claimed(study)
    return bullet_list(_variant(name, test) for name, test in tested.items() if name not in apart)


def _variant(name: str, tested: Tested | None) -> str:
    said = tables.verdict(tested)
    return f"`{name}`: {said}." if tested is None else f"`{name}`: **{said}**{_proof(tested)}."


def shown(tested: Mapping[str, Tested | None]) -> str:
    """A line for each verdict, with the variants it is about."""
    names: dict[str, list[str]] = {
        word: [] for word in ("better", "worse", "no difference shown", tables.NOT_COMPUTED)
    }
    for name, test in tested.items():
        names[tables.verdict(test)].append(f"`{name}`")
    return bullet_list(f"{word}: {', '.join(found)}" for word, found in names.items() if found)


def resolution(tested: Sequence[Tested]) -> str:
    """Typical half width of the interval over resampled networks and seeds [points]."""
    return number(median((test.high - test.low) / 2 for test in tested), 2)
