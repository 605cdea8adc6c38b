"""Tables of the benchmark report: rows are predictors, columns are sizes."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from perfseer.evaluation.intervals import mean_interval
from perfseer.reporting.floors import FLOOR, mean_floor_cell
from perfseer.reporting.tables import escape, markdown_table
from perfseer.reporting.units import MISSING, NOT_APPLICABLE, choose_scale, count, interval
from perfseer.studies.benchmark.scaling import Exponent, fit_exponent
from perfseer.studies.benchmark.study import Study
from perfseer.studies.benchmark.words import growth, ratio

FAILED = "failed"


def cell(study: Study, predictor: str, values: Mapping[int, float], factor: float = 1.0) -> str:
    """Mean ± half width over seeds of ``values`` / ``factor``, or why there is none."""
    if predictor not in study.records:
        return MISSING
    if not study.supports(predictor):
        return NOT_APPLICABLE
    return summary(study, values, factor) or FAILED


def summary(study: Study, values: Mapping[int, float], factor: float = 1.0) -> str:
    """Mean ± half width over seeds of ``values`` / ``factor``; empty text without a value."""
    if not values:
        return ""
    found = interval(mean_interval([value / factor for value in values.values()], study.confidence))
    partial = f" ({len(values)} of {len(study.seeds)} seeds)" if 1 < len(values) < len(study.seeds) else ""
    return found + partial


def size_titles(study: Study) -> list[str]:
    """Column titles of the shares: networks and rows, mean over seeds."""
    return [
        f"{count(networks)} networks, {count(rows)} rows"
        for networks, rows in (
            (round(study.rows_at(share, "networks")), round(study.rows_at(share)))
            for share in study.settings.shares
        )
    ]


def model_table(study: Study) -> str:
    """Every predictor's settings, learned numbers and fitted labels."""
    lines = []
    for name in study.predictors:
        record = study.records.get(name)
        if record is None:
            lines.append([name, MISSING, MISSING, MISSING])
            continue
        learned = study.fit_values(name, study.settings.shares[-1], "n_parameters")
        shown = count(round(sum(learned.values()) / len(learned))) if learned else FAILED
        labels = ", ".join(record.targets) or NOT_APPLICABLE
        settings = ", ".join(_flat(record.settings[name])) or "none"
        lines.append([name, shown if record.targets else NOT_APPLICABLE, labels, escape(settings)])
    return markdown_table(["predictor", "learned numbers", "labels fitted", "settings"], lines, align="lrll")


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
    values = study.fits[column].dropna()
    scale = choose_scale(values, kind)
    lines = [
        [name, *(_fit_cell(study, name, share, column, scale.factor) for share in study.settings.shares)]
        for name in study.predictors
    ]
    unit = f" [{scale.unit}]" if scale.unit else ""
    return markdown_table([f"predictor{unit}", *size_titles(study)], [*lines, *last])


def error_table(study: Study) -> str:
    """MAPE of the fits by predictor and size [%], last the noise floor of the labels they are of."""
    floor = mean_floor_cell(study.floors, study.settings.targets)
    return fit_table(study, "test_mape_pct", "%", [[FLOOR, *[floor] * len(study.settings.shares)]])


def _fit_cell(study: Study, name: str, share: float, column: str, factor: float) -> str:
    return cell(study, name, study.fit_values(name, share, column), factor)


def rounds_table(study: Study) -> str:
    """Epochs or trees until each fit stopped; predictors that have none are left out."""
    names = [name for name in study.measured if study.fits_of(name)["rounds"].notna().any()]
    lines = [
        [name, *(_fit_cell(study, name, share, "rounds", 1.0) for share in study.settings.shares)]
        for name in names
    ]
    return markdown_table(["predictor", *size_titles(study)], lines)


def exponent(study: Study, predictor: str, column: str) -> Exponent | None:
    """Exponent of a number of a predictor's fits over training rows; None with fewer than two sizes."""
    found = study.fits_of(predictor).dropna(subset=[column])
    found = found[found[column] > 0]
    if found.empty:
        return None
    return fit_exponent(found["train_rows"], found[column], found["seed"].tolist(), study.confidence)


def show_exponent(found: Exponent | None) -> str:
    """``0.82 ± 0.10``, or why there is none."""
    if found is None:
        return FAILED
    value = f"{found.value:.2f}".replace("-", "−")
    return f"{value} ± {found.half_width:.2f}" if found.half_width is not None else f"{value} (1 seed)"


def scaling_table(study: Study) -> str:
    """Exponents of time and memory, their words, and the plain ratio of the largest to the smallest size."""
    lines = []
    for name in study.predictors:
        if name not in study.measured:
            lines.append([name, *[MISSING if name not in study.records else NOT_APPLICABLE] * 6])
            continue
        line = [name]
        for column in ("wall_s", "peak_mib"):
            found = exponent(study, name, column)
            word = growth(found, study.judgement) if found else FAILED
            line += [str(_size_ratio(study, name, column) or FAILED), show_exponent(found), word]
        lines.append(line)
    header = ["predictor"]
    for what in ("time", "memory"):
        header += [f"{what}, most over fewest rows", f"exponent of {what}", f"growth of {what}"]
    return markdown_table(header, lines, align="lrrlrrl")


def _size_ratio(study: Study, name: str, column: str) -> object:
    shares = study.settings.shares
    first, last = (
        {seed: value for seed, value in study.fit_values(name, share, column).items() if value > 0}
        for share in (shares[0], shares[-1])
    )
    return ratio(last, first, study.confidence)


def prediction_table(study: Study, column: str, kind: str, per: Callable[[float, int], float]) -> str:
    """A number of the predictions by predictor and batch, in one unit.

    Args:
        study: the inputs.
        column: of `Study.predictions`.
        kind: of quantity (`perfseer.reporting.units.SCALES`).
        per: from the number and the rows of the batch to what is shown.
    """
    batches = study.settings.batch_rows
    shown = {
        (name, rows): {
            seed: per(value, rows) for seed, value in study.prediction_values(name, rows, column).items()
        }
        for name in study.predictors
        for rows in batches
    }
    scale = choose_scale([value for values in shown.values() for value in values.values()], kind)
    lines = [
        [name, *(cell(study, name, shown[name, rows], scale.factor) for rows in batches)]
        for name in study.predictors
    ]
    unit = f" [{scale.unit}]" if scale.unit else ""
    return markdown_table([f"predictor{unit}", *batch_titles(batches)], lines)


def batch_titles(batches: Sequence[int]) -> list[str]:
    """Column titles of the batches."""
    return [f"{count(rows)} row{'s' if rows > 1 else ''}" for rows in batches]


def throughput(call_s: float, rows: int) -> float:
    """Rows per second."""
    return rows / call_s


def per_row(call_s: float, rows: int) -> float:
    """Time of one row of the batch [s]."""
    return call_s / rows


def as_it_is(value: float, rows: int) -> float:
    """The number of the whole batch."""
    del rows
    return value


def failure_table(failures: Iterable[tuple[str, str, str, str]]) -> str:
    """Points without numbers, with their reasons; empty text when there are none."""
    lines = [[name, point, status, escape(reason)] for name, point, status, reason in failures]
    return markdown_table(["predictor", "point", "status", "reason"], lines, align="llll") if lines else ""


def record_table(study: Study, digests: Mapping[str, str]) -> str:
    """Every file the report was made from, its points and its digest; missing ones too."""
    lines = []
    for name in study.predictors:
        record = study.records.get(name)
        if record is None:
            lines.append([f"{name}.json", MISSING, MISSING])
            continue
        points = f"{count(len(record.fits))} + {count(len(record.predictions))}"
        lines.append([f"{name}.json", points, digests[name]])
    header = ["file", "points: fits + predictions", "SHA-256 of the file, first digits"]
    return markdown_table(header, lines)


def environment_table(environment: Mapping[str, object]) -> str:
    """Machine and libraries, one a line."""
    flat: dict[str, object] = {}
    for key, value in environment.items():
        flat |= value if isinstance(value, dict) else {key: value}
    lines = [[escape(str(key)), escape(str(value))] for key, value in flat.items()]
    return markdown_table(["what", "value"], lines, align="ll")


def share_text(value: float) -> str:
    """A share as a percentage, ``90 %``."""
    return f"{100 * value:g} %"
