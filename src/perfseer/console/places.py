"""Where verbs look for what other verbs wrote, unless told otherwise."""

from pathlib import Path

MEASUREMENTS = Path("results/measurements/local.parquet")
MEASUREMENTS_HELP = "Measurement table written by `perfseer collect`."
KERNELS = Path("results/measurements/kernels.parquet")
GRAPHS = Path("results/graphs/graphs.safetensors")
INDEX = Path("results/graphs/index.parquet")
DATASET = Path("results/dataset")
