"""Names of result files in words."""

import re
from functools import cache

from perfseer.data.platforms import Platform
from perfseer.data.sources.timm_results.names import parse_name
from perfseer.reporting.units import PHASE_WORDS
from perfseer.targets import Phase

_NOISE = re.compile(r"NVIDIA |GeForce |Intel\(R\) Core\(TM\) |AMD | CPU.*")


@cache
def _parsed(file: str) -> tuple[Platform, Phase]:
    return parse_name(file.rsplit("/", 1)[-1])


def title(file: str) -> str:
    """For example ``RTX 3090 inference, amp-fp16 nchw, torch 2.4.0``."""
    platform, _ = _parsed(file)
    compiled = ["compiled"] if platform.mode == "compiled" else []
    software = " ".join(platform.software.split()[:2])
    return ", ".join(
        (short_title(file), f"{platform.precision} {platform.memory_format}", *compiled, software)
    )


def short_title(file: str) -> str:
    """For example ``RTX 3090 inference``."""
    platform, phase = _parsed(file)
    return f"{_NOISE.sub('', platform.device)} {PHASE_WORDS[phase]}"
