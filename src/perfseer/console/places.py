"""Where verbs look for what other verbs wrote, unless told otherwise."""

from pathlib import Path
from typing import Annotated

import typer

MEASUREMENTS = Path("results/measurements/local.parquet")
KERNELS = Path("results/measurements/kernels.parquet")
GRAPHS = Path("results/graphs/graphs.safetensors")
INDEX = Path("results/graphs/index.parquet")
DATASET = Path("results/dataset")

Measurements = Annotated[Path, typer.Option(help="Measurement table written by `perfseer collect`.")]
Graphs = Annotated[Path, typer.Option(help="Graphs written by `perfseer graph build`.")]
Index = Annotated[Path, typer.Option(help="Index written by `perfseer graph build`.")]
