# BRP-NAS on its own ground: `snakemake nasbench201`. Not part of `all`, because other people's latencies are
# fetched for it and its fits take hours. Records are no declared outputs, since Snakemake would delete them
# before a job: a fit keeps those of the present parameters and data, so that an interrupted study goes on
# where it stopped.

STUDY = PARAMETERS.nasbench201
# Seeds and labels are shared with everything else.
STUDY_CONFIG = sections("seeds", "labels", "splits", "evaluation", "nasbench201")


rule fit_nasbench201:
    output:
        summary=ensure(
            "results/nasbench201/{reading}/{study_predictor}/{study_device}/summary.json",
            non_empty=True,
        ),
    log:
        "logs/fit_nasbench201/{reading}/{study_predictor}/{study_device}.log",
    wildcard_constraints:
        reading="|".join(STUDY.readings),
        study_predictor="|".join(STUDY.predictor_names),
        study_device="|".join(STUDY.devices),
    conda:
        "../envs/perfseer.yaml"
    threads: 1
    resources:
        mem_mb=2000,
    params:
        config=STUDY_CONFIG,
        folder=subpath(output.summary, ancestor=4),
    message:
        "NAS-Bench-201: {wildcards.study_predictor} on {wildcards.study_device}, {wildcards.reading} graphs"
    shell:
        "perfseer nasbench201 fit --params {params.config:q} --predictor {wildcards.study_predictor}"
        " --device {wildcards.study_device} --reading {wildcards.reading} --threads {threads}"
        " --out {params.folder} > {log} 2>&1"


rule describe_nasbench201:
    output:
        readings=ensure("results/nasbench201/readings.json", non_empty=True),
    log:
        "logs/describe_nasbench201.log",
    conda:
        "../envs/perfseer.yaml"
    params:
        config=STUDY_CONFIG,
    message:
        "NAS-Bench-201: which operations the devices ran"
    shell:
        "perfseer nasbench201 readings --params {params.config:q} --out {output.readings} > {log} 2>&1"


READS["nasbench201"] = {
    "summaries": expand(
        "results/nasbench201/{reading}/{predictor}/{device}/summary.json",
        reading=STUDY.readings,
        predictor=STUDY.predictor_names,
        device=STUDY.devices,
    ),
    "readings": rules.describe_nasbench201.output.readings,
}


rule nasbench201:
    input:
        reported_files("nasbench201")["markdown"],
    localrule: True
    message:
        "NAS-Bench-201: fitted and reported"
