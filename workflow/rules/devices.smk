# Devices that the shipped predictor never saw: `snakemake devices`. Not part of `all`, because other people's
# times are fetched for it and several hundred models captured.

DEVICES_CONFIG = sections("devices")


rule measure_devices:
    output:
        errors=ensure("results/devices/errors.parquet", non_empty=True),
    log:
        "logs/measure_devices.log",
    conda:
        "../envs/perfseer.yaml"
    threads: 2
    resources:
        mem_mb=4000,
    params:
        config=DEVICES_CONFIG,
        code=code_digest("perfseer.studies.devices.errors"),
    message:
        "Predicting times that others measured on devices the predictor never saw"
    shell:
        "perfseer devices measure --params {params.config:q} --workers {threads} --out {output.errors}"
        " > {log} 2>&1"


READS["devices"] = {"errors": rules.measure_devices.output.errors}


rule devices:
    input:
        reported_files("devices")["markdown"],
    localrule: True
    message:
        "Unseen devices: measured and reported"
