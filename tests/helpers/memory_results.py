"""Made-up memory: batch sizes that shrank until they fitted, and rows with measured peaks."""

import numpy as np
import pandas as pd

from perfseer.data.dataset import Dataset
from perfseer.predictors.memory import MemorySetup, memory_terms
from perfseer.studies.memory.shrunk import COLUMNS, ladder
from tests.helpers.synthetic_graphs import make_dataset

KIND = "cuda-train-amp-fp16-eager"


def made_up(n: int = 400, shift: float = 0.1, spread: float = 0.02) -> pd.DataFrame:
    """Models that stop where their memory, off by a logistic factor, no longer fits."""
    rng = np.random.default_rng(1)
    room = 20e9
    each = np.exp(rng.uniform(np.log(4e6), np.log(4e9), n))
    true = each * np.exp(rng.logistic(shift, spread, n))
    sizes = np.array(ladder(1024))
    rows = []
    for number in range(n):
        place = int(np.argmax(true[number] * sizes <= room))
        failed = int(sizes[place - 1]) if place else 0
        ran = float(each[number] * sizes[place])
        rows.append(
            ("file", "NVIDIA GeForce RTX 3090", KIND, f"c{number}", f"net{number // 2}", f"fam{number % 20}")
        )
        rows[-1] += (int(sizes[place]), failed, ran, each[number] * failed if failed else np.nan, room, False)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def measured_memory() -> Dataset:
    """Synthetic rows whose memory is what the arithmetic says, times a law of the batch size."""
    made = make_dataset(60, seed=3)
    factors = 1.0 + 0.05 * np.log2(np.asarray(made.graphs["batch_size"])[made.graph_rows])
    labels = {}
    for phase in ("train", "infer"):
        terms = [memory_terms(made.graphs.graph(n), phase, MemorySetup("cpu")) for n in made.graph_rows]
        labels[f"{phase}_mem_mib"] = np.array([one.allocated_bytes for one in terms]) / 2**20 * factors
    rows = made.rows.assign(
        **labels,
        architecture=[f"net{number // 2}" for number in range(len(made))],
        device="AMD EPYC",
        device_kind="cpu",
        precision="fp32",
        memory_format="nchw",
        mode="eager",
        environment='{"torch": "2.13.0"}',
    )
    if "configuration" not in rows:
        rows["configuration"] = [f"c{number}" for number in range(len(rows))]
    return Dataset.from_rows(rows, made.graphs)
