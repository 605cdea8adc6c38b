# Parameters are checked once, before any job; helpers used by more than one rule file live here.

from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import update_config

from perfseer.cli.pipeline import refresh
from perfseer.cli.schema import Parameters
from perfseer.digests import canonical_json
from perfseer.data.sources import module_name as source_module
from perfseer.errors import PerfseerError
from perfseer.evaluation.parameters import fitting_sections
from perfseer.lifeline import begin_run, follow_run
from perfseer.parameters import taking_part
from perfseer.plain_data import PlainDataError, parse_yaml
from perfseer.predictors.registry import module_name
from perfseer.provenance import code_digest
from perfseer.reporting.settings import detailed_predictors
from perfseer.studies import shelf

# Jobs end with the run, however it ends, and the next run goes on in the folder of a killed one.
if not workflow.is_main_process:
    follow_run()
elif not workflow.dryrun:
    begin_run(Path(".snakemake"))


class Everything(dict):
    """What the profile of DVC calls `every_rule: every_input`: any input of any rule is one not to judge by its time."""

    def get(self, rule, default=None):
        return self

    def __contains__(self, item):
        return True


if "every_rule" in workflow.workflow_settings.consider_ancient:
    workflow.workflow_settings.consider_ancient = Everything()


def retyped(value, kinds):
    """Texts that are values of some kinds to perfseer's YAML, as those values.

    To Snakemake's, 1e-3 is text, and so is everything inside a mapping or a list of `--config`.
    """
    if isinstance(value, dict):
        return {key: retyped(inner, kinds) for key, inner in value.items()}
    if isinstance(value, list):
        return [retyped(inner, kinds) for inner in value]
    if not isinstance(value, str):
        return value
    try:
        found = parse_yaml(value)
    except PlainDataError:
        return value
    return found if isinstance(found, kinds) else value


try:
    config.update(retyped(config, float))
    update_config(config, retyped(dict(workflow.config_settings.config), object))
    # What is null takes no part, so nothing below comes across it.
    config.update(taking_part(config))
    PARAMETERS = Parameters.from_mapping(config)
except PerfseerError as error:
    raise WorkflowError(f"{error}\nNothing was run.") from None

PREDICTORS = list(PARAMETERS.predictor_names)
ENSEMBLES = list(PARAMETERS.ensemble_names)
SPLITS = list(PARAMETERS.splits.names)
SEEDS = list(PARAMETERS.seeds)

# Only what was measured here can be measured again, or kernel by kernel.
SOURCE = PARAMETERS.source
MEASURED = SOURCE.kind == "measured"
TABLE = "results/measurements/local.parquet"
REPEATS = ["results/measurements/repeats.parquet"] if MEASURED or SOURCE.repeats else []
PROTOCOL_STUDY = (
    ["results/measurements/protocol.parquet"]
    if MEASURED or SOURCE.protocol_study
    else []
)
# The table first: the verbs are given it, and look for the rules beside it.
KERNELS = ["results/measurements/kernels.parquet", "results/measurements/fusion.json"]


wildcard_constraints:
    predictor="|".join([*PREDICTORS, *ENSEMBLES]),
    split="|".join(SPLITS),
    kind="models|ensembles",


def sections(*names):
    """The named sections of params.yaml as one JSON argument: what a job depends on, and no more."""
    return canonical_json({name: config[name] for name in names})


def train_sections(wildcards):
    """What fitting one predictor depends on: the shared recipe and its own section."""
    return canonical_json(fitting_sections(config, wildcards.predictor))


def needs(predictor, what):
    """Whether fitting a predictor needs measured kernels, or other predictors."""
    return what in PARAMETERS.settings_of(predictor).needs


def members(predictor):
    """The predictors one is made from; none for most."""
    return list(PARAMETERS.settings_of(predictor).members)


def measured_kernels(wildcards):
    """The table of kernels, for predictors that are fitted from it or made from such."""
    names = [wildcards.predictor, *members(wildcards.predictor)]
    return KERNELS if any(needs(name, "kernels") for name in names) else []


def member_models(wildcards):
    """The fitted predictors an ensemble is made from, on the same split and seeds."""
    return expand(
        "results/models/{member}/{split}/{seed}/model/predictor.json",
        member=members(wildcards.predictor),
        split=wildcards.split,
        seed=SEEDS,
    )


def code(*modules):
    """Digest of the source that some modules run; Snakemake does not see edits inside an imported package."""
    return code_digest(*(f"perfseer.{name}" for name in modules))


def predictor_code(module, *predictors):
    """The same for a module that loads predictors by name, whose members' source counts too."""
    made_from = [name for predictor in predictors for name in members(predictor)]
    return code_digest(
        f"perfseer.{module}", *map(module_name, (*predictors, *made_from))
    )


def training_code(wildcards):
    """Digest of the source that fitting one predictor runs."""
    return predictor_code("cli.train", wildcards.predictor)


# Study → what its document is rendered from, by name, as its rule file says. A study without one, or whose section
# of the parameters is null, has no document in this workflow.
READS = {}


def shown(path, category, **labels):
    """A file that `snakemake --report` shows."""
    return report(str(path), category=category, labels=labels)


def reported_files(study):
    """Outputs of rendering a study's document."""
    about = shelf.about(study)
    document, place = about.document, Path(about.place)
    below = place / document.folder
    titles = document.titles(detailed_predictors(config))
    return {
        "markdown": f"{place}/{document.name}.md",
        "page": shown(
            place / f"{document.name}.html", "Reports", document=document.title
        ),
        "others": [f"{place}/{name}" for name in document.others],
        "ledger": [f"results/{about.ledger}"] if about.ledger else [],
        "tables": [f"{below}/plots/{name}.csv" for name in document.tables],
        "figures": [
            shown(
                below / f"figures/{stem}.svg",
                f"Figures: {document.title}",
                figure=title,
            )
            for stem, title in titles.items()
        ],
    }
