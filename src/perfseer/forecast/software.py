"""Which framework is meant where somebody names a version: ``2.6``, ``torch2.6``, ``torch 2.6.0 cu124``."""

import re
from collections.abc import Iterable

from perfseer.data.platforms import Platform
from perfseer.errors import PerfseerError

Version = tuple[int, int]

_SPOKEN = re.compile(
    r"(?:(?:py)?torch[ =-]*)?(?P<major>\d+)\.(?P<minor>\d+)(?P<patch>\.\d{1,2})?"
    r"(?:[ +](?P<build>cpu|cu\d{2,3}|rocm\d(?:\.\d){0,2}))?"
)
# By how much versions differ on one machine: root mean square of ln of the time of a model's step under one
# over that under another. 0.05 to 0.18, and 0.13 over all, in the pairs of timm's files that the shipped
# predictor learns from (RTX 3090 under 1.13, 2.1 and 2.4, RTX 4090 under 2.4 and 2.9, Core i9 under 2.2 and
# 2.4; same model, image and batch).
DRIFT = 0.13
# The last minor version of each generation: of the second one that people will ask about for years to come.
_LAST_MINOR = {1: 13, 2: 40}


def parse_software(text: str) -> str:
    """What was named, as `Platform.software` spells it: ``torch 2.6``, ``torch 2.6.0 cu124``.

    Args:
        text: a version of torch, with or without its name, patch and build.

    Raises:
        PerfseerError: it is none.
    """
    found = _SPOKEN.fullmatch(text.strip().lower())
    if found is None or int(found["minor"]) > _LAST_MINOR.get(int(found["major"]), -1):
        raise PerfseerError(
            f"software {text[:80]!r} is no version of torch: expected one of generation 1 or 2, such as 2.6, "
            "torch2.6 or 'torch 2.6.0 cu124'"
        )
    version = f"{int(found['major'])}.{int(found['minor'])}{found['patch'] or ''}"
    return " ".join(filter(None, ["torch", version, found["build"]]))


def version_of(software: str) -> Version:
    """Major and minor version of what `parse_software` gave."""
    major, minor = software.split()[1].split(".")[:2]
    return int(major), int(minor)


def steps_between(one: Version, other: Version) -> tuple[int, int]:
    """How far two versions are apart, generations first; the last of one is next to the first of the next."""
    if one[0] == other[0]:
        return 0, abs(one[1] - other[1])
    low, high = sorted((one, other))
    return high[0] - low[0], _LAST_MINOR.get(low[0], low[1]) - low[1] + high[1]


def newest(platforms: Iterable[Platform]) -> str:
    """The newest software among platforms, at least one."""
    return max(platforms, key=lambda platform: platform.torch_version).software
