"""Networks that estimates are made for: operations, bytes and parameters, each with where it comes from."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class ReferenceModel:
    """One network at one input.

    Attributes:
        name: of it.
        title: with its input, and what one unit of its throughput is.
        benchmarks: of MLPerf Inference that run it, all spellings; empty where none does.
        flops: of one unit, two per multiply-accumulate.
        parameters: weights that every pass reads.
        activation_elements: numbers that one unit reads and writes beside the weights.
        batch: units that share a reading of the weights in estimates of throughput.
        source: where the figures stand.
    """

    name: str
    title: str
    benchmarks: tuple[str, ...]
    flops: float
    parameters: float
    activation_elements: float
    batch: int
    source: str

    def unit_bytes(self, width: int, batch: int | None = None) -> float:
        """Bytes one unit moves with numbers of ``width`` bytes, in a batch (its own unless told)."""
        return width * (self.activation_elements + self.parameters / (batch or self.batch))


def _transformer_flops(layers: int, width: int, length: int) -> float:
    """Products of an encoder on one sequence: 24 s d² of its maps and 4 s² d of its attention per layer."""
    return float(layers * (24 * length * width**2 + 4 * length**2 * width))


def _transformer_elements(layers: int, width: int, heads: int, length: int) -> float:
    """What the same products read and write: 20 s d, and the scores twice."""
    return float(layers * (20 * length * width + 2 * heads * length**2))


def _models() -> tuple[ReferenceModel, ...]:
    # Of the 384 tokens that SQuAD v1.1 is padded to, 54 % are padding, which most submitters leave out.
    bert = {"layers": 24, "width": 1024, "length": 177}
    gpt2, llama = 124_439_808, 68_976_648_192
    return (
        ReferenceModel(
            name="resnet50",
            title="ResNet-50 at 224 x 224; an image",
            benchmarks=("resnet50", "resnet"),
            flops=8_178_368_512,
            parameters=25_557_032,
            # Batch norm and ReLU are joined to the convolution before them, an addition reads its shortcut.
            activation_elements=28_806_120,
            batch=64,
            source="perfseer's own capture of perfseer.zoo.reference.resnet50 (4.09 G multiply-accumulates)",
        ),
        ReferenceModel(
            name="bert_large",
            title="BERT-large at 177 tokens, the mean of SQuAD without padding; a sequence",
            benchmarks=("bert-99", "bert"),
            flops=_transformer_flops(**bert),
            # 12 d² of each layer; embeddings are looked up, not multiplied.
            parameters=24 * 12 * 1024**2,
            activation_elements=_transformer_elements(**bert, heads=16),
            batch=64,
            source="Devlin et al. 2019 (arXiv 1810.04805): 24 layers, width 1024, 16 heads; "
            "padding: openreview.net/forum?id=3nzKUh9a4M",
        ),
        ReferenceModel(
            name="gpt2",
            title="GPT-2 (small), one sequence at a time; a token",
            benchmarks=(),
            flops=2 * gpt2,
            parameters=gpt2,
            activation_elements=0,
            batch=1,
            source="Radford et al. 2019; parameters of the published checkpoint",
        ),
        ReferenceModel(
            name="llama2_70b",
            title="Llama-2-70B, 64 sequences at once; a token",
            benchmarks=("llama2-70b", "llama2-70b-99", "llama2-70b-99.9"),
            flops=2 * llama,
            parameters=llama,
            # The cache of keys and values is left out.
            activation_elements=0,
            batch=64,
            source="Touvron et al. 2023 (arXiv 2307.09288); parameters of the published checkpoint",
        ),
    )


REFERENCE_MODELS: Mapping[str, ReferenceModel] = MappingProxyType({model.name: model for model in _models()})
