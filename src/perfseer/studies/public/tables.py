"""Tables of the report on published results."""

from collections.abc import Mapping, Sequence
from statistics import median

from perfseer.evaluation.group_folds import Grouping
from perfseer.evaluation.intervals import Interval
from perfseer.evaluation.metrics import within_name
from perfseer.evaluation.significance import Resampled
from perfseer.reporting.tables import markdown_table
from perfseer.reporting.units import MISSING, choose_scale, count, interval, number, signed
from perfseer.studies.public.agreement import Agreement
from perfseer.studies.public.goals import GOALS, Goal
from perfseer.studies.public.study import Study
from perfseer.studies.public.wording import short_title, title


def goal_table(study: Study, floors: Mapping[str, Agreement]) -> str:
    """The goals, what the subject reached, and the noise of the labels."""
    header = ["labels", "groups", "n", "best prototype", "reach", "aim", "here", "verdict", "label noise"]
    rows = [_goal_row(study, goal, floors.get(goal.file)) for goal in GOALS if _is_shown(study, goal)]
    return markdown_table(header, rows, align="llrrrrrlr")


def _is_shown(study: Study, goal: Goal) -> bool:
    return goal.file in study.settings.files and goal.grouping in study.settings.groupings


def _goal_row(study: Study, goal: Goal, floor: Agreement | None) -> list[str]:
    subject = study.settings.subject
    found = study.mean(subject, goal.grouping, goal.file)
    rows = study.rows(subject, goal.grouping, goal.file)
    n = 0 if rows.empty else rows["configuration"].nunique()
    limits = [f"{value:g}" for value in (goal.prototype, goal.reach, goal.aim)]
    limits[1] = f"**{limits[1]}**"
    noise = f"≤ {number(floor.mean_pct, 2)}" if floor else "unknown"
    shown = f"**{interval(found)}**" if found else MISSING
    return [title(goal.file), goal.grouping, count(n), *limits, shown, goal_verdict(goal, found), noise]


def goal_verdict(goal: Goal, found: Interval | None) -> str:
    """Whether a goal is met, hedged where the interval over seeds straddles the limit."""
    if found is None:
        return MISSING
    for limit, words in ((goal.aim, "aim reached"), (goal.reach, "reached")):
        if found.mean <= limit:
            straddles = found.mean + (found.half_width or 0.0) > limit
            return f"{words} (interval straddles it)" if straddles else words
    return "not reached" if found.mean <= goal.prototype else "not reached, behind the prototype"


def entrant_table(study: Study, file: str, grouping: Grouping) -> str:
    """Everyone on the same folds of one file: MAPE, median, shares, and the difference to the subject."""
    subject = study.settings.subject
    tolerances = study.settings.within_pct
    header = ["predictor", "MAPE [%]", "median [%]", *(f"within {x:g} % [%]" for x in tolerances)]
    rows = []
    for name in study.names:
        metrics = ("mape_pct", "median_pct", *(within_name(x) for x in tolerances))
        found = [study.mean(name, grouping, file, metric) for metric in metrics]
        if found[0] is None:
            continue
        cells = [interval(one) if one else MISSING for one in found]
        against = None if name == subject else study.difference(name, subject, grouping, file)
        rows.append([_label(study, name), *cells, difference_text(against) if against else ""])
    return markdown_table([*header, f"MAPE against `{subject}` [points]"], rows)


def _label(study: Study, name: str) -> str:
    members = study.settings.means.get(name)
    return f"`{name}` (mean of {', '.join(members)})" if members else f"`{name}`"


def difference_text(found: Resampled) -> str:
    """``+1.20 (+0.90 to +1.52), worse``: a difference with its bootstrap interval and what it shows."""
    mean, low, high = (float(values[0]) for values in (found.mean, found.low, found.high))
    verdict = "no difference shown" if low <= 0 <= high else ("better" if mean < 0 else "worse")
    return f"{signed(mean)} ({signed(low)} to {signed(high)}), {verdict}"


def file_table(study: Study) -> str:
    """The subject on every result file: MAPE and median under each grouping."""
    groupings = study.settings.groupings
    header = ["labels", "n", *(f"{what}, by {one} [%]" for one in groupings for what in ("MAPE", "median"))]
    rows = []
    for file in study.files(study.settings.subject):
        found = [
            study.mean(study.settings.subject, grouping, file, metric)
            for grouping in groupings
            for metric in ("mape_pct", "median_pct")
        ]
        first = study.rows(study.settings.subject, groupings[0], file)
        n = 0 if first.empty else first["configuration"].nunique()
        rows.append([title(file), count(n), *(interval(one) if one else MISSING for one in found)])
    return markdown_table(header, rows)


def variant_table(study: Study) -> str:
    """What each addition is worth: MAPE of the variant minus that of what it is a variant of, same rows."""
    cells = [
        (file, grouping)
        for file in study.settings.headline
        for grouping in study.settings.groupings
        if any(_has(study, name, file, grouping) for name in study.settings.variants)
    ]
    header = ["variant", "of", "seeds", *(f"{short_title(file)}, {grouping}" for file, grouping in cells)]
    rows = []
    for name, variant in study.settings.variants.items():
        found = [study.difference(name, variant.of, grouping, file) for file, grouping in cells]
        shown = [difference_text(one) if one else MISSING for one in found]
        rows.append([variant.says, f"`{variant.of}`", _seeds(study, name), *shown])
    return markdown_table(header, rows, align="ll")


def _has(study: Study, name: str, file: str, grouping: Grouping) -> bool:
    entrant = study.settings.entrant(name)
    return file in (entrant.files or ()) and grouping in (entrant.groupings or ())


def _seeds(study: Study, name: str) -> str:
    entrant = study.settings.entrant(name)
    folds = len(entrant.folds or ())
    part = "" if folds == study.settings.folds else f", {folds} of {study.settings.folds} folds"
    return f"{len(entrant.seeds or ())}{part}"


def agreement_table(found: Sequence[Agreement]) -> str:
    """How far two files agree on the same models, after one common factor."""
    header = ["labels", "against", "models", "common factor", "mean difference [%]", "median [%]"]
    rows = [
        [
            title(one.first),
            title(one.second),
            count(one.n),
            number(one.factor),
            f"{number(one.mean_pct)} ({number(one.low_pct)} to {number(one.high_pct)})",
            number(one.median_pct),
        ]
        for one in found
    ]
    return markdown_table(header, rows, align="ll")


def cost_table(study: Study) -> str:
    """What fitting and predicting took, by entrant and variant."""
    header = ["predictor", "folds fitted", "numbers learned", "fitting a fold", "in all", "predicting a row"]
    rows = []
    for name in study.settings.fitted:
        records = study.records.get(name, ())
        if not records:
            rows.append([f"`{name}`", "0", *[MISSING] * 4])
            continue
        seconds = [record.fit_s for record in records]
        predict_ms = median(part.predict_ms_per_row for record in records for part in record.parts)
        sizes = [part.n_parameters for record in records for part in record.parts]
        rows.append(
            [
                f"`{name}`",
                count(len(records)),
                count(round(median(sizes))),
                choose_scale([median(seconds)], "s").named(median(seconds)),
                choose_scale([sum(seconds)], "s").named(sum(seconds)),
                choose_scale([predict_ms], "ms").named(predict_ms),
            ]
        )
    return markdown_table(header, rows)
