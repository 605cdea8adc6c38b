"""Sentences of the report on NAS-Bench-201, and what follows from the latencies in words."""

from perfseer.data.sources.nasbench201.cells import DEVICES
from perfseer.evaluation.metrics import within_name
from perfseer.reporting.units import MISSING, named, number
from perfseer.studies.nasbench201.study import SUBJECT, Study
from perfseer.studies.nasbench201.tables import RAN, smallest


def headlines(study: Study) -> list[str]:
    """What the subject reaches over the devices that have records, a sentence per reading."""
    return [_headline(study, reading) for reading in study.settings.readings]


def _headline(study: Study, reading: str) -> str:
    devices = study.settings.devices
    means = {name: study.mean(reading, SUBJECT, name, within_name(10)) for name in devices}
    shares = {name: share.mean for name, share in means.items() if share is not None}
    correlations = (study.mean(reading, SUBJECT, name, "spearman") for name in devices)
    ranks = [rank.mean for rank in correlations if rank is not None]
    if not shares or not ranks:
        return f"`{reading}`: no result yet."
    least, most = (choose(shares, key=shares.__getitem__) for choose in (min, max))
    return (
        f"`{reading}`: {number(shares[least])} % ({DEVICES[least].title}) to {number(shares[most])} % "
        f"({DEVICES[most].title}) of the test cells within 10 %, Spearman {number(min(ranks))} to "
        f"{number(max(ranks))}; {len(shares)} of {len(devices)} devices have results."
    )


def declared(study: Study) -> str:
    """What the graphs of the reading `executed` show, by device."""
    titles: dict[str, list[str]] = {}
    for name in study.settings.devices:
        titles.setdefault(DEVICES[name].runs, []).append(DEVICES[name].title)
    return "; ".join(f"{RAN[ran]} on {', '.join(names)}" for ran, names in titles.items())


def agreement(study: Study) -> str:
    """On how many devices the latencies agree with that."""
    agree = sum(smallest(readings) == DEVICES[name].runs for name, readings in study.readings.items())
    return f"{agree} of {len(study.readings)}"


def pruned_ceiling(study: Study) -> str:
    """How many cells are within 10 % of the median of those with their pruned graph, over the devices."""
    ceilings = [
        readings.ceilings["pruned"][within_name(10)]
        for readings in study.readings.values()
        if within_name(10) in readings.ceilings.get("pruned", {})
    ]
    return f"{number(min(ceilings))} to {number(max(ceilings))} %" if ceilings else MISSING


def machines(study: Study) -> str:
    """What the records were made on."""
    environments = [record.environment for record in study.records.values()]
    described = {
        f"{environment.get('system')}, {environment.get('cores')} logical cores, "
        f"torch {environment.get('packages', {}).get('torch')}"
        for environment in environments
    }
    return "; ".join(sorted(described)) or "none yet"


def total_time(study: Study) -> str:
    """How long fitting took altogether."""
    seconds = sum(record.cost.fit_s for record in study.records.values())
    return named(seconds, "s") if study.records else "0 s"
