"""Programs of `torch.export.save`, as they are written and with other contents."""

import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn


def saved(module: nn.Module, inputs: tuple[Any, ...], path: Path, dynamic: Any = None) -> Path:
    """Export a module in evaluation mode and save it; returns the path."""
    torch.export.save(torch.export.export(module.eval(), inputs, dynamic_shapes=dynamic), path)
    return path


def rewritten(source: Path, target: Path, changes: Mapping[str, Callable[[bytes], bytes]]) -> Path:
    """The archive with some files replaced: the end of a name against contents."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            for ending, change in changes.items():
                if name.endswith(ending):
                    content = change(content)
            new.writestr(name, content)
    return target


def edited(source: Path, target: Path, change: Callable[[Any], Any]) -> Path:
    """The archive with its program changed; ``change`` gets the graph module as the archive has it."""

    def edit(content: bytes) -> bytes:
        described = json.loads(content)
        change(described["graph_module"])
        return json.dumps(described).encode()

    return rewritten(source, target, {"model.json": edit})
