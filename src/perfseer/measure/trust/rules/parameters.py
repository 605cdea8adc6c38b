"""Rules about what a row says its network is: names, and memory for its parameters."""

import hashlib
from collections.abc import Mapping

import numpy as np
import pandas as pd

from perfseer.errors import PerfseerError
from perfseer.graphs.liveness import OPTIMISER_STATES_PER_PARAMETER
from perfseer.measure.process_memory import MIB
from perfseer.measure.trust.rules.evidence import MEMORY_RESOLUTION_MIB, Evidence, evidence, known, told
from perfseer.measure.trust.settings import SanitySettings
from perfseer.zoo.space import ArchitectureSpec, n_parameters

# Weights are kept in this many bytes; autocast keeps them in single precision and computes with copies.
_PARAMETER_BYTES = {"fp32": 4, "tf32": 4, "amp-fp16": 4, "bf16": 2}
# While the optimiser steps, parameters, their gradients and the momentum are alive at once.
_COPIES = {"infer": 1, "train": 2 + OPTIMISER_STATES_PER_PARAMETER}
_ZOO = "zoo:"


def names_agree(table: pd.DataFrame, _: SanitySettings) -> Evidence:
    """A network of the search space is called by the digest of its description."""
    checked = _described(table)
    rows = table.loc[checked, ["model_ref", "architecture", "model_spec"]]
    # What we write is canonical JSON, whose digest is the id; only what seems wrong has to be read.
    digests = {text: hashlib.sha256(text.encode()).hexdigest()[:12] for text in rows["model_spec"].unique()}
    rows = _misnamed(rows, digests)
    rows = _misnamed(rows, {text: _id(text) for text in rows["model_spec"].unique()})
    text = "called {model_ref} of architecture {architecture}, described as {id}"
    return evidence(table, checked, [told(rows, text)], "no row describes its network")


def memory_holds_the_parameters(table: pd.DataFrame, _: SanitySettings) -> Evidence:
    """Inference needs at least the memory of the parameters; training that of gradients and momentum
    too.

    Gradients are set to none at the start of an iteration (`measure/steps.py`), but all of them exist when
    the optimiser steps, and the momentum from the second iteration on: three times the parameters, on cpu
    and on cuda.
    """  # noqa: D205  # one sentence, which reports print
    described = _described(table)
    counts = {text: _n_parameters(text) for text in table.loc[described, "model_spec"].unique()}
    elements = table["model_spec"].map(counts).astype(np.float64)
    size_mib = elements * table["precision"].map(_PARAMETER_BYTES).astype(np.float64) / MIB
    parts, checked = [], pd.Series(False, index=table.index)
    for phase, copies in _COPIES.items():
        rows = pd.DataFrame({"mem": table[f"{phase}_mem_mib"], "least": copies * size_mib})
        checked |= rows.notna().all(axis=1)
        low = rows["mem"] < rows["least"] - MEMORY_RESOLUTION_MIB
        text = "{phase}_mem_mib is {mem:.4g}, {what} take {least:.4g} MiB"
        what = "parameters" if copies == 1 else "parameters, gradients and momentum"
        parts.append(told(rows[low], text, phase=phase, what=what))
    return evidence(table, checked, parts, "no row describes its network")


def _described(table: pd.DataFrame) -> "pd.Series[bool]":
    return known(table["model_spec"]) & table["model_ref"].astype(str).str.startswith(_ZOO)


def _misnamed(rows: pd.DataFrame, ids: Mapping[str, str]) -> pd.DataFrame:
    """Rows whose reference or architecture is not the id of their description, with that ``id``."""
    found = rows["model_spec"].map(ids).astype(object)
    return rows.assign(id=found)[(rows["model_ref"] != _ZOO + found) | (rows["architecture"] != found)]


def _id(text: str) -> str:
    try:
        return ArchitectureSpec.from_json(text).id
    except PerfseerError:
        return "nothing readable"


def _n_parameters(text: str) -> float:
    try:
        return float(n_parameters(ArchitectureSpec.from_json(text)))
    except PerfseerError:
        return float("nan")
