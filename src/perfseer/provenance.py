"""What a job depends on, from the code itself: the modules its verb imports, and the files those open.

Neither Snakemake nor DVC sees an edit inside an imported package. The digest of a job's closure
(`code_digest`) is a parameter of every rule and stands in every record; the closure itself (`closure`) is
what a DVC stage depends on (`perfseer params stages`).

Three ways lead from a module to what it depends on:

- it imports a module, at the top or inside a function, but not for type checking alone (`grimp` reads the
  source);
- it names a module in a string, to import it by name or to run it in a process of its own;
- it names a file in a string that lies beside it, as ``Path(__file__).with_name("figures.csv")`` does.

Who loads modules whose names are made up on the way (predictors, studies) adds them: `code_digest` takes
several.
"""

import ast
import re
from functools import cache
from pathlib import Path

import grimp

from perfseer.digests import digest, file_digest
from perfseer.errors import require

PACKAGE = "perfseer"
ROOT = Path(__file__).parent
_FILE_NAME = re.compile(r"\w[\w.-]{0,60}\.\w{1,12}")
# A module, or one of its attributes, as strings name it: also as a reference to a model (``module:…``).
_NAMED_MODULE = re.compile(rf"(?:module:)?({PACKAGE}(?:\.\w+)+)\.?")


def closure(*modules: str) -> tuple[Path, ...]:
    """Every file that importing and running some modules may read, sorted.

    Args:
        modules: full names, such as ``perfseer.cli.train``.

    Raises:
        PerfseerError: there is no such module.
    """
    absent = [name for name in modules if name not in _imports().modules]
    require(
        not absent,
        f"no modules {absent} in {PACKAGE}: expected full names, in folders that have an __init__.py",
    )
    reached: set[str] = set()
    waiting = set(modules)
    while waiting:
        name = waiting.pop()
        reached.add(name)
        waiting |= _needed(name) - reached
    return tuple(sorted({file for name in reached for file in _files(name)}))


def code_digest(*modules: str, length: int = 12) -> str:
    """First ``length`` hexadecimal digits of the SHA-256 of the `closure` of some modules.

    Raises:
        PerfseerError: there is no such module.
    """
    files = closure(*modules)
    return digest([[file.relative_to(ROOT).as_posix(), file_digest(file, 64)] for file in files], length)


@cache
def _imports() -> grimp.ImportGraph:
    return grimp.build_graph(PACKAGE, exclude_type_checking_imports=True, cache_dir=None)


@cache
def _needed(name: str) -> set[str]:
    """Modules that come with one: what it imports and names, and the packages it lies in.

    The doors of the package itself (``perfseer.Predictor``) open when people knock; no job goes through them.
    """
    if name == PACKAGE:
        return set()
    imports = _imports()
    matches = filter(None, map(_NAMED_MODULE.fullmatch, _words(name)))
    named = {module for match in matches if (module := _module_in(match[1])) != PACKAGE}
    return imports.find_modules_directly_imported_by(name) | named | {name.rpartition(".")[0]}


def _module_in(path: str) -> str:
    """The longest beginning of a dotted path that is a module."""
    while path not in _imports().modules:
        path = path.rpartition(".")[0]
    return path


@cache
def _files(name: str) -> tuple[Path, ...]:
    """The module's own file, and those beside it that it names."""
    path = _path(name)
    beside = {path.parent / word for word in _words(name) if _FILE_NAME.fullmatch(word)}
    return (path, *(file for file in beside if file.suffix != ".py" and file.is_file()))


@cache
def _words(name: str) -> frozenset[str]:
    """The strings of a module that have no blanks."""
    tree = ast.parse(_path(name).read_text(encoding="utf-8"))
    values = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return frozenset(value for value in values if isinstance(value, str) and len(value.split()) == 1)


def _path(name: str) -> Path:
    place = ROOT.joinpath(*name.split(".")[1:])
    package = place / "__init__.py"
    return package if package.is_file() else place.with_suffix(".py")
