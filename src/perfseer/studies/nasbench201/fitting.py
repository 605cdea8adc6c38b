"""Fitting predictors on NAS-Bench-201: one record for each reading, predictor, device and seed.

A whole study takes hours, so a record is kept (`trials.kept`) whatever code it was made by.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from perfseer.data.settings import DatasetSettings, LabelSettings
from perfseer.data.sources.nasbench201.cells import DEVICES, LABEL, Reading, data_digest
from perfseer.data.sources.nasbench201.dataset import dataset, fold
from perfseer.digests import digest
from perfseer.errors import require
from perfseer.evaluation.records import RECORD_FILE, Digests, Record, as_floats, read_record
from perfseer.evaluation.settings import EvaluationSettings
from perfseer.evaluation.summaries import summarise, write_summary
from perfseer.evaluation.trials import fit_and_record, fitting_code, kept
from perfseer.predictors.registry import create
from perfseer.studies.nasbench201.settings import NasBench201Settings
from perfseer.validation import section

SUMMARY_FILE = "summary.json"


@dataclass(frozen=True)
class Plan:
    """What is fitted.

    Attributes:
        settings: section ``nasbench201`` of params.yaml.
        labels: section ``labels``.
        seeds: each draws a new split and new initial weights.
        confidence: of the intervals over seeds.
    """

    settings: NasBench201Settings
    labels: LabelSettings
    seeds: tuple[int, ...]
    confidence: float

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> "Plan":
        """From the raw mapping of params.yaml.

        Raises:
            PerfseerError: a section is missing or at fault.
        """
        settings = section(NasBench201Settings, parameters, "nasbench201")
        shared = DatasetSettings.from_mapping(parameters)
        confidence = section(EvaluationSettings, parameters, "evaluation").confidence
        return cls(settings, shared.labels, shared.seeds, confidence)

    def case(self, reading: str, predictor: str, device: str) -> "Case":
        """One of the cases.

        Raises:
            PerfseerError: there is no such reading, predictor or device.
        """
        known: dict[str, Reading] = {name: name for name in self.settings.readings}
        require(reading in known, f"no reading {reading!r}; there are {', '.join(known)}")
        return Case(self, known[reading], predictor, device)

    def cases(self) -> "Iterator[Case]":
        """All of them, reading by reading, predictor by predictor."""
        settings = self.settings
        for names in product(settings.readings, settings.predictor_names, settings.devices):
            yield Case(self, *names)


@dataclass(frozen=True)
class Case:
    """One predictor on one device under one reading.

    Attributes:
        plan: it is part of.
        reading: which operations of a cell a graph shows.
        predictor: its name.
        device: a key of `DEVICES`.
    """

    plan: Plan
    reading: Reading
    predictor: str
    device: str

    def __post_init__(self) -> None:
        require(self.device in DEVICES, f"no device {self.device!r}; there are {', '.join(DEVICES)}")
        self.plan.settings.settings_of(self.predictor)

    @property
    def folder(self) -> Path:
        """Where its seeds lie, below the study's folder."""
        return Path(self.reading, self.predictor, self.device)

    def digests(self) -> Digests:
        """What a record of this case must carry to be valid now; seeds do not count."""
        settings = self.plan.settings
        shared = ("train_cells", "valid_cells", "within_pct", "training")
        depends = {
            **settings.model_dump(mode="json", include=set(shared)),
            "labels": self.plan.labels.model_dump(mode="json"),
            "predictor": settings.settings_of(self.predictor).model_dump(mode="json"),
            "reading": self.reading,
            "view": settings.view_of(self.predictor),
        }
        return Digests(
            params=digest(as_floats(depends)),
            code=fitting_code(self.predictor, __name__),
            data=data_digest(DEVICES[self.device]),
        )

    def records(self, study: Path) -> dict[int, Record | None]:
        """Seed → record of the present parameters and data, None where there is none.

        Args:
            study: folder of the study.
        """
        present = self.digests()
        paths = {seed: study / self.folder / str(seed) / RECORD_FILE for seed in self.plan.seeds}
        return {seed: kept(path, present, read_record) for seed, path in paths.items()}


def run(case: Case, out: Path, log: Callable[[str], None]) -> list[Path]:
    """Fit and record every seed that has no valid record yet; then list the records in summary.json.

    Args:
        case: what to fit.
        out: folder of the study.
        log: receives a line now and then.

    Returns:
        Paths of the records.

    Raises:
        PerfseerError: the published files cannot be had, or learning diverged.
    """
    missing = [seed for seed, record in case.records(out).items() if record is None]
    if missing:
        _fit(case, missing, out, log)
    records = [out / case.folder / str(seed) / RECORD_FILE for seed in case.plan.seeds]
    write_summary(out / case.folder / SUMMARY_FILE, summarise(records))
    return records


def _fit(case: Case, seeds: list[int], out: Path, log: Callable[[str], None]) -> None:
    settings = case.plan.settings
    data = dataset(DEVICES[case.device], case.reading, settings.view_of(case.predictor))
    evaluation = EvaluationSettings(confidence=case.plan.confidence, within_pct=settings.within_pct)
    for seed in seeds:
        drawn = fold(data, seed, settings.train_cells, settings.valid_cells, case.plan.labels)

        def say(line: str, seed: int = seed) -> None:
            log(f"{case.folder} seed {seed}: {line}")

        record = fit_and_record(
            create(case.predictor, settings.settings_of(case.predictor), settings.training),
            replace(drawn, split=f"{case.reading}-{case.device}"),
            case.digests(),
            evaluation,
            out / case.folder / str(seed),
            log=say,
            keep_model=False,
        )
        say(f"{record.cost.fit_s:.0f} s, MAPE {record.metrics[LABEL]['mape_pct'].value:.3g} %")
