FIGURES = figure_titles(PREDICTORS)
REPORTS = expand("reports/{name}", name=DOCUMENTS)


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
        page=report(
            "reports/perfseer.html",
            category="Report",
            labels={"document": "The whole report"},
        ),
        metrics="reports/metrics.json",
        tables=expand("reports/plots/{name}.csv", name=TABLES),
        figures=[
            report(
                f"reports/figures/{stem}.svg",
                category="Figures",
                labels={"figure": title},
            )
            for stem, title in FIGURES.items()
        ],
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
