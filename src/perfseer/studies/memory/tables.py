"""Tables and numbers of the section on memory."""

from perfseer.predictors.conformal import IntervalCoverage
from perfseer.reporting.tables import table
from perfseer.reporting.units import MISSING, PHASE_WORDS, choose_scale, count, interval, number, percent
from perfseer.studies.memory.measured import METHODS, TARGETS
from perfseer.studies.memory.study import Accuracy, MemoryStudy
from perfseer.targets import TARGET_BY_NAME

_METHODS = {
    "analytic": "arithmetic, nothing fitted",
    "learned": "trees that know no arithmetic",
    "both": "trees on what the arithmetic misses",
}


def measured_table(study: MemoryStudy) -> str:
    """A row per method, a column per label."""
    known = {(accuracy.method, accuracy.target): accuracy for accuracy in study.accuracies}
    labels = (
        (TARGET_BY_NAME[target].title, lambda method, target=target: _error(known.get((method, target))))
        for target in TARGETS
    )
    return table(METHODS, [("method", lambda method: _METHODS[method]), *labels])


def _error(accuracy: Accuracy | None) -> str:
    if accuracy is None:
        return MISSING
    return f"{interval(accuracy.mape_pct)} ({percent(100 * accuracy.coverage.share)})"


def forecast_table(study: MemoryStudy) -> str:
    """A row per kind of configuration and grouping."""
    return table(
        study.judged,
        [
            ("configurations", lambda judged: judged.margin),
            ("unseen", lambda judged: judged.grouping),
            ("ran, said to fit [%]", lambda judged: share(judged.ran)),
            ("failed, said not to [%]", lambda judged: share(judged.failed)),
            ("limits", lambda judged: count(judged.pairs.n)),
            ("limit found [%]", lambda judged: f"**{share(judged.pairs)}**"),
            ("nothing fitted [%]", lambda judged: share(judged.unfitted)),
            ("Brier score", lambda judged: number(judged.brier, 2)),
        ],
        align="ll",
    )


def reliability_table(study: MemoryStudy) -> str:
    """A row per kind of configuration and range of probability, architectures unseen."""
    return table(
        [(judged.margin, part) for judged in study.dwelt_on for part in judged.reliability],
        [
            ("configurations", lambda row: row[0]),
            ("forecast [%]", lambda row: f"{100 * row[1].low:g} to {100 * row[1].high:g}"),
            ("mean [%]", lambda row: number(100 * row[1].forecast)),
            ("ran [%]", lambda row: number(100 * row[1].observed)),
            ("n", lambda row: count(row[1].n)),
        ],
        align="lr",
    )


def share(value: IntervalCoverage) -> str:
    """``88.3 (85.2 to 90.7)``: a share with its interval, in per cent."""
    shown, low, high = (number(100 * part) for part in (value.share, value.low, value.high))
    return f"{shown} ({low} to {high})"


def failures(study: MemoryStudy) -> str:
    """Result files with their failures and rows."""
    files = study.counts.items()
    return ", ".join(f"{name} {counts['failures']} of {count(counts['rows'])}" for name, counts in files)


def milliseconds(study: MemoryStudy) -> str:
    """What the arithmetic of one configuration takes, in both phases."""
    scale = choose_scale(study.milliseconds.values(), "ms")
    taken = study.milliseconds.items()
    return " and ".join(f"{scale.named(value, 2)} for {PHASE_WORDS[phase]}" for phase, value in taken)
