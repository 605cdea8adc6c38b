"""Measurements that others published: each a file ``<name>.py``, or a folder with a module ``source``.

What it holds is a `data.source.Source` of the same name. Listing the names imports none of them.
"""

from pathlib import Path

LIBRARY = Path(__file__).parent


def source_names() -> tuple[str, ...]:
    """Names of all sources, sorted."""
    places = [*LIBRARY.glob("[!_]*.py"), *(path.parent for path in LIBRARY.glob("*/source.py"))]
    return tuple(sorted(path.stem for path in places))


def module_name(name: str) -> str:
    """Full name of the module that holds the source called ``name``."""
    return f"{__name__}.{name}" + (".source" if (LIBRARY / name).is_dir() else "")
