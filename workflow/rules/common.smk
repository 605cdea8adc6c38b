# Parameters are checked once, before any job; helpers used by more than one rule file live here.

from snakemake.exceptions import WorkflowError

from perfseer.cli.schema import Parameters
from perfseer.digests import canonical_json, code_digest
from perfseer.errors import PerfseerError
from perfseer.evaluation.provenance import CODE_ROOMS, training_rooms
from perfseer.reporting.outputs import (
    OUTPUTS,
    detailed_predictors,
    documents,
    figure_titles,
)

try:
    PARAMETERS = Parameters.from_mapping(config)
except PerfseerError as error:
    raise WorkflowError(f"{error}\nNothing was run.") from None

PREDICTORS = list(PARAMETERS.predictor_names)
ENSEMBLES = list(PARAMETERS.ensemble_names)
VARIANTS = list(PARAMETERS.ablation.names)
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
# What fitting any predictor depends on, besides its own section.
RECIPE = ("seeds", "splits", "labels", "training", "evaluation")


wildcard_constraints:
    predictor="|".join([*PREDICTORS, *ENSEMBLES]),
    variant="|".join(VARIANTS),
    split="|".join(SPLITS),
    kind="models|ensembles",


def sections(*names):
    """The named sections of params.yaml as one JSON argument: what a job depends on, and no more."""
    return canonical_json({name: config[name] for name in names})


def own_sections(*predictors):
    """The sections of the named predictors and ensembles, where they stand in params.yaml."""
    return {
        kind: {name: config[kind][name] for name in predictors if name in config[kind]}
        for kind in ("predictors", "ensembles")
    }


def train_sections(wildcards):
    """What fitting one predictor depends on: the shared recipe and its own section."""
    shared = {name: config[name] for name in RECIPE}
    return canonical_json({**shared, **own_sections(wildcards.predictor)})


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


def code(stage):
    """Digest of the source a stage runs; Snakemake does not see edits inside an imported package."""
    return code_digest(CODE_ROOMS[stage])


def training_code(wildcards):
    """The same for fitting one predictor, whose members' source counts too."""
    names = [wildcards.predictor, *members(wildcards.predictor)]
    return [code_digest(training_rooms(name)) for name in names]


def variant_sections(wildcards):
    """What one variant depends on: the recipe, the networks' sections, the base and the variant itself."""
    study = config["ablation"]
    chosen = {
        name: changes
        for name, changes in study["variants"].items()
        if name == wildcards.variant
    }
    shared = {name: config[name] for name in RECIPE}
    networks = own_sections("seernet", "seernet_multi")
    return canonical_json(
        {**shared, **networks, "ablation": {**study, "variants": chosen}}
    )


def benchmark_sections(wildcards):
    """What benchmarking one predictor depends on; an ensemble's members are fitted too."""
    shared = {name: config[name] for name in (*RECIPE, "benchmark")}
    own = own_sections(wildcards.predictor, *members(wildcards.predictor))
    return canonical_json({**shared, **own})


def regression_sections(wildcards):
    """What the benchmark of mlp5d's network on plain numbers depends on."""
    shared = {name: config[name] for name in ("seeds", "benchmark")}
    return canonical_json({**shared, **own_sections("mlp5d")})


def study_sections():
    """What the study on NAS-Bench-201 depends on; seeds and labels are shared with everything else."""
    return sections("seeds", "labels", "splits", "evaluation", "nasbench201")


def web_page(document, folder="reports"):
    """The twin for browsers, shown by `snakemake --report`."""
    labels = {"document": OUTPUTS[document].title}
    return report(f"{folder}/{document}.html", category="Reports", labels=labels)


def figure(document, folder, stem, title):
    """One figure, shown by `snakemake --report` under its document."""
    path, category = (
        f"{folder}/figures/{stem}.svg",
        f"Figures: {OUTPUTS[document].title}",
    )
    return report(path, category=category, labels={"figure": title})


def figures(document, folder="reports"):
    """Figures that are always drawn."""
    titles = figure_titles(document, detailed_predictors(config))
    return [figure(document, folder, stem, title) for stem, title in titles.items()]


def tables(document, folder="reports"):
    """Tables behind the figures, for `dvc plots`."""
    return expand(
        "{folder}/plots/{name}.csv", folder=folder, name=OUTPUTS[document].tables
    )
