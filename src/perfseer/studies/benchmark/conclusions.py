"""Sentences that follow from the benchmark's numbers, and none that its intervals do not support."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from itertools import permutations

from perfseer.reporting.floors import FLOOR, mean_floor_cell
from perfseer.reporting.tables import Column, table
from perfseer.reporting.units import choose_scale, count, in_percent, named, number, percent, plural
from perfseer.studies.benchmark import regression
from perfseer.studies.benchmark.points import mean
from perfseer.studies.benchmark.study import Study
from perfseer.studies.benchmark.tables import cell, exponent, show_exponent, summary
from perfseer.studies.benchmark.words import Ratio, growth, trend

_LISTED = 5  # fits that had to wait for the processor


@dataclass(frozen=True)
class Choice:
    """The predictor to take at one size.

    Attributes:
        share: of the networks.
        best: lowest MAPE on validation rows, mean over seeds.
        equal: predictors whose MAPE on test rows is not shown to differ from that of ``best``.
        cheapest: of these and ``best``, the one with the lowest mean fitting time.
    """

    share: float
    best: str
    equal: tuple[str, ...]
    cheapest: str


def accuracy_observations(study: Study) -> list[str]:
    """One sentence per predictor: its best error, how the error changes with the data, and its knee."""
    return [_accuracy_sentence(study, name) for name in study.measured]


def _accuracy_sentence(study: Study, name: str) -> str:
    errors = study.fitted(name, "test_mape_pct")
    decline = study.ratio(errors.first, errors.last)
    if decline is None:
        return f"`{name}`: no seed has both the fewest and the most rows."
    return (
        f"`{name}`: MAPE {summary(study, errors.last)} % with all rows; with the fewest it is {decline} "
        f"times that: {trend(decline, study.judgement)}. {_knee_sentence(study, name)}"
    )


def knee(study: Study, predictor: str) -> float | None:
    """Smallest share whose MAPE is, in the mean over seeds, within the knee ratio of that of all rows."""
    errors = study.fitted(predictor, "test_mape_pct")
    for share, values in errors.items():
        excess = study.ratio(values, errors.last)
        if excess is not None and excess.value <= study.judgement.knee_ratio:
            return share
    return None


def _knee_sentence(study: Study, name: str) -> str:
    share = knee(study, name)
    if share is None:
        return ""
    if share == study.settings.shares[-1]:
        return "No knee: every smaller size is further than that from it."
    return f"Knee at {count(round(study.rows_at(share)[1]))} rows."


def scaling_observations(study: Study) -> list[str]:
    """Which predictors' time and memory grow how, grouped by the word."""
    sentences = []
    for column, what in (("wall_s", "Time"), ("peak_mib", "Memory")):
        groups: dict[str, list[str]] = defaultdict(list)
        for name in study.measured:
            power = exponent(study, name, column)
            if power is not None:
                groups[growth(power, study.judgement)].append(f"`{name}` ({show_exponent(power)})")
        sentences += [f"{what}, {word}: {', '.join(names)}." for word, names in groups.items()]
    return sentences


def prediction_observations(study: Study) -> list[str]:
    """One sentence per predictor: what predicting many rows at once gains, and from how many on."""
    return [_prediction_sentence(study, name) for name in study.measured]


def _prediction_sentence(study: Study, name: str) -> str:
    small, large = study.settings.batch_rows[0], study.settings.batch_rows[-1]
    gain = batch_gain(study, name)
    if gain is None:
        return f"`{name}`: no seed has both the smallest and the largest batch."
    efficiency = gain.side("more efficient", "less efficient", "not shown to differ")
    return (
        f"`{name}`: {count(large)} rows at once have {gain} times the throughput of {count(small)}: "
        f"**{efficiency}**; {in_percent(study.judgement.throughput_share)} of the best is reached at "
        f"{count(batch_knee(study, name))} rows."
    )


def batch_gain(study: Study, predictor: str) -> Ratio | None:
    """Throughput of the largest batch over that of the smallest."""
    rates = study.called(predictor, "rows_per_s")
    return study.ratio(rates.last, rates.first)


def batch_knee(study: Study, predictor: str) -> int:
    """Smallest batch with the wanted share of the best mean throughput."""
    means = study.called(predictor, "rows_per_s").means
    wanted = study.judgement.throughput_share * max(means.values())
    return next(int(rows) for rows, value in means.items() if value >= wanted)


def choices(study: Study) -> list[Choice]:
    """The predictor to take at each size: chosen on validation rows, compared on test rows."""
    means = {share: _means(study, share, "valid_mape_pct") for share in study.settings.shares}
    return [_choice(study, share, errors) for share, errors in means.items() if errors]


def _means(study: Study, share: float, column: str) -> dict[str, float]:
    """A number of the fits on one share, by predictor, mean over seeds."""
    by_seed = {name: study.fitted(name, column)[share] for name in study.measured}
    return {name: mean(values) for name, values in by_seed.items() if values}


def _choice(study: Study, share: float, valid_mape_pct: Mapping[str, float]) -> Choice:
    best = min(valid_mape_pct, key=valid_mape_pct.__getitem__)
    errors = {name: study.fitted(name, "test_mape_pct")[share] for name in valid_mape_pct}
    against = {name: study.ratio(errors[name], errors[best]) for name in errors if name != best}
    equal = [name for name, times in against.items() if times is not None and times.undecided]
    seconds = _means(study, share, "wall_s")
    return Choice(share, best, tuple(equal), min((best, *equal), key=seconds.__getitem__))


def dominated(study: Study) -> list[tuple[str, str, Ratio, Ratio]]:
    """Pairs (worse, better, ratio of errors, ratio of fitting times), both ratios shown to be above one."""
    pairs = []
    for worse, better in permutations(study.measured, 2):
        error, cost = (
            study.ratio(study.fitted(worse, column).last, study.fitted(better, column).last)
            for column in ("test_mape_pct", "wall_s")
        )
        if error is not None and cost is not None and error.above_one and cost.above_one:
            pairs.append((worse, better, error, cost))
    return pairs


def recommendations(study: Study) -> str:
    """What to take for how many rows, what not to take, how to predict, what memory to reckon with."""
    advice = [
        *(_choice_sentence(study, choice) for choice in choices(study)),
        *_dominated_sentences(study),
        *_batch_sentences(study),
        *_memory_sentences(study),
        *regression.recommendations(study),
    ]
    numbered = (f"{place}. {text}" for place, text in enumerate(advice, start=1))
    return "\n".join(numbered) or "None: no point has been measured."


def _choice_sentence(study: Study, choice: Choice) -> str:
    networks, rows = (count(round(size)) for size in study.rows_at(choice.share))
    text = (
        f"**With {networks} measured networks ({rows} rows):** `{choice.best}` has the least error on "
        f"validation rows; its MAPE on test rows is {_error(study, choice.best, choice.share)} %, its "
        f"fitting time {_time(study, choice.best, choice.share)}."
    )
    if not choice.equal:
        return f"{text} Every other predictor is shown to differ from it."
    names = ", ".join(f"`{name}`" for name in choice.equal)
    text += f" Not shown to differ from it: {names}."
    if choice.cheapest == choice.best:
        return f"{text} It is the cheapest of them to fit."
    return (
        f"{text} The cheapest of them to fit is `{choice.cheapest}`: "
        f"{_time(study, choice.cheapest, choice.share)}, MAPE "
        f"{_error(study, choice.cheapest, choice.share)} %."
    )


def _error(study: Study, name: str, share: float) -> str:
    return summary(study, study.fitted(name, "test_mape_pct")[share])


def _time(study: Study, name: str, share: float) -> str:
    return named(mean(study.fitted(name, "wall_s")[share]), "s")


def _dominated_sentences(study: Study) -> list[str]:
    """One sentence per predictor that is beaten in error and in time, naming the most accurate winner."""
    beaten: dict[str, tuple[str, Ratio, Ratio]] = {}
    for worse, better, error, cost in dominated(study):
        if worse not in beaten or error.value > beaten[worse][1].value:
            beaten[worse] = (better, error, cost)
    return [
        f"**Not `{worse}` for this label, data and training:** with all rows its MAPE is {error} times "
        f"that of `{better}`, and its fitting time {cost} times."
        for worse, (better, error, cost) in beaten.items()
    ]


def _batch_sentences(study: Study) -> list[str]:
    gains = {name: batch_gain(study, name) for name in study.measured}
    better = [name for name, gain in gains.items() if gain is not None and gain.above_one]
    if not better:
        return []
    knees = sorted({batch_knee(study, name) for name in better})
    span = count(knees[0]) if len(knees) == 1 else f"{count(knees[0])} to {count(knees[-1])}"
    names = "every predictor" if len(better) == len(study.measured) else ", ".join(f"`{n}`" for n in better)
    return [
        f"**Predict many rows at once:** that is shown to be more efficient for {names}; batches of {span} "
        f"rows reach {in_percent(study.judgement.throughput_share)} of the best throughput."
    ]


def _memory_sentences(study: Study) -> list[str]:
    means = _means(study, study.settings.shares[-1], "peak_mib")
    if not means:
        return []
    most = max(means, key=means.__getitem__)
    process = mean(study.fitted(most, "total_peak_mib").last)
    return [
        f"**Memory:** fitting adds at most {named(means[most], 'MiB')} (`{most}`, all rows, mean over "
        f"seeds); its process then has {named(process, 'MiB')}, libraries and data included."
    ]


def chance_sentence(study: Study) -> str:
    """How many differences one expects by chance among those the recommendations rest on."""
    n = len(study.measured)
    comparisons = len(study.settings.shares) * max(n - 1, 0) + n * (n - 1)
    expected = comparisons * (1 - study.confidence)
    return (
        f"The recommendations rest on {count(comparisons)} comparisons at {in_percent(study.confidence)} "
        f"confidence, not corrected for their number: up to about {number(expected, 2)} differences would be "
        "shown by chance alone if there were none."
    )


def doubtful(study: Study) -> list[str]:
    """Fits that had the processor for less than the wanted share of their time."""
    fits = [(name, point, point.result.cost) for name, point in study.fits if point.result]
    return [
        f"`{name}`, seed {fit.seed}, {fit.train_rows} rows: {percent(100 * cost.cpu_s / cost.wall_s)}"
        for name, fit, cost in fits
        if cost.cpu_s < study.judgement.busy_share * cost.wall_s
    ]


def doubtful_sentence(study: Study) -> str:
    """How many fits had to wait for the processor, and the first few of them; or that none had to."""
    waited, share = doubtful(study), in_percent(study.judgement.busy_share)
    if not waited:
        return f"Every fit had the processor for at least {share} of its wall time."
    listed = "; ".join(waited[:_LISTED]) + ("; …" if len(waited) > _LISTED else "")
    return (
        f"{len(waited)} of {plural(len(study.fits), 'fit')} had the processor for less than {share} of their "
        f"wall time, because something else was running or memory had to be fetched: {listed}. Their times "
        "are too long by about that much."
    )


def summary_table(study: Study) -> str:
    """Every predictor with all rows: time, memory, error, time per row, and whether it is on the front."""
    times = choose_scale([point.result.cost.wall_s for _, point in study.fits if point.result], "s")
    rows = study.settings.batch_rows[-1]
    calls = choose_scale(
        [point.result.median_s / rows for _, point in study.predictions if point.result], "s"
    )
    front = efficient(study)

    def fitted(name: str, column: str, factor: float = 1.0) -> str:
        return cell(study, name, study.fitted(name, column).last, factor)

    columns: list[Column[str]] = [
        ("predictor", str),
        (f"fitting [{times.unit}]", partial(fitted, column="wall_s", factor=times.factor)),
        (f"of it processor [{times.unit}]", partial(fitted, column="cpu_s", factor=times.factor)),
        ("peak memory [MiB]", partial(fitted, column="peak_mib")),
        ("MAPE [%]", partial(fitted, column="test_mape_pct")),
        (
            f"per row [{calls.unit}]",
            lambda name: cell(study, name, study.called(name, "row_s").last, calls.factor),
        ),
        ("front", lambda name: "yes" if name in front else "no" if name in study.measured else "–"),
    ]
    floor = [FLOOR, *["–"] * 3, mean_floor_cell(study.floors, study.settings.targets), "–", "–"]
    return table(study.predictors, columns, last=[floor])


def efficient(study: Study) -> tuple[str, ...]:
    """Predictors that no other one beats both in mean fitting time and in mean MAPE, with all rows."""
    times, errors = (
        _means(study, study.settings.shares[-1], column) for column in ("wall_s", "test_mape_pct")
    )
    fitted = [name for name in times if name in errors]
    return tuple(
        name
        for name in fitted
        if not any(times[other] < times[name] and errors[other] < errors[name] for other in fitted)
    )
