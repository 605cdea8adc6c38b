"""Operators outside the vocabulary whose floating-point operations nobody can tell.

What `torch.utils.flop_counter` counts (`costs`) are products: convolutions, matrix products, attention. So an
operator that only moves elements or works on each by itself has none, although the vocabulary lacks it; one
from elsewhere, or that solves or transforms, may have any number, and then a sum of FLOPs is a lower bound.
"""

import re
from collections.abc import Iterable

# ONNX's own without products; its others outside the vocabulary (DFT, Det, …) may have some. DeformConv's are
# counted by its reader.
_ONNX_NAMES = (
    "AffineGrid ArrayFeatureExtractor Bernoulli BitCast BlackmanWindow CenterCropPad Col2Im CumProd"
    " DeformConv GlobalLpPool HammingWindow HannWindow Hardmax LpNormalization LpPool MaxRoiPool"
    " MaxUnpool MeanVarianceNormalization MelWeightMatrix Multinomial NegativeLogLikelihoodLoss OneHot"
    " RegexFullMatch ReverseSequence RoiAlign Scatter SoftmaxCrossEntropyLoss StringConcat"
    " StringNormalizer SwiGLU TensorScatter TfIdfVectorizer"
)
_ONNX = frozenset(_ONNX_NAMES.split())
# Of other domains, likewise.
_FOREIGN_NAMES = (
    "com.microsoft.BiasDropout com.microsoft.BiasSoftmax com.microsoft.BiasSplitGelu"
    " com.microsoft.BitmaskBiasDropout com.microsoft.BitmaskDropout com.microsoft.CropAndResize"
    " com.microsoft.DequantizeBFP com.microsoft.ExpandDims com.microsoft.GatherND"
    " com.microsoft.GridSample com.microsoft.MaxpoolWithMask com.microsoft.NGramRepeatBlock"
    " com.microsoft.Pad com.microsoft.QuantizeBFP com.microsoft.Range com.microsoft.RemovePadding"
    " com.microsoft.RestorePadding com.microsoft.SampleOp com.microsoft.Unique"
    " com.microsoft.nchwc.AveragePool com.microsoft.nchwc.GlobalAveragePool"
    " com.microsoft.nchwc.GlobalMaxPool com.microsoft.nchwc.MaxPool com.microsoft.nchwc.ReorderInput"
    " com.microsoft.nchwc.ReorderOutput com.microsoft.nchwc.Upsample torchvision.nms"
    " torchvision.ps_roi_align torchvision.ps_roi_pool torchvision.roi_align torchvision.roi_pool"
)
_FOREIGN = frozenset(_FOREIGN_NAMES.split())
# Words in the names of ATen's operators that solve, transform or multiply, of which torch counts nothing.
_ATEN = re.compile(
    r"(?:^|_)(?:fft|linalg|cholesky|lu|qr|svd|eig|eigh|solve|inverse|det|logdet|slogdet|pinverse|gemm|mm|spmm"
    r"|addmm|mkldnn|cudnn|rnn|lstm|gru|trilinear|attention|conv\w*|transformer|ormqr|geqrf|matrix|cdist|pdist"
    r"|linear|bilinear|matmul|spsolve|smm|sspaddmm|hspmm)(?:_|$)|^(?:addmm|bmm)"
)


def has_unknown_flops(name: str) -> bool:
    """Whether an operator outside the vocabulary may have FLOPs that are not counted.

    Args:
        name: as in `PerfGraph.unknown`: ATen's without namespace, ONNX's, or with the namespace or domain of
            somebody else before a dot.

    >>> [has_unknown_flops(name) for name in ("erfinv", "linalg_svd", "Hardmax", "DFT", "mine.conv")]
    [False, True, False, True, True]
    """
    if "." in name:
        return name not in _FOREIGN
    return name not in _ONNX if name[:1].isupper() else bool(_ATEN.search(name))


def with_unknown_flops(names: Iterable[str]) -> tuple[str, ...]:
    """Those whose FLOPs nobody can tell, in the order given."""
    return tuple(name for name in names if has_unknown_flops(name))
