"""Everything a report is rendered from: dataset, records and settings, read once and checked.

A record whose digests differ from the present parameters, code or dataset is refused: the report
would otherwise mix results of different experiments.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd

from perfseer.data.assembly import read_index
from perfseer.data.dataset import Dataset, check_digest, read_manifest
from perfseer.data.features import GLOBAL_COLUMNS
from perfseer.data.files import read_parquet
from perfseer.digests import file_digest
from perfseer.errors import PerfseerError, require
from perfseer.evaluation.records import (
    HISTORY_FILE,
    RECORD_FILE,
    Record,
    differing,
    read_predictions,
    read_record,
)
from perfseer.evaluation.settings import EvaluationSettings
from perfseer.evaluation.trials import present_digests, require_valid
from perfseer.graphs.perfgraph import PerfGraph
from perfseer.predictors.settings import SETTINGS
from perfseer.reporting.floors import Floors, load_floors
from perfseer.reporting.settings import ReportSettings, detailed_predictors
from perfseer.targets import TARGETS, Target
from perfseer.validation import section

# Columns joined to the rows from their graphs: name here → global feature.
GRAPH_COLUMNS = {"flops": "total_flops", "bytes": "total_bytes", "n_parameters": "n_parameters"}
HISTORY_COLUMNS = ("target", "epoch", "train_loss", "valid_loss")


@dataclass(frozen=True)
class Paths:
    """Where the inputs lie.

    Attributes:
        models: folder with <predictor>/<split>/<seed>/record.json.
        dataset: folder with rows.parquet, quarantine.csv, splits.parquet, manifest.json.
        graphs: graphs.safetensors.
        index: index.parquet, which graph belongs to which configuration and why some have none.
        survey: survey.parquet; may not exist, then the report says so.
        ensembles: the same as ``models`` for the ensembles; may not exist.
        repeats: repeats.parquet, configurations measured again; may not exist.
    """

    models: Path
    dataset: Path
    graphs: Path
    index: Path
    survey: Path
    ensembles: Path
    repeats: Path

    @classmethod
    def below(cls, results: Path) -> "Paths":
        """Where the verbs put them below the results folder."""
        return cls(
            models=results / "models",
            ensembles=results / "ensembles",
            dataset=results / "dataset",
            graphs=results / "graphs/graphs.safetensors",
            index=results / "graphs/index.parquet",
            survey=results / "zoo/survey.parquet",
            repeats=results / "measurements/repeats.parquet",
        )


@dataclass(frozen=True)
class Run:
    """One fitted predictor: record, predictions of its test rows, training history.

    Attributes:
        folder: where the record lies.
        source: path of the record below the models (or ensembles) folder, as shown in reports.
        digest: of the record file.
        history: columns `HISTORY_COLUMNS` and more; empty for predictors that have no epochs.
    """

    record: Record
    predictions: pd.DataFrame
    history: pd.DataFrame
    folder: Path
    source: str
    digest: str


@dataclass(frozen=True)
class Experiment:
    """The inputs of a report.

    Attributes:
        parameters: raw mapping of params.yaml.
        rows: clean rows with labels, flops, bytes and n_parameters.
        quarantine: refused rows with column and reason.
        assignment: columns configuration, split, seed, fold.
        index: one row per distinct model, input and batch size, with ``graph`` and ``reason``.
        runs: by (predictor, split, seed); what is absent has not been trained.
        survey: distribution of the search space, or None.
        example: row number and graph of a configuration of median size.
        floors: label → noise floor; empty where nothing was measured twice.
    """

    parameters: Mapping[str, Any]
    report: ReportSettings
    evaluation: EvaluationSettings
    rows: pd.DataFrame
    quarantine: pd.DataFrame
    assignment: pd.DataFrame
    index: pd.DataFrame
    manifest: Mapping[str, Any]
    runs: Mapping[tuple[str, str, int], Run]
    survey: pd.DataFrame | None
    example: tuple[int, PerfGraph]
    floors: Floors

    @property
    def predictors(self) -> tuple[str, ...]:
        """Names in the registered order, whatever the order in params.yaml; ensembles last."""
        return registered_order(self.parameters)

    @property
    def detailed(self) -> tuple[str, ...]:
        """Predictors with tables and figures of their own in the main document, the analysed one first."""
        return detailed_predictors(self.parameters)

    @property
    def headline(self) -> str:
        """The split the report leads with."""
        return str(self.parameters["splits"]["headline"])

    @property
    def splits(self) -> tuple[str, ...]:
        """All splits, the headline first."""
        names = tuple(self.parameters["splits"]["names"])
        return (self.headline, *(name for name in names if name != self.headline))

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds of params.yaml."""
        return tuple(self.parameters["seeds"])

    @property
    def targets(self) -> tuple[Target, ...]:
        """Labels the dataset has; public data may lack some."""
        return tuple(target for target in TARGETS if self.rows[target.name].notna().all())

    def runs_of(self, predictor: str, split: str) -> list[Run]:
        """Runs of a predictor on a split that exist, by seed."""
        keys = [(predictor, split, seed) for seed in self.seeds]
        return [self.runs[key] for key in keys if key in self.runs]


def load_experiment(parameters: Mapping[str, Any], paths: Paths) -> Experiment:
    """Read and check everything.

    Args:
        parameters: raw mapping of params.yaml, complete.
        paths: where the inputs lie.

    Raises:
        PerfseerError: a file is missing or damaged, or records or repeats do not belong to the present
            experiment.
    """
    report = section(ReportSettings, parameters, "report")
    manifest = read_manifest(paths.dataset)
    for name in ("splits.parquet", "quarantine.csv"):
        check_digest(paths.dataset / name, manifest["digests"]["outputs"][name])
    check_digest(paths.index, manifest["digests"]["inputs"]["index"])
    data = Dataset.open(paths.dataset, paths.graphs)
    rows = _with_graph_columns(data)
    known = registered_order(parameters)
    for key in detailed_predictors(parameters):
        require(key in known, f"report names the predictor {key!r}, there are {list(known)}")
    number = _median_row(rows)
    evaluation = section(EvaluationSettings, parameters, "evaluation")
    return Experiment(
        parameters=parameters,
        report=report,
        evaluation=evaluation,
        rows=rows,
        quarantine=pd.read_csv(paths.dataset / "quarantine.csv"),
        assignment=pd.read_parquet(paths.dataset / "splits.parquet"),
        index=read_index(paths.index),
        manifest=manifest,
        runs=_load_runs(parameters, paths),
        survey=read_parquet(paths.survey, (), "perfseer zoo survey") if paths.survey.is_file() else None,
        example=(number, data.graph(number)),
        floors=load_floors(paths.repeats, rows, evaluation.confidence),
    )


def _with_graph_columns(data: Dataset) -> pd.DataFrame:
    features = data.features.globals_[data.graph_rows]
    columns = {name: features[:, GLOBAL_COLUMNS.index(source)] for name, source in GRAPH_COLUMNS.items()}
    return data.rows.assign(**columns)


def _median_row(rows: pd.DataFrame) -> int:
    order = rows["flops"].to_numpy().argsort(kind="stable")
    return int(order[len(order) // 2])


def registered_order(parameters: Mapping[str, Any]) -> tuple[str, ...]:
    """Predictors of params.yaml in the order of `SETTINGS`, then those it does not list, then ensembles."""
    predictors, ensembles = parameters["predictors"], parameters.get("ensembles", {})
    known = [name for name in SETTINGS if name in predictors]
    return (*known, *(name for name in predictors if name not in SETTINGS), *ensembles)


def _load_runs(parameters: Mapping[str, Any], paths: Paths) -> dict[tuple[str, str, int], Run]:
    runs: dict[tuple[str, str, int], Run] = {}
    faults: list[str] = []
    for predictor in registered_order(parameters):
        present = present_digests(parameters, predictor, paths.dataset)
        root = paths.models if predictor in parameters["predictors"] else paths.ensembles
        for split, seed in product(parameters["splits"]["names"], parameters["seeds"]):
            path = root / predictor / split / str(seed) / RECORD_FILE
            if not path.exists():
                continue
            run = _load_run(path, path.relative_to(root).as_posix())
            identity = (run.record.predictor, run.record.split, run.record.seed)
            faults_found = differing(run.record.digests, present)
            if identity != (predictor, split, seed):
                faults_found.append("it is the record of " + " / ".join(map(str, identity)))
            faults += [f"{run.source}: {fault}" for fault in faults_found]
            runs[predictor, split, seed] = run
    require_valid(faults, "perfseer train")
    return runs


def _load_run(path: Path, source: str) -> Run:
    record = read_record(path)
    return Run(
        record=record,
        predictions=read_predictions(path, record),
        history=_read_history(path.with_name(HISTORY_FILE)),
        folder=path.parent,
        source=source,
        digest=file_digest(path),
    )


def _read_history(path: Path) -> pd.DataFrame:
    if not path.is_file():
        return pd.DataFrame(columns=list(HISTORY_COLUMNS))
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except json.JSONDecodeError as error:
        raise PerfseerError(f"{path} is damaged ({error}); run `perfseer train` again") from error
    return pd.DataFrame(lines) if lines else pd.DataFrame(columns=list(HISTORY_COLUMNS))
