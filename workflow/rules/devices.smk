# Devices that the predictor never saw: `snakemake devices`. Not part of `all`, because other people's times are
# fetched for it, a thousand models captured, and twenty fits made, each without some of the devices.

DEVICES = PARAMETERS.devices
DEVICES_CONFIG = sections("devices")
DEVICES_STUDY = "results/devices"
# As it is with every seed, and each variant with the first.
DEVICES_FITS = [("whole", seed) for seed in DEVICES.seeds]
DEVICES_FITS += [(variant, DEVICES.seeds[0]) for variant in DEVICES.variants]


rule gather_devices:
    output:
        rows=ensure(f"{DEVICES_STUDY}/rows.parquet", non_empty=True),
        graphs=ensure(f"{DEVICES_STUDY}/graphs.safetensors", non_empty=True),
    log:
        "logs/gather_devices.log",
    conda:
        "../envs/perfseer.yaml"
    threads: 2
    resources:
        mem_mb=6000,
    params:
        config=DEVICES_CONFIG,
        folder=subpath(output.rows, parent=True),
        code=code_digest("perfseer.studies.devices.rows"),
    message:
        "Gathering what others timed on many devices, and capturing those models"
    shell:
        "perfseer devices gather --params {params.config:q} --workers {threads} --out {params.folder}"
        " > {log} 2>&1"


rule fit_devices:
    input:
        rules.gather_devices.output,
    output:
        errors=ensure(
            f"{DEVICES_STUDY}/{{fitted}}/{{seed}}/{{fold}}/errors.parquet",
            non_empty=True,
        ),
    log:
        "logs/fit_devices/{fitted}/{seed}/{fold}.log",
    wildcard_constraints:
        fitted="|".join(fitted for fitted, _ in DEVICES_FITS),
        seed=r"\d+",
        fold=r"\d+",
    conda:
        "../envs/perfseer.yaml"
    threads: 1
    resources:
        mem_mb=4000,
    params:
        config=DEVICES_CONFIG,
        folder=subpath(output.errors, ancestor=4),
        variant=lambda wildcards: (
            "" if wildcards.fitted == "whole" else f"--variant {wildcards.fitted}"
        ),
        code=code_digest(
            "perfseer.studies.devices.errors", "perfseer.predictors.library.seernet_x"
        ),
    message:
        "Fitting without the devices of fold {wildcards.fold}, seed {wildcards.seed} ({wildcards.fitted})"
    shell:
        "perfseer devices fit --params {params.config:q} --study {params.folder} --seed {wildcards.seed}"
        " --fold {wildcards.fold} {params.variant} --threads {threads} > {log} 2>&1"


READS["devices"] = {
    "errors": [
        f"{DEVICES_STUDY}/{fitted}/{seed}/{fold}/errors.parquet"
        for fitted, seed in DEVICES_FITS
        for fold in range(DEVICES.folds)
    ]
}


rule devices:
    input:
        reported_files("devices")["markdown"],
    localrule: True
    message:
        "Unseen devices: fitted without them and reported"
