"""Tables of the ablation report."""

from collections.abc import Mapping, Sequence
from typing import Any

from perfseer.evaluation.intervals import Interval, mean_interval, paired_difference
from perfseer.reporting.floors import FLOOR, floor_cell, mean_floor_cell
from perfseer.reporting.tables import escape, markdown_table
from perfseer.reporting.units import MISSING, NOT_APPLICABLE, count, interval, number, signed, signed_interval
from perfseer.studies.ablation.claims import Judged
from perfseer.studies.ablation.contrasts import Tested, Verdict
from perfseer.studies.ablation.settings import BASE
from perfseer.studies.ablation.study import Study
from perfseer.targets import TARGET_BY_NAME

NOT_COMPUTED = "not computed"
# Beside a verdict that the interval over seeds alone would not have given, or that correction took away.
NOT_OVER_SEEDS, NOT_CORRECTED = " †", " ‡"
_WORDS: dict[Verdict, str] = {"larger": "worse", "smaller": "better", "not shown": "no difference shown"}


def claim_table(judged: Sequence[Judged]) -> str:
    """Every claim, what was measured and the outcome."""
    lines = [
        [
            str(place),
            one.claim.says + (f" ({one.claim.remark})" if one.claim.remark else ""),
            one.claim.test,
            *_difference_cells(one.tested),
            f"**{one.outcome}**{mark(one.tested)}" if one.tested else _not_computed(one.missing),
        ]
        for place, one in enumerate(judged, start=1)
    ]
    header = ["", "the paper", "tested by", *_DIFFERENCE_HEADER, "outcome"]
    return markdown_table(header, lines, align="lllrrrrrl")


_DIFFERENCE_HEADER = ("difference [points]", "relative [%]", "resampled", "p", "p, corrected")


def _difference_cells(tested: Tested | None) -> list[str]:
    if tested is None:
        return [MISSING] * len(_DIFFERENCE_HEADER)
    return [
        signed_interval(tested.seeds),
        signed(100 * tested.seeds.mean / tested.reference, 2),
        f"{signed(tested.low)} to {signed(tested.high)}",
        _p_value(tested.p_value),
        _p_value(tested.p_holm),
    ]


def _p_value(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _not_computed(missing: Sequence[str]) -> str:
    return f"{NOT_COMPUTED}, for want of {escape(', '.join(missing))}"


def accuracy_table(study: Study) -> str:
    """Parameters, cost and MAPE of every variant on the base's labels, mean ± interval over seeds."""
    targets = study.base.targets
    titles = [TARGET_BY_NAME[target].title for target in targets]
    header = ["variant", "parameters", "fit [s]", "validation", *titles]
    header += ["mean"] * (len(targets) > 1)
    lines = [_accuracy_line(study, name) for name in study.variants]
    return markdown_table(header, [*lines, _floor_line(study)])


def _floor_line(study: Study) -> list[str]:
    """The noise floor of the base's labels, below which no variant can come."""
    targets = study.base.targets
    cells = [floor_cell(study.floors, target) for target in targets]
    return [FLOOR, *["–"] * 3, *cells, *[mean_floor_cell(study.floors, targets)] * (len(targets) > 1)]


def _accuracy_line(study: Study, name: str) -> list[str]:
    columns: list[tuple[str, ...]] = [(target,) for target in study.base.targets]
    columns += [study.base.targets] if len(columns) > 1 else []
    fitted = study.of(name)
    if not fitted:
        return [name, *[MISSING] * (3 + len(columns))]
    seconds = sum(one.record.cost.fit_s for one in fitted) / len(fitted)
    compared = study.targets(name)
    cells = [
        _over_seeds(study, study.mape(name, labels)) if set(labels) <= set(compared) else NOT_APPLICABLE
        for labels in columns
    ]
    validation = _over_seeds(study, study.validation_mape(name, compared)) if compared else NOT_APPLICABLE
    return [name, count(fitted[0].record.n_parameters), number(seconds), validation, *cells]


def _over_seeds(study: Study, values: Mapping[int, float]) -> str:
    found = mean_interval(list(values.values()), study.evaluation.confidence)
    partial = f" ({found.n} of {len(study.seeds)} seeds)" if 1 < found.n < len(study.seeds) else ""
    return interval(found) + partial


def difference_table(tested: Mapping[str, Tested | None]) -> str:
    """Every variant against the base, on the mean of the base's labels, with a verdict."""
    lines = [[name, *_difference_cells(one), verdict(one) + mark(one)] for name, one in tested.items()]
    return markdown_table(["variant", *_DIFFERENCE_HEADER, "against the base"], lines, align="lrrrrrl")


def verdict(one: Tested | None) -> str:
    """``better``, ``worse``, ``no difference shown`` or ``not computed``."""
    return NOT_COMPUTED if one is None else _WORDS[one.verdict]


def mark(one: Tested | None) -> str:
    """Which of the two marks stands beside a verdict, if any."""
    if one is None:
        return ""
    if one.verdict == "not shown":
        return NOT_CORRECTED if one.before_correction else ""
    return "" if one.over_seeds else NOT_OVER_SEEDS


def label_differences(study: Study, name: str) -> dict[str, Interval]:
    """MAPE of a variant minus the base's by label, paired by seed [points]; only labels both have."""
    found = {}
    for target in study.targets(name):
        one = paired_difference(
            study.mape(name, (target,)), study.mape(BASE, (target,)), study.evaluation.confidence
        )
        if one is not None:
            found[target] = one.interval
    return found


def label_table(study: Study) -> str:
    """Differences to the base label by label, without a verdict."""
    targets = study.base.targets
    lines = []
    for name in study.variants:
        if name != BASE:
            found = label_differences(study, name)
            absent = MISSING if not study.of(name) or not study.of(BASE) else NOT_APPLICABLE
            cells = [signed_interval(found[label]) if label in found else absent for label in targets]
            lines.append([name, *cells])
    return markdown_table(["variant", *(TARGET_BY_NAME[target].title for target in targets)], lines)


def change_table(study: Study) -> str:
    """What each variant changes, as in params.yaml."""
    lines = [
        [name, "`" + "`, `".join(_assignments(variant.changes)) + "`"]
        for name, variant in study.variants.items()
        if name != BASE
    ]
    return markdown_table(["variant", "changes"], lines, align="ll")


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
    lines = [
        [f"`{name}`", ", ".join(f"{key} {_setting(value)}" for key, value in section.items())]
        for name, section in sections.items()
    ]
    return markdown_table(["section", "settings"], lines, align="ll")


def _setting(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"({', '.join(f'{key} {_plain(entry)}' for key, entry in value.items())})"
    return _plain(value)


def record_table(study: Study) -> str:
    """Every record with its digest."""
    lines = []
    for name in study.variants:
        for seed in study.seeds:
            one = study.fitted.get((name, seed))
            digest = MISSING if one is None else f"`{one.digest}`"
            lines.append([f"{name}/{seed}/record.json", digest])
    return markdown_table(["record", "digest"], lines, align="ll")
