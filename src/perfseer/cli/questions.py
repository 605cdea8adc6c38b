"""What stands on the command line, turned into models, their inputs, and questions about them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from perfseer.errors import PerfseerError, require
from perfseer.forecast.inputs import Feed, torch_type
from perfseer.forecast.naming import expand, listed
from perfseer.forecast.platform_choice import Wanted
from perfseer.graphs.batch_dimension import ALL_INPUTS
from perfseer.parameters import load_mapping
from perfseer.zoo.space import SearchSpace

_USUAL_PARAMS = "params.yaml"
_MOST_DIGITS = 12  # memory has room for no more elements


@dataclass(frozen=True)
class Inputs:
    """What the options on inputs say, as they stand on the command line.

    Attributes:
        shapes: ``--input-shape``.
        types: ``--input-type``.
        dims: ``--dim``.
        batch_dims: ``--batch-dim``.
    """

    shapes: Sequence[str] = ()
    types: Sequence[str] = ()
    dims: Sequence[str] = ()
    batch_dims: Sequence[str] = ()


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


def feed(inputs: Inputs, names: Iterable[str], params: str) -> Feed:
    """Inputs as the command line says; the search space where a model is from it.

    Raises:
        PerfseerError: a shape, a type or a dimension is none or is given twice, or there are no parameters
            for ``zoo:<id>``.
    """
    space = _space(params) if any(name.startswith("zoo:") for name in names) else None
    shapes, named_shapes = _apart("--input-shape", inputs.shapes)
    types, named_types = _apart("--input-type", inputs.types)
    places, named_places = _apart("--batch-dim", inputs.batch_dims)
    sizes, named_sizes = _apart("--dim", inputs.dims)
    require(
        not sizes, f"--dim {', '.join(sizes)} has no name; expected the name of a dimension, such as batch=8"
    )
    require(len(places) <= 1, f"--batch-dim {', '.join(places)}: name the inputs, such as x=1")
    for kind in (*types, *named_types.values()):
        torch_type(kind, "--input-type")
    batch_dims = {name: _place(text) for name, text in named_places.items()}
    if places:
        batch_dims[ALL_INPUTS] = _place(places[0])
    return Feed(
        shapes=tuple(map(_shape, shapes)) or None,
        types=tuple(types) or None,
        space=space,
        named_shapes={name: _shape(text) for name, text in named_shapes.items()},
        named_types=named_types,
        dims={name: _count(f"--dim {name}={text}", text) for name, text in named_sizes.items()},
        batch_dims=batch_dims,
    )


def _apart(option: str, given: Iterable[str]) -> tuple[list[str], dict[str, str]]:
    """What stands without a name, and by its name; commas part as repeating the option does."""
    plain: list[str] = []
    named: dict[str, str] = {}
    for text in given:
        for part in _parts(text, distinct=False):
            name, equals, value = part.rpartition("=")
            if not equals:
                plain.append(part)
                continue
            name, value = name.strip(), value.strip()
            require(bool(name and value), f"{option} {part!r}: expected NAME=VALUE")
            require(
                name not in named, f"{option} was given twice for {name!r}: {named.get(name)} and {value}"
            )
            named[name] = value
    return plain, named


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
        wanted: precision, memory format, mode and software.

    Raises:
        PerfseerError: a batch size, a precision, a memory format, a mode or a version is none.
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
        all(_is_count(size) for size in sizes),
        f"--input-shape {shortened(text)!r} is no shape; expected sizes joined by x, like 3x224x224, and a "
        "comma between several inputs, or NAME=1x3x224x224 with the batch for each",
    )
    return tuple(map(int, sizes))


def _place(text: str) -> int | None:
    require(
        text.lower() == "none" or (text.isdecimal() and len(text) < 3),
        f"--batch-dim {shortened(text)!r} is no dimension; expected its position, counted from 0, or none "
        "for an input without batch",
    )
    return None if text.lower() == "none" else int(text)


def _count(option: str, text: str) -> int:
    require(_is_count(text), f"{shortened(option)} is no size; expected a whole number from 1, such as 128")
    return int(text)


def _is_count(text: str) -> bool:
    """Whether it is a number from 1 that a dimension can be as large as."""
    return text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS and int(text) > 0


def shortened(text: str) -> str:
    """The beginning of what was given, for messages."""
    return text if len(text) <= 80 else f"{text[:80]}…"


def _batch_size(text: str) -> int:
    require(text.isdecimal() and int(text) > 0, f"--batch-size {text!r} is no number of samples, such as 32")
    return int(text)


def _parts(text: str, *, distinct: bool = True) -> list[str]:
    """What stands between commas; twice the same is asked once."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    return list(dict.fromkeys(parts)) if distinct else parts
