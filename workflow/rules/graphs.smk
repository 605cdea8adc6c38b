rule build_graphs:
    input:
        measurements="results/measurements/local.parquet",
    output:
        graphs="results/graphs/graphs.safetensors",
        index="results/graphs/index.parquet",
    log:
        "logs/build_graphs.log",
    conda:
        "../envs/perfseer.yaml"
    threads: 2
    params:
        code=code("graphs"),
    message:
        "Capturing a PerfGraph of every measured configuration"
    shell:
        "perfseer graph build --measurements {input.measurements} --workers {threads}"
        " --out {output.graphs} --index {output.index} 2>&1 | tee {log} >&2"
