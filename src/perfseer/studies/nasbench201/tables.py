"""Tables of the report on NAS-Bench-201."""

from collections.abc import Callable, Mapping
from functools import partial
from itertools import product
from operator import itemgetter
from statistics import fmean, median

from perfseer.data.sources.nasbench201.cells import DEVICES, LABEL, Reading
from perfseer.evaluation.ledger import Contender
from perfseer.evaluation.metrics import within_name
from perfseer.evaluation.records import Record
from perfseer.reporting.floors import FLOOR, NOT_MEASURED
from perfseer.reporting.tables import Column, table
from perfseer.reporting.units import MISSING, count, interval, named, number, signed_interval
from perfseer.studies.nasbench201.published import RANKS, SHARES_PCT, UNVERIFIED
from perfseer.studies.nasbench201.readings import DeviceReadings
from perfseer.studies.nasbench201.study import SUBJECT, Study

RAN = {"all": "every operation", "leading": "those leading to the output", "pruned": "the pruned cell's"}
_DEVICE: tuple[Column[str], ...] = (
    ("device", lambda name: DEVICES[name].title),
    ("batch", lambda name: str(DEVICES[name].batch_size)),
)


def subject_table(study: Study, reading: str) -> str:
    """BRP-NAS on every device: share within each tolerance, MAPE, Spearman."""
    titles = {**_within(study), "MAPE [%]": "mape_pct", "Spearman": "spearman"}
    cells = [(title, partial(_mean, study, metric, reading, SUBJECT)) for title, metric in titles.items()]
    return table(study.settings.devices, [*_DEVICE, *cells])


def _within(study: Study) -> dict[str, str]:
    """Title → metric of the share within each tolerance."""
    return {f"within {x:g} % [%]": within_name(x) for x in study.settings.within_pct}


def comparison_table(study: Study, reading: str, metric: str) -> str:
    """One metric of every predictor on every device; public latencies have no repeats to tell their noise."""
    devices = study.settings.devices
    cells = [(DEVICES[name].title, partial(_mean, study, metric, reading, device=name)) for name in devices]
    floor = [[FLOOR, *[NOT_MEASURED] * len(devices)]] if metric == "mape_pct" else []
    return table(study.settings.predictor_names, [("predictor", _code), *cells], last=floor)


def difference_table(study: Study, reading: str) -> str:
    """MAPE of BRP-NAS minus that of each other predictor, on the same cells [points]."""

    def difference(other: str, device: str) -> str:
        first, second = (Contender(name, reading, device) for name in (SUBJECT, other))
        points = study.ledger.difference(first, second, LABEL)
        return f"{signed_interval(points.interval)} {points.verdict}" if points else MISSING

    others = [name for name in study.settings.predictor_names if name != SUBJECT]
    devices = study.settings.devices
    cells = [(DEVICES[name].title, partial(difference, device=name)) for name in devices]
    return table(others, [("against", _code), *cells], align="l" * (len(devices) + 1))


def smallest(readings: DeviceReadings) -> str:
    """The reading, a key of `RAN`, under which a sum over counts of operations errs least."""
    return min(readings.counts_mape_pct, key=lambda ran: fmean(readings.counts_mape_pct[ran]))


def reading_table(study: Study) -> str:
    """Error of a sum over counts of operations under each reading of what ran [%]."""

    def error(name: str, ran: str) -> str:
        readings = study.readings.get(name)
        return number(fmean(readings.counts_mape_pct[ran])) if readings else MISSING

    def least(name: str) -> str:
        return RAN[smallest(study.readings[name])] if name in study.readings else MISSING

    errors = [(title, partial(error, ran=ran)) for ran, title in RAN.items()]
    return table(study.settings.devices, [*_DEVICE, *errors, ("smallest", least)], align="lrrrrl")


def ceiling_table(study: Study) -> str:
    """What predicting each cell by the median of all cells with its graph gives."""

    def cell(row: tuple[str, Reading], metric: str) -> str:
        readings = study.readings.get(row[0])
        ceiling = readings.ceilings.get(row[1]) if readings else None
        if not ceiling:
            return MISSING
        return count(int(ceiling[metric])) if metric == "graphs" else number(ceiling[metric])

    titles = {"different graphs": "graphs", **_within(study), "MAPE [%]": "mape_pct"}
    columns: list[Column[tuple[str, Reading]]] = [
        ("device", lambda row: DEVICES[row[0]].title),
        ("batch", lambda row: str(DEVICES[row[0]].batch_size)),
        ("reading", itemgetter(1)),
        *((title, partial(cell, metric=metric)) for title, metric in titles.items()),
    ]
    return table(product(study.settings.devices, study.settings.readings), columns, align="lrl")


def published_table(study: Study) -> str:
    """Remembered shares of BRP-NAS's own latencies beside ours, each device of ours a row."""
    known = set.intersection(*map(set, SHARES_PCT.values()))
    tolerances = [x for x in study.settings.within_pct if x in known]
    rows: list[tuple[str, str, Mapping[float, str]]] = [
        (device, UNVERIFIED, {x: number(shares[x]) for x in tolerances})
        for device, shares in SHARES_PCT.items()
    ]
    for reading, name in product(study.settings.readings, study.settings.devices):
        shares = {x: _mean(study, within_name(x), reading, SUBJECT, name) for x in tolerances}
        rows.append((DEVICES[name].title, f"ours, {reading}", shares))
    cells = [(f"within {x:g} % [%]", lambda row, x=x: row[2][x]) for x in tolerances]
    return table(rows, [("latencies", itemgetter(0)), ("source", itemgetter(1)), *cells], align="ll")


def rank_table(study: Study) -> str:
    """Published rank correlations beside the mean of ours over the devices."""
    settings = study.settings
    rows = [(system, "published", number(spearman)) for system, spearman in RANKS.items()]
    for reading, predictor in product(settings.readings, settings.predictor_names):
        known = [study.mean(reading, predictor, name, "spearman") for name in settings.devices]
        means = [mean.mean for mean in known if mean is not None]
        text = number(fmean(means)) if len(means) == len(known) else MISSING
        rows.append((f"{_code(predictor)}, {count(settings.train_cells)} cells", f"ours, {reading}", text))
    titles = ("system", "source", "Spearman")
    return table(rows, [(title, itemgetter(place)) for place, title in enumerate(titles)], align="ll")


def cost_table(study: Study) -> str:
    """Parameters, fitting time and prediction time of every predictor, medians over all its records."""

    def cell(predictor: str, show: Callable[[list[Record]], str]) -> str:
        records = study.of(predictor)
        return show(records) if records else MISSING

    columns: list[tuple[str, Callable[[list[Record]], str]]] = [
        ("records", lambda records: count(len(records))),
        ("parameters", _sizes),
        ("fitting one", lambda records: named(median(record.cost.fit_s for record in records), "s")),
        (
            "predicting a cell",
            lambda records: named(median(r.cost.predict_ms_per_row for r in records), "ms"),
        ),
    ]
    return table(
        study.settings.predictor_names,
        [("predictor", _code), *((title, partial(cell, show=show)) for title, show in columns)],
    )


def _sizes(records: list[Record]) -> str:
    sizes = sorted({record.n_parameters for record in records})
    return count(sizes[0]) if len(sizes) == 1 else f"{count(sizes[0])} to {count(sizes[-1])}"


def _mean(study: Study, metric: str, reading: str, predictor: str, device: str) -> str:
    return interval(study.mean(reading, predictor, device, metric))


def _code(predictor: str) -> str:
    return f"`{predictor}`"
