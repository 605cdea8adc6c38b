# What training and using each predictor costs. Timing takes the whole machine: these rules ask for every core so that
# nothing runs beside them.

# Without mlp5d in params.yaml there is no network to try on the old report's function.
REGRESSION = ["results/benchmark/regression5d.json"] if "mlp5d" in PREDICTORS else []


rule benchmark_predictor:
    input:
        rows="results/dataset/rows.parquet",
        splits="results/dataset/splits.parquet",
        normalisers="results/dataset/normalisers.json",
        manifest="results/dataset/manifest.json",
        graphs="results/graphs/graphs.safetensors",
        kernels=measured_kernels,
    output:
        points=ensure("results/benchmark/{predictor}.json", non_empty=True),
    log:
        "logs/benchmark_predictor/{predictor}.log",
    conda:
        "../envs/perfseer.yaml"
    threads: workflow.cores
    params:
        # An ensemble's members are fitted too.
        config=lambda wildcards: canonical_json(
            fitting_sections(
                config, wildcards.predictor, *members(wildcards.predictor)
            )
            | {"benchmark": config["benchmark"]}
        ),
        code=lambda wildcards: predictor_code(
            "studies.benchmark.verbs", wildcards.predictor
        ),
        dataset=subpath(input.manifest, parent=True),
    message:
        "Benchmark: what {wildcards.predictor} costs"
    shell:
        "perfseer benchmark --params {params.config:q} --predictor {wildcards.predictor}"
        " --dataset {params.dataset} --graphs {input.graphs} --out {output.points} > {log} 2>&1"


rule benchmark_regression:
    output:
        points=ensure("results/benchmark/regression5d.json", non_empty=True),
    log:
        "logs/benchmark_regression.log",
    conda:
        "../envs/perfseer.yaml"
    threads: workflow.cores
    params:
        config=canonical_json(
            {"seeds": config["seeds"], "benchmark": config["benchmark"]}
            | {"predictors": {"mlp5d": config["predictors"].get("mlp5d")}}
        ),
        code=code("studies.benchmark.verbs", "predictors.library.mlp5d"),
    message:
        "Benchmark: mlp5d on a smooth function of five numbers"
    shell:
        "perfseer benchmark-regression --params {params.config:q} --out {output.points} > {log} 2>&1"


READS["benchmark"] = {
    "points": expand(
        "results/benchmark/{predictor}.json", predictor=[*PREDICTORS, *ENSEMBLES]
    ),
    "regression": REGRESSION,
    "manifest": "results/dataset/manifest.json",
    "measurements": TABLE,
    "repeats": REPEATS,
}


rule benchmark:
    input:
        READS["benchmark"]["points"],
        READS["benchmark"]["regression"],
    localrule: True
    message:
        "Every predictor is benchmarked"
