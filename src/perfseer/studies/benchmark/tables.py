"""Tables of the benchmark report: rows are predictors, columns are sizes."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from operator import itemgetter

from perfseer.evaluation.intervals import mean_interval
from perfseer.reporting.floors import FLOOR, mean_floor_cell
from perfseer.reporting.tables import Column, escape, table
from perfseer.reporting.units import MISSING, NOT_APPLICABLE, Scale, choose_scale, count, interval, plural
from perfseer.studies.benchmark.records import BenchmarkRecord
from perfseer.studies.benchmark.scaling import Exponent
from perfseer.studies.benchmark.study import Study, mean
from perfseer.studies.benchmark.words import growth

FAILED = "failed"


def absent(study: Study, predictor: str) -> str:
    """Why a predictor has no points; empty text where it has."""
    if predictor not in study.records:
        return MISSING
    return "" if study.supports(predictor) else NOT_APPLICABLE


def cell(study: Study, predictor: str, values: Mapping[int, float], factor: float = 1.0) -> str:
    """Mean ± half width over seeds of ``values`` / ``factor``, or why there is none."""
    return absent(study, predictor) or summary(study, values, factor) or FAILED


def summary(study: Study, values: Mapping[int, float], factor: float = 1.0) -> str:
    """Mean ± half width over seeds of ``values`` / ``factor``; empty text without a value."""
    if not values:
        return ""
    shown = interval(mean_interval([value / factor for value in values.values()], study.confidence))
    seeds = f" ({len(values)} of {len(study.seeds)} seeds)" if 1 < len(values) < len(study.seeds) else ""
    return shown + seeds


def model_table(study: Study) -> str:
    """Every predictor's settings, learned numbers and fitted labels."""

    def learned(record: BenchmarkRecord) -> str:
        numbers = study.all_rows(record.predictor, "n_parameters")
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
    """A number of the fits (a column of `Study.fits`) by predictor and size, in one unit; then ``last``."""
    scale = choose_scale(study.fits[column].dropna(), kind)
    return _by_size(study, study.predictors, column, scale, last)


def error_table(study: Study) -> str:
    """MAPE of the fits by predictor and size [%], last the noise floor of the labels they are of."""
    floor = mean_floor_cell(study.floors, study.settings.targets)
    return fit_table(study, "test_mape_pct", "%", [[FLOOR, *[floor] * len(study.settings.shares)]])


def rounds_table(study: Study) -> str:
    """Epochs or trees until each fit stopped; predictors that have none are left out."""
    counted = set(study.fits.loc[study.fits["rounds"].notna(), "predictor"])
    names = [name for name in study.measured if name in counted]
    return _by_size(study, names, "rounds", Scale(1.0, ""))


def _by_size(
    study: Study, names: Iterable[str], column: str, scale: Scale, last: Sequence[Sequence[str]] = ()
) -> str:
    def shown(name: str, share: float) -> str:
        return cell(study, name, study.fit_values(name, share, column), scale.factor)

    sizes = [(_size_title(study, share), partial(shown, share=share)) for share in study.settings.shares]
    return table(names, [(_title(scale), str), *sizes], last=last)


def _size_title(study: Study, share: float) -> str:
    """A share as its networks and rows, mean over seeds."""
    networks, rows = (round(study.rows_at(share, column)) for column in ("networks", "train_rows"))
    return f"{count(networks)} networks, {count(rows)} rows"


def _title(scale: Scale) -> str:
    return f"predictor [{scale.unit}]" if scale.unit else "predictor"


def exponent(study: Study, predictor: str, column: str) -> Exponent | None:
    """Exponent of a number of a predictor's fits over training rows (`Study.exponent`)."""
    return study.exponent(study.fits[study.fits["predictor"] == predictor], "train_rows", column)


def show_exponent(power: Exponent | None) -> str:
    """``0.82 ± 0.10``, or why there is none."""
    if power is None:
        return FAILED
    value = f"{power.value:.2f}".replace("-", "−")
    return f"{value} ± {power.half_width:.2f}" if power.half_width is not None else f"{value} (1 seed)"


def scaling_table(study: Study) -> str:
    """Exponents of time and memory, their words, and the plain ratio of the largest to the smallest size."""

    def size_ratio(name: str, column: str) -> str:
        first, last = (
            {seed: value for seed, value in study.fit_values(name, share, column).items() if value > 0}
            for share in (study.settings.shares[0], study.settings.shares[-1])
        )
        return absent(study, name) or str(study.ratio(last, first) or FAILED)

    def power(name: str, column: str) -> str:
        return absent(study, name) or show_exponent(exponent(study, name, column))

    def word(name: str, column: str) -> str:
        fitted = exponent(study, name, column)
        return absent(study, name) or (growth(fitted, study.judgement) if fitted else FAILED)

    columns: list[Column[str]] = [("predictor", str)]
    for what, column in (("time", "wall_s"), ("memory", "peak_mib")):
        columns += [
            (f"{what}, most over fewest rows", partial(size_ratio, column=column)),
            (f"exponent of {what}", partial(power, column=column)),
            (f"growth of {what}", partial(word, column=column)),
        ]
    return table(study.predictors, columns, align="lrrlrrl")


def prediction_table(
    study: Study, column: str, kind: str, per: Callable[[float, int], float] | None = None
) -> str:
    """A number of the predictions by predictor and batch, in one unit.

    Args:
        study: the inputs.
        column: of `Study.predictions`.
        kind: of quantity (`perfseer.reporting.units.SCALES`).
        per: from the number and the rows of the batch to what is shown; None shows the number.
    """

    def values(name: str, rows: int) -> dict[int, float]:
        by_seed = study.prediction_values(name, rows, column)
        return {seed: per(value, rows) for seed, value in by_seed.items()} if per else by_seed

    batches = study.settings.batch_rows
    scale = choose_scale(
        [value for name in study.predictors for rows in batches for value in values(name, rows).values()],
        kind,
    )

    def shown(name: str, rows: int) -> str:
        return cell(study, name, values(name, rows), scale.factor)

    sizes = [(plural(rows, "row"), partial(shown, rows=rows)) for rows in batches]
    return table(study.predictors, [(_title(scale), str), *sizes])


def throughput(call_s: float, rows: int) -> float:
    """Rows per second."""
    return rows / call_s


def per_row(call_s: float, rows: int) -> float:
    """Time of one row of the batch [s]."""
    return call_s / rows


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
