"""The fixed, versioned operator vocabulary and the hyper-parameter columns of a node.

The first ten operators are those of the PerfSeer data (METHODS 1.1); the rest cover what other
networks use. An ATen operator that maps to none of them becomes ``other`` and is counted.
"""

VOCABULARY_VERSION = 1

OPERATORS: tuple[str, ...] = (
    "other",
    # PerfSeer's ten, in ONNX's words: Conv, Relu, BatchNormalization, Concat, AveragePool,
    # GlobalAveragePool, Gemm, MaxPool, Add (Flatten is a view and so no node).
    "conv",
    "relu",
    "batch_norm",
    "concat",
    "avg_pool",
    "global_avg_pool",
    "linear",
    "max_pool",
    "add",
    # beyond the PerfSeer space
    "matmul",
    "attention",
    "layer_norm",
    "group_norm",
    "activation",
    "softmax",
    "mul",
    "elementwise",
    "reduce",
    "copy",
    "embedding",
    "index",
    "resize",
    "loss",
)
OPERATOR_INDEX: dict[str, int] = {name: index for index, name in enumerate(OPERATORS)}

# PerfSeer's thirteen integer arguments (METHODS 1.1); zero where an operator has no such argument.
HYPERPARAMETERS: tuple[str, ...] = (
    "conv_kernel",
    "conv_stride",
    "conv_padding",
    "conv_dilation",
    "conv_groups",
    "conv_bias",
    "linear_in",
    "linear_out",
    "linear_bias",
    "pool_kernel",
    "pool_stride",
    "pool_padding",
    "pool_ceil",
)
