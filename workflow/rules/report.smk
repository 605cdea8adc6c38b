# Every document is Markdown, its twin for browsers, figures and the tables behind them: reporting/outputs.py
# lists them, and one verb renders each. What they share stands here once.

EVALUATED = [
    *expand("results/models/{predictor}/summary.json", predictor=PREDICTORS),
    *expand("results/ensembles/{ensemble}/summary.json", ensemble=ENSEMBLES),
    TABLE,
    "results/dataset/rows.parquet",
    "results/dataset/splits.parquet",
    "results/dataset/manifest.json",
    "results/dataset/quarantine.csv",
    "results/graphs/graphs.safetensors",
    "results/graphs/index.parquet",
]

# Without mlp5d in params.yaml there is no network to try on the old report's function.
REGRESSION = ["results/benchmark/regression5d.json"] if "mlp5d" in PREDICTORS else []


rule render_report:
    input:
        evaluated=EVALUATED,
        repeats=REPEATS,
        survey="results/zoo/survey.parquet",
    output:
        markdown="reports/perfseer.md",
        page=web_page("perfseer"),
        metrics="reports/metrics.json",
        tables=tables("perfseer"),
        figures=figures("perfseer"),
    log:
        "logs/render_report/perfseer.log",
    conda:
        "../envs/perfseer.yaml"
    params:
        document="perfseer",
        config=sections(*config),
        code=code("report"),
    message:
        "Rendering {output.markdown}"
    shell:
        "perfseer report {params.document} --params {params.config:q} 2> {log}"


use rule render_report as render_comparison with:
    input:
        evaluated=EVALUATED,
        repeats=REPEATS,
    output:
        markdown="reports/comparison.md",
        page=web_page("comparison"),
        tables=tables("comparison"),
        figures=figures("comparison"),
    log:
        "logs/render_report/comparison.log",
    params:
        document="comparison",
        config=sections(*config),
        code=code("report"),


use rule render_report as render_ablation with:
    input:
        records=expand(
            "results/ablation/{variant}/{seed}/record.json",
            variant=VARIANTS,
            seed=SEEDS,
        ),
        manifest="results/dataset/manifest.json",
        measurements=TABLE,
        repeats=REPEATS,
    output:
        markdown="reports/ablation.md",
        page=web_page("ablation"),
        tables=tables("ablation"),
        figures=figures("ablation"),
    log:
        "logs/render_report/ablation.log",
    params:
        document="ablation",
        config=sections(*config),
        code=code("report"),


use rule render_report as render_benchmark with:
    input:
        points=expand(
            "results/benchmark/{predictor}.json", predictor=[*PREDICTORS, *ENSEMBLES]
        ),
        regression=REGRESSION,
        manifest="results/dataset/manifest.json",
        measurements=TABLE,
        repeats=REPEATS,
    output:
        markdown="reports/benchmark.md",
        page=web_page("benchmark"),
        tables=tables("benchmark"),
        figures=figures("benchmark"),
    log:
        "logs/render_report/benchmark.log",
    params:
        document="benchmark",
        config=sections(*config),
        code=code("report"),


# Before anything is trained: it needs the tables alone.
use rule render_report as render_measurement with:
    input:
        measurements=TABLE,
        repeats=REPEATS,
        study=PROTOCOL_STUDY,
    output:
        markdown="reports/measurement.md",
        page=web_page("measurement"),
        tables=tables("measurement"),
        figures=figures("measurement"),
    log:
        "logs/render_report/measurement.log",
    params:
        document="measurement",
        config=sections(*config),
        code=code("report"),
