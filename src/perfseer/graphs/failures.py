"""Why a model could not be captured, in one sentence that names the line of its code."""

import re
import sysconfig
import traceback
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

_TORCH = Path(torch.__file__).parent
_LIBRARY = Path(sysconfig.get_paths()["stdlib"])
_LAYERS = _TORCH / "nn" / "modules"
_MACHINERY = (Path(__file__).parent, _LAYERS / "module.py", _LAYERS / "container.py")
_SCRIPT_LINE = re.compile(r'File "([^"]+)", line (\d+)')
_SCRIPT = "failed in the TorchScript interpreter"
_LONG = 160  # characters of a reason of which the first sentence suffices
_VALUES = (
    ". Capture runs it on the meta device: check the input shape and that nothing depends on tensor values "
    "(.item(), if)"
)


def explain(module: nn.Module, inputs: Sequence[Tensor], error: BaseException) -> str:
    """Model, input, exception, and where in the model's own code it was raised.

    Args:
        module: the model.
        inputs: what it was given.
        error: what ended its run.
    """
    shapes = ", ".join("x".join(map(str, value.shape)) for value in inputs)
    place = place_of(error)
    at = "" if place is None else f" ({place})"
    # others are the model's own faults, which no other input mends
    hint = _VALUES if isinstance(error, RuntimeError) and not isinstance(error, RecursionError) else ""
    return f"cannot capture {type(module).__name__} with input {shapes}: {_reason(error)}{at}{hint}"


def _reason(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    if _SCRIPT in str(error):  # TorchScript's own traceback stands before the reason
        return lines[-1]
    said = lines[0] if len(lines[0]) < _LONG else lines[0].split(". ")[0]
    return f"{type(error).__name__}: {said.rstrip('.')}"


def place_of(error: BaseException) -> str | None:
    """``file:line`` of the model's own code, else of a library, else of torch's layers; the innermost."""
    frames = [
        (Path(frame.f_code.co_filename), line) for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    if _SCRIPT in str(error):
        frames += [(Path(file), int(line)) for file, line in _SCRIPT_LINE.findall(str(error))]
    ranked = [(_rank(file), number, file, line) for number, (file, line) in enumerate(frames)]
    rank, _, file, line = max(ranked, default=(0, 0, Path(), 0))
    return f"{_short(file)}:{line}" if rank else None


def _rank(file: Path) -> int:
    """3 for code of a person, 2 for a library's, 1 for torch's layers, 0 for what runs them."""
    if any(file == place or place in file.parents for place in _MACHINERY):
        return 0
    if _TORCH in file.parents:
        return int(_LAYERS in file.parents)
    if "site-packages" in file.parts:
        return 2
    return 0 if _LIBRARY in file.parents or not file.is_file() else 3


def _short(file: Path) -> Path:
    """Relative to the working directory or to where libraries are, where it lies in one of them."""
    here = Path.cwd()
    if "site-packages" in file.parts:
        return Path(*file.parts[file.parts.index("site-packages") + 1 :])
    return file.relative_to(here) if here in file.parents else file
