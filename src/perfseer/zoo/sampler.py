"""Drawing networks from the search space: seeded, distinct, valid, and the same on every machine.

Only ``random.random`` is used: Python promises its sequence across versions, and promises nothing of the kind
for ``choice`` or ``randint``.
"""

import math
import random
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

from perfseer.errors import PerfseerError
from perfseer.zoo.space import N_STAGES, SPEC_VERSION, ArchitectureSpec, SearchSpace, n_parameters
from perfseer.zoo.stages import STAGES, WIDTH_MULTIPLE, Shares, StageSpec, Style

T = TypeVar("T")

# So many draws in a row that give nothing new or valid mean that the space is (all but) used up.
MAX_FRUITLESS_DRAWS = 10_000

INCEPTION_SHARES: tuple[Shares, ...] = ((2, 4, 1, 1), (3, 3, 1, 1), (1, 4, 2, 1), (2, 2, 2, 2))


class Draws:
    """Random choices from one seeded sequence."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed).random

    def choice(self, options: Sequence[T]) -> T:
        """One of ``options``, all equally likely."""
        return options[int(self._random() * len(options))]

    def integer(self, low: int, high: int) -> int:
        """An integer between ``low`` and ``high``, both inclusive, all equally likely."""
        return low + int(self._random() * (high - low + 1))

    def log_uniform(self, low: int, high: int, step: int) -> int:
        """A multiple of ``step`` between ``low`` and ``high``, inclusive, with density 1 / value."""
        exponent = math.log(low) + self._random() * math.log((high + step) / low)
        return min(high, max(low, int(math.exp(exponent)) // step * step))


def _left_open(draws: Draws, style: Style, width: int) -> dict[str, Any]:
    """What a style leaves open, drawn evenly; the order of the draws is part of the networks' one order."""
    match style:
        case "vgg":
            return {"kernel": draws.choice((3, 5))}
        case "googlenet":
            shares = draws.choice(INCEPTION_SHARES)
            return {"shares": shares, "reduction": draws.choice((1, 2))}
        case "resnet":
            expansion = draws.choice((1, 2, 4))
            possible = [groups for groups in (1, 2, 4, 8, 16, 32) if width % (expansion * groups) == 0]
            return {"expansion": expansion, "groups": draws.choice(possible) if expansion > 1 else 1}
        case "densenet":
            growth_rate = max(4, width // draws.choice((2, 4, 8)))
            return {"growth_rate": growth_rate, "bottleneck": draws.choice((False, True))}
        case "mobilenet":
            return {"kernel": draws.choice((3, 5)), "expansion": draws.choice((1, 2, 4))}


def stream(space: SearchSpace) -> Iterator[ArchitectureSpec]:
    """Networks of the space in their one seeded order, each once, none above ``max_parameters``.

    Ends after `MAX_FRUITLESS_DRAWS` draws in a row without a new valid network.
    """
    draws, seen, fruitless = Draws(space.seed), set[str](), 0
    while fruitless < MAX_FRUITLESS_DRAWS:
        spec = _draw(draws, space)
        fruitless += 1
        if n_parameters(spec) <= space.max_parameters and spec.id not in seen:
            seen.add(spec.id)
            fruitless = 0
            yield spec


def sample(space: SearchSpace, count: int) -> list[ArchitectureSpec]:
    """The first ``count`` networks of the space, whatever the count: a longer sample starts with a shorter.

    Raises:
        PerfseerError: ``count`` is negative, or the space has fewer valid networks.
    """
    if count < 0:
        raise PerfseerError(f"cannot sample {count} architectures; give a count of 0 or more")
    specs = list(islice(stream(space), count))
    if len(specs) < count:
        raise PerfseerError(
            f"the search space gave {len(specs)} distinct architectures of at most {space.max_parameters:,} "
            f"parameters, {count} were asked for; widen zoo.depth, zoo.width, zoo.styles or "
            "zoo.max_parameters, or ask for fewer"
        )
    return specs


def find(space: SearchSpace, identifier: str, limit: int) -> ArchitectureSpec | None:
    """The network with this id among the first ``limit`` of the space, or None."""
    return next((spec for spec in islice(stream(space), limit) if spec.id == identifier), None)


def _draw(draws: Draws, space: SearchSpace) -> ArchitectureSpec:
    return ArchitectureSpec(
        version=SPEC_VERSION,
        in_channels=space.in_channels,
        stem_channels=space.stem_channels,
        stages=tuple(_draw_stage(draws, space, index) for index in range(N_STAGES)),
        n_classes=space.n_classes,
    )


def _draw_stage(draws: Draws, space: SearchSpace, index: int) -> StageSpec:
    style = draws.choice(space.styles)
    depth = draws.integer(*space.depth)
    width = draws.log_uniform(*space.stage_width(index), WIDTH_MULTIPLE)
    return STAGES[style](depth=depth, width=width, **_left_open(draws, style, width))
