r"""Times of graphs as sums over their kinds of nodes, each on a platform.

.. math::
    t = \sum_{kinds\ d} n_d \sum_{passes} \left( r_{d,p} \, e^{MLP(x_d, p)} + \lambda_{op(d), p} \right)
        + s_p \, t_{extra}

where r is the time of a roofline with the platform's published peaks, p the platform and pass, λ what
starting a kernel costs, and extra the work no node owns. One network serves all platforms: a platform is its
features and a learned code, 0 for one that training had no rows of.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# A node takes at most e^6 = 400 times its roofline time or 1 / 400 of it: exp must not overflow.
_LARGEST_LOG_FACTOR = 6.0
_LAUNCH_MS = 2e-3
# Kernels reach about three quarters of the published peaks.
_LOG_FACTOR = 0.3
_CONTEXT = 4  # columns of a neighbour's code
UNKNOWN = 0  # the code of a platform without training rows


@dataclass(frozen=True, eq=False)
class Work:
    """P pairs of an example and a kind of node in it, in one pass.

    Attributes:
        features: [P, F] of the node, normalised.
        codes: [P, 3] operator type, producer, consumer.
        roofline_ms: [P] roofline time of one node without launch.
        launches: [P] kernels started per node: 0 where a compiler joins it with its reader.
        counts: [P] nodes of the kind.
        backward: [P] 1 in the backward pass, else 0.
        example: [P] which of the B examples.
    """

    features: Tensor
    codes: Tensor
    roofline_ms: Tensor
    launches: Tensor
    counts: Tensor
    backward: Tensor
    example: Tensor


@dataclass(frozen=True, eq=False)
class Examples:
    """B graphs, each on a platform.

    Attributes:
        work: their nodes.
        platform: [B] code, `UNKNOWN` or from 1 on.
        platform_features: [B, Q] normalised.
        extra_ms: [B] roofline time of what no node owns.
    """

    work: Work
    platform: Tensor
    platform_features: Tensor
    extra_ms: Tensor


class NodeTimeNetwork(nn.Module):
    """Times of graphs from their kinds of nodes.

    Args:
        features: F, columns of a node.
        platform_features: Q, columns of a platform.
        platforms: codes, `UNKNOWN` included.
        operator_types: codes of what a node is.
        operators: codes of what its neighbours are, "outside" included.
        hidden: columns of both hidden layers.
        embedding: columns of an operator's and of a platform's code.
        context: whether a node's neighbours count.
        unknown_share: share of examples whose platform's code is hidden in training, so that the features
            alone have to do.
    """

    def __init__(
        self,
        *,
        features: int,
        platform_features: int,
        platforms: int,
        operator_types: int,
        operators: int,
        hidden: int,
        embedding: int,
        context: bool,
        unknown_share: float,
    ) -> None:
        super().__init__()
        self.unknown_share = unknown_share
        self.context = context
        self.operator = nn.Embedding(operator_types, embedding)
        self.producer = nn.Embedding(operators, _CONTEXT)
        self.consumer = nn.Embedding(operators, _CONTEXT)
        self.platform = nn.Embedding(platforms, embedding, padding_idx=UNKNOWN)
        width = features + embedding + 2 * _CONTEXT * context
        self.of_node = nn.Linear(width, hidden)
        self.of_platform = nn.Linear(embedding + platform_features + 1, hidden)
        self.hidden = nn.Linear(hidden, hidden)
        self.factor = nn.Linear(hidden, 1)
        self.launch = nn.Embedding(operator_types, 1)
        self.launch_of_platform = nn.Linear(embedding + platform_features, 1)
        self.extra_of_platform = nn.Linear(embedding + platform_features, 1)
        nn.init.normal_(self.platform.weight, std=0.1)
        with torch.no_grad():
            self.platform.weight[UNKNOWN].zero_()
        nn.init.zeros_(self.factor.weight)
        nn.init.constant_(self.factor.bias, _LOG_FACTOR)
        nn.init.constant_(self.launch.weight, math.log(_LAUNCH_MS))
        for linear in (self.launch_of_platform, self.extra_of_platform):
            nn.init.zeros_(linear.weight)
            nn.init.zeros_(linear.bias)

    def node_ms(self, examples: Examples) -> Tensor:
        """[P] time of one node of each pair, ms."""
        work, platform = examples.work, self._platform(examples)
        parts = [work.features, self.operator(work.codes[:, 0])]
        if self.context:
            parts += [self.producer(work.codes[:, 1]), self.consumer(work.codes[:, 2])]
        # The platform's part is one row per example and pass, not per pair.
        passes = torch.stack([torch.zeros_like(platform[:, :1]), torch.ones_like(platform[:, :1])], dim=1)
        rows = torch.cat([platform.unsqueeze(1).expand(-1, 2, -1), passes], dim=2)
        of_platform = self.of_platform(rows).flatten(0, 1)
        which = 2 * work.example + work.backward
        hidden = F.silu(self.of_node(torch.cat(parts, dim=1)) + of_platform.index_select(0, which))
        factor = self.factor(F.silu(self.hidden(hidden))).squeeze(1)
        launch = self.launch(work.codes[:, 0]) + self.launch_of_platform(platform)[work.example]
        return torch.addcmul(
            work.launches * launch.squeeze(1).exp(),
            work.roofline_ms,
            factor.clamp(-_LARGEST_LOG_FACTOR, _LARGEST_LOG_FACTOR).exp(),
        )

    def forward(self, examples: Examples) -> Tensor:
        """[B, 1] natural logarithms of the times in ms."""
        extra = examples.extra_ms * self.extra_of_platform(self._platform(examples)).squeeze(1).exp()
        per_pair = self.node_ms(examples) * examples.work.counts
        return extra.index_add(0, examples.work.example, per_pair).log().unsqueeze(1)

    def _platform(self, examples: Examples) -> Tensor:
        """[B, embedding + Q] what is known of each example's platform."""
        return torch.cat([self.platform(examples.platform), examples.platform_features], dim=1)

    def hide(self, platform: Tensor, drawing: torch.Generator) -> Tensor:
        """Codes [B] of which a share, drawn anew, is `UNKNOWN`."""
        hidden = torch.rand(len(platform), generator=drawing) < self.unknown_share
        return torch.where(hidden, torch.full_like(platform, UNKNOWN), platform)
