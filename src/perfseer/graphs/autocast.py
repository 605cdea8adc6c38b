"""Automatic mixed precision on the meta device: torch's own switches steer what meta tensors do.

A model turns autocast on and off in its own code, asks whether it is on, and torch's checkpoints bring it
back when a block runs again. All of that goes through the functions that `switches` replaces for the length
of a capture: a region for "cuda", or for "meta" (models name the device of their input), switches the policy
of `autocast_policy`, and no GPU is needed for it. Regions for the cpu stay without effect, as on a GPU.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch.amp import autocast_mode

from perfseer.graphs.autocast_policy import apply_to_meta, forget_casts

_GPU, _META = "cuda", "meta"


class Autocast:
    """While active, operators on meta tensors run in the precision that autocast on a GPU would choose.

    Args:
        dtype: the lower precision, float16 or bfloat16.
    """

    def __init__(self, dtype: torch.dtype) -> None:
        self._dtype = dtype
        self._open = ExitStack()

    def __enter__(self) -> None:
        with ExitStack() as stack:
            stack.enter_context(switches())
            stack.enter_context(torch.autocast(_GPU, dtype=self._dtype))
            self._open = stack.pop_all()

    def __exit__(self, *error: Any) -> None:
        self._open.close()


@contextmanager
def switches() -> Iterator[None]:
    """Let torch's regions, questions and checkpoints treat meta tensors as those of a GPU, process-wide."""
    scripts = torch._C._jit_set_autocast_mode(False)  # TorchScript would cast by itself, on devices it knows
    with ExitStack() as stack:
        for name in ("is_autocast_enabled", "get_autocast_dtype", "set_autocast_dtype"):
            _replace(stack, torch, name, _as_of_gpu(getattr(torch, name)))
        available = _as_of_gpu(autocast_mode.is_autocast_available)
        for place in (torch.amp, autocast_mode):
            _replace(stack, place, "is_autocast_available", available)
        _replace(stack, torch, "set_autocast_enabled", _switching(_as_of_gpu(torch.set_autocast_enabled)))
        _replace(stack, torch, "clear_autocast_cache", _forgetting(torch.clear_autocast_cache))
        stack.enter_context(regions_as_on_a_gpu())
        _replace(stack, autocast_mode, "_cast", _casting_meta(autocast_mode._cast))
        stack.callback(forget_casts)
        stack.callback(torch._C._jit_set_autocast_mode, scripts)
        yield


@contextmanager
def regions_as_on_a_gpu() -> Iterator[None]:
    """Regions that are made meanwhile (`@torch.autocast("cuda")`) do not ask whether there is a GPU here."""
    with ExitStack() as stack:
        _replace(stack, torch.cuda.amp.common, "amp_definitely_not_available", lambda: False)
        _replace(stack, torch.cuda, "is_bf16_supported", lambda *_, **__: True)
        yield


def _replace(stack: ExitStack, owner: Any, name: str, replacement: Callable[..., Any]) -> None:
    stack.callback(setattr, owner, name, getattr(owner, name))
    setattr(owner, name, replacement)


def _as_of_gpu(function: Callable[..., Any]) -> Callable[..., Any]:
    """What is said of the meta device is said of the GPU."""

    def asked(*args: Any, **kwargs: Any) -> Any:
        kwargs = {name: _GPU if value == _META else value for name, value in kwargs.items()}
        return function(*(_GPU if value == _META else value for value in args), **kwargs)

    return asked


def _switching(set_enabled: Callable[..., None]) -> Callable[..., None]:
    def switch(*args: Any, **kwargs: Any) -> None:
        set_enabled(*args, **kwargs)
        apply_to_meta(torch.is_autocast_enabled(_GPU))

    return switch


def _forgetting(clear: Callable[[], None]) -> Callable[[], None]:
    def forget() -> None:
        clear()
        forget_casts()

    return forget


def _casting_meta(cast: Callable[..., Any]) -> Callable[..., Any]:
    """Inputs of functions under `torch.amp.custom_fwd` are on the meta device."""
    return lambda value, device_type, dtype: cast(value, _META if device_type == _GPU else device_type, dtype)
