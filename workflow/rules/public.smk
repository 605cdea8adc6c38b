# Published results of real models: `snakemake public --configfile workflow/presets/public.yaml`. Not part of
# `all`, and only there where the parameters have section `public`: other people's results are fetched for it,
# two thousand models captured and a hundred folds fitted. Records are no declared outputs, since Snakemake would
# delete them before a job: a fit keeps those of the present parameters and data, so that an interrupted study
# goes on where it stopped.

from perfseer.data.captures import CODE as CAPTURE_CODE
from perfseer.studies.public.source import place_of

RESULTS = PARAMETERS.public
PUBLIC = "results/public"


def public_places():
    """The result files as the source takes them: published ones by name, one's own by path."""
    return [str(place_of(RESULTS, name)) for name in RESULTS.files]


def public_summaries():
    """One summary for each entrant or variant, grouping and seed that take part."""
    return [
        f"{PUBLIC}/{name}/{grouping}/{seed}/summary.json"
        for name in RESULTS.fitted
        for grouping in RESULTS.entrant(name).groupings
        for seed in RESULTS.entrant(name).seeds
    ]


def unseen_summaries():
    """One summary for each device that is left out and each seed."""
    if RESULTS.unseen is None:
        return []
    return expand(
        "{study}/unseen/{device}/{seed}/summary.json",
        study=PUBLIC,
        device=list(RESULTS.unseen.devices),
        seed=RESULTS.unseen.seeds,
    )


def is_joint(name):
    """Whether an entrant learns from all files at once, which takes longest and most memory."""
    return RESULTS.entrant(name).fit == "joint"


rule capture_public:
    output:
        counts=ensure("results/public/graphs.txt", non_empty=True),
    log:
        "logs/capture_public.log",
    conda:
        "../envs/perfseer.yaml"
    threads: 2
    resources:
        mem_mb=6000,
    params:
        files=public_places(),
        options="--as-measured" if RESULTS.as_measured else "",
        code=code_digest(*CAPTURE_CODE),
    message:
        "Published results: capturing their models"
    shell:
        "perfseer public graphs --workers {threads} {params.options} {params.files:q} > {output.counts} 2> {log}"


rule describe_public:
    input:
        rules.capture_public.output.counts,
    output:
        facts=ensure("results/public/facts.parquet", non_empty=True),
    log:
        "logs/describe_public.log",
    conda:
        "../envs/perfseer.yaml"
    resources:
        mem_mb=6000,
    params:
        config=sections("public"),
        folder=subpath(output.facts, parent=True),
    message:
        "Published results: what the rows are made of"
    shell:
        "perfseer public describe --params {params.config:q} --out {params.folder} > {log} 2>&1"


rule fit_public:
    input:
        rules.capture_public.output.counts,
    output:
        summary=ensure(
            "results/public/{entrant}/{grouping}/{public_seed}/summary.json",
            non_empty=True,
        ),
    log:
        "logs/fit_public/{entrant}/{grouping}/{public_seed}.log",
    wildcard_constraints:
        entrant="|".join(RESULTS.fitted),
        grouping="|".join(RESULTS.groupings),
        public_seed=r"\d+",
    conda:
        "../envs/perfseer.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards: 8000 if is_joint(wildcards.entrant) else 4000,
    params:
        config=sections("public"),
        folder=subpath(output.summary, ancestor=4),
    message:
        "Published results: {wildcards.entrant}, folds by {wildcards.grouping}, seed {wildcards.public_seed}"
    shell:
        "perfseer public fit --params {params.config:q} --entrant {wildcards.entrant}"
        " --grouping {wildcards.grouping} --seed {wildcards.public_seed} --threads {threads}"
        " --out {params.folder} > {log} 2>&1"


rule unseen_public:
    input:
        rules.capture_public.output.counts,
    output:
        summary=ensure(
            "results/public/unseen/{unseen_device}/{public_seed}/summary.json",
            non_empty=True,
        ),
    log:
        "logs/unseen_public/{unseen_device}/{public_seed}.log",
    wildcard_constraints:
        unseen_device="|".join(RESULTS.unseen.devices) if RESULTS.unseen else "none",
        public_seed=r"\d+",
    conda:
        "../envs/perfseer.yaml"
    threads: 1
    resources:
        mem_mb=8000,
    params:
        config=sections("public"),
        folder=subpath(output.summary, ancestor=4),
    message:
        "Published results: without {wildcards.unseen_device}, seed {wildcards.public_seed}"
    shell:
        "perfseer public unseen --params {params.config:q} --device {wildcards.unseen_device}"
        " --seed {wildcards.public_seed} --threads {threads} --out {params.folder} > {log} 2>&1"


# Memory was published by nobody: forecasts of it are judged on what this machine measured, if it has, and on batches
# that the published runs had to shrink. Looked for, not asked for: nothing is measured for this study.
MEASURED_HERE = [
    path
    for path in ("results/dataset/manifest.json", "results/graphs/graphs.safetensors")
    if Path(path).is_file()
]


rule memory_public:
    input:
        rules.capture_public.output.counts,
    output:
        study=ensure("results/public/memory.json", non_empty=True),
    log:
        "logs/memory_public.log",
    conda:
        "../envs/perfseer.yaml"
    resources:
        mem_mb=6000,
    params:
        config=sections("labels"),
        folder=subpath(output.study, parent=True),
    message:
        "Published results: forecasts of memory"
    shell:
        "perfseer public memory --params {params.config:q} --out {params.folder} > {log} 2>&1"


READS["public"] = {
    "summaries": public_summaries(),
    "unseen": unseen_summaries(),
    "facts": rules.describe_public.output.facts,
    "memory": rules.memory_public.output.study if len(MEASURED_HERE) == 2 else [],
}


rule public:
    input:
        reported_files("public")["markdown"],
    localrule: True
    message:
        "Published results: fitted and reported"
