"""The experiment on five numbers: our tables, scikit-learn's beside them, and the old report's figures."""

from collections.abc import Callable
from functools import partial
from operator import itemgetter
from statistics import stdev

from perfseer.reporting.tables import Column, table
from perfseer.reporting.units import choose_scale, count, number
from perfseer.studies.benchmark.points import mean
from perfseer.studies.benchmark.records import LIBRARIES
from perfseer.studies.benchmark.study import Study
from perfseer.studies.benchmark.tables import FAILED, show_exponent, summary
from perfseer.studies.benchmark.words import Ratio, growth, trend

OURS, THEIRS = LIBRARIES
# "Performance and Profiling Report" of 15 December 2025, sections 2.1, 2.2 and 3.1: samples → values. Its
# function, machine and way of measuring are not stated.
_COLUMNS = ("wall_s", "wall_sd_s", "peak_mb", "mean_mb", "r2", "rmse", "mse", "mae")
OLD: dict[int, dict[str, float]] = {
    samples: dict(zip(_COLUMNS, values, strict=True))
    for samples, values in {
        1_000: (1.67, 1.30, 54.2, 18.3, 0.9913, 0.2748, 0.077739, 0.1756),
        5_000: (3.70, 0.04, 0.6, 0.6, 0.9984, 0.1190, 0.014222, 0.0882),
        10_000: (7.60, 0.07, 0.9, 0.9, 0.9988, 0.1057, 0.011166, 0.0846),
    }.items()
}
# Its section 4.1: rows predicted at once → time [ms].
OLD_PREDICT_MS: dict[int, float] = {100: 0.41, 1_000: 2.45, 5_000: 1.49, 10_000: 2.64}
_SCORES = {"r2": "R²", "rmse": "RMSE", "mse": "MSE", "mae": "MAE"}
_NOT_MEASURED, _OLD_REPORT = "–", "old report"


def time_table(study: Study) -> str:
    """Fitting time: ours with its standard deviation, scikit-learn's, their ratio, the old report's."""
    columns: list[Column[int]] = [
        ("samples", count),
        ("ours [s]", partial(_shown, study, OURS, "wall_s")),
        ("standard deviation [s]", lambda samples: _deviation(study.perceptron(OURS, "wall_s")[samples])),
        ("epochs", partial(_shown, study, OURS, "epochs")),
        ("scikit-learn [s]", partial(_shown, study, THEIRS, "wall_s")),
        ("ours over scikit-learn", lambda samples: str(_against(study, samples, "wall_s") or FAILED)),
        ("old report [s]", _old(lambda old: f"{old['wall_s']:.2f} (sd {old['wall_sd_s']:.2f})")),
    ]
    return table(study.settings.regression.samples, columns, align="r")


def memory_table(study: Study) -> str:
    """Peak and mean memory above the process's start, and the whole process's peak."""
    columns: list[Column[int]] = [
        ("samples", count),
        *(
            (f"{whose}, {what} [MiB]", partial(_shown, study, library, f"{what}_mib"))
            for whose, library in (("ours", OURS), ("scikit-learn", THEIRS))
            for what in ("peak", "mean")
        ),
        ("ours, whole process [MiB]", partial(_shown, study, OURS, "total_peak_mib")),
        ("old report, peak / mean", _old(lambda old: f"{old['peak_mb']:g} / {old['mean_mb']:g} MB")),
    ]
    return table(study.settings.regression.samples, columns, align="r")


def accuracy_table(study: Study) -> str:
    """R², RMSE, MSE and MAE of ours, scikit-learn's and the old report's."""

    def score(row: tuple[int, str], name: str) -> str:
        samples, by = row
        if by == _OLD_REPORT:
            return f"{OLD[samples][name]:.4f}" if name == "r2" else f"{OLD[samples][name]:g}"
        return _r2(study, by, samples) if name == "r2" else _shown(study, by, name, samples)

    rows = [
        (samples, by)
        for samples in study.settings.regression.samples
        for by in (*LIBRARIES, _OLD_REPORT)
        if by != _OLD_REPORT or samples in OLD
    ]
    columns: list[Column[tuple[int, str]]] = [
        ("samples", lambda row: count(row[0])),
        ("by", lambda row: row[1]),
        *((title, partial(score, name=name)) for name, title in _SCORES.items()),
    ]
    return table(rows, columns, align="rl")


def prediction_table(study: Study) -> str:
    """Time of predicting a batch with the network fitted to the most samples, and throughput."""
    samples = study.settings.regression.samples[-1]

    def calls(rows: int) -> dict[int, float]:
        return study.perceptron(OURS, f"predict_{rows}_s").last

    def rates(rows: int) -> dict[int, float]:
        return {seed: rows / seconds for seed, seconds in calls(rows).items()}

    columns: list[Column[int]] = [
        ("rows at once", count),
        ("total [ms]", lambda rows: summary(study, calls(rows), 1e-3) or FAILED),
        ("per row [ms]", lambda rows: summary(study, calls(rows), 1e-3 * rows) or FAILED),
        ("rows per second", lambda rows: summary(study, rates(rows)) or FAILED),
        ("ours over scikit-learn", lambda rows: str(_against(study, samples, f"predict_{rows}_s") or FAILED)),
        (
            "old report, total [ms]",
            lambda rows: f"{OLD_PREDICT_MS[rows]:g}" if rows in OLD_PREDICT_MS else _NOT_MEASURED,
        ),
    ]
    return table(study.settings.regression.batch_rows, columns, align="r")


def _shown(study: Study, library: str, column: str, samples: int) -> str:
    return summary(study, study.perceptron(library, column)[samples]) or FAILED


def _against(study: Study, samples: int, column: str) -> Ratio | None:
    """A number of ours over scikit-learn's."""
    ours, theirs = (study.perceptron(library, column)[samples] for library in LIBRARIES)
    return study.ratio(ours, theirs)


def _old(show: Callable[[dict[str, float]], str]) -> Callable[[int], str]:
    """The old report's figures for a number of samples, where it has any."""
    return lambda samples: show(OLD[samples]) if samples in OLD else _NOT_MEASURED


def scaling_sentences(study: Study) -> list[str]:
    """How our time and memory grow with the samples."""
    return [
        _scaling_sentence(study, column, what)
        for column, what in (("wall_s", "training time"), ("peak_mib", "peak memory"))
    ]


def _scaling_sentence(study: Study, column: str, what: str) -> str:
    fewest, *_, most = study.settings.regression.samples
    curve = study.perceptron(OURS, column)
    times = study.ratio(curve.last, curve.first)
    ours = [point for library, point in study.regressions if library == OURS]
    power = study.exponent(ours, "samples", column)
    if times is None or power is None:
        return f"{what}: {FAILED}."
    return (
        f"From {count(fewest)} to {count(most)} samples ({most / fewest:g} times), {what} becomes {times} "
        f"times what it was; exponent {show_exponent(power)}: {growth(power, study.judgement)}."
    )


def accuracy_sentences(study: Study) -> list[str]:
    """Best R², its range, whether accuracy is stable, and how ours compares with scikit-learn's."""
    samples = study.settings.regression.samples
    means = study.perceptron(OURS, "r2").means
    if not means:
        return [f"Accuracy: {FAILED}."]
    best = max(means, key=means.__getitem__)
    limit = f"{study.regression.noise_r2:.4f}" if study.regression else _NOT_MEASURED
    sentences = [
        f"Best R²: {means[best]:.4f} (at {count(int(best))} samples); range {min(means.values()):.4f} to "
        f"{max(means.values()):.4f}. The function itself, without its noise, would have {limit}."
    ]
    errors = study.perceptron(OURS, "rmse")
    change = study.ratio(errors.first, errors.last)
    if change is not None:
        sentences.append(
            f"RMSE with {count(samples[0])} samples is {change} times that with {count(samples[-1])}: "
            f"{trend(change, study.judgement)}."
        )
    against = _against(study, samples[-1], "rmse")
    if against is not None:
        side = against.side("**higher**", "**lower**", "no difference shown")
        sentences.append(
            f"At {count(samples[-1])} samples our RMSE is {against} times scikit-learn's: {side}."
        )
    return sentences


def requirements(study: Study) -> list[tuple[str, str, bool | None]]:
    """What is asked of the network with the most samples: question, numbers, whether every seed has it."""
    judge, samples = study.judgement, study.settings.regression.samples[-1]
    r2, times = (study.perceptron(OURS, column).last for column in ("r2", "wall_s"))
    complete = len(r2) == len(study.seeds)
    where = f"at {count(samples)} samples"
    return [
        (
            f"R² of at least {judge.r2:g} {where}",
            f"lowest of {len(r2)} seeds {min(r2.values()):.4f}" if r2 else FAILED,
            min(r2.values()) >= judge.r2 if complete else None,
        ),
        (
            f"trained in less than {judge.fit_limit_s:g} s {where}",
            f"slowest of {len(times)} seeds {choose_scale(times.values(), 's').named(max(times.values()))}"
            if times
            else FAILED,
            max(times.values()) < judge.fit_limit_s if complete else None,
        ),
    ]


def requirement_table(study: Study) -> str:
    """`requirements` with the answers in words."""
    words = {True: "yes", False: "**no**", None: "not computed"}
    columns: list[Column[tuple[str, str, bool | None]]] = [
        ("asked", itemgetter(0)),
        ("found", itemgetter(1)),
        ("met", lambda asked: words[asked[2]]),
    ]
    return table(requirements(study), columns, align="lll")


def _r2(study: Study, library: str, samples: int) -> str:
    values = study.perceptron(library, "r2")[samples]
    if not values:
        return FAILED
    return f"{mean(values):.4f} ({min(values.values()):.4f} to {max(values.values()):.4f})"


def _deviation(values: dict[int, float]) -> str:
    return number(stdev(values.values())) if len(values) > 1 else _NOT_MEASURED


def recommendations(study: Study) -> list[str]:
    """What follows for the perceptron on five numbers."""
    if study.regression is None:
        return []
    asked = requirements(study)
    met = all(answer is True for _, _, answer in asked)
    evidence = "; ".join(f"{question}: {numbers}" for question, numbers, _ in asked)
    verdict = "meets what was asked of it" if met else "does not meet all that was asked of it"
    text = f"**`mlp5d`'s network on the smooth function** {verdict} ({evidence})."
    times = _against(study, study.settings.regression.samples[-1], "wall_s")
    if times is not None:
        verdict = times.side(
            "It is shown to be slower to fit than",
            "It is shown to be faster to fit than",
            "It is not shown to differ in fitting time from",
        )
        text += f" {verdict} scikit-learn's at equal epochs ({times} times its time)."
    return [text]
