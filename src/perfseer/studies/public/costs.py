"""What fitting and predicting took, on which machines."""

from collections.abc import Callable, Iterable, Sequence
from statistics import median

from perfseer.reporting.tables import table
from perfseer.reporting.units import MISSING, count, named
from perfseer.studies.public.records import FoldRecord, Part
from perfseer.studies.public.study import Study


def cost_table(study: Study) -> str:
    """What fitting and predicting took, by entrant and variant."""

    def cell(text: Callable[[Sequence[FoldRecord]], str]) -> Callable[[str], str]:
        return lambda name: text(study.records[name]) if study.records[name] else MISSING

    return table(
        study.settings.fitted,
        [
            ("predictor", lambda name: f"`{name}`"),
            ("folds fitted", lambda name: count(len(study.records[name]))),
            (
                "numbers learned",
                cell(lambda records: count(round(median(p.n_parameters for p in _parts(records))))),
            ),
            ("fitting a fold", cell(lambda records: named(median(r.fit_s for r in records), "s"))),
            ("in all", cell(lambda records: named(sum(r.fit_s for r in records), "s"))),
            (
                "predicting a row",
                cell(lambda records: named(median(p.predict_ms_per_row for p in _parts(records)), "ms")),
            ),
        ],
    )


def _parts(records: Iterable[FoldRecord]) -> list[Part]:
    return [part for record in records for part in record.parts]


def total_time(study: Study) -> str:
    """Of all fits together."""
    records = study.all_records
    return named(sum(record.fit_s for record in records), "s") if records else "0 s"


def peak_memory(study: Study) -> str:
    """The most that any process held."""
    peaks = [record.peak_mem_mib for record in study.all_records if record.peak_mem_mib is not None]
    return named(max(peaks), "MiB") if peaks else "unknown"


def machines(study: Study) -> str:
    """Systems, cores and versions of torch that fitted."""
    names = {
        f"{environment.get('system')}, {environment.get('cores')} logical cores, "
        f"torch {environment.get('packages', {}).get('torch')}"
        for environment in (record.environment for record in study.all_records)
    }
    return "; ".join(sorted(names)) or "none yet"
