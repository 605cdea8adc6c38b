# The hardware database and its document: part of `all`, alone by `snakemake hardware`. Sources that cannot be had
# are absent from it, and it says so.

from perfseer.hardware.source import hardware_source_names


rule build_hardware:
    output:
        database=ensure("results/hardware/hardware.sqlite", non_empty=True),
    log:
        "logs/build_hardware.log",
    conda:
        "../envs/perfseer.yaml"
    params:
        config=sections("hardware"),
        code=code(
            "studies.hardware.verbs",
            "hardware.build",
            *(f"hardware.sources.{name}" for name in hardware_source_names()),
        ),
    message:
        "hardware: reading sources, writing the database"
    shell:
        "perfseer hardware build --params {params.config:q} --database {output.database} > {log} 2>&1"


READS["hardware"] = {"database": rules.build_hardware.output.database}


rule hardware:
    input:
        reported_files("hardware")["markdown"],
    localrule: True
    message:
        "hardware: built and reported"
