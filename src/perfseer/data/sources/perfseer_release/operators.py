"""ONNX operators, as the release names them, and our vocabulary.

The release has ten types (METHODS 1.1); further ones come from our own exports. A type that is not listed is
kept as ``other`` with its bytes, and counted.
"""

from perfseer.graphs.vocabulary import OPERATOR_INDEX, OPERATORS

# Views: they move no data and are no nodes of a PerfGraph. Of these the release has Flatten.
VIEWS = frozenset({"Flatten", "Reshape", "Squeeze", "Unsqueeze", "Identity"})

# What we write: PerfSeer's ten, then one name for each further entry of the vocabulary: ONNX's where one
# operator fits, else our own word, since the vocabulary joins several (activation, elementwise, …).
_WRITTEN: dict[str, str] = {
    "conv": "Conv",
    "relu": "Relu",
    "batch_norm": "BatchNormalization",
    "concat": "Concat",
    "avg_pool": "AveragePool",
    "global_avg_pool": "GlobalAveragePool",
    "linear": "Gemm",
    "max_pool": "MaxPool",
    "add": "Add",
    "matmul": "MatMul",
    "attention": "Attention",
    "layer_norm": "LayerNormalization",
    "group_norm": "GroupNormalization",
    "activation": "Activation",
    "softmax": "Softmax",
    "mul": "Mul",
    "elementwise": "Elementwise",
    "reduce": "Reduce",
    "copy": "Copy",
    "embedding": "Gather",
    "index": "GatherElements",
    "resize": "Resize",
    "loss": "SoftmaxCrossEntropyLoss",
    "other": "Other",
}

# What we read besides: other ONNX operators by the entry that capture gives their ATen counterparts.
_ALSO_READ: dict[str, str] = {
    "conv": "ConvTranspose DeformConv",
    "max_pool": "GlobalMaxPool",
    "add": "Sum",
    "layer_norm": "RMSNormalization SimplifiedLayerNormalization",
    "group_norm": "InstanceNormalization",
    "activation": "Sigmoid Tanh Gelu HardSwish HardSigmoid LeakyRelu Elu Celu Selu Mish Softplus Softsign"
    " PRelu ThresholdedRelu Shrink Clip Swish Silu",
    "softmax": "LogSoftmax",
    "elementwise": "Sub Div Neg Exp Log Sqrt Pow Abs Where Max Min Equal Less LessOrEqual Greater"
    " GreaterOrEqual And Or Not Xor Reciprocal Sin Cos Tan Atan Erf Floor Ceil Round Mod Sign IsNaN IsInf",
    "reduce": "ReduceMean ReduceSum ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 ReduceLogSumExp"
    " ReduceSumSquare ArgMax ArgMin CumSum",
    "copy": "Pad Tile Cast Transpose DepthToSpace SpaceToDepth Constant ConstantOfShape Range Trilu",
    "index": "GatherND ScatterElements ScatterND TopK NonZero Unique",
    "resize": "Upsample GridSample",
    "loss": "NegativeLogLikelihoodLoss",
}

_READ: dict[str, int] = {name: OPERATOR_INDEX[operator] for operator, name in _WRITTEN.items()} | {
    name: OPERATOR_INDEX[operator] for operator, names in _ALSO_READ.items() for name in names.split()
}


def vocabulary_index(onnx_type: str) -> int:
    """Vocabulary index of an ONNX operator; 0 (``other``) if the vocabulary has none for it.

    >>> OPERATORS[vocabulary_index("Gemm")], OPERATORS[vocabulary_index("Einsum")]
    ('linear', 'other')
    """
    return _READ.get(onnx_type, 0)


def onnx_type(index: int) -> str:
    """The name under which a vocabulary index is written.

    >>> onnx_type(OPERATOR_INDEX["global_avg_pool"])
    'GlobalAveragePool'
    """
    return _WRITTEN[OPERATORS[index]]
