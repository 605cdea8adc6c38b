"""Tables of the report on NAS-Bench-201."""

from statistics import fmean, median

from perfseer.data.sources.nasbench201.cells import DEVICES, Reading
from perfseer.evaluation.intervals import Interval
from perfseer.evaluation.metrics import within_name
from perfseer.reporting.floors import FLOOR, NOT_MEASURED
from perfseer.reporting.tables import markdown_table
from perfseer.reporting.units import MISSING, choose_scale, count, interval, number, signed_interval
from perfseer.studies.nasbench201.published import RANKS, SHARES, UNVERIFIED
from perfseer.studies.nasbench201.readings import DeviceReadings
from perfseer.studies.nasbench201.study import SUBJECT, Study

RAN = {"all": "every operation", "leading": "those leading to the output", "pruned": "the pruned cell's"}


def subject_table(study: Study, reading: Reading) -> str:
    """BRP-NAS on every device: share within each tolerance, MAPE, Spearman."""
    tolerances = study.settings.within_pct
    metrics = [*(within_name(x) for x in tolerances), "mape_pct", "spearman"]
    header = ["device", "batch", *(f"within {x:g} % [%]" for x in tolerances), "MAPE [%]", "Spearman"]
    rows = [
        [*_device(name), *(_shown(study.mean((reading, SUBJECT, name), metric)) for metric in metrics)]
        for name in study.settings.devices
    ]
    return markdown_table(header, rows)


def comparison_table(study: Study, reading: Reading, metric: str) -> str:
    """One metric of every predictor on every device; public latencies have no repeats to tell their noise."""
    header = ["predictor", *(DEVICES[name].title for name in study.settings.devices)]
    rows = [
        [
            f"`{predictor}`",
            *(_shown(study.mean((reading, predictor, name), metric)) for name in study.settings.devices),
        ]
        for predictor in study.settings.predictor_names
    ]
    if metric == "mape_pct":
        rows.append([FLOOR, *[NOT_MEASURED] * len(study.settings.devices)])
    return markdown_table(header, rows)


def difference_table(study: Study, reading: Reading) -> str:
    """MAPE of BRP-NAS minus that of each other predictor, on the same cells [points]."""
    others = [name for name in study.settings.predictor_names if name != SUBJECT]
    rows = []
    for other in others:
        cells = []
        for device in study.settings.devices:
            found = study.difference(reading, device, other)
            cells.append(f"{signed_interval(found.interval)} {found.verdict}" if found else MISSING)
        rows.append([f"`{other}`", *cells])
    header = ["against", *(DEVICES[name].title for name in study.settings.devices)]
    return markdown_table(header, rows, align="l" * len(header))


def smallest(found: DeviceReadings) -> str:
    """The reading, a key of `RAN`, under which a sum over counts of operations errs least."""
    return min(found.counts_mape_pct, key=lambda ran: fmean(found.counts_mape_pct[ran]))


def reading_table(study: Study) -> str:
    """Error of a sum over counts of operations under each reading of what ran [%]."""
    rows = []
    for name in study.settings.devices:
        found = study.readings.get(name)
        if found is None:
            rows.append([*_device(name), *[MISSING] * (len(RAN) + 1)])
            continue
        errors = [number(fmean(found.counts_mape_pct[ran])) for ran in RAN]
        rows.append([*_device(name), *errors, RAN[smallest(found)]])
    return markdown_table(["device", "batch", *RAN.values(), "smallest"], rows, align="l" + "r" * 4 + "l")


def ceiling_table(study: Study) -> str:
    """What predicting each cell by the median of all cells with its graph gives."""
    rows = []
    for name in study.settings.devices:
        found = study.readings.get(name)
        for reading in study.settings.readings:
            ceiling = found.ceilings.get(reading) if found else None
            if ceiling is None:
                rows.append([*_device(name), reading, *[MISSING] * (2 + len(study.settings.within_pct))])
                continue
            shares = [number(ceiling[within_name(x)]) for x in study.settings.within_pct]
            rows.append(
                [*_device(name), reading, count(int(ceiling["graphs"])), *shares, number(ceiling["mape_pct"])]
            )
    within = [f"within {x:g} % [%]" for x in study.settings.within_pct]
    header = ["device", "batch", "reading", "different graphs", *within, "MAPE [%]"]
    return markdown_table(header, rows, align="lrl")


def published_table(study: Study) -> str:
    """Remembered shares of BRP-NAS's own latencies beside ours, each device of ours a row."""
    tolerances = [x for x in study.settings.within_pct if x in SHARES[0].shares_pct]
    header = ["latencies", "source", *(f"within {x:g} % [%]" for x in tolerances)]
    rows = [[one.device, UNVERIFIED, *(number(one.shares_pct[x]) for x in tolerances)] for one in SHARES]
    for reading in study.settings.readings:
        rows += [
            [
                DEVICES[name].title,
                f"ours, {reading}",
                *(_shown(study.mean((reading, SUBJECT, name), within_name(x))) for x in tolerances),
            ]
            for name in study.settings.devices
        ]
    return markdown_table(header, rows, align="ll")


def rank_table(study: Study) -> str:
    """Published rank correlations beside the mean of ours over the devices."""
    rows = [[one.system, "published", number(one.spearman)] for one in RANKS]
    for reading in study.settings.readings:
        for predictor in study.settings.predictor_names:
            found = [study.mean((reading, predictor, name), "spearman") for name in study.settings.devices]
            means = [one.mean for one in found if one is not None]
            text = number(fmean(means)) if len(means) == len(found) else MISSING
            rows.append(
                [f"`{predictor}`, {count(study.settings.train_cells)} cells", f"ours, {reading}", text]
            )
    return markdown_table(["system", "source", "Spearman"], rows, align="ll")


def cost_table(study: Study) -> str:
    """Parameters, fitting time and prediction time of every predictor, medians over all its records."""
    rows = []
    for predictor in study.settings.predictor_names:
        records = [record for record in study.records() if record.predictor == predictor]
        if not records:
            rows.append([f"`{predictor}`", *[MISSING] * 4])
            continue
        fit_s = median(record.cost.fit_s for record in records)
        predict_ms = median(record.cost.predict_ms_per_row for record in records)
        sizes = sorted({record.n_parameters for record in records})
        shown = count(sizes[0]) if len(sizes) == 1 else f"{count(sizes[0])} to {count(sizes[-1])}"
        rows.append(
            [
                f"`{predictor}`",
                count(len(records)),
                shown,
                choose_scale([fit_s], "s").named(fit_s),
                choose_scale([predict_ms], "ms").named(predict_ms),
            ]
        )
    return markdown_table(["predictor", "records", "parameters", "fitting one", "predicting a cell"], rows)


def _device(name: str) -> tuple[str, str]:
    device = DEVICES[name]
    return device.title, str(device.batch_size)


def _shown(value: Interval | None) -> str:
    return interval(value) if value else MISSING
