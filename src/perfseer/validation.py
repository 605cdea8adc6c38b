"""Parameters held against their models: every fault as the parameter, its value and what is allowed."""

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from perfseer.errors import PerfseerError, require
from perfseer.plain_data import require_plain

Model = TypeVar("Model", bound=BaseModel)
_SHOWN = 60  # characters of a value


class Strict(BaseModel):
    """Plain data where a name nobody knows is a fault, and so is a number that is not finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def validated(model: type[Model], value: Any, where: str = "") -> Model:
    """``value`` as a ``model``.

    Types are taken at their word: ``true`` and ``"3"`` are no numbers, 5.0 is no count.

    Args:
        model: what it must be.
        value: plain data, as YAML or JSON gives it.
        where: dotted path of ``value`` in the parameters, put before the names of its fields.

    Raises:
        PerfseerError: lists every fault as ``parameter = value: what is allowed``.
    """
    require_plain(value, where)
    try:
        # As JSON, since strictness about Python's types would ask for tuples and instances.
        return model.model_validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        raise PerfseerError(explain(error, where)) from error


def section(model: type[Model], parameters: Mapping[str, Any], name: str) -> Model:
    """One section of the parameters.

    Args:
        model: what it must be.
        parameters: raw mapping of params.yaml.
        name: of the section, or a dotted path such as ``report.benchmark``.

    Raises:
        PerfseerError: it is missing or at fault.
    """
    value: Any = parameters
    for key in name.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    require(
        value is not None,
        f"the parameters have no section {name!r}; params.yaml and workflow/presets have complete ones",
    )
    return validated(model, value, name)


def explain(error: ValidationError, where: str = "") -> str:
    """Every fault on a line of its own, counted; ``where`` as in `validated`."""
    faults = [
        f"{'.'.join(map(str, (*filter(None, [where]), *fault['loc']))) or 'params'} = "
        f"{_short(fault['input'])}: {fault['msg']}{_hint(fault['input'])}"
        for fault in error.errors()
    ]
    return "\n  ".join([f"{len(faults)} fault{'s' * (len(faults) > 1)} in the parameters:", *faults])


def _hint(value: Any) -> str:
    """What to do about text that looks like a number."""
    try:
        float(value if isinstance(value, str) else "")
    except ValueError:
        return ""
    return " (this is text: take the quotes away)"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
