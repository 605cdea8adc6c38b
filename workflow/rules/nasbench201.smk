# BRP-NAS on its own ground: `snakemake nasbench201`. Not part of `all`, because other people's latencies are
# fetched for it and its fits take hours. Records are no declared outputs, since Snakemake would delete them
# before a job: a fit keeps those of the present parameters and data, so that an interrupted study goes on
# where it stopped. The report has a folder of its own, because DVC's stage `report` owns reports/figures.

STUDY = PARAMETERS.nasbench201


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
        config=study_sections(),
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
        config=study_sections(),
    message:
        "NAS-Bench-201: which operations the devices ran"
    shell:
        "perfseer nasbench201 readings --params {params.config:q} --out {output.readings} > {log} 2>&1"


rule render_nasbench201:
    input:
        summaries=expand(
            "results/nasbench201/{reading}/{predictor}/{device}/summary.json",
            reading=STUDY.readings,
            predictor=STUDY.predictor_names,
            device=STUDY.devices,
        ),
        readings=rules.describe_nasbench201.output.readings,
    output:
        markdown="reports/nasbench201/nasbench201.md",
        page=web_page("nasbench201", folder="reports/nasbench201"),
        tables=tables("nasbench201", folder="reports/nasbench201"),
        figures=figures("nasbench201", folder="reports/nasbench201"),
    log:
        "logs/render_report/nasbench201.log",
    conda:
        "../envs/perfseer.yaml"
    params:
        config=study_sections(),
        code=code("report"),
        study=subpath(input.readings, parent=True),
        folder=subpath(output.markdown, parent=True),
    message:
        "Rendering {output.markdown}"
    shell:
        "perfseer nasbench201 report --params {params.config:q} --study {params.study}"
        " --out {params.folder} 2> {log}"


rule nasbench201:
    input:
        rules.render_nasbench201.output,
    message:
        "NAS-Bench-201: fitted and reported"
