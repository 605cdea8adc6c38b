"""What the report is rendered from: the ledger of the study and what the latencies say of themselves."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from perfseer.data.sources.nasbench201.cells import LABEL, N_CONNECTED
from perfseer.evaluation.intervals import Interval
from perfseer.evaluation.ledger import STALE, VALID, Contender, Ledger, Trial, trial_of
from perfseer.evaluation.records import Record
from perfseer.evaluation.trials import is_stale
from perfseer.studies.nasbench201.fitting import Plan
from perfseer.studies.nasbench201.readings import DeviceReadings, read_readings
from perfseer.studies.nasbench201.settings import NasBench201Settings

SUBJECT = "brp_nas"
READINGS_FILE = "readings.json"


@dataclass(frozen=True)
class Study:
    """The inputs of the report.

    Attributes:
        settings: section ``nasbench201`` of params.yaml.
        seeds: of params.yaml.
        ledger: all trials; a contender's variant is the reading, its split the device.
        records: all there are, in the order of the ledger.
        readings: by device; empty where not computed.
    """

    settings: NasBench201Settings
    seeds: tuple[int, ...]
    ledger: Ledger
    records: Mapping[tuple[Contender, int], Record]
    readings: Mapping[str, DeviceReadings]

    @property
    def n_test(self) -> int:
        """Cells that are tested on."""
        return N_CONNECTED - self.settings.train_cells - self.settings.valid_cells

    @property
    def n_expected(self) -> int:
        """Records there should be."""
        return len(self.records) + sum(map(len, self.ledger.missing().values()))

    def mean(self, reading: str, predictor: str, device: str, metric: str) -> Interval | None:
        """A metric of the latency, its mean over seeds, in its unit; None without a record."""
        return self.ledger.mean(Contender(predictor, reading, device), LABEL, metric)

    def of(self, predictor: str) -> list[Record]:
        """Records of one predictor."""
        return [record for record in self.records.values() if record.predictor == predictor]

    def missing(self) -> list[str]:
        """Predictors without all their records, a line per reading with the devices at fault."""
        lacking: dict[tuple[str, str], list[str]] = defaultdict(list)
        for contender in self.ledger.missing():
            lacking[contender.variant, contender.predictor].append(contender.split)
        every = len(self.settings.devices)
        return [
            f"`{predictor}` from {reading} graphs on "
            f"{'every device' if len(devices) == every else ', '.join(devices)}"
            for (reading, predictor), devices in lacking.items()
        ]


def load_study(parameters: Mapping[str, Any], folder: Path) -> Study:
    """Read every record that is of the present parameters and published files.

    Args:
        parameters: raw mapping of params.yaml; sections ``nasbench201``, ``seeds``, ``labels``, ``splits``
            and ``evaluation``.
        folder: written by `perfseer nasbench201 fit` and `perfseer nasbench201 readings`.

    Raises:
        PerfseerError: a section is at fault, or readings.json is damaged.
    """
    plan = Plan.of(parameters)
    trials: list[Trial] = []
    records: dict[tuple[Contender, int], Record] = {}
    for case in plan.cases():
        contender, present = Contender(case.predictor, case.reading, case.device), case.digests()
        for seed, record in case.records(folder).items():
            stale = record is not None and is_stale(record, present)
            trials.append(trial_of(contender, seed, record, STALE if stale else VALID))
            if record is not None:
                records[contender, seed] = record
    path = folder / READINGS_FILE
    readings = read_readings(path) if path.is_file() else {}
    return Study(
        settings=plan.settings,
        seeds=plan.seeds,
        ledger=Ledger.of("nasbench201", trials, plan.confidence),
        records=records,
        readings={name: readings[name] for name in plan.settings.devices if name in readings},
    )
