# Measuring takes the whole machine: it asks for every core so that nothing runs beside it.
# Section `source` of params.yaml says which rules make the tables; what is made of them is the same.


rule measurements:
    input:
        TABLE,
        REPEATS,
        PROTOCOL_STUDY,
        KERNELS if MEASURED else [],
    localrule: True
    message:
        "Everything measured is there"


if SOURCE.kind == "measured":

    rule collect:
        output:
            table=TABLE,
        log:
            "logs/collect.log",
        conda:
            "../envs/perfseer.yaml"
        threads: workflow.cores
        resources:
            runtime=5 + config["collect"]["time_budget_s"] // 30,
            gpu=int(config["collect"]["device"] == "cuda"),
        params:
            config=sections("zoo", "collect"),
            code=code("cli.collect"),
        message:
            "Measuring networks of the PerfSeer space on this machine"
        shell:
            "perfseer collect --params {params.config:q} --out {output.table} 2>&1 | tee {log} >&2"

    # Low priority: the later it comes, the more of the machine's moods the noise floor has seen.
    rule remeasure:
        input:
            table=TABLE,
        output:
            repeats=REPEATS,
        log:
            "logs/remeasure.log",
        priority: -1
        conda:
            "../envs/perfseer.yaml"
        threads: workflow.cores
        resources:
            gpu=int(config["collect"]["device"] == "cuda"),
        params:
            config=sections("zoo", "collect", "trust"),
            code=code("cli.trust"),
        message:
            "Measuring some configurations again: the noise floor"
        shell:
            "perfseer remeasure --params {params.config:q} --table {input.table} --out {output.repeats} 2>&1"
            " | tee {log} >&2"

    rule study_protocol:
        input:
            table=TABLE,
        output:
            table=PROTOCOL_STUDY,
        log:
            "logs/study_protocol.log",
        conda:
            "../envs/perfseer.yaml"
        threads: workflow.cores
        resources:
            gpu=int(config["collect"]["device"] == "cuda"),
        params:
            config=sections("zoo", "collect", "trust"),
            code=code("cli.trust"),
        message:
            "Measuring some configurations for long: is the short protocol right?"
        shell:
            "perfseer protocol-study --params {params.config:q} --table {input.table} --out {output.table} 2>&1"
            " | tee {log} >&2"

elif SOURCE.kind == "table":

    rule join_tables:
        input:
            tables=SOURCE.tables,
        output:
            table=TABLE,
        log:
            "logs/join_tables.log",
        conda:
            "../envs/perfseer.yaml"
        params:
            code=code("cli.tables"),
        message:
            "Taking measurements from {input.tables}"
        shell:
            "perfseer merge {input.tables:q} --out {output.table} > {log} 2>&1"

    rule take_study:
        input:
            lambda wildcards: getattr(
                SOURCE,
                {"repeats": "repeats", "protocol": "protocol_study"}[wildcards.study],
            ),
        output:
            "results/measurements/{study}.parquet",
        log:
            "logs/take_study/{study}.log",
        wildcard_constraints:
            study="repeats|protocol",
        conda:
            "../envs/perfseer.yaml"
        message:
            "Taking {output} from {input}"
        shell:
            "cp {input:q} {output} 2> {log}"

else:

    rule import_source:
        input:
            SOURCE.path or [],
        output:
            table=TABLE,
            graphs="results/measurements/published.safetensors",
            index="results/measurements/published_index.parquet",
        log:
            "logs/import_source.log",
        conda:
            "../envs/perfseer.yaml"
        threads: workflow.cores
        params:
            name=SOURCE.kind,
            place=SOURCE.release or [],
            code=code_digest("perfseer.cli.sources", source_module(SOURCE.kind)),
        message:
            "Reading the measurements published as {params.name}"
        shell:
            "perfseer source table {params.name} {params.place:q} --workers {threads} --out {output.table}"
            " --graphs {output.graphs} --index {output.index} 2>&1 | tee {log} >&2"


rule measure_kernels:
    output:
        table="results/measurements/kernels.parquet",
        fusion="results/measurements/fusion.json",
    log:
        "logs/measure_kernels.log",
    conda:
        "../envs/perfseer.yaml"
    threads: workflow.cores
    resources:
        runtime=5 + config["kernels"]["time_budget_s"] // 30,
        gpu=int(config["collect"]["device"] == "cuda"),
    params:
        config=sections("zoo", "collect", "kernels"),
        code=code("cli.kernels"),
    message:
        "Measuring operators one by one, and which of them the device fuses"
    shell:
        "perfseer kernels --params {params.config:q} --out {output.table} --fusion {output.fusion} 2>&1"
        " | tee {log} >&2"


rule survey_space:
    output:
        table="results/zoo/survey.parquet",
    log:
        "logs/survey_space.log",
    conda:
        "../envs/perfseer.yaml"
    threads: 2
    params:
        config=sections("zoo", "survey"),
        code=code("cli.zoo"),
    message:
        "Capturing the search space at the paper's own setting"
    shell:
        "perfseer zoo survey --params {params.config:q} --workers {threads} --out {output.table} > {log} 2>&1"
