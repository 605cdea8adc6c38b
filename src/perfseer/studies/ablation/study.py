"""What the ablation report is rendered from: variants of params.yaml and the records there are of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import pandas as pd

from perfseer.data.files import read_parquet
from perfseer.evaluation.breakdowns import errors_of
from perfseer.evaluation.ledger import Contender, Ledger, trial_of
from perfseer.evaluation.settings import EvaluationSettings
from perfseer.reporting.floors import Floors, load_floors
from perfseer.reporting.settings import Comparison
from perfseer.studies.ablation.settings import BASE
from perfseer.studies.ablation.variants import Variant, resolve, variant_digests
from perfseer.studies.experiment import Paths
from perfseer.studies.runs import Expected, Run, load_runs
from perfseer.validation import section


@dataclass(frozen=True)
class Study:
    """The inputs of the report.

    Attributes:
        variants: the base first, then in the order of params.yaml.
        seeds: of params.yaml.
        runs: by (variant, seed); what is absent has not been fitted.
        evaluation: confidence of the intervals.
        comparison: when a difference counts as shown.
        floors: label → noise floor; empty where nothing was measured twice.
    """

    variants: Mapping[str, Variant]
    seeds: tuple[int, ...]
    runs: Mapping[tuple[str, int], Run]
    evaluation: EvaluationSettings
    comparison: Comparison
    floors: Floors

    @property
    def base(self) -> Variant:
        """What all variants are compared with."""
        return self.variants[BASE]

    @property
    def compared(self) -> tuple[str, ...]:
        """Names of the variants that are compared with the base."""
        return tuple(name for name in self.variants if name != BASE)

    @cached_property
    def ledger(self) -> Ledger:
        """Every number of every record, and which records are missing."""
        records = {key: run.record for key, run in self.runs.items()}
        keys = product(self.variants, self.seeds)
        trials = (trial_of(self.contender(name), seed, records.get((name, seed))) for name, seed in keys)
        return Ledger.of("ablation", trials, self.evaluation.confidence)

    def contender(self, name: str) -> Contender:
        """A variant in the ledger."""
        return Contender(self.variants[name].predictor, name, self.variants[name].split)

    def of(self, name: str) -> list[Run]:
        """What there is of one variant, by seed."""
        return [self.runs[name, seed] for seed in self.seeds if (name, seed) in self.runs]

    def targets(self, name: str) -> tuple[str, ...]:
        """Labels on which a variant can be compared: those of the base that it fits too."""
        return tuple(target for target in self.base.targets if target in self.variants[name].targets)

    def missing(self) -> list[str]:
        """Variants without all their records, a line each."""
        return [
            f"{lacking.variant} / seed {', '.join(map(str, seeds))}"
            for lacking, seeds in self.ledger.missing().items()
        ]

    def errors(self) -> pd.DataFrame:
        """Absolute errors of the test rows of all seeds, averaged over the base's labels [%].

        Returns:
            A column per variant that has records and all labels of the base; index (seed, configuration,
            architecture); NaN where a variant lacks a seed.
        """
        columns = {
            name: pd.concat([_row_errors(run, self.base.targets) for run in self.of(name)])
            for name in self.variants
            if self.targets(name) == self.base.targets and self.of(name)
        }
        return pd.DataFrame(columns)


def _row_errors(run: Run, targets: Sequence[str]) -> pd.Series:
    """[n] absolute errors [%], averaged over ``targets``; index (seed, configuration, architecture)."""
    table = run.predictions.assign(seed=run.record.seed)
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
    expected = {}
    for variant in variants.values():
        present = variant_digests(variant, paths.dataset)
        for seed in seeds:
            identity = (variant.predictor, variant.split, seed)
            folder = f"{variant.name}/{seed}"
            expected[variant.name, seed] = Expected(
                paths.ablation, folder, identity, present, variant.targets
            )
    evaluation = section(EvaluationSettings, parameters, "evaluation")
    rows = read_parquet(paths.dataset / "rows.parquet", (), "perfseer dataset")
    return Study(
        variants=variants,
        seeds=seeds,
        runs=load_runs(expected, "perfseer ablate"),
        evaluation=evaluation,
        comparison=section(Comparison, parameters, "report.comparison"),
        floors=load_floors(paths.repeats, rows, evaluation.confidence),
    )
