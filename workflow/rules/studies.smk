# Studies beside the comparison itself: what each part of SeerNet is worth, and what a predictor costs.


rule train_variant:
    input:
        rows="results/dataset/rows.parquet",
        splits="results/dataset/splits.parquet",
        normalisers="results/dataset/normalisers.json",
        manifest="results/dataset/manifest.json",
        graphs="results/graphs/graphs.safetensors",
    output:
        records=ensure(
            expand("results/ablation/{{variant}}/{seed}/record.json", seed=SEEDS),
            non_empty=True,
        ),
        predictions=expand(
            "results/ablation/{{variant}}/{seed}/predictions.parquet", seed=SEEDS
        ),
    log:
        "logs/train_variant/{variant}.log",
    benchmark:
        "logs/train_variant/{variant}.jsonl"
    conda:
        "../envs/perfseer.yaml"
    threads: 1
    resources:
        mem_mb=2000,
    params:
        config=variant_sections,
        code=code("ablation"),
        dataset=subpath(input.manifest, parent=True),
        folder="results/ablation/{variant}",
    message:
        "Ablation: training {wildcards.variant}"
    shell:
        "perfseer ablate --params {params.config:q} --variant {wildcards.variant}"
        " --dataset {params.dataset} --graphs {input.graphs} --out {params.folder} > {log} 2>&1"


# Timing takes the whole machine: these ask for every core so that nothing runs beside them.
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
        config=benchmark_sections,
        code=training_code,
        study=code("benchmark"),
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
        config=regression_sections,
        code=code_digest(training_rooms("mlp5d")),
        study=code("benchmark"),
    message:
        "Benchmark: mlp5d on a smooth function of five numbers"
    shell:
        "perfseer benchmark-regression --params {params.config:q} --out {output.points} > {log} 2>&1"
