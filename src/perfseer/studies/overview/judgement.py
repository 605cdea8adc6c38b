"""Judgements: grade words, verdicts and recommendations, computed from the data at hand."""

from perfseer.reporting.floors import in_floors
from perfseer.reporting.tables import escape, table
from perfseer.reporting.units import interval, plural, signed_interval
from perfseer.studies.experiment import Experiment
from perfseer.studies.overview.check import Area, Check
from perfseer.targets import TARGETS, TIMES, Target


def grade(experiment: Experiment, target: str) -> str:
    """Grade word of the analysed predictor's MAPE on the headline split, hedged where the interval straddles.

    Returns:
        ``good``, or ``fair (the interval reaches good)``, or ``not graded: no record``.
    """
    found = experiment.mape(experiment.report.predictor, experiment.headline, target)
    if found is None:
        return "not graded: no record"
    grades = experiment.report.grades
    word = grades.word(found.mean)
    ends = [grades.word(max(found.mean + sign * (found.half_width or 0.0), 0.0)) for sign in (-1, 1)]
    others = [end for end in ends if end != word]
    return f"{word} (the interval reaches {' and '.join(others)})" if others else word


def assessments(experiment: Experiment) -> list[str]:
    """Plain sentences: a grade per label, then how the analysed predictor compares with the reference."""
    ours = experiment.report.predictor
    sentences = []
    for target in TARGETS:
        found = experiment.mape(ours, experiment.headline, target.name)
        if found is not None:
            floors = in_floors(found.mean, experiment.floors, target.name)
            sentences.append(
                f"{target.title}: MAPE {interval(found, '%')} — **{grade(experiment, target.name)}**"
                f"{'; ' if floors else ''}{floors}."
            )
    return sentences or [f"No record of {ours} on the {experiment.headline} split: nothing to assess."]


def verdicts(experiment: Experiment) -> list[str]:
    """Whether the analysed predictor beats the reference on the same rows, both times."""
    ours, theirs = experiment.report.predictor, experiment.report.reference
    return [_verdict(experiment, ours, theirs, target) for target in TIMES] if ours != theirs else []


def _verdict(experiment: Experiment, ours: str, theirs: str, target: Target) -> str:
    difference = experiment.difference(ours, theirs, experiment.headline, target.name)
    mine, other = (experiment.mape(name, experiment.headline, target.name) for name in (ours, theirs))
    if difference is None or mine is None or other is None:
        return f"For {target.title}, {ours} and {theirs} have no seed in common, so they are not compared."
    numbers = f"{interval(mine, '%')} against {interval(other, '%')}"
    delta = signed_interval(difference.interval)
    verdict = f"For {target.title}, {ours} is **{_VERDICTS[difference.verdict]} {theirs}**"
    return f"{verdict}: {numbers}, difference {delta} points."


_VERDICTS = {
    "better": "better than",
    "worse": "worse than",
    "no difference shown": "not shown to differ from",
    "not tested": "not tested (one seed) against",
}


def recommendations(found: list[Check], areas: tuple[Area, ...]) -> list[str]:
    """Advice of the triggered checks of these areas, each with the numbers that triggered it.

    Checks that lead to the same advice share a line.
    """
    evidence: dict[str, list[str]] = {}
    for check in found:
        if check.triggered and check.area in areas:
            why = f"{check.question} {check.found}; threshold: {check.threshold}."
            evidence.setdefault(check.advice, []).append(why)
    return [f"{advice[0].upper()}{advice[1:]}. ({' '.join(lines)})" for advice, lines in evidence.items()]


def advice(found: list[Check], areas: tuple[Area, ...]) -> str:
    """`recommendations` as a numbered list."""
    numbered = [f"{place}. {text}" for place, text in enumerate(recommendations(found, areas), start=1)]
    return "\n".join(numbered) or "No such check was triggered; their numbers are in the table of checks."


def check_table(found: list[Check]) -> str:
    """Every check with the number it found."""
    words = {True: "yes", False: "no", None: "not computed"}
    return table(
        found,
        [
            ("check", lambda check: escape(check.question)),
            ("found", lambda check: escape(check.found)),
            ("triggers when", lambda check: escape(check.threshold) or "–"),
            ("triggered", lambda check: words[check.triggered]),
        ],
        align="llll",
    )


def conclusion(experiment: Experiment, found: list[Check]) -> str:
    """A paragraph: the headline numbers, their grades, the verdict on the reference, what is triggered."""
    ours, split = experiment.report.predictor, experiment.headline
    sentences = []
    for target in TIMES:
        value = experiment.mape(ours, split, target.name)
        if value is None:
            sentences.append(f"There is no record of {ours} for {target.title} on the {split} split.")
            continue
        where = "On networks it has never seen" if split == "architecture" else f"On the {split} split"
        sentences.append(
            f"{where}, {ours} predicts {target.title} with a MAPE of **{interval(value, '%')}** "
            f"({grade(experiment, target.name)})."
        )
    sentences += verdicts(experiment)
    triggered = sum(check.triggered is True for check in found)
    unknown = sum(check.triggered is None for check in found)
    sentences.append(
        f"Of {plural(len(found), 'check')}, {triggered} triggered"
        + (f" and {unknown} could not be computed." if unknown else ".")
    )
    return " ".join(sentences)
