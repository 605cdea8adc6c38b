"""Model references: short strings that rebuild a model anywhere.

==========================  ============================================================================
``zoo:<id>``                a network of the search space, from its description or from the seeded order
``zoo:path/to/spec.json``   a network of the search space, from a description in a file
``module:package.attr``     an `nn.Module`, or a callable without arguments that returns one
``timm:<name>``             a model of timm, without weights; where timm is installed
``timm:<name>@reparam``     the same with its training branches merged, where it has some
``torchvision:<name>``      a model of torchvision, without weights; where torchvision is installed
``operator:<call>``         a single operator with its sizes, such as ``linear(1x58x141->13)``
``ofa:<blocks>``            a network of the Once-for-all space (`once_for_all`), without weights
==========================  ============================================================================

Some models of the libraries are made for one image size: they need the shape of the input too.
"""

import inspect
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from perfseer.blame import described, shortened
from perfseer.errors import PerfseerError, require
from perfseer.graphs.autocast import regions_as_on_a_gpu
from perfseer.zoo import builder, libraries, operators
from perfseer.zoo.detection import fixed_if_detector
from perfseer.zoo.once_for_all import once_for_all
from perfseer.zoo.sampler import find
from perfseer.zoo.space import ArchitectureSpec, SearchSpace

# An id is looked for among so many architectures of the seeded order: about two seconds.
SEARCH_LIMIT = 20_000

FORMS = (
    "zoo:<id>, zoo:path/to/spec.json, module:package.attr, timm:<name>, torchvision:<name>, ofa:<blocks> or "
    "operator:<call>"
)
_LARGEST_SPEC_BYTES = 1024 * 1024
_ID = re.compile(r"[0-9a-f]{12}")
# By kind of reference: what is imported, what makes a model, and what to do where that is not installed.
_LIBRARIES: dict[str, tuple[str, Callable[[str, Sequence[int] | None], nn.Module], str]] = {
    "timm": ("timm", libraries.timm_model, "pip install timm"),
    "torchvision": (
        "torchvision.models",
        libraries.torchvision_model,
        "pip install the torchvision made for your torch",
    ),
}


@dataclass(frozen=True)
class Reference:
    """A reference taken apart.

    Attributes:
        kind: ``zoo``, ``module``, ``timm``, ``torchvision``, ``ofa`` or ``operator``.
        target: what follows the colon.
    """

    kind: str
    target: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.target}"

    @property
    def is_file(self) -> bool:
        """Whether it names a description in a file."""
        return self.kind == "zoo" and (self.target.endswith(".json") or "/" in self.target)


def parse(ref: str) -> Reference:
    """Take a reference apart; nothing is imported, read or built.

    Raises:
        PerfseerError: it has none of the known forms.
    """
    kind, colon, target = ref.partition(":")
    reference = Reference(kind, target)
    if not colon or not target or kind not in ("zoo", "module", "ofa", "operator", *_LIBRARIES):
        raise PerfseerError(f"{ref!r} is no model reference; expected {FORMS}")
    if kind == "zoo" and not reference.is_file and not _ID.fullmatch(target):
        raise PerfseerError(
            f"{ref!r} names neither a file ending in .json nor an id of twelve hexadecimal digits; "
            "ids are printed by `perfseer zoo sample`"
        )
    if kind == "module" and not all(part.isidentifier() for part in target.split(".")):
        raise PerfseerError(f"{ref!r} is no dotted name; expected module:package.attr")
    if kind == "operator":
        operators.parse(target)
    if kind == "module" and "." not in target:
        raise PerfseerError(f"{ref!r} names no attribute; expected module:package.attr")
    return reference


def build(
    ref: str,
    *,
    space: SearchSpace | None = None,
    spec_json: str | None = None,
    input_shape: Sequence[int] | None = None,
    device: str = "meta",
) -> nn.Module:
    """Build the model that a reference names, on the meta device unless told otherwise.

    A model of ``module:``, ``timm:`` or ``torchvision:`` that cannot be built on the meta device (it looks at
    tensor values while it is constructed) is built on the cpu instead; a module that exists already is
    returned as it is.

    Args:
        ref: one of the forms of this module.
        space: where to look for ``zoo:<id>``, among its first `SEARCH_LIMIT` architectures.
        spec_json: the description behind ``zoo:<id>``; with it no search is needed. Other kinds ignore it.
        input_shape: of one sample, (3, 224, 224); models of the libraries that are made for one image size
            are made for this one. None for their own; other kinds ignore it.
        device: where parameters are made.

    Raises:
        PerfseerError: the reference is malformed, or what it names is missing, refused, or fails to build.
    """
    reference = parse(ref)
    if reference.kind == "zoo":
        spec = architecture(reference, space=space, spec_json=spec_json)
        with torch.device(device):
            return builder.build(spec)
    if reference.kind == "operator":
        with torch.device(device):
            return operators.build(reference.target)
    if reference.kind == "ofa":
        with torch.device(device):
            return once_for_all(reference.target)
    with _importable_here(), _no_arguments(reference), regions_as_on_a_gpu(), _blaming(reference):
        if reference.kind == "module":
            return fixed_if_detector(_build_module(reference, device))
        package, make, advice = _LIBRARIES[reference.kind]
        _import(package, str(reference), advice)
        return _construct(reference, lambda: make(reference.target, input_shape), device)


def architecture(
    reference: Reference, *, space: SearchSpace | None = None, spec_json: str | None = None
) -> ArchitectureSpec:
    """The description behind a ``zoo:`` reference; arguments as in `build`.

    Raises:
        PerfseerError: there is none, it is refused, or it is that of another id.
    """
    if reference.is_file:
        return ArchitectureSpec.from_json(_read(Path(reference.target)))
    if spec_json:
        spec = ArchitectureSpec.from_json(spec_json)
        if spec.id != reference.target:
            raise PerfseerError(f"{reference} came with the description of zoo:{spec.id}; give the right one")
        return spec
    if space is None:
        raise PerfseerError(
            f"{reference} needs its description or the search space it is from: save the line that "
            "`perfseer zoo sample` prints as spec and use zoo:path/to/spec.json, or give the parameters"
        )
    found = find(space, reference.target, SEARCH_LIMIT)
    if found is None:
        raise PerfseerError(
            f"{reference} is not among the first {SEARCH_LIMIT:,} architectures of this search space (seed "
            f"{space.seed}); it is from other zoo parameters: give those, or the description as a file"
        )
    return found


def defined_at(ref: str) -> str | None:
    """``file:line`` of what a ``module:`` reference names, once it was imported; None if nobody knows."""
    kind, _, target = ref.partition(":")
    name, _, attribute = target.rpartition(".")
    module = sys.modules.get(name) if kind == "module" else None
    if module is None:
        return None
    found: Any = getattr(module, attribute, None)
    one: Any
    for one in (found, type(found)):
        if getattr(one, "__module__", None) == name:
            try:
                return f"{shortened(inspect.getsourcefile(one) or name)}:{inspect.getsourcelines(one)[1]}"
            except (TypeError, OSError):
                continue
    return None if module.__file__ is None else shortened(module.__file__)


def _read(path: Path) -> str:
    try:
        require(path.is_file(), f"cannot read the architecture in {path}: there is no such regular file")
        size = path.stat().st_size
        require(size <= _LARGEST_SPEC_BYTES, f"{path} has {size:,} bytes: too large for a zoo description")
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise PerfseerError(f"cannot read the architecture in {path}: {error}") from error


def _build_module(reference: Reference, device: str) -> nn.Module:
    found = _attribute(reference)
    if isinstance(found, nn.Module):
        return found
    if not callable(found):
        raise PerfseerError(
            f"{reference} is {type(found).__name__}; expected an nn.Module or a callable that returns one"
        )
    return _construct(reference, found, device)


def _attribute(reference: Reference) -> Any:
    name, _, attribute = reference.target.rpartition(".")
    module = _import(name, str(reference), "check the spelling, or run where it can be imported")
    if not hasattr(module, attribute):
        raise PerfseerError(f"{reference}: module {name!r} has no attribute {attribute!r}")
    return getattr(module, attribute)


def _import(name: str, ref: str, advice: str) -> ModuleType:
    packages = [package for package, *_ in _LIBRARIES.values()]
    try:
        return libraries.import_library(name) if name in packages else libraries.import_module(name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # any code may stand in a module; it may even call sys.exit
        raise PerfseerError(f"{ref}: cannot import {name!r}: {_failure(name, error)}; {advice}") from error


def _failure(name: str, error: BaseException) -> str:
    """Why an import failed: the module itself is not there, or something went wrong inside it."""
    if isinstance(error, ModuleNotFoundError) and f"{name}.".startswith(f"{error.name}."):
        return f"there is no module {error.name!r}"
    return f"it raised {described(error)}"


def _construct(reference: Reference, factory: Callable[[], Any], device: str) -> nn.Module:
    model = _on(device, factory)
    if not isinstance(model, nn.Module):
        raise PerfseerError(f"{reference} returned {type(model).__name__}; expected an nn.Module")
    return model


@contextmanager
def _blaming(reference: Reference) -> Iterator[None]:
    """Whatever people's code raises, SystemExit too, becomes a fault of their model; Ctrl-C stays Ctrl-C."""
    try:
        yield
    except (PerfseerError, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise PerfseerError(f"{reference} cannot be built: it raised {described(error)}") from error


def _on(device: str, factory: Callable[[], Any]) -> Any:
    try:
        with torch.device(device):
            return factory()
    except (
        Exception
    ):  # whatever looks at values raises: `torch.jit.trace`, NumPy, an assertion of the model's
        if device != "meta":
            raise
    with torch.device("cpu"):
        return factory()


@contextmanager
def _no_arguments(reference: Reference) -> Iterator[None]:
    """A command line with nothing on it: a module that parses it on import must not see ours."""
    before = sys.argv
    sys.argv = [reference.target]
    try:
        yield
    finally:
        sys.argv = before


@contextmanager
def _importable_here() -> Iterator[None]:
    """The working directory on the import path, as under ``python -m``: people's own modules are found."""
    here = str(Path.cwd())
    added = here not in sys.path and "" not in sys.path
    if added:
        sys.path.insert(0, here)
    try:
        yield
    finally:
        if added and here in sys.path:
            sys.path.remove(here)
