"""Sentences that follow from the benchmark's numbers, and none that its intervals do not support."""

from dataclasses import dataclass
from itertools import permutations

from perfseer.reporting.floors import FLOOR, mean_floor_cell
from perfseer.reporting.tables import markdown_table
from perfseer.reporting.units import choose_scale, count, number, percent
from perfseer.studies.benchmark.study import Study
from perfseer.studies.benchmark.tables import cell, exponent, share_text, show_exponent, summary
from perfseer.studies.benchmark.words import Ratio, growth, ratio, trend

SECONDS, MEBIBYTES = "s", "MiB"


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
    first, last = study.settings.shares[0], study.settings.shares[-1]
    sentences = []
    for name in study.measured:
        fewest, most = (study.fit_values(name, share, "test_mape_pct") for share in (first, last))
        found = ratio(fewest, most, study.confidence)
        if found is None:
            sentences.append(f"`{name}`: no seed has both the fewest and the most rows.")
            continue
        sentences.append(
            f"`{name}`: MAPE {summary(study, most)} % with all rows; with the fewest it is {found} times "
            f"that: {trend(found, study.judgement)}. {_knee_sentence(study, name)}"
        )
    return sentences


def knee(study: Study, predictor: str) -> float | None:
    """Smallest share whose MAPE is, in the mean over seeds, within the knee ratio of that of all rows."""
    shares = study.settings.shares
    most = study.fit_values(predictor, shares[-1], "test_mape_pct")
    for share in shares:
        found = ratio(study.fit_values(predictor, share, "test_mape_pct"), most, study.confidence)
        if found is not None and found.value <= study.judgement.knee_ratio:
            return share
    return None


def _knee_sentence(study: Study, name: str) -> str:
    share = knee(study, name)
    if share is None:
        return ""
    if share == study.settings.shares[-1]:
        return "No knee: every smaller size is further than that from it."
    return f"Knee at {count(round(study.rows_at(share)))} rows."


def scaling_observations(study: Study) -> list[str]:
    """Which predictors' time and memory grow how, grouped by the word."""
    sentences = []
    for column, what in (("wall_s", "Time"), ("peak_mib", "Memory")):
        groups: dict[str, list[str]] = {}
        for name in study.measured:
            found = exponent(study, name, column)
            if found is not None:
                groups.setdefault(growth(found, study.judgement), []).append(
                    f"`{name}` ({show_exponent(found)})"
                )
        sentences += [f"{what}, {word}: {', '.join(names)}." for word, names in groups.items()]
    return sentences


def prediction_observations(study: Study) -> list[str]:
    """One sentence per predictor: what predicting many rows at once gains, and from how many on."""
    small, large = study.settings.batch_rows[0], study.settings.batch_rows[-1]
    sentences = []
    for name in study.measured:
        gain = batch_gain(study, name)
        if gain is None:
            sentences.append(f"`{name}`: no seed has both the smallest and the largest batch.")
            continue
        verdict = (
            "more efficient"
            if gain.above_one
            else "less efficient"
            if gain.below_one
            else "not shown to differ"
        )
        sentences.append(
            f"`{name}`: {count(large)} rows at once have {gain} times the throughput of {count(small)}: "
            f"**{verdict}**; {share_text(study.judgement.throughput_share)} of the best is reached at "
            f"{count(batch_knee(study, name))} rows."
        )
    return sentences


def batch_gain(study: Study, predictor: str) -> Ratio | None:
    """Throughput of the largest batch over that of the smallest."""
    small, large = study.settings.batch_rows[0], study.settings.batch_rows[-1]
    values = [
        {seed: rows / call for seed, call in study.prediction_values(predictor, rows, "call_s").items()}
        for rows in (large, small)
    ]
    return ratio(values[0], values[1], study.confidence)


def batch_knee(study: Study, predictor: str) -> int:
    """Smallest batch with the wanted share of the best mean throughput."""
    means = {}
    for rows in study.settings.batch_rows:
        calls = study.prediction_values(predictor, rows, "call_s")
        if calls:
            means[rows] = sum(rows / call for call in calls.values()) / len(calls)
    wanted = study.judgement.throughput_share * max(means.values())
    return next(rows for rows, value in means.items() if value >= wanted)


def choices(study: Study) -> list[Choice]:
    """The predictor to take at each size: chosen on validation rows, compared on test rows."""
    found = []
    for share in study.settings.shares:
        means = {
            name: sum(values.values()) / len(values)
            for name in study.measured
            if (values := study.fit_values(name, share, "valid_mape_pct"))
        }
        if means:
            found.append(_choice(study, share, min(means, key=means.__getitem__), tuple(means)))
    return found


def _choice(study: Study, share: float, best: str, names: tuple[str, ...]) -> Choice:
    errors = {name: study.fit_values(name, share, "test_mape_pct") for name in names}
    equal = []
    for name in names:
        found = ratio(errors[name], errors[best], study.confidence) if name != best else None
        if found is not None and not (found.above_one or found.below_one):
            equal.append(name)
    times = {name: study.fit_values(name, share, "wall_s") for name in (best, *equal)}
    cheapest = min(times, key=lambda name: sum(times[name].values()) / len(times[name]))
    return Choice(share, best, tuple(equal), cheapest)


def dominated(study: Study) -> list[tuple[str, str, Ratio, Ratio]]:
    """Pairs (worse, better, ratio of errors, ratio of fitting times), both ratios shown to be above one."""
    share = study.settings.shares[-1]
    pairs = []
    for worse, better in permutations(study.measured, 2):
        error, cost = (
            ratio(
                study.fit_values(worse, share, column),
                study.fit_values(better, share, column),
                study.confidence,
            )
            for column in ("test_mape_pct", "wall_s")
        )
        if error is not None and cost is not None and error.above_one and cost.above_one:
            pairs.append((worse, better, error, cost))
    return pairs


def recommendations(study: Study) -> list[str]:
    """What to take for how many rows, what not to take, how to predict, what memory to reckon with."""
    return [
        *(_choice_sentence(study, choice) for choice in choices(study)),
        *_dominated_sentences(study),
        *_batch_sentences(study),
        *_memory_sentences(study),
    ]


def _choice_sentence(study: Study, choice: Choice) -> str:
    rows = f"{count(round(study.rows_at(choice.share, 'networks')))} measured networks"
    rows += f" ({count(round(study.rows_at(choice.share)))} rows)"
    text = (
        f"**With {rows}:** `{choice.best}` has the least error on validation rows; its MAPE on test rows is "
        f"{summary(study, study.fit_values(choice.best, choice.share, 'test_mape_pct'))} %, its fitting time "
        f"{_time(study, choice.best, choice.share)}."
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
        f"{summary(study, study.fit_values(choice.cheapest, choice.share, 'test_mape_pct'))} %."
    )


def _time(study: Study, name: str, share: float) -> str:
    values = study.fit_values(name, share, "wall_s")
    mean = sum(values.values()) / len(values)
    return choose_scale([mean], SECONDS).named(mean)


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
        f"rows reach {share_text(study.judgement.throughput_share)} of the best throughput."
    ]


def _memory_sentences(study: Study) -> list[str]:
    share = study.settings.shares[-1]
    means = {
        name: sum(values.values()) / len(values)
        for name in study.measured
        if (values := study.fit_values(name, share, "peak_mib"))
    }
    if not means:
        return []
    most = max(means, key=means.__getitem__)
    total = study.fit_values(most, share, "total_peak_mib")
    whole = sum(total.values()) / len(total)
    added, process = (choose_scale([value], MEBIBYTES).named(value) for value in (means[most], whole))
    return [
        f"**Memory:** fitting adds at most {added} (`{most}`, all rows, mean over seeds); its process then "
        f"has {process}, libraries and data included."
    ]


def chance_sentence(study: Study) -> str:
    """How many differences one expects by chance among those the recommendations rest on."""
    n = len(study.measured)
    comparisons = len(study.settings.shares) * max(n - 1, 0) + n * (n - 1)
    expected = comparisons * (1 - study.confidence)
    return (
        f"The recommendations rest on {count(comparisons)} comparisons at {share_text(study.confidence)} "
        f"confidence, not corrected for their number: up to about {number(expected, 2)} differences would be "
        "shown by chance alone if there were none."
    )


def doubtful(study: Study) -> list[str]:
    """Fits that had the processor for less than the wanted share of their time."""
    columns = [study.fits[name] for name in ("predictor", "seed", "train_rows", "cpu_s", "wall_s")]
    return [
        f"`{name}`, seed {seed}, {rows} rows: {percent(100 * cpu / wall)}"
        for name, seed, rows, cpu, wall in zip(*columns, strict=True)
        if cpu < study.judgement.busy_share * wall
    ]


def summary_table(study: Study) -> str:
    """Every predictor with all rows: time, memory, error, time per row, and whether it is on the front."""
    share, rows = study.settings.shares[-1], study.settings.batch_rows[-1]
    times = choose_scale(study.fits["wall_s"].dropna(), SECONDS)
    per_row = study.predictions["call_s"].dropna() / rows
    calls = choose_scale(per_row, SECONDS)
    front = efficient(study)
    lines = []
    for name in study.predictors:
        lines.append(
            [
                name,
                cell(study, name, study.fit_values(name, share, "wall_s"), times.factor),
                cell(study, name, study.fit_values(name, share, "cpu_s"), times.factor),
                cell(study, name, study.fit_values(name, share, "peak_mib")),
                cell(study, name, study.fit_values(name, share, "test_mape_pct")),
                cell(study, name, study.prediction_values(name, rows, "call_s"), rows * calls.factor),
                "yes" if name in front else "no" if name in study.measured else "–",
            ]
        )
    lines.append([FLOOR, *["–"] * 3, mean_floor_cell(study.floors, study.settings.targets), "–", "–"])
    header = ["predictor", f"fitting [{times.unit}]", f"of it processor [{times.unit}]"]
    header += ["peak memory [MiB]", "MAPE [%]"]
    return markdown_table([*header, f"per row [{calls.unit}]", "front"], lines)


def efficient(study: Study) -> tuple[str, ...]:
    """Predictors that no other one beats both in mean fitting time and in mean MAPE, with all rows."""
    share = study.settings.shares[-1]
    means = {}
    for name in study.measured:
        values = [study.fit_values(name, share, column) for column in ("wall_s", "test_mape_pct")]
        if all(values):
            means[name] = tuple(sum(found.values()) / len(found) for found in values)
    return tuple(
        name
        for name, (time, error) in means.items()
        if not any(t < time and e < error for other, (t, e) in means.items() if other != name)
    )
