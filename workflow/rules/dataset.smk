rule build_dataset:
    input:
        measurements=TABLE,
        graphs="results/graphs/graphs.safetensors",
        index="results/graphs/index.parquet",
    output:
        rows="results/dataset/rows.parquet",
        quarantine="results/dataset/quarantine.csv",
        splits="results/dataset/splits.parquet",
        normalisers="results/dataset/normalisers.json",
        manifest=ensure("results/dataset/manifest.json", non_empty=True),
    log:
        "logs/build_dataset.log",
    conda:
        "../envs/perfseer.yaml"
    params:
        config=sections("seeds", "labels", "splits"),
        code=code("cli.dataset"),
        folder=subpath(output.manifest, parent=True),
    message:
        "Quarantining, splitting and normalising"
    shell:
        "perfseer dataset --params {params.config:q} --measurements {input.measurements}"
        " --graphs {input.graphs} --index {input.index} --out {params.folder} > {log} 2>&1"
