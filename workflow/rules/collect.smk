# Measuring takes the whole machine: it asks for every core so that nothing runs beside it.


rule collect:
    output:
        table="results/measurements/local.parquet",
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
        code=code("collect"),
    message:
        "Measuring networks of the PerfSeer space on this machine"
    shell:
        "perfseer collect --params {params.config:q} --out {output.table} 2>&1 | tee {log} >&2"


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
        code=code("kernels"),
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
        code=code("survey"),
    message:
        "Capturing the search space at the paper's own setting"
    shell:
        "perfseer zoo survey --params {params.config:q} --workers {threads} --out {output.table} > {log} 2>&1"
