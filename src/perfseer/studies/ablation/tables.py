"""Tables of the ablation report."""

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any, TypeVar

from perfseer.evaluation.intervals import Interval
from perfseer.evaluation.ledger import VALIDATION_MAPE
from perfseer.reporting.floors import FLOOR, mean_floor_cell
from perfseer.reporting.tables import Column, escape, table
from perfseer.reporting.units import (
    MISSING,
    NOT_APPLICABLE,
    count,
    number,
    over_seeds,
    signed,
    signed_interval,
)
from perfseer.studies.ablation.claims import Judged
from perfseer.studies.ablation.contrasts import Tested, Verdict
from perfseer.studies.ablation.settings import BASE
from perfseer.studies.ablation.study import Study
from perfseer.targets import TARGET_BY_NAME

NOT_COMPUTED = "not computed"
# Beside a verdict that the interval over seeds alone would not have given, or that correction took away.
NOT_OVER_SEEDS, NOT_CORRECTED = " †", " ‡"
_WORDS: dict[Verdict, str] = {"larger": "worse", "smaller": "better", "not shown": "no difference shown"}
_DIFFERENCE: tuple[Column[Tested], ...] = (
    ("difference [points]", lambda tested: signed_interval(tested.seeds)),
    ("relative [%]", lambda tested: signed(100 * tested.seeds.mean / tested.reference, 2)),
    ("resampled", lambda tested: f"{signed(tested.low)} to {signed(tested.high)}"),
    ("p", lambda tested: _p_value(tested.p_value)),
    ("p, corrected", lambda tested: _p_value(tested.p_holm)),
)
Row = TypeVar("Row")


def _p_value(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _difference(of: Callable[[Row], Tested | None]) -> list[Column[Row]]:
    """Columns of a difference, ``missing`` in rows whose variants were not tested."""

    def shown(cell: Callable[[Tested], str]) -> Callable[[Row], str]:
        return lambda row: MISSING if (tested := of(row)) is None else cell(tested)

    return [(title, shown(cell)) for title, cell in _DIFFERENCE]


def claim_table(judged: Sequence[Judged]) -> str:
    """Every claim, what was measured and the outcome."""

    def tested(row: tuple[int, Judged]) -> Tested | None:
        return row[1].tested

    return table(
        list(enumerate(judged, start=1)),
        [
            ("", lambda row: str(row[0])),
            ("the paper", lambda row: _said(row[1])),
            ("tested by", lambda row: row[1].claim.test),
            *_difference(tested),
            ("outcome", lambda row: _outcome(row[1])),
        ],
        align="lllrrrrrl",
    )


def _said(judged: Judged) -> str:
    return judged.claim.says + (f" ({judged.claim.remark})" if judged.claim.remark else "")


def _outcome(judged: Judged) -> str:
    if judged.tested is None:
        return f"{NOT_COMPUTED}, for want of {escape(', '.join(judged.missing))}"
    return f"**{judged.outcome}**{mark(judged.tested)}"


def accuracy_table(study: Study) -> str:
    """Parameters, cost and MAPE of every variant on the base's labels, mean ± interval over seeds.

    Last the noise floor, below which no variant can come.
    """
    targets = study.base.targets
    labels: list[tuple[str, tuple[str, ...]]]
    labels = [(TARGET_BY_NAME[target].title, (target,)) for target in targets]
    labels += [("mean", targets)] if len(targets) > 1 else []
    return table(
        (*study.variants, FLOOR),
        [
            ("variant", str),
            ("parameters", lambda name: _cost(study, name, "n_parameters", _first)),
            ("fit [s]", lambda name: _cost(study, name, "fit_s", _mean)),
            ("validation", lambda name: _validation(study, name)),
            *((title, lambda name, of=of: _error(study, name, of)) for title, of in labels),
        ],
    )


def _first(values: Sequence[float]) -> str:
    return count(int(values[0]))


def _mean(values: Sequence[float]) -> str:
    return number(sum(values) / len(values))


def _cost(study: Study, name: str, metric: str, shown: Callable[[Sequence[float]], str]) -> str:
    if name == FLOOR:
        return "–"
    values = study.ledger.values(study.contender(name), "", metric)
    return shown(list(values.values())) if values else MISSING


def _validation(study: Study, name: str) -> str:
    return "–" if name == FLOOR else _error(study, name, study.targets(name), VALIDATION_MAPE)


def _error(study: Study, name: str, labels: tuple[str, ...], metric: str = "mape_pct") -> str:
    if name == FLOOR:
        return mean_floor_cell(study.floors, labels)
    if not study.of(name):
        return MISSING
    if not labels or not set(labels) <= set(study.targets(name)):
        return NOT_APPLICABLE
    values = study.ledger.mean_of(study.contender(name), labels, metric)
    return over_seeds(study.ledger.interval(values), len(study.seeds))


def difference_table(tested: Mapping[str, Tested | None]) -> str:
    """Every variant against the base, on the mean of the base's labels, with a verdict."""
    return table(
        tested,
        [
            ("variant", str),
            *_difference(tested.__getitem__),
            ("against the base", lambda name: verdict(tested[name]) + mark(tested[name])),
        ],
        align="lrrrrrl",
    )


def verdict(tested: Tested | None) -> str:
    """``better``, ``worse``, ``no difference shown`` or ``not computed``."""
    return NOT_COMPUTED if tested is None else _WORDS[tested.verdict]


def mark(tested: Tested | None) -> str:
    """Which of the two marks stands beside a verdict, if any."""
    if tested is None:
        return ""
    if tested.verdict == "not shown":
        return NOT_CORRECTED if tested.before_correction else ""
    return "" if tested.seeds.excludes_zero else NOT_OVER_SEEDS


def label_difference(study: Study, name: str, target: str) -> Interval | None:
    """MAPE of a variant minus the base's at one label, paired by seed [points]; None unless both have it."""
    difference = study.ledger.difference(study.contender(name), study.contender(BASE), target)
    return None if difference is None or target not in study.targets(name) else difference.interval


def label_table(study: Study) -> str:
    """Differences to the base label by label, without a verdict."""

    def cell(name: str, target: str) -> str:
        found = label_difference(study, name, target)
        if found is not None:
            return signed_interval(found)
        return NOT_APPLICABLE if study.of(name) and study.of(BASE) else MISSING

    labels = [(TARGET_BY_NAME[target].title, target) for target in study.base.targets]
    return table(
        study.compared,
        [("variant", str), *((title, lambda name, t=target: cell(name, t)) for title, target in labels)],
    )


def change_table(study: Study) -> str:
    """What each variant changes, as in params.yaml."""
    return table(
        study.compared,
        [
            ("variant", str),
            ("changes", lambda name: f"`{'`, `'.join(_assignments(study.variants[name].changes))}`"),
        ],
        align="ll",
    )


def _assignments(changes: Mapping[str, Any]) -> list[str]:
    return [f"{path}={_plain(value)}" for path, value in changes.items()]


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"[{', '.join(map(_plain, value))}]" if isinstance(value, list) else escape(str(value))


def base_table(study: Study) -> str:
    """Settings of the base: its predictor's, the recipe, and how labels are mapped."""
    fitting = study.base.fitting
    sections = {
        f"predictors.{study.base.predictor}": fitting["settings"],
        "training": fitting["training"],
        "labels": fitting["labels"],
    }
    return table(
        sections.items(),
        [("section", lambda item: f"`{item[0]}`"), ("settings", lambda item: ", ".join(_settings(item[1])))],
        align="ll",
    )


def _settings(section: Mapping[str, Any]) -> list[str]:
    return [
        f"{key} ({', '.join(_settings(value))})" if isinstance(value, Mapping) else f"{key} {_plain(value)}"
        for key, value in section.items()
    ]


def record_table(study: Study) -> str:
    """Every record with its digest."""
    return table(
        list(product(study.variants, study.seeds)),
        [
            ("record", lambda key: f"{key[0]}/{key[1]}/record.json"),
            ("digest", lambda key: f"`{study.runs[key].digest}`" if key in study.runs else MISSING),
        ],
        align="ll",
    )
