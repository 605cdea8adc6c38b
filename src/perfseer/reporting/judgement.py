"""Judgements: grade words, verdicts and recommendations, computed from the data at hand."""

from perfseer.reporting.checks import Area, Check
from perfseer.reporting.results import Results
from perfseer.reporting.units import interval, number, signed
from perfseer.targets import TARGET_BY_NAME, TARGETS


def grade(results: Results, target: str) -> str:
    """Grade word of the analysed predictor's MAPE on the headline split, hedged where the interval straddles.

    Returns:
        ``good``, or ``fair (the interval reaches good)``, or ``not graded: no record``.
    """
    experiment = results.experiment
    found = results.mape(experiment.report.predictor, experiment.headline, target)
    if found is None:
        return "not graded: no record"
    grades = experiment.report.grades
    word = grades.word(found.mean)
    ends = [grades.word(max(found.mean + sign * (found.half_width or 0.0), 0.0)) for sign in (-1, 1)]
    others = [end for end in ends if end != word]
    return f"{word} (the interval reaches {' and '.join(others)})" if others else word


def assessments(results: Results) -> list[str]:
    """Plain sentences: a grade per label, then how the analysed predictor compares with the reference."""
    experiment = results.experiment
    ours = experiment.report.predictor
    sentences = []
    for target in TARGETS:
        found = results.mape(ours, experiment.headline, target.name)
        if found is not None:
            sentences.append(
                f"{target.title}: MAPE {interval(found, '%')} — **{grade(results, target.name)}**."
            )
    return sentences or [f"No record of {ours} on the {experiment.headline} split: nothing to assess."]


def verdicts(results: Results) -> list[str]:
    """Whether the analysed predictor beats the reference on the same rows, label by label."""
    experiment = results.experiment
    ours, theirs, split = experiment.report.predictor, experiment.report.reference, experiment.headline
    if ours == theirs:
        return []
    return [text for target in TARGETS if (text := _verdict(results, ours, theirs, split, target.name))]


def _verdict(results: Results, ours: str, theirs: str, split: str, target: str) -> str:
    difference = results.difference(ours, theirs, split, target)
    mine, other = results.mape(ours, split, target), results.mape(theirs, split, target)
    title = TARGET_BY_NAME[target].title
    if difference is None or mine is None or other is None:
        return f"{title}: {ours} and {theirs} have no seed in common, so they are not compared."
    numbers = f"{interval(mine, '%')} against {interval(other, '%')}"
    delta = f"{signed(difference.interval.mean)} points"
    if difference.interval.half_width is not None:
        delta += f" ± {number(difference.interval.half_width)}"
    return f"{title}: {ours} is **{_VERDICTS[difference.verdict]} {theirs}** — {numbers}, difference {delta}."


_VERDICTS = {
    "better": "better than",
    "worse": "worse than",
    "no difference shown": "not shown to differ from",
    "not tested": "not tested (one seed) against",
}


def recommendations(found: list[Check], areas: tuple[Area, ...]) -> list[str]:
    """Advice of the triggered checks of these areas, each with the number that triggered it."""
    return [
        f"{check.advice[0].upper()}{check.advice[1:]}. ({check.question} {check.found}; threshold: "
        f"{check.threshold}.)"
        for check in found
        if check.triggered and check.area in areas
    ]


def conclusion(results: Results, found: list[Check]) -> str:
    """A paragraph: the headline numbers, their grades, the verdict on the reference, what is triggered."""
    experiment = results.experiment
    ours, theirs, split = experiment.report.predictor, experiment.report.reference, experiment.headline
    times = [target for target in TARGETS if target.quantity == "time"]
    sentences = []
    for target in times:
        value = results.mape(ours, split, target.name)
        if value is None:
            sentences.append(f"There is no record of {ours} for {target.title} on the {split} split.")
            continue
        sentences.append(
            f"On networks it has never seen, {ours} predicts {target.title} with a MAPE of "
            f"**{interval(value, '%')}** ({grade(results, target.name)})."
            if split == "architecture"
            else f"On the {split} split, {ours} predicts {target.title} with a MAPE of "
            f"**{interval(value, '%')}** ({grade(results, target.name)})."
        )
    if ours != theirs:
        sentences += [_verdict(results, ours, theirs, split, target.name) for target in times]
    triggered = sum(check.triggered is True for check in found)
    unknown = sum(check.triggered is None for check in found)
    sentences.append(
        f"Of {len(found)} checks, {triggered} are triggered"
        + (f" and {unknown} could not be computed." if unknown else ".")
    )
    return " ".join(sentences)
