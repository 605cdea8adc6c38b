# One job fits a predictor on one split with all its targets and seeds: importing torch dozens of times
# would be the largest cost of a small run.


rule train_predictor:
    input:
        rows="results/dataset/rows.parquet",
        splits="results/dataset/splits.parquet",
        normalisers="results/dataset/normalisers.json",
        manifest="results/dataset/manifest.json",
        graphs="results/graphs/graphs.safetensors",
        kernels=measured_kernels,
    output:
        records=ensure(
            expand(
                "results/models/{{predictor}}/{{split}}/{seed}/record.json", seed=SEEDS
            ),
            non_empty=True,
        ),
        predictions=expand(
            "results/models/{{predictor}}/{{split}}/{seed}/predictions.parquet",
            seed=SEEDS,
        ),
        history=expand(
            "results/models/{{predictor}}/{{split}}/{seed}/history.jsonl", seed=SEEDS
        ),
        models=expand(
            "results/models/{{predictor}}/{{split}}/{seed}/model/predictor.json",
            seed=SEEDS,
        ),
    log:
        "logs/train_predictor/{predictor}/{split}.log",
    benchmark:
        "logs/train_predictor/{predictor}/{split}.jsonl"
    conda:
        "../envs/perfseer.yaml"
    threads: 1
    resources:
        mem_mb=2000,
    params:
        config=train_sections,
        code=training_code,
        dataset=subpath(input.manifest, parent=True),
        folder="results/models/{predictor}/{split}",
    message:
        "Training {wildcards.predictor} on the {wildcards.split} split"
    shell:
        "perfseer train --params {params.config:q} --predictor {wildcards.predictor} --split {wildcards.split}"
        " --dataset {params.dataset} --graphs {input.graphs}"
        " --threads {threads} --out {params.folder} > {log} 2>&1"


# An ensemble is a predictor like the others, made from some of them. It has a folder of its own, so that DVC's
# stage can depend on all of results/models.
use rule train_predictor as combine_predictors with:
    input:
        rows="results/dataset/rows.parquet",
        splits="results/dataset/splits.parquet",
        normalisers="results/dataset/normalisers.json",
        manifest="results/dataset/manifest.json",
        graphs="results/graphs/graphs.safetensors",
        members=member_models,
    output:
        records=ensure(
            expand(
                "results/ensembles/{{predictor}}/{{split}}/{seed}/record.json",
                seed=SEEDS,
            ),
            non_empty=True,
        ),
        predictions=expand(
            "results/ensembles/{{predictor}}/{{split}}/{seed}/predictions.parquet",
            seed=SEEDS,
        ),
        history=expand(
            "results/ensembles/{{predictor}}/{{split}}/{seed}/history.jsonl",
            seed=SEEDS,
        ),
        models=expand(
            "results/ensembles/{{predictor}}/{{split}}/{seed}/model/predictor.json",
            seed=SEEDS,
        ),
    log:
        "logs/combine_predictors/{predictor}/{split}.log",
    benchmark:
        "logs/combine_predictors/{predictor}/{split}.jsonl"
    params:
        config=train_sections,
        code=training_code,
        dataset=subpath(input.manifest, parent=True),
        folder="results/ensembles/{predictor}/{split}",
    message:
        "Combining {wildcards.predictor} on the {wildcards.split} split"


rule summarize_predictor:
    input:
        records=expand(
            "results/{{kind}}/{{predictor}}/{split}/{seed}/record.json",
            split=SPLITS,
            seed=SEEDS,
        ),
    output:
        summary=ensure("results/{kind}/{predictor}/summary.json", non_empty=True),
    log:
        "logs/summarize_predictor/{kind}/{predictor}.log",
    localrule: True
    conda:
        "../envs/perfseer.yaml"
    params:
        code=code("cli.summarize"),
    message:
        "Listing the records of {wildcards.predictor}"
    shell:
        "perfseer summarize --out {output.summary} {input.records} > {log} 2>&1"
