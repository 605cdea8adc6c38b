"""Tables of the report on published results."""

from collections.abc import Mapping, Sequence
from functools import partial

from perfseer.evaluation.group_folds import Grouping
from perfseer.evaluation.intervals import Interval
from perfseer.evaluation.metrics import within_name
from perfseer.reporting.tables import Column, table
from perfseer.reporting.units import MISSING, count, interval, number, signed
from perfseer.studies.public.agreement import Agreement
from perfseer.studies.public.goals import GOALS, Goal
from perfseer.studies.public.study import Study
from perfseer.studies.public.wording import short_title, title


def goal_table(study: Study, floors: Mapping[str, Agreement]) -> str:
    """The goals, what the subject reached, and the noise of the labels.

    Args:
        study: with the subject's errors.
        floors: file → how closely another version of the software agrees.
    """
    files, groupings = study.settings.files, study.settings.groupings
    shown = [goal for goal in GOALS if goal.file in files and goal.grouping in groupings]
    reached = {goal: study.mean(study.settings.subject, goal.grouping, goal.file) for goal in shown}
    return table(
        shown,
        [
            ("labels", lambda goal: title(goal.file)),
            ("groups", lambda goal: goal.grouping),
            ("n", lambda goal: _n(study, goal.grouping, goal.file)),
            ("best prototype", lambda goal: f"{goal.prototype:g}"),
            ("reach", lambda goal: f"**{goal.reach:g}**"),
            ("aim", lambda goal: f"{goal.aim:g}"),
            ("here", lambda goal: f"**{interval(reached[goal])}**" if reached[goal] else MISSING),
            ("verdict", lambda goal: goal_verdict(goal, reached[goal])),
            ("label noise", lambda goal: _floor(floors.get(goal.file))),
        ],
        align="llrrrrrlr",
    )


def _n(study: Study, grouping: str, file: str) -> str:
    return count(study.rows(study.settings.subject, grouping, file)["configuration"].nunique())


def _floor(floor: Agreement | None) -> str:
    return f"≤ {number(floor.mean_pct, 2)}" if floor else "unknown"


def goal_verdict(goal: Goal, mean: Interval | None) -> str:
    """Whether a goal is met, hedged where the interval over seeds straddles the limit."""
    if mean is None:
        return MISSING
    for limit, words in ((goal.aim, "aim reached"), (goal.reach, "reached")):
        if mean.mean <= limit:
            straddles = mean.mean + (mean.half_width or 0.0) > limit
            return f"{words} (interval straddles it)" if straddles else words
    return "not reached" if mean.mean <= goal.prototype else "not reached, behind the prototype"


def entrant_table(study: Study, file: str, grouping: Grouping) -> str:
    """Everyone on the same folds of one file: MAPE, median, shares, and the difference to the subject."""
    metrics = {"MAPE [%]": "mape_pct", "median [%]": "median_pct"}
    metrics |= {f"within {x:g} % [%]": within_name(x) for x in study.settings.within_pct}
    return table(
        [name for name in study.names if study.mean(name, grouping, file)],
        [
            ("predictor", partial(_label, study)),
            *(
                (header, partial(_mean, study, grouping, metric, file=file))
                for header, metric in metrics.items()
            ),
            (
                f"MAPE against `{study.settings.subject}` [points]",
                partial(_difference, study, grouping, file),
            ),
        ],
    )


def _label(study: Study, name: str) -> str:
    members = study.settings.means.get(name)
    return f"`{name}` (mean of {', '.join(members)})" if members else f"`{name}`"


def _mean(study: Study, grouping: str, metric: str, name: str, file: str) -> str:
    return interval(study.mean(name, grouping, file, metric))


def _difference(study: Study, grouping: Grouping, file: str, name: str) -> str:
    """Of a variant to its entrant, of others to the subject, which has none to itself."""
    variant = study.settings.variants.get(name)
    other = variant.of if variant else study.settings.subject
    difference = None if name == other else study.difference(name, other, grouping, file)
    if difference is None:
        return MISSING if variant else ""
    mean, low, high = difference.only
    verdict = "no difference shown" if low <= 0 <= high else ("better" if mean < 0 else "worse")
    return f"{signed(mean)} ({signed(low)} to {signed(high)}), {verdict}"


def file_table(study: Study) -> str:
    """The subject on every result file: MAPE and median under each grouping."""
    subject, groupings = study.settings.subject, study.settings.groupings
    columns: list[Column[str]] = [("labels", title), ("n", partial(_n, study, groupings[0]))]
    for grouping in groupings:
        for what, metric in (("MAPE", "mape_pct"), ("median", "median_pct")):
            columns.append((f"{what}, by {grouping} [%]", partial(_mean, study, grouping, metric, subject)))
    return table(study.files(subject), columns)


def variant_table(study: Study) -> str:
    """What each addition is worth: MAPE of the variant minus that of what it is a variant of, same rows."""
    variants, settings = study.settings.variants, study.settings
    entrants = [settings.entrant(name) for name in variants]
    compared = [
        (f"{short_title(file)}, {grouping}", partial(_difference, study, grouping, file))
        for file in settings.headline
        for grouping in settings.groupings
        if any(file in entrant.files and grouping in entrant.groupings for entrant in entrants)
    ]
    columns: list[Column[str]] = [
        ("variant", lambda name: variants[name].says),
        ("of", lambda name: f"`{variants[name].of}`"),
        ("seeds", partial(_seeds, study)),
        *compared,
    ]
    return table(variants, columns, align="ll")


def _seeds(study: Study, name: str) -> str:
    entrant = study.settings.entrant(name)
    folds, total = len(entrant.folds), study.settings.folds
    return f"{len(entrant.seeds)}{'' if folds == total else f', {folds} of {total} folds'}"


def agreement_table(agreements: Sequence[Agreement]) -> str:
    """How far two files agree on the same models, after one common factor."""
    return table(
        agreements,
        [
            ("labels", lambda pair: title(pair.first)),
            ("against", lambda pair: title(pair.second)),
            ("models", lambda pair: count(pair.n)),
            ("common factor", lambda pair: number(pair.factor)),
            (
                "mean difference [%]",
                lambda pair: f"{number(pair.mean_pct)} ({number(pair.low_pct)} to {number(pair.high_pct)})",
            ),
            ("median [%]", lambda pair: number(pair.median_pct)),
        ],
        align="ll",
    )
