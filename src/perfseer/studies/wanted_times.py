"""Which published times studies take. Imports no torch."""

from typing import Annotated

from pydantic import Field, PositiveInt

from perfseer.targets import Phase
from perfseer.validation import Strict


class PublishedTimes(Strict):
    """Which rows of a published source take part.

    Attributes:
        files: names of its files; all if empty.
        sample: architectures, drawn by a seed; all if None.
        phases: whose times count.
        optimiser: whether its training steps end with the optimiser's; ours do.
    """

    files: tuple[str, ...] = ()
    sample: PositiveInt | None = None
    phases: Annotated[tuple[Phase, ...], Field(min_length=1)] = ("infer", "train")
    optimiser: bool = True
