"""LightGBM's trees: what makes them come out alike everywhere, and their files."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np

from perfseer.data.files import atomic
from perfseer.errors import PerfseerError, require
from perfseer.graphs.perfgraph import FloatArray
from perfseer.predictors.parts.learners.lightgbm_text import require_sound

# Beside the seed.
REPEATABLE: Mapping[str, Any] = {
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}


def save_boosters(folder: Path, boosters: Mapping[str, lightgbm.Booster]) -> None:
    """Write each to a text file of its name."""
    for name, booster in boosters.items():
        with atomic(folder / f"{name}.txt") as temporary:
            temporary.write_text(booster.model_to_string(), encoding="utf-8")


def load_boosters(folder: Path, names: Iterable[str]) -> dict[str, lightgbm.Booster]:
    """Read what `save_boosters` wrote.

    Raises:
        PerfseerError: a file is missing or damaged.
    """
    return {name: _read(folder / f"{name}.txt") for name in names}


def boosted(booster: lightgbm.Booster, inputs: FloatArray) -> FloatArray:
    """What the trees make of rows [n, F]: [n].

    Raises:
        PerfseerError: they were fitted on other columns.
    """
    require(
        booster.num_feature() == inputs.shape[1],
        f"boosted trees ask for {booster.num_feature()} columns of {inputs.shape[1]}: train them again",
    )
    return np.asarray(booster.predict(inputs, num_threads=1), dtype=np.float64)


def _read(path: Path) -> lightgbm.Booster:
    try:
        text = path.read_bytes().decode("ascii")
        require_sound(text)
        return lightgbm.Booster(model_str=text)
    except (OSError, UnicodeDecodeError, PerfseerError, lightgbm.basic.LightGBMError) as error:
        raise PerfseerError(f"{path} holds no boosted trees ({error}): train it again") from error
