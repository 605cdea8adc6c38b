"""What the report is rendered from: the records of the study and what the latencies say of themselves."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from perfseer.data.settings import DatasetSettings
from perfseer.data.sources.nasbench201.cells import LABEL, Reading
from perfseer.evaluation.intervals import Difference, Interval, mean_interval, paired_difference
from perfseer.evaluation.records import RECORD_FILE, Record
from perfseer.evaluation.settings import EvaluationSettings
from perfseer.studies.nasbench201.fitting import Case, read_valid
from perfseer.studies.nasbench201.readings import DeviceReadings, read_readings
from perfseer.studies.nasbench201.settings import NasBench201Settings
from perfseer.validation import section

SUBJECT = "brp_nas"
READINGS_FILE = "readings.json"
Key = tuple[Reading, str, str]


@dataclass(frozen=True)
class Study:
    """The inputs of the report.

    Attributes:
        settings: section ``nasbench201`` of params.yaml.
        seeds: of params.yaml.
        confidence: of the intervals over seeds.
        runs: records by seed of each reading, predictor and device; what is absent has not been fitted.
        readings: by device; empty where not computed.
        n_older: records made by an earlier version of the code.
    """

    settings: NasBench201Settings
    seeds: tuple[int, ...]
    confidence: float
    runs: Mapping[Key, Mapping[int, Record]]
    readings: Mapping[str, DeviceReadings]
    n_older: int

    def values(self, key: Key, metric: str) -> dict[int, float]:
        """A metric of the latency by seed, in its unit."""
        found = {seed: record.metrics[LABEL][metric].value for seed, record in self.runs[key].items()}
        return {seed: value for seed, value in found.items() if value is not None}

    def mean(self, key: Key, metric: str) -> Interval | None:
        """Its mean over seeds; None without a record."""
        values = self.values(key, metric)
        return mean_interval(list(values.values()), self.confidence) if values else None

    def difference(self, reading: Reading, device: str, other: str) -> Difference | None:
        """MAPE of `SUBJECT` minus that of another predictor on the same cells [points]."""
        first, second = (self.values((reading, name, device), "mape_pct") for name in (SUBJECT, other))
        return paired_difference(first, second, self.confidence)

    def records(self) -> Iterator[Record]:
        """All there are."""
        return (record for runs in self.runs.values() for record in runs.values())

    def missing(self) -> list[str]:
        """Predictors without all their records, a line per reading with the devices at fault."""
        lines = []
        for reading, predictor in product(self.settings.readings, self.settings.predictor_names):
            short = [
                device
                for device in self.settings.devices
                if len(self.runs[reading, predictor, device]) < len(self.seeds)
            ]
            if short:
                which = "every device" if len(short) == len(self.settings.devices) else ", ".join(short)
                lines.append(f"`{predictor}` from {reading} graphs on {which}")
        return lines


def load_study(parameters: Mapping[str, Any], folder: Path) -> Study:
    """Read every record that is of the present parameters and published files.

    Args:
        parameters: raw mapping of params.yaml; sections ``nasbench201``, ``seeds``, ``labels``, ``splits``
            and ``evaluation``.
        folder: written by `perfseer nasbench201 fit` and `perfseer nasbench201 readings`.

    Raises:
        PerfseerError: a section is at fault, or readings.json is damaged.
    """
    settings = section(NasBench201Settings, parameters, "nasbench201")
    shared = DatasetSettings.from_mapping(parameters)
    confidence = section(EvaluationSettings, parameters, "evaluation").confidence
    labels, seeds = shared.labels, shared.seeds
    runs: dict[Key, dict[int, Record]] = {}
    n_older = 0
    cases = product(settings.readings, settings.predictor_names, settings.devices)
    for reading, predictor, device in cases:
        case = Case(settings, labels, confidence, reading, predictor, device)
        found = {seed: read_valid(folder / case.folder / str(seed) / RECORD_FILE, case) for seed in seeds}
        present = {seed: record for seed, record in found.items() if record is not None}
        code = case.digests().code if present else ""
        n_older += sum(record.digests.code != code for record in present.values())
        runs[reading, predictor, device] = present
    path = folder / READINGS_FILE
    readings = read_readings(path) if path.is_file() else {}
    wanted = {name: readings[name] for name in settings.devices if name in readings}
    return Study(settings, seeds, confidence, runs, wanted, n_older)
