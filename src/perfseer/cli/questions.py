"""What stands on the command line of ``perfseer predict``, turned into models and questions about them."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from perfseer.errors import PerfseerError, require
from perfseer.forecast.inputs import Feed, torch_type
from perfseer.forecast.naming import expand, listed
from perfseer.forecast.platform_choice import Wanted
from perfseer.parameters import load_mapping
from perfseer.zoo.space import SearchSpace

_USUAL_PARAMS = "params.yaml"


def model_names(given: Iterable[str], stdin: Iterable[str]) -> list[str]:
    """All single models; a name that cannot be expanded stays, and fails when it is opened.

    Raises:
        PerfseerError: there is none.
    """
    names: list[str] = []
    for name in listed(given, stdin):
        try:
            names += expand(name)
        except PerfseerError:
            names.append(name)
    require(bool(names), "no model was given: name one, such as timm:resnet50 or model.onnx")
    return names


def feed(shapes: str | None, types: str | None, names: Iterable[str], params: str) -> Feed:
    """Inputs as ``--input-shape`` and ``--input-type`` say; the search space where a model is from it.

    Raises:
        PerfseerError: a shape or a type is none, or there are no parameters for ``zoo:<id>``.
    """
    kinds = None if types is None else tuple(_parts(types, distinct=False))
    for kind in kinds or ():
        torch_type(kind)
    space = _space(params) if any(name.startswith("zoo:") for name in names) else None
    found = None if shapes is None else tuple(map(_shape, _parts(shapes, distinct=False)))
    return Feed(found, kinds, space)


def _space(params: str) -> SearchSpace | None:
    """The search space; without the usual file there is none, which only the models named by an id lack."""
    if params == _USUAL_PARAMS and not Path(params).is_file():
        return None
    return SearchSpace.from_mapping(load_mapping(params).get("zoo"))


def checked(batch_sizes: str | None, phases: str, targets: str | None, **wanted: Any) -> dict[str, Any]:
    """Fields of `perfseer.forecast.ask.Ask`, which checks phases itself.

    Args:
        batch_sizes: ``--batch-size``.
        phases: ``--phase``.
        targets: ``--target``.
        wanted: precision, memory format and mode.

    Raises:
        PerfseerError: a batch size, a precision, a memory format or a mode is none.
    """
    return {
        "batch_sizes": (None,) if batch_sizes is None else batch_sizes_of(batch_sizes),
        "phases": tuple(_parts(phases)),
        "targets": (None,) if targets is None else tuple(_parts(targets)),
        "wanted": Wanted(**wanted),  # which refuses what it does not know
    }


def batch_sizes_of(text: str) -> tuple[int, ...]:
    """What ``--batch-size`` says.

    Raises:
        PerfseerError: it is no list of positive numbers.
    """
    return tuple(map(_batch_size, _parts(text)))


def _shape(text: str) -> tuple[int, ...]:
    sizes = text.lower().split("x")
    require(
        all(size.isdecimal() and int(size) > 0 for size in sizes),
        f"--input-shape {text!r} is no shape; expected sizes joined by x, like 3x224x224, and a comma "
        "between several inputs",
    )
    return tuple(map(int, sizes))


def _batch_size(text: str) -> int:
    require(text.isdecimal() and int(text) > 0, f"--batch-size {text!r} is no number of samples, such as 32")
    return int(text)


def _parts(text: str, *, distinct: bool = True) -> list[str]:
    """What stands between commas; twice the same is asked once."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    return list(dict.fromkeys(parts)) if distinct else parts
