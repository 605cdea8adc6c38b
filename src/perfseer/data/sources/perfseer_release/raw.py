"""A graph as the PerfSeer release has it, before it is understood."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class RawGraph:
    """One network at one batch size: V nodes, E edges, exactly as published.

    Attributes:
        features: V mappings, the ``feature`` of each node in the graph's own order: ``type`` (an ONNX
            operator), ``args`` (13 hyper-parameters), ``memory_info`` (12 sizes, some of them texts),
            ``flops``, ``arith_intensity``. Values are None, numbers, texts, or one level of mappings, lists
            or tuples of those, never anything else.
        edges: E pairs (sender, receiver) of positions in ``features``.
    """

    features: tuple[Mapping[str, Any], ...]
    edges: tuple[tuple[int, int], ...]
