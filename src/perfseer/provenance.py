"""What a job depends on, from the code itself: the modules its verb imports, and the files those open.

Neither Snakemake nor DVC sees an edit inside an imported package. The digest of a job's closure
(`code_digest`) is a parameter of every rule and stands in every record; the closure itself (`closure`) is
what a DVC stage depends on (`perfseer params stages`).

Three ways lead from a module to what it depends on:

- it imports a module, at the top or inside a function, but not for type checking alone (`grimp` reads the
  source);
- it names a module in a string of its own, to import it by name or to run it in a process of its own;
- it opens a file beside it as ``Path(__file__).with_name("<file>")``.

Who loads modules whose names are made up on the way (predictors, studies) adds them: `code_digest` takes
several.
"""

import re
from functools import cache
from pathlib import Path

import grimp

from perfseer.digests import digest, file_digest
from perfseer.errors import require

PACKAGE = "perfseer"
ROOT = Path(__file__).parent
_NAMED_MODULE = re.compile(rf'"({PACKAGE}(?:\.\w+)+)"')
_OWN_FILE = re.compile(r'Path\(__file__\)\.with_name\("([^"]+)"\)')


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
    named = {found for found in _NAMED_MODULE.findall(_text(name)) if found in imports.modules}
    return imports.find_modules_directly_imported_by(name) | named | {name.rpartition(".")[0]}


@cache
def _files(name: str) -> tuple[Path, ...]:
    """The module's own file, and those it opens beside it."""
    path = _path(name)
    opened = (path.with_name(found) for found in _OWN_FILE.findall(_text(name)))
    return (path, *(file for file in opened if file.is_file()))


@cache
def _text(name: str) -> str:
    return _path(name).read_text(encoding="utf-8")


def _path(name: str) -> Path:
    place = ROOT.joinpath(*name.split(".")[1:])
    package = place / "__init__.py"
    return package if package.is_file() else place.with_suffix(".py")
