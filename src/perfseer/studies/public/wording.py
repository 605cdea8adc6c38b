"""Names of files, platforms and groupings in words."""

import re
from functools import cache

from perfseer.data.platforms import Platform
from perfseer.data.sources.timm_results.names import parse_name

_NOISE = re.compile(r"NVIDIA |GeForce |Intel\(R\) Core\(TM\) |AMD | CPU.*")
PHASE_WORDS = {"train": "training", "infer": "inference"}


@cache
def platform_of(file: str) -> tuple[Platform, str]:
    """Platform and phase (``train`` or ``infer``) of a result file, from its name."""
    platform, phase = parse_name(file.rsplit("/", 1)[-1])
    return platform, phase


def device_name(device: str) -> str:
    """``RTX 3090`` of ``NVIDIA GeForce RTX 3090``."""
    return _NOISE.sub("", device)


def title(file: str) -> str:
    """For example ``RTX 3090 inference, amp-fp16 nchw, torch 2.4.0``."""
    platform, phase = platform_of(file)
    compiled = ["compiled"] if platform.mode == "compiled" else []
    software = " ".join(platform.software.split()[:2])
    parts = [
        f"{device_name(platform.device)} {PHASE_WORDS[phase]}",
        f"{platform.precision} {platform.memory_format}",
        *compiled,
        software,
    ]
    return ", ".join(parts)


def short_title(file: str) -> str:
    """For example ``RTX 3090 inference``."""
    platform, phase = platform_of(file)
    return f"{device_name(platform.device)} {PHASE_WORDS[phase]}"
