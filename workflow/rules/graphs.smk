# Published measurements bring their graphs along; those of every other table are captured.
if SOURCE.is_published:

    rule build_graphs:
        input:
            measurements=TABLE,
            graphs="results/measurements/published.safetensors",
            index="results/measurements/published_index.parquet",
        output:
            graphs="results/graphs/graphs.safetensors",
            index="results/graphs/index.parquet",
        log:
            "logs/build_graphs.log",
        conda:
            "../envs/perfseer.yaml"
        message:
            "Taking the PerfGraphs of what was published"
        shell:
            "cp {input.graphs} {output.graphs} 2> {log} && cp {input.index} {output.index} 2>> {log}"

else:

    rule build_graphs:
        input:
            measurements=TABLE,
        output:
            graphs="results/graphs/graphs.safetensors",
            index="results/graphs/index.parquet",
        log:
            "logs/build_graphs.log",
        conda:
            "../envs/perfseer.yaml"
        threads: 2
        params:
            code=code("cli.graphs"),
        message:
            "Capturing a PerfGraph of every measured configuration"
        shell:
            "perfseer graph build --measurements {input.measurements} --workers {threads}"
            " --out {output.graphs} --index {output.index} 2>&1 | tee {log} >&2"
