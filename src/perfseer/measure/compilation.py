"""`torch.compile` as an option: what it needs of the machine, and how a model is compiled."""

import importlib
import importlib.util
import os
import shutil
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from perfseer.errors import PerfseerError

# Names under which inductor looks for a compiler, after $CXX.
_CPU_COMPILERS = ("g++", "clang++", "c++")
# Triton makes kernels from this compute capability on.
_OLDEST_CAPABILITY = (7, 0)


def require_compiler(device: str) -> None:
    """Raise `PerfseerError` unless `torch.compile` can make code for ``device``, ``cpu`` or ``cuda``.

    On the cpu it also imports the compiler, set to compile in the process itself.
    """
    if device == "cpu":
        require_cpp_compiler(os.environ)
        # A pool of compiling processes would outlive the forked children.
        os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")
        importlib.import_module("torch._inductor.compile_fx")
    else:
        require_triton(torch.cuda.get_device_capability())


def require_cpp_compiler(environment: Mapping[str, str]) -> None:
    """Raise `PerfseerError` unless a C++ compiler is named by ``CXX`` or on the path."""
    names = [environment["CXX"].split()[0]] if environment.get("CXX", "").strip() else list(_CPU_COMPILERS)
    if not any(shutil.which(name, path=environment.get("PATH")) for name in names):
        raise PerfseerError(
            f"mode compiled needs a C++ compiler on the cpu, and there is none of {', '.join(names)}: "
            "install g++, name a compiler in CXX, or measure with mode eager"
        )


def require_triton(capability: tuple[int, int]) -> None:
    """Raise `PerfseerError` unless Triton is installed and makes kernels for this compute capability."""
    if importlib.util.find_spec("triton") is None:
        raise PerfseerError(
            "mode compiled needs Triton on cuda: pip install triton, or measure with mode eager"
        )
    if capability < _OLDEST_CAPABILITY:
        raise PerfseerError(
            f"mode compiled needs a device of compute capability 7.0 or newer, this one has "
            f"{capability[0]}.{capability[1]}: measure with mode eager"
        )


def compiled(model: nn.Module) -> Callable[..., Any]:
    """``model`` compiled for fixed shapes at its first call, as if nothing had been compiled before.

    Without forgetting earlier models, dynamo would take a second batch size for a dimension that varies and
    compile something else than a user with one batch size gets.
    """
    torch.compiler.reset()
    return torch.compile(model, dynamic=False)
