"""What libraries, allocator and process take besides the tensors.

oneDNN (cpu) computes convolutions in blocked layouts: while one runs, its operands and result exist twice.
Grouped convolutions whose groups are no multiple of 4 channels wide take a buffer of fixed size instead. Code
that oneDNN generates stays, a little for every distinct convolution. cuBLAS (cuda) keeps a workspace; cuDNN's
is left to the margin (`margins`), since it takes what is free and does with less.

The caching allocator (cuda) rounds blocks up to 512 bytes and holds them in segments: 2 MiB for blocks up to
1 MiB, 20 MiB for those below 10 MiB, whole multiples of 2 MiB beyond (c10/cuda/CUDACachingAllocator.cpp).
"""

from math import ceil
from typing import NamedTuple

import numpy as np

from perfseer.graphs.perfgraph import FloatArray, IntArray, PerfGraph
from perfseer.graphs.vocabulary import HYPERPARAMETERS, OPERATOR_INDEX
from perfseer.predictors.memory.setup import MemorySetup
from perfseer.predictors.memory.widths import BoolArray
from perfseer.targets import Phase

MIB = 2**20

_CONV = OPERATOR_INDEX["conv"]
_GROUPS = HYPERPARAMETERS.index("conv_groups")
# oneDNN's vectors hold 4, 8 or 16 channels.
_SMALLEST_VECTOR = 4
_GROUPED_BUFFER_BYTES = 5 * MIB
# Generated code: of a process that convolves, and of each distinct convolution; backward has more kernels.
_CODE_BYTES = {"infer": (1 * MIB, 0.03 * MIB), "train": (2 * MIB, 0.06 * MIB)}
# torch's default: cuBLAS gets 4096 KiB twice and 16 KiB eight times (CUBLAS_WORKSPACE_CONFIG).
_CUBLAS_BYTES = 8_519_680
_SMALL_BLOCK, _LARGE_BLOCK, _POOL_SEGMENT = 1 * MIB, 10 * MIB, 20 * MIB
_SEGMENT_STEP, _BLOCK_STEP = 2 * MIB, 512
_PAGE_BYTES = 4096
# A process that has imported torch, and a CUDA context with its libraries' kernels loaded.
_CONTEXT_BYTES = {"cpu": 250 * MIB, "cuda": 450 * MIB}


class Workspace(NamedTuple):
    """[V] bytes each node takes while it runs, forward and backward."""

    forward: FloatArray
    backward: FloatArray


def node_workspace(graph: PerfGraph, setup: MemorySetup) -> Workspace:
    """What libraries take while each node runs; nothing on cuda, where it is elastic."""
    if setup.device_kind != "cpu":
        return no_workspace(graph)
    conv, buffered = graph.operators == _CONV, _takes_buffer(graph)
    operands = (graph.bytes * setup.weight_scale).astype(np.float64)
    forward = np.where(conv & ~buffered, operands, 0.0)
    buffer = np.where(buffered, float(_GROUPED_BUFFER_BYTES), 0.0)
    # The backward pass reads both operands and the gradient, and writes two gradients.
    return Workspace(forward + buffer, 2 * forward + buffer)


def no_workspace(graph: PerfGraph) -> Workspace:
    """Of libraries that take nothing."""
    return Workspace(np.zeros(graph.n_nodes), np.zeros(graph.n_nodes))


def library_bytes(graph: PerfGraph, phase: Phase, setup: MemorySetup) -> int:
    """What libraries keep throughout the phase."""
    if setup.device_kind == "cuda":
        return _CUBLAS_BYTES
    distinct = _distinct_convolutions(graph)
    once, each = _CODE_BYTES[phase]
    return round(once + each * distinct) if distinct else 0


def rounding_bytes(blocks: FloatArray, setup: MemorySetup) -> int:
    """What the allocator adds to blocks of these sizes: up to 512 bytes on cuda, half a page on cpu."""
    if setup.device_kind == "cpu":
        return _PAGE_BYTES * len(blocks) // 2
    return int((-np.rint(blocks).astype(np.int64) % _BLOCK_STEP).sum())


def segment_bytes(blocks: FloatArray, setup: MemorySetup) -> int:
    """What CUDA's caching allocator holds beyond blocks of these sizes if it packs them well; 0 on cpu."""
    if setup.device_kind == "cpu":
        return 0
    sizes: IntArray = np.rint(blocks).astype(np.int64)
    small = sizes[sizes <= _SMALL_BLOCK].sum()
    middle = sizes[(sizes > _SMALL_BLOCK) & (sizes < _LARGE_BLOCK)].sum()
    pools = ceil(small / _SEGMENT_STEP) * _SEGMENT_STEP - small
    pools += ceil(middle / _POOL_SEGMENT) * _POOL_SEGMENT - middle
    return int(pools + (-sizes[sizes >= _LARGE_BLOCK] % _SEGMENT_STEP).sum())


def context_bytes(setup: MemorySetup) -> int:
    """What the process holds before its first tensor."""
    return _CONTEXT_BYTES[setup.device_kind]


def _takes_buffer(graph: PerfGraph) -> BoolArray:
    """[V] grouped, not depth-wise, convolutions whose groups are no multiple of a vector wide."""
    groups, channels = graph.hyperparameters[:, _GROUPS], graph.output_shapes[:, 1]
    grouped = (graph.operators == _CONV) & (groups > 1) & (groups < channels)
    return np.asarray(grouped & ((channels // np.maximum(groups, 1)) % _SMALLEST_VECTOR != 0))


def _distinct_convolutions(graph: PerfGraph) -> int:
    conv = graph.operators == _CONV
    parts = (graph.hyperparameters, graph.output_shapes, graph.input_bytes[:, None])
    return len({tuple(row) for row in np.hstack([part[conv] for part in parts]).tolist()})


def convolution_columns(graph: PerfGraph) -> list[float]:
    """What is known of a graph's convolutions.

    How many differ in more than their place; whether a grouped one takes a buffer (0 or 1); and the largest
    input, weight and result, MiB, 0 without convolutions.
    """
    conv = graph.operators == _CONV
    sizes = (graph.input_bytes, graph.weight_bytes, graph.output_bytes)
    largest = [int(size[conv].max(initial=0)) / MIB for size in sizes]
    return [_distinct_convolutions(graph), float(_takes_buffer(graph).any()), *largest]
