"""Changes to parameters by dotted path, as ``dvc exp run -S training.max_epochs=30`` writes them."""

import copy
from collections.abc import Mapping
from typing import Any

from perfseer.errors import PerfseerError


def override(mapping: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A deep copy of ``mapping`` with values at dotted paths replaced.

    Args:
        mapping: sections of params.yaml.
        changes: path such as ``training.max_epochs`` → new value.

    Raises:
        PerfseerError: a path does not lead to a parameter that is there.
    """
    changed = copy.deepcopy(dict(mapping))
    for path, value in changes.items():
        *parents, last = path.split(".")
        inner: Any = changed
        for name in parents:
            inner = inner.get(name) if isinstance(inner, dict) else None
        if not isinstance(inner, dict) or last not in inner:
            raise PerfseerError(f"there is no parameter {path} to override; paths are those of params.yaml")
        inner[last] = copy.deepcopy(value)
    return changed
