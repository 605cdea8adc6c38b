# Parameters are checked once, before any job; helpers used by more than one rule file live here.

from snakemake.exceptions import WorkflowError

from perfseer.cli.schema import Parameters
from perfseer.digests import canonical_json, code_digest
from perfseer.errors import PerfseerError
from perfseer.evaluation.provenance import CODE_ROOMS
from perfseer.reporting.outputs import DOCUMENTS, TABLES, figure_titles

try:
    PARAMETERS = Parameters.from_mapping(config)
except PerfseerError as error:
    raise WorkflowError(f"{error}\nNothing was run.") from None

PREDICTORS = list(PARAMETERS.predictor_names)
SPLITS = list(PARAMETERS.splits.names)
SEEDS = list(PARAMETERS.seeds)


wildcard_constraints:
    predictor="|".join(PREDICTORS),
    split="|".join(SPLITS),


def sections(*names):
    """The named sections of params.yaml as one JSON argument: what a job depends on, and no more."""
    return canonical_json({name: config[name] for name in names})


def train_sections(wildcards):
    """What fitting one predictor depends on: the shared recipe and its own section."""
    shared = {
        name: config[name]
        for name in ("seeds", "splits", "labels", "training", "evaluation")
    }
    own = {wildcards.predictor: config["predictors"][wildcards.predictor]}
    return canonical_json({**shared, "predictors": own})


def code(stage):
    """Digest of the source a stage runs; Snakemake does not see edits inside an imported package."""
    return code_digest(CODE_ROOMS[stage])


def model_folder(wildcards):
    """Where one predictor keeps its seeds of one split."""
    return f"results/models/{wildcards.predictor}/{wildcards.split}"
