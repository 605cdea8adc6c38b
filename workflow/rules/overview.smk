# What was measured, and how well one predictor does: everything that was evaluated.

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

READS["overview"] = {
    "evaluated": EVALUATED,
    "repeats": REPEATS,
    "survey": "results/zoo/survey.parquet",
}
