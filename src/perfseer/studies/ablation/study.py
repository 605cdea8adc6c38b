"""What the ablation report is rendered from: variants of params.yaml and the records there are of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from perfseer.data.files import read_parquet
from perfseer.digests import file_digest
from perfseer.evaluation.breakdowns import errors_of
from perfseer.evaluation.records import RECORD_FILE, Record, differing, read_predictions, read_record
from perfseer.evaluation.settings import EvaluationSettings
from perfseer.evaluation.trials import require_valid
from perfseer.reporting.floors import Floors, load_floors
from perfseer.reporting.settings import Comparison
from perfseer.studies.ablation.settings import BASE
from perfseer.studies.ablation.variants import Variant, resolve, variant_digests
from perfseer.validation import section


@dataclass(frozen=True)
class Paths:
    """Where the inputs lie.

    Attributes:
        ablation: folder with <variant>/<seed>/record.json.
        dataset: folder with manifest.json and rows.parquet.
        repeats: repeats.parquet, configurations measured again; may not exist.
    """

    ablation: Path
    dataset: Path
    repeats: Path

    @classmethod
    def below(cls, results: Path) -> "Paths":
        """Where the verbs put them below the results folder."""
        return cls(results / "ablation", results / "dataset", results / "measurements/repeats.parquet")


@dataclass(frozen=True)
class Fitted:
    """One variant fitted with one seed.

    Attributes:
        record: its record.
        predictions: of its test rows.
        source: path of the record below the ablation folder, as shown in the report.
        digest: of the record file.
    """

    record: Record
    predictions: pd.DataFrame
    source: str
    digest: str


@dataclass(frozen=True)
class Study:
    """The inputs of the report.

    Attributes:
        variants: the base first, then in the order of params.yaml.
        seeds: of params.yaml.
        fitted: by (variant, seed); what is absent has not been fitted.
        evaluation: confidence of the intervals.
        comparison: when a difference counts as shown.
        floors: label → noise floor; empty where nothing was measured twice.
    """

    variants: Mapping[str, Variant]
    seeds: tuple[int, ...]
    fitted: Mapping[tuple[str, int], Fitted]
    evaluation: EvaluationSettings
    comparison: Comparison
    floors: Floors

    @property
    def base(self) -> Variant:
        """What all variants are compared with."""
        return self.variants[BASE]

    def of(self, name: str) -> list[Fitted]:
        """What there is of one variant, by seed."""
        return [self.fitted[name, seed] for seed in self.seeds if (name, seed) in self.fitted]

    def targets(self, name: str) -> tuple[str, ...]:
        """Labels on which a variant can be compared: those of the base that it fits too."""
        return tuple(target for target in self.base.targets if target in self.variants[name].targets)

    def missing(self) -> list[str]:
        """Variants without all their records, a line each."""
        lines = []
        for name in self.variants:
            seeds = [seed for seed in self.seeds if (name, seed) not in self.fitted]
            if seeds:
                lines.append(f"{name} / seed {', '.join(map(str, seeds))}")
        return lines

    def mape(self, name: str, targets: Sequence[str]) -> dict[int, float]:
        """Test MAPE by seed, averaged over ``targets`` [%]."""
        found = {}
        for one in self.of(name):
            values = [one.record.metrics[target]["mape_pct"].value for target in targets]
            found[one.record.seed] = sum(value for value in values if value is not None) / len(values)
        return found

    def validation_mape(self, name: str, targets: Sequence[str]) -> dict[int, float]:
        """MAPE on validation rows by seed, averaged over ``targets`` [%]."""
        return {
            one.record.seed: sum(one.record.validation_mape_pct[target] for target in targets) / len(targets)
            for one in self.of(name)
        }

    def errors(self) -> pd.DataFrame:
        """Absolute errors of the test rows of all seeds, averaged over the base's labels [%].

        Returns:
            A column per variant that has records and all labels of the base; index (seed, configuration,
            architecture); NaN where a variant lacks a seed.
        """
        columns = {
            name: pd.concat([_row_errors(one, self.base.targets) for one in self.of(name)])
            for name in self.variants
            if self.targets(name) == self.base.targets and self.of(name)
        }
        return pd.DataFrame(columns)


def _row_errors(one: Fitted, targets: Sequence[str]) -> pd.Series:
    """[n] absolute errors [%], averaged over ``targets``; index (seed, configuration, architecture)."""
    table = one.predictions.assign(seed=one.record.seed)
    errors = pd.concat([errors_of(table, target).abs() for target in targets], axis=1).mean(axis=1)
    index = pd.MultiIndex.from_frame(table[["seed", "configuration", "architecture"]])
    return pd.Series(errors.to_numpy(), index=index)


def load_study(parameters: Mapping[str, Any], paths: Paths) -> Study:
    """Read and check everything.

    Args:
        parameters: raw mapping of params.yaml, complete.
        paths: where the inputs lie.

    Raises:
        PerfseerError: a variant cannot be fitted, a file is damaged, or records or repeats do not belong
            to the present parameters, code and dataset.
    """
    variants = resolve(parameters)
    seeds = tuple(parameters["seeds"])
    fitted: dict[tuple[str, int], Fitted] = {}
    faults: list[str] = []
    for variant in variants.values():
        present = variant_digests(variant, paths.dataset)
        for seed in seeds:
            path = paths.ablation / variant.name / str(seed) / RECORD_FILE
            if path.exists():
                one = _load(path, paths.ablation)
                faults += [f"{one.source}: {fault}" for fault in differing(one.record.digests, present)]
                faults += _misplaced(one, variant, seed)
                fitted[variant.name, seed] = one
    require_valid(faults, "perfseer ablate")
    evaluation = section(EvaluationSettings, parameters, "evaluation")
    rows = read_parquet(paths.dataset / "rows.parquet", (), "perfseer dataset")
    return Study(
        variants=variants,
        seeds=seeds,
        fitted=fitted,
        evaluation=evaluation,
        comparison=section(Comparison, parameters.get("report", {}), "comparison"),
        floors=load_floors(paths.repeats, rows, evaluation.confidence),
    )


def _load(path: Path, root: Path) -> Fitted:
    record = read_record(path)
    source = path.relative_to(root).as_posix()
    return Fitted(record, read_predictions(path, record), source, file_digest(path))


def _misplaced(one: Fitted, variant: Variant, seed: int) -> list[str]:
    """In words, if a record is not of the variant and seed whose place it has."""
    found = (one.record.predictor, one.record.split, one.record.seed, set(one.record.metrics))
    if found == (variant.predictor, variant.split, seed, set(variant.targets)):
        return []
    return [f"{one.source}: it is the record of {found[0]} / {found[1]} / {found[2]}, {sorted(found[3])}"]
