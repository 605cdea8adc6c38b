"""The experiment on five numbers: our tables, scikit-learn's beside them, and the old report's figures."""

from perfseer.reporting.tables import markdown_table
from perfseer.reporting.units import choose_scale, count, number
from perfseer.studies.benchmark.records import LIBRARIES
from perfseer.studies.benchmark.scaling import Exponent, fit_exponent
from perfseer.studies.benchmark.study import Study
from perfseer.studies.benchmark.tables import FAILED, show_exponent, summary
from perfseer.studies.benchmark.words import Ratio, growth, ratio, trend

OURS, THEIRS = LIBRARIES
# "Performance and Profiling Report" of 15 December 2025, sections 2.1, 2.2 and 3.1: samples → values. Its
# function, machine and way of measuring are not stated.
OLD: dict[int, dict[str, float]] = {
    1_000: {
        **{"wall_s": 1.67, "wall_sd_s": 1.30, "peak_mb": 54.2, "mean_mb": 18.3},
        **{"r2": 0.9913, "rmse": 0.2748, "mse": 0.077739, "mae": 0.1756},
    },
    5_000: {
        **{"wall_s": 3.70, "wall_sd_s": 0.04, "peak_mb": 0.6, "mean_mb": 0.6},
        **{"r2": 0.9984, "rmse": 0.1190, "mse": 0.014222, "mae": 0.0882},
    },
    10_000: {
        **{"wall_s": 7.60, "wall_sd_s": 0.07, "peak_mb": 0.9, "mean_mb": 0.9},
        **{"r2": 0.9988, "rmse": 0.1057, "mse": 0.011166, "mae": 0.0846},
    },
}
# Its section 4.1: rows predicted at once → time [ms].
OLD_PREDICT_MS: dict[int, float] = {100: 0.41, 1_000: 2.45, 5_000: 1.49, 10_000: 2.64}
_SCORES = {"r2": "R²", "rmse": "RMSE", "mse": "MSE", "mae": "MAE"}
_NOT_MEASURED = "–"


def time_table(study: Study) -> str:
    """Fitting time: ours with its standard deviation, scikit-learn's, their ratio, the old report's."""
    lines = []
    for samples in study.settings.regression.samples:
        ours, theirs = (study.regression_values(library, samples, "wall_s") for library in LIBRARIES)
        epochs = study.regression_values(OURS, samples, "epochs")
        old = OLD.get(samples)
        lines.append(
            [
                count(samples),
                summary(study, ours) or FAILED,
                _deviation(ours),
                summary(study, epochs) or FAILED,
                summary(study, theirs) or FAILED,
                str(ratio(ours, theirs, study.confidence) or FAILED),
                f"{old['wall_s']:.2f} (sd {old['wall_sd_s']:.2f})" if old else _NOT_MEASURED,
            ]
        )
    header = ["samples", "ours [s]", "standard deviation [s]", "epochs", "scikit-learn [s]"]
    return markdown_table([*header, "ours over scikit-learn", "old report [s]"], lines, align="r")


def memory_table(study: Study) -> str:
    """Peak and mean memory above the process's start, and the whole process's peak."""
    lines = []
    for samples in study.settings.regression.samples:
        line = [count(samples)]
        for library in LIBRARIES:
            for column in ("peak_mib", "mean_mib"):
                line.append(summary(study, study.regression_values(library, samples, column)) or FAILED)
        line.append(summary(study, study.regression_values(OURS, samples, "total_peak_mib")) or FAILED)
        old = OLD.get(samples)
        line.append(f"{old['peak_mb']:g} / {old['mean_mb']:g} MB" if old else _NOT_MEASURED)
        lines.append(line)
    header = ["samples", "ours, peak [MiB]", "ours, mean [MiB]", "scikit-learn, peak [MiB]"]
    header += ["scikit-learn, mean [MiB]", "ours, whole process [MiB]", "old report, peak / mean"]
    return markdown_table(header, lines, align="r")


def accuracy_table(study: Study) -> str:
    """R², RMSE, MSE and MAE of ours, scikit-learn's and the old report's."""
    lines = []
    for samples in study.settings.regression.samples:
        for library in LIBRARIES:
            scores = {
                name: (summary(study, study.regression_values(library, samples, name)) or FAILED)
                for name in list(_SCORES)[1:]
            }
            lines.append([count(samples), library, _r2(study, library, samples), *scores.values()])
        if samples in OLD:
            old = OLD[samples]
            lines.append([count(samples), "old report", f"{old['r2']:.4f}", *(f"{old[n]:g}" for n in scores)])
    return markdown_table(["samples", "by", *_SCORES.values()], lines, align="rl")


def prediction_table(study: Study) -> str:
    """Time of predicting a batch with the network fitted to the most samples, and throughput."""
    samples, lines = study.settings.regression.samples[-1], []
    for rows in study.settings.regression.batch_rows:
        calls = study.regression_values(OURS, samples, f"predict_{rows}_s")
        theirs = study.regression_values(THEIRS, samples, f"predict_{rows}_s")
        rates = {seed: rows / seconds for seed, seconds in calls.items()}
        old = OLD_PREDICT_MS.get(rows)
        lines.append(
            [
                count(rows),
                summary(study, calls, 1e-3) or FAILED,
                summary(study, calls, 1e-3 * rows) or FAILED,
                summary(study, rates) or FAILED,
                str(ratio(calls, theirs, study.confidence) or FAILED),
                f"{old:g}" if old else _NOT_MEASURED,
            ]
        )
    header = ["rows at once", "total [ms]", "per row [ms]", "rows per second", "ours over scikit-learn"]
    return markdown_table([*header, "old report, total [ms]"], lines, align="r")


def exponent(study: Study, column: str) -> Exponent | None:
    """Exponent of a number of our fits over samples."""
    found = study.regression_points
    found = found[(found["library"] == OURS) & (found[column] > 0)]
    if found.empty:
        return None
    return fit_exponent(found["samples"], found[column], found["seed"].tolist(), study.confidence)


def scaling_sentences(study: Study) -> list[str]:
    """How our time and memory grow with the samples."""
    samples = study.settings.regression.samples
    sentences = []
    for column, what in (("wall_s", "training time"), ("peak_mib", "peak memory")):
        first, last = (study.regression_values(OURS, n, column) for n in (samples[0], samples[-1]))
        times, found = ratio(last, first, study.confidence), exponent(study, column)
        if times is None or found is None:
            sentences.append(f"{what}: {FAILED}.")
            continue
        sentences.append(
            f"From {count(samples[0])} to {count(samples[-1])} samples ({samples[-1] / samples[0]:g} times), "
            f"{what} becomes {times} times what it was; exponent {show_exponent(found)}: "
            f"{growth(found, study.judgement)}."
        )
    return sentences


def accuracy_sentences(study: Study) -> list[str]:
    """Best R², its range, whether accuracy is stable, and how ours compares with scikit-learn's."""
    samples = study.settings.regression.samples
    means = {n: _mean(study.regression_values(OURS, n, "r2")) for n in samples}
    there = {n: value for n, value in means.items() if value is not None}
    if not there:
        return [f"Accuracy: {FAILED}."]
    best = max(there, key=there.__getitem__)
    sentences = [
        f"Best R²: {there[best]:.4f} (at {count(best)} samples); range {min(there.values()):.4f} to "
        f"{max(there.values()):.4f}. The function itself, without its noise, would have {_limit(study)}."
    ]
    fewest, most = (study.regression_values(OURS, n, "rmse") for n in (samples[0], samples[-1]))
    change = ratio(fewest, most, study.confidence)
    if change is not None:
        sentences.append(
            f"RMSE with {count(samples[0])} samples is {change} times that with {count(samples[-1])}: "
            f"{trend(change, study.judgement)}."
        )
    against = ratio(most, study.regression_values(THEIRS, samples[-1], "rmse"), study.confidence)
    if against is not None:
        sentences.append(
            f"At {count(samples[-1])} samples our RMSE is {against} times scikit-learn's: {_side(against)}."
        )
    return sentences


def requirements(study: Study) -> list[tuple[str, str, bool | None]]:
    """What is asked of the network with the most samples: question, numbers, whether every seed has it."""
    judge, samples = study.judgement, study.settings.regression.samples[-1]
    r2 = study.regression_values(OURS, samples, "r2")
    times = study.regression_values(OURS, samples, "wall_s")
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


def time_against(study: Study) -> Ratio | None:
    """Our fitting time over scikit-learn's with the most samples."""
    samples = study.settings.regression.samples[-1]
    ours, theirs = (study.regression_values(library, samples, "wall_s") for library in LIBRARIES)
    return ratio(ours, theirs, study.confidence)


def _side(found: Ratio) -> str:
    return "**higher**" if found.above_one else "**lower**" if found.below_one else "no difference shown"


def _limit(study: Study) -> str:
    return f"{study.regression.noise_r2:.4f}" if study.regression else _NOT_MEASURED


def _r2(study: Study, library: str, samples: int) -> str:
    values = study.regression_values(library, samples, "r2")
    if not values:
        return FAILED
    return f"{_mean(values):.4f} ({min(values.values()):.4f} to {max(values.values()):.4f})"


def _mean(values: dict[int, float]) -> float | None:
    return sum(values.values()) / len(values) if values else None


def _deviation(values: dict[int, float]) -> str:
    if len(values) < 2:
        return _NOT_MEASURED
    mean = sum(values.values()) / len(values)
    return number((sum((value - mean) ** 2 for value in values.values()) / (len(values) - 1)) ** 0.5)


def recommendations(study: Study) -> list[str]:
    """What follows for the perceptron on five numbers."""
    if study.regression is None:
        return []
    asked = requirements(study)
    met = all(answer is True for _, _, answer in asked)
    evidence = "; ".join(f"{question}: {numbers}" for question, numbers, _ in asked)
    verdict = "meets what was asked of it" if met else "does not meet all that was asked of it"
    text = f"**`mlp5d`'s network on the smooth function** {verdict} ({evidence})."
    times = time_against(study)
    if times is not None:
        side = "slower to fit than" if times.above_one else "faster to fit than" if times.below_one else ""
        verdict = f"It is shown to be {side}" if side else "It is not shown to differ in fitting time from"
        text += f" {verdict} scikit-learn's at equal epochs ({times} times its time)."
    return [text]
