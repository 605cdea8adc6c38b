"""The machine and libraries a predictor was fitted with; nothing volatile, no host name."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

PACKAGES = ("torch", "torch-geometric", "lightgbm", "numpy", "pandas", "scipy", "perfseer")


def environment() -> dict[str, Any]:
    """Python, system, logical cores, threads, and the versions of the libraries that decide results."""
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "packages": {name: found for name in PACKAGES if (found := _version(name)) is not None},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
