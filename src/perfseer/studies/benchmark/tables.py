"""Tables of the benchmark report: rows are predictors, columns are sizes."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from operator import itemgetter

from perfseer.evaluation.intervals import Interval
from perfseer.reporting.floors import FLOOR, mean_floor_cell
from perfseer.reporting.tables import Column, escape, table
from perfseer.reporting.units import MISSING, NOT_APPLICABLE, choose_scale, count, over_seeds, plural
from perfseer.studies.benchmark.points import Curve, mean
from perfseer.studies.benchmark.records import BenchmarkRecord
from perfseer.studies.benchmark.study import Study
from perfseer.studies.benchmark.words import growth

FAILED = "failed"


def absent(study: Study, predictor: str) -> str:
    """Why a predictor has no points; empty text where it has."""
    if predictor not in study.records:
        return MISSING
    return "" if predictor in study.measured else NOT_APPLICABLE


def cell(study: Study, predictor: str, values: Mapping[int, float], factor: float = 1.0) -> str:
    """Mean ± half width over seeds of ``values`` / ``factor``, or why there is none."""
    return absent(study, predictor) or summary(study, values, factor) or FAILED


def summary(study: Study, values: Mapping[int, float], factor: float = 1.0) -> str:
    """Mean ± half width over seeds of ``values`` / ``factor``; empty text without a value."""
    scaled = {seed: value / factor for seed, value in values.items()}
    return over_seeds(study.ledger.interval(scaled), len(study.seeds))


def model_table(study: Study) -> str:
    """Every predictor's settings, learned numbers and fitted labels."""

    def learned(record: BenchmarkRecord) -> str:
        numbers = study.fitted(record.predictor, "n_parameters").last
        if not record.targets:
            return NOT_APPLICABLE
        return count(round(mean(numbers))) if numbers else FAILED

    def settings(record: BenchmarkRecord) -> str:
        return escape(", ".join(_flat(record.settings[record.predictor])) or "none")

    columns: list[Column[str]] = [
        ("predictor", str),
        ("learned numbers", _recorded(study, learned)),
        ("labels fitted", _recorded(study, lambda record: ", ".join(record.targets) or NOT_APPLICABLE)),
        ("settings", _recorded(study, settings)),
    ]
    return table(study.predictors, columns, align="lrll")


def _recorded(study: Study, show: Callable[[BenchmarkRecord], str]) -> Callable[[str], str]:
    return lambda name: show(study.records[name]) if name in study.records else MISSING


def _flat(section: Mapping[str, object], prefix: str = "") -> list[str]:
    """``key value`` of every setting that is set, dotted where settings are nested."""
    texts = []
    for key, value in section.items():
        if isinstance(value, Mapping):
            texts += _flat(value, f"{prefix}{key}.")
        elif value is not None:
            texts.append(f"{prefix}{key} {value}")
    return texts


def fit_table(study: Study, column: str, kind: str, last: Sequence[Sequence[str]] = ()) -> str:
    """A number of the fits (`FitPoint.numbers`) by predictor and size, in one unit; then ``last``."""
    curves = {name: study.fitted(name, column) for name in study.predictors}
    return _by_size(study, curves, kind, _fit_sizes(study), last)


def error_table(study: Study) -> str:
    """MAPE of the fits by predictor and size [%], last the noise floor of the labels they are of."""
    floor = mean_floor_cell(study.floors, study.settings.targets)
    return fit_table(study, "test_mape_pct", "%", [[FLOOR, *[floor] * len(study.settings.shares)]])


def rounds_table(study: Study) -> str:
    """Epochs or trees until each fit stopped; predictors that have none are left out."""
    curves = {name: study.fitted(name, "rounds") for name in study.measured}
    return _by_size(
        study, {name: curve for name, curve in curves.items() if curve.means}, "1", _fit_sizes(study)
    )


def prediction_table(study: Study, column: str, kind: str) -> str:
    """A number of the predictions (`PredictPoint.numbers`) by predictor and batch, in one unit."""
    curves = {name: study.called(name, column) for name in study.predictors}
    return _by_size(study, curves, kind, [plural(rows, "row") for rows in study.settings.batch_rows])


def _fit_sizes(study: Study) -> list[str]:
    """Every share as its networks and rows, means over seeds."""
    sizes = (map(round, study.rows_at(share)) for share in study.settings.shares)
    return [f"{count(networks)} networks, {count(rows)} rows" for networks, rows in sizes]


def _by_size(
    study: Study,
    curves: Mapping[str, Curve],
    kind: str,
    sizes: Sequence[str],
    last: Sequence[Sequence[str]] = (),
) -> str:
    """A line for each predictor and a column for each size of its curve."""
    shown = [number for curve in curves.values() for at in curve.values() for number in at.values()]
    scale = choose_scale(shown, kind)

    def at(name: str, place: int) -> str:
        return cell(study, name, [*curves[name].values()][place], scale.factor)

    title = f"predictor [{scale.unit}]" if scale.unit else "predictor"
    cells = [(size, partial(at, place=place)) for place, size in enumerate(sizes)]
    return table(curves, [(title, str), *cells], last=last)


def exponent(study: Study, predictor: str, column: str) -> Interval | None:
    """Exponent of a number of a predictor's fits over training rows (`Study.exponent`)."""
    return study.exponent([fit for name, fit in study.fits if name == predictor], "train_rows", column)


def show_exponent(power: Interval | None) -> str:
    """``0.82 ± 0.10``, or why there is none."""
    if power is None:
        return FAILED
    value = f"{power.mean:.2f}".replace("-", "−")
    return f"{value} ± {power.half_width:.2f}" if power.half_width is not None else f"{value} (1 seed)"


def scaling_table(study: Study) -> str:
    """Exponents of time and memory, their words, and the plain ratio of the largest to the smallest size."""

    def size_ratio(name: str, column: str) -> str:
        curve = study.fitted(name, column)
        first, last = ({s: v for s, v in at.items() if v > 0} for at in (curve.first, curve.last))
        return str(study.ratio(last, first) or FAILED)

    def power(name: str, column: str) -> str:
        return show_exponent(exponent(study, name, column))

    def word(name: str, column: str) -> str:
        fitted = exponent(study, name, column)
        return growth(fitted, study.judgement) if fitted else FAILED

    def shown(name: str, show: Callable[[str, str], str], column: str) -> str:
        return absent(study, name) or show(name, column)

    columns: list[Column[str]] = [("predictor", str)]
    for what, column in (("time", "wall_s"), ("memory", "peak_mib")):
        columns += [
            (f"{what}, most over fewest rows", partial(shown, show=size_ratio, column=column)),
            (f"exponent of {what}", partial(shown, show=power, column=column)),
            (f"growth of {what}", partial(shown, show=word, column=column)),
        ]
    return table(study.predictors, columns, align="lrrlrrl")


def failure_table(study: Study) -> str:
    """Points without numbers, with their reasons."""
    columns: list[Column[tuple[str, ...]]] = [
        *((title, itemgetter(place)) for place, title in enumerate(("predictor", "point", "status"))),
        ("reason", lambda failure: escape(failure[3])),
    ]
    return table(study.failures(), columns, align="llll")


def record_table(study: Study, digests: Mapping[str, str]) -> str:
    """Every file the report was made from, its points and its digest; missing ones too."""
    columns: list[Column[str]] = [
        ("file", lambda name: f"{name}.json"),
        (
            "points: fits + predictions",
            _recorded(study, lambda r: f"{count(len(r.fits))} + {count(len(r.predictions))}"),
        ),
        ("SHA-256 of the file, first digits", lambda name: digests.get(name, MISSING)),
    ]
    return table(study.predictors, columns)


def environment_table(study: Study) -> str:
    """Machine and libraries, one a line; ``missing`` without a record."""
    if not study.records:
        return MISSING
    flat: dict[str, object] = {}
    for key, value in next(iter(study.records.values())).environment.items():
        flat |= value if isinstance(value, dict) else {key: value}
    return settings_table(flat, "what")


def settings_table(settings: Mapping[str, object], what: str = "setting") -> str:
    """Names and values, one a line."""
    columns: list[Column[str]] = [
        (what, escape),
        ("value", lambda name: escape(str(settings[name]))),
    ]
    return table(settings, columns, align="ll")
