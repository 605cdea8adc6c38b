"""Names on the command line turned into single models: folders, patterns, lists; and what a typo meant."""

import difflib
import fnmatch
import io
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from perfseer.errors import PerfseerError, require
from perfseer.zoo.libraries import import_library
from perfseer.zoo.references import FORMS, parse

KINDS = ("timm", "torchvision", "ofa", "module", "zoo", "operator")
# What a folder is searched for; a file that is named is told by its content instead.
SUFFIXES = (".onnx", ".pt2", ".json")
_PATTERN = re.compile(r"[*?\[]")
_SUGGESTIONS = 3


def listed(arguments: Iterable[str], stdin: Iterable[str]) -> Iterator[str]:
    """The arguments, ``-`` replaced by the lines of ``stdin``; empty lines and comments (#) are left out."""
    for argument in arguments:
        if argument != "-":
            yield argument
            continue
        if isinstance(stdin, io.TextIOWrapper):
            stdin.reconfigure(errors="surrogateescape")  # as the command line has names that are no UTF-8
        for line in stdin:
            name = line.partition("#")[0].strip()
            if name:
                yield name


def expand(name: str) -> list[str]:
    """The models one name stands for: a reference or a file is itself, folders and patterns are many.

    Raises:
        PerfseerError: nothing is called so; the message names what might have been meant.
    """
    kind, _, target = name.partition(":")
    if kind in KINDS and target:
        if kind in ("timm", "torchvision") and _PATTERN.search(target):
            return [f"{kind}:{model}" for model in _matching(kind, target)]
        parse(name)
        return [name]
    path = Path(name)
    try:
        if path.is_dir():
            return _in_folder(path)
        if path.is_file():
            return [name]
        require(not path.exists(), f"{name} is no file that can be read twice, but a pipe or a device")
        path.lstat()
    except (FileNotFoundError, NotADirectoryError, ValueError):  # an odd character cannot be in a file's name
        pass
    except OSError as error:
        raise PerfseerError(f"cannot look at {name}: {error.strerror}") from error
    else:
        raise PerfseerError(f"{name} is a link that leads nowhere")
    if _PATTERN.search(name):
        found = _matches(path)
        require(bool(found), f"no file matches {name!r}")
        return [model for match in found for model in expand(str(match))]
    raise PerfseerError(_unknown(name))


def library_models(library: str) -> list[str]:
    """Names of all models of ``timm`` or ``torchvision``.

    Raises:
        PerfseerError: it is not installed, or cannot be imported.
    """
    module = "timm" if library == "timm" else "torchvision.models"
    try:
        return list(import_library(module).list_models())
    except Exception as error:  # whatever the import of a foreign library raises is for the user to see
        raise PerfseerError(f"cannot list the models of {library}: {error}; is it installed?") from error


def _matching(library: str, pattern: str) -> list[str]:
    found = fnmatch.filter(library_models(library), pattern)
    require(bool(found), f"{library} has no model that matches {pattern!r}")
    return found


def _matches(path: Path) -> list[Path]:
    try:
        return sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
    except (OSError, ValueError, NotImplementedError) as error:
        raise PerfseerError(f"cannot look for files that match {str(path)!r}: {error}") from error


def _in_folder(folder: Path) -> list[str]:
    try:
        found = sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES and path.is_file())
    except OSError as error:
        raise PerfseerError(f"cannot look through {folder}: {error.strerror}") from error
    require(bool(found), f"folder {folder} holds no model: no file that ends in {', '.join(SUFFIXES)}")
    return [str(path) for path in found]


def _unknown(name: str) -> str:
    text = f"no model {name!r}: it is neither a file or folder here nor one of {FORMS}"
    meant = [f"{library}:{model}" for library in ("timm", "torchvision") for model in _close(library, name)]
    return f"{text}; did you mean {' or '.join(meant)}?" if meant else text


def _close(library: str, name: str) -> list[str]:
    """The library's models called so, or nearly; none where it is not installed."""
    try:
        models = library_models(library)
    except PerfseerError:
        return []
    bare = name.rpartition(":")[2].rpartition("/")[2].lower()
    return [bare] if bare in models else difflib.get_close_matches(bare, models, _SUGGESTIONS, cutoff=0.75)
