"""Judgements: grade words, verdicts and recommendations, computed from the data at hand."""

from perfseer.reporting.check import Area, Check
from perfseer.reporting.floors import in_floors
from perfseer.reporting.units import interval, plural, signed_interval
from perfseer.studies.results import Results
from perfseer.targets import TARGET_BY_NAME, TARGETS, Quantity


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
            floors = in_floors(found.mean, experiment.floors, target.name)
            sentences.append(
                f"{target.title}: MAPE {interval(found, '%')} — **{grade(results, target.name)}**"
                f"{'; ' if floors else ''}{floors}."
            )
    return sentences or [f"No record of {ours} on the {experiment.headline} split: nothing to assess."]


def verdicts(results: Results, quantity: Quantity) -> list[str]:
    """Whether the analysed predictor beats the reference on the same rows, both labels of a quantity."""
    experiment = results.experiment
    ours, theirs, split = experiment.report.predictor, experiment.report.reference, experiment.headline
    if ours == theirs:
        return []
    names = [target.name for target in TARGETS if target.quantity == quantity]
    return [_verdict(results, ours, theirs, split, name) for name in names]


def _verdict(results: Results, ours: str, theirs: str, split: str, target: str) -> str:
    difference = results.difference(ours, theirs, split, target)
    mine, other = results.mape(ours, split, target), results.mape(theirs, split, target)
    title = TARGET_BY_NAME[target].title
    if difference is None or mine is None or other is None:
        return f"For {title}, {ours} and {theirs} have no seed in common, so they are not compared."
    numbers = f"{interval(mine, '%')} against {interval(other, '%')}"
    delta = signed_interval(difference.interval)
    verdict = f"For {title}, {ours} is **{_VERDICTS[difference.verdict]} {theirs}**"
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


def conclusion(results: Results, found: list[Check]) -> str:
    """A paragraph: the headline numbers, their grades, the verdict on the reference, what is triggered."""
    experiment = results.experiment
    ours, split = experiment.report.predictor, experiment.headline
    times = [target for target in TARGETS if target.quantity == "time"]
    sentences = []
    for target in times:
        value = results.mape(ours, split, target.name)
        if value is None:
            sentences.append(f"There is no record of {ours} for {target.title} on the {split} split.")
            continue
        where = "On networks it has never seen" if split == "architecture" else f"On the {split} split"
        sentences.append(
            f"{where}, {ours} predicts {target.title} with a MAPE of **{interval(value, '%')}** "
            f"({grade(results, target.name)})."
        )
    sentences += verdicts(results, "time")
    triggered = sum(check.triggered is True for check in found)
    unknown = sum(check.triggered is None for check in found)
    sentences.append(
        f"Of {plural(len(found), 'check')}, {triggered} triggered"
        + (f" and {unknown} could not be computed." if unknown else ".")
    )
    return " ".join(sentences)
