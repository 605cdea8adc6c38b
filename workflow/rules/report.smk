REPORTS = ["reports/perfseer.md", "reports/perfseer.html", "reports/metrics.json"]


rule render_report:
    input:
        summaries=expand(
            "results/models/{predictor}/summary.json", predictor=PREDICTORS
        ),
        rows="results/dataset/rows.parquet",
        splits="results/dataset/splits.parquet",
        manifest="results/dataset/manifest.json",
        quarantine="results/dataset/quarantine.csv",
        graphs="results/graphs/graphs.safetensors",
        index="results/graphs/index.parquet",
        survey="results/zoo/survey.parquet",
    output:
        markdown="reports/perfseer.md",
        page="reports/perfseer.html",
        metrics="reports/metrics.json",
    log:
        "logs/render_report.log",
    conda:
        "../envs/perfseer.yaml"
    params:
        config=sections(*config),
        code=code("report"),
        folder=subpath(output.markdown, parent=True),
    message:
        "Rendering the report"
    shell:
        "perfseer report --params {params.config:q} --graphs {input.graphs} --index {input.index}"
        " --survey {input.survey} --out {params.folder} 2> {log}"
