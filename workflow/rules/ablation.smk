# What each part of SeerNet is worth: every variant fitted with every seed.

from perfseer.studies.ablation.variants import resolve, variant_sections

VARIANTS = resolve(config)


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
    wildcard_constraints:
        variant="|".join(VARIANTS),
    conda:
        "../envs/perfseer.yaml"
    threads: 1
    resources:
        mem_mb=2000,
    params:
        config=lambda wildcards: canonical_json(
            variant_sections(config, wildcards.variant)
        ),
        code=lambda wildcards: predictor_code(
            "studies.ablation.verbs", VARIANTS[wildcards.variant].predictor
        ),
        dataset=subpath(input.manifest, parent=True),
        folder="results/ablation/{variant}",
    message:
        "Ablation: training {wildcards.variant}"
    shell:
        "perfseer ablate --params {params.config:q} --variant {wildcards.variant}"
        " --dataset {params.dataset} --graphs {input.graphs} --out {params.folder} > {log} 2>&1"


READS["ablation"] = {
    "records": expand(
        "results/ablation/{variant}/{seed}/record.json", variant=VARIANTS, seed=SEEDS
    ),
    "manifest": "results/dataset/manifest.json",
    "measurements": TABLE,
    "repeats": REPEATS,
}


rule ablation:
    input:
        READS["ablation"]["records"],
    localrule: True
    message:
        "Every variant is trained"
