"""The experiment: dataset, records and settings, read once and checked, and the numbers of its records.

Numbers come from the ledger, which the comparison writes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd

from perfseer.data.assembly import read_index
from perfseer.data.dataset import Dataset, check_digest, read_manifest
from perfseer.data.features import GLOBAL_COLUMNS
from perfseer.data.files import read_parquet
from perfseer.errors import require
from perfseer.evaluation.breakdowns import errors_of
from perfseer.evaluation.intervals import Difference, Interval
from perfseer.evaluation.ledger import Contender, Ledger, trial_of
from perfseer.evaluation.settings import EvaluationSettings
from perfseer.evaluation.trials import present_digests
from perfseer.graphs.perfgraph import PerfGraph
from perfseer.predictors.settings import SETTINGS
from perfseer.reporting.floors import Floors, load_floors
from perfseer.reporting.settings import ReportSettings, detailed_predictors
from perfseer.reporting.units import MISSING, NOT_APPLICABLE, over_seeds
from perfseer.studies.runs import Expected, Run, load_runs
from perfseer.targets import TARGET_NAMES, TARGETS, Target
from perfseer.validation import section

# Columns joined to the rows from their graphs: name here → global feature.
GRAPH_COLUMNS = {"flops": "total_flops", "bytes": "total_bytes", "n_parameters": "n_parameters"}
UNDEFINED = "undefined"


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
        ablation: folder with <variant>/<seed>/record.json.
    """

    models: Path
    dataset: Path
    graphs: Path
    index: Path
    survey: Path
    ensembles: Path
    repeats: Path
    ablation: Path

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
            ablation=results / "ablation",
        )


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

    @cached_property
    def ledger(self) -> Ledger:
        """Every number of every record, and which records are missing."""
        keys = product(self.predictors, self.splits, self.seeds)
        records = {key: run.record for key, run in self.runs.items()}
        trials = (trial_of(_contender(*key[:2]), key[2], records.get(key)) for key in keys)
        return Ledger.of("comparison", trials, self.evaluation.confidence)

    def values(self, predictor: str, split: str, target: str, metric: str) -> dict[int, float]:
        """Value of a metric by seed; seeds without a record or with an undefined value are absent."""
        return self.ledger.values(_contender(predictor, split), target, metric)

    def mean_mape(
        self, predictor: str, split: str, targets: Sequence[str] = TARGET_NAMES
    ) -> dict[int, float]:
        """MAPE averaged over ``targets`` by seed [%]; only seeds that have all of them."""
        return self.ledger.mean_of(_contender(predictor, split), targets, "mape_pct")

    def mape(self, predictor: str, split: str, target: str) -> Interval | None:
        """MAPE of one target over seeds [%]."""
        return self.ledger.mean(_contender(predictor, split), target, "mape_pct")

    def difference(self, first: str, second: str, split: str, target: str) -> Difference | None:
        """MAPE of ``first`` minus that of ``second`` on the same rows, paired by seed [percentage points]."""
        return self.ledger.difference(_contender(first, split), _contender(second, split), target)

    def missing(self) -> list[str]:
        """Predictors of params.yaml without all their records, a line for each split."""
        return [
            f"{lacking.predictor} / {lacking.split} / seed {', '.join(map(str, seeds))}"
            for lacking, seeds in self.ledger.missing().items()
        ]

    @property
    def n_missing(self) -> int:
        """Predictor / split / seed combinations of params.yaml that have no record."""
        return sum(map(len, self.ledger.missing().values()))

    def supports(self, predictor: str, split: str, target: str) -> bool:
        """Whether the predictor declares the target; True while nothing is trained."""
        runs = self.runs_of(predictor, split)
        return not runs or target not in runs[0].record.unsupported

    def absent(self, predictor: str, target: str) -> str:
        """Why there is no number on the headline split: ``n/a`` or ``missing``."""
        return MISSING if self.supports(predictor, self.headline, target) else NOT_APPLICABLE

    def cell(self, predictor: str, split: str, target: str, metric: str) -> str:
        """Table cell: mean ± half width, ``n/a``, ``missing`` or ``undefined``; names missing seeds."""
        if not self.supports(predictor, split, target):
            return NOT_APPLICABLE
        if not self.runs_of(predictor, split):
            return MISSING
        return self.show(self.values(predictor, split, target, metric)) or UNDEFINED

    def show(self, values: Mapping[int, float]) -> str:
        """Mean ± half width over seeds; empty text without a value; says when seeds are missing."""
        return over_seeds(self.ledger.interval(values), len(self.seeds))

    def predictions(self, predictor: str) -> pd.DataFrame:
        """Headline predictions, all seeds below each other, with a column ``seed``; may be empty."""
        runs = self.runs_of(predictor, self.headline)
        tables = [run.predictions.assign(seed=run.record.seed) for run in runs]
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()

    def errors(self, predictor: str, target: str) -> pd.Series:
        """Signed relative errors of all seeds' test rows [%], indexed like `predictions`; may be empty."""
        table = self.predictions(predictor)
        if table.empty or not self.supports(predictor, self.headline, target):
            return pd.Series(dtype="float64")
        return errors_of(table, target)

    def with_history(self) -> list[str]:
        """Detailed predictors with a training history on the headline split."""
        return [
            name
            for name in self.predictors
            if name in self.detailed and any(len(run.history) for run in self.runs_of(name, self.headline))
        ]


def _contender(predictor: str, split: str) -> Contender:
    return Contender(predictor, "", split)


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
    expected = {}
    for predictor in registered_order(parameters):
        present = present_digests(parameters, predictor, paths.dataset)
        root = paths.models if predictor in parameters["predictors"] else paths.ensembles
        for split, seed in product(parameters["splits"]["names"], parameters["seeds"]):
            key = (predictor, split, seed)
            expected[key] = Expected(root, "/".join(map(str, key)), key, present)
    return load_runs(expected, "perfseer train")
