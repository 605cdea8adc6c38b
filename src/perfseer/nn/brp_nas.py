r"""BRP-NAS's latency predictor: graph convolutions read out at a global node (METHODS 3).

.. math:: H \leftarrow \operatorname{dropout}(\operatorname{ReLU}(\operatorname{LayerNorm}(A H W + b)))

Row i of A has a one for every node that i hears: those with an edge to i, and i itself. It is not divided by
the degree. The global node hears all nodes of its graph.
"""

import math
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from perfseer.nn.neighbours import DroppedReLU, linked_sum

if TYPE_CHECKING:
    from perfseer.data.links import LinkedBatch, Links


class GraphConvolution(nn.Module):
    """One convolution with what follows it.

    Weights and bias are drawn uniformly from ±1/sqrt(``n_outputs``), as published.

    Args:
        n_inputs: columns of the input rows.
        n_outputs: columns of the output rows.
        dropout: share of entries dropped in training.
    """

    def __init__(self, n_inputs: int, n_outputs: int, dropout: float) -> None:
        super().__init__()
        bound = 1.0 / math.sqrt(n_outputs)
        self.weight = nn.Parameter(torch.empty(n_outputs, n_inputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(n_outputs).uniform_(-bound, bound))
        self.norm = nn.LayerNorm(n_outputs)
        self.activation = DroppedReLU(dropout)

    def forward(self, rows: Tensor, links: "Links") -> Tensor:
        """[N, n_inputs] rows to [M, n_outputs], over the links from N to M."""
        convolved = F.linear(linked_sum(rows, links), self.weight, self.bias)
        result: Tensor = self.activation(self.norm(convolved))
        return result


class BrpNas(nn.Module):
    """A stack of graph convolutions, the last one at the global node only, and a linear map to one number.

    With six types of nodes, hidden 600 and four layers it has 1,091,401 parameters, as the published one.

    Args:
        node_width: columns of the node input.
        hidden: columns of every hidden row.
        layers: number of convolutions.
        dropout: share of entries dropped in training.
    """

    def __init__(self, node_width: int, hidden: int, layers: int, dropout: float) -> None:
        super().__init__()
        widths = [node_width, *[hidden] * layers]
        self.layers = nn.ModuleList(GraphConvolution(*pair, dropout) for pair in pairwise(widths))
        self.head = nn.Linear(hidden, 1)

    def forward(self, batch: "LinkedBatch") -> Tensor:
        """[B, 1] outputs for the B graphs of ``batch``.

        The global node hears all nodes of its graph, so its last row needs the sum over each graph alone; the
        last rows of other nodes are never formed.
        """
        rows = batch.nodes
        for layer in self.layers[:-1]:
            rows = layer(rows, batch.neighbours)
        outputs: Tensor = self.head(self.layers[-1](rows, batch.members))
        return outputs
