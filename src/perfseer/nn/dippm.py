r"""DIPPM's network: GraphSAGE blocks, sum pooling, static features, a perceptron (METHODS 4).

A GraphSAGE convolution hears the mean of a node's predecessors and divides its result by its length:

.. math:: h_v \leftarrow \frac{x}{\lVert x \rVert}, \quad
    x = W_1 \operatorname{mean}_{u \to v} h_u + b + W_2 h_v
"""

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from perfseer.nn.neighbours import DroppedReLU, linked_mean, linked_sum

if TYPE_CHECKING:
    from perfseer.data.links import LinkedBatch, Links

_LAYERS_OF_A_BLOCK = 2
_DENSE_LAYERS = 3
_TINY = 1e-24


class SageConvolution(nn.Module):
    """One normalised GraphSAGE convolution.

    Args:
        n_inputs: columns of the input rows.
        n_outputs: columns of the output rows.
    """

    def __init__(self, n_inputs: int, n_outputs: int) -> None:
        super().__init__()
        self.heard = nn.Linear(n_inputs, n_outputs)
        self.own = nn.Linear(n_inputs, n_outputs, bias=False)

    def forward(self, rows: Tensor, links: "Links") -> Tensor:
        """[V, n_inputs] to [V, n_outputs], rows of length one."""
        heard = self.heard(linked_mean(rows, links))
        result = torch.addmm(heard, rows, self.own.weight.t())
        # As F.normalize, with a gradient of fewer passes.
        return result * result.square().sum(dim=1, keepdim=True).clamp(min=_TINY).rsqrt()


class SageBlock(nn.Module):
    """Two convolutions, ReLU after each, then dropout.

    Args:
        n_inputs: columns of the input rows.
        hidden: columns of the output rows.
        dropout: share of entries dropped in training.
    """

    def __init__(self, n_inputs: int, hidden: int, dropout: float) -> None:
        super().__init__()
        widths = [n_inputs, *[hidden] * (_LAYERS_OF_A_BLOCK - 1)]
        self.layers = nn.ModuleList(SageConvolution(width, hidden) for width in widths)
        self.activation = DroppedReLU(dropout)

    def forward(self, rows: Tensor, links: "Links") -> Tensor:
        """[V, n_inputs] to [V, hidden]."""
        *first, last = self.layers
        for layer in first:
            rows = F.relu_(layer(rows, links))
        result: Tensor = self.activation(last(rows, links))
        return result


class Dippm(nn.Module):
    """Blocks, the sum over each graph, its static features, three dense layers, one output per label.

    With 32 node columns, 5 static features, hidden 512, three blocks and three outputs it has 3,449,347
    parameters.

    Args:
        node_width: columns of the node input.
        static_width: static features of a graph.
        hidden: columns of every hidden row.
        blocks: number of GraphSAGE blocks.
        dropout: share of entries dropped in training.
        n_outputs: T.
    """

    def __init__(
        self, node_width: int, static_width: int, hidden: int, blocks: int, dropout: float, n_outputs: int
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            SageBlock(hidden if index else node_width, hidden, dropout) for index in range(blocks)
        )
        dense: list[nn.Module] = []
        for index in range(_DENSE_LAYERS):
            width = hidden if index else hidden + static_width
            dense += [nn.Linear(width, hidden), DroppedReLU(dropout)]
        self.dense = nn.Sequential(*dense)
        self.head = nn.Linear(hidden, n_outputs)

    def forward(self, batch: "LinkedBatch") -> Tensor:
        """[B, T] outputs for the B graphs of ``batch``; one without nodes has its static features alone."""
        rows = batch.nodes
        for block in self.blocks:
            rows = block(rows, batch.neighbours)
        pooled = linked_sum(rows, batch.members)
        outputs: Tensor = self.head(self.dense(torch.cat([pooled, batch.statics], dim=1)))
        return outputs
