"""What a kernel costs analytically, by capturing it as networks are captured."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from perfseer.graphs.capture import capture
from perfseer.graphs.kernels import COSTS, OPTIMISER, FusionRules, Nodes, kernels_of, optimiser_costs
from perfseer.measure.kernels.modules import Configuration, kernel_recipe


class _Fed(nn.Module):
    """A kernel behind a 1x1 layer per input, so that its inputs need gradients, as within a network."""

    def __init__(self, kernel: nn.Module, shapes: tuple[tuple[int, ...], ...]) -> None:
        super().__init__()
        self.feeders = nn.ModuleList(
            nn.Conv2d(shape[1], shape[1], 1, bias=False)
            if len(shape) == 4
            else nn.Linear(shape[1], shape[1], bias=False)
            for shape in shapes
        )
        self.kernel = kernel

    def forward(self, *inputs: Tensor) -> Tensor:
        """What the kernel gives."""
        fed = [feeder(x) for feeder, x in zip(self.feeders, inputs, strict=True)]
        out: Tensor = self.kernel(*fed)
        return out


def captured(name: str, configuration: Configuration) -> dict[str, float]:
    """Configuration and costs that the kernel has in a graph.

    Args:
        name: operators joined by ``+``, or `OPTIMISER`.
        configuration: by `graphs.kernels.CONFIGURATION`.

    Returns:
        By `graphs.kernels.CONFIGURATION` and `COSTS`; equal to ``configuration`` where that is consistent.
    """
    if name == OPTIMISER:
        return {**configuration, **optimiser_costs(configuration)}
    recipe = kernel_recipe(name, configuration)
    dtype = {2: torch.bfloat16}.get(configuration["itemsize"], torch.float32)
    with torch.device("meta"):
        module = _Fed(recipe.build(), recipe.shapes).to(dtype)
        inputs = tuple(torch.empty(shape, dtype=dtype) for shape in recipe.shapes)
    words = name.split("+")
    rules = FusionRules(frozenset(pairwise(words)))
    table = kernels_of(Nodes.of([capture(module, inputs)]), rules)
    row = table.iloc[len(recipe.shapes)]
    return {**{key: int(row[key]) for key in configuration}, **{key: float(row[key]) for key in COSTS}}
