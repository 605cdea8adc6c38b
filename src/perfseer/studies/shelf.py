"""Studies by name: each folder beside this file that says what it is about (``about.py``).

Nobody lists them: parameters, verbs, reports, the rules of Snakemake and the stages of DVC ask here. Imports
nothing heavy, because the command line asks here on machines that only measure.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import typer

from perfseer.errors import PerfseerError
from perfseer.reporting.outputs import Document

if TYPE_CHECKING:
    from perfseer.stages import Stage

_HERE = Path(__file__).parent


def _no_stages(parameters: Mapping[str, Any]) -> "Iterable[Stage]":
    del parameters
    return ()


@dataclass(frozen=True)
class Study:
    """What a study says of itself, as ``ABOUT`` in its ``about.py``, which imports nothing heavy.

    Attributes:
        document: what people read; None where its results stand in another study's document.
        by_default: part of `snakemake` and `dvc repro` without a target.
        place: folder its document is written to.
        ledger: below the results, where rendering it writes the ledger of its records; empty: there is none.
        reads: files and folders of results its document is rendered from, as DVC follows them.
        shows_predictors: the document states what predictors say of themselves, so that it depends on their
            source.
        stages: stages of DVC that make what it reads, from the raw mapping of params.yaml.
    """

    document: Document | None = None
    by_default: bool = False
    place: str = "reports"
    ledger: str = ""
    reads: tuple[str, ...] = ()
    shows_predictors: bool = False
    stages: Callable[[Mapping[str, Any]], Iterable["Stage"]] = _no_stages


# Overview and comparison lead; the rest by name.
_FIRST = ("overview", "comparison")


def _names() -> tuple[str, ...]:
    found = sorted(path.parent.name for path in _HERE.glob("*/about.py"))
    return (*(name for name in _FIRST if name in found), *(name for name in found if name not in _FIRST))


STUDY_NAMES: tuple[str, ...] = _names()


def part(study: str, name: str) -> ModuleType | None:
    """A module of a study, such as ``settings`` or ``verbs``; None where it has no such file."""
    if not (_HERE / study / f"{name}.py").is_file():
        return None
    return import_module(_module(study, name))


def about(study: str) -> Study:
    """What a study says of itself.

    Raises:
        PerfseerError: it says nothing.
    """
    said = getattr(import_module(_module(study, "about")), "ABOUT", None)
    if not isinstance(said, Study):
        raise PerfseerError(f"studies/{study}/about.py must say what the study is about: ABOUT = Study(...)")
    return said


def documents() -> dict[str, str]:
    """Document → the study it is of."""
    found = ((study, about(study).document) for study in STUDY_NAMES)
    return {document.name: study for study, document in found if document is not None}


def renderer(document: str) -> Callable[[Mapping[str, Any], Path, Path], Any]:
    """The function ``render(parameters, results, out)`` of a document's study.

    Raises:
        PerfseerError: there is no such document.
    """
    studies = documents()
    if document not in studies:
        raise PerfseerError(f"no document {document!r}; there are {', '.join(studies)}")
    render: Callable[[Mapping[str, Any], Path, Path], Any] = import_module(
        _module(studies[document], "render")
    ).render
    return render


def place_of(document: str) -> Path:
    """The folder a document is written to, unless another is given."""
    return Path(about(documents()[document]).place)


def rendering(study: str, predictors: Sequence[str]) -> tuple[str, ...]:
    """Full names of the modules that rendering a study's document runs.

    Args:
        study: whose document it is.
        predictors: that take part.
    """
    from perfseer.predictors.registry import module_name

    shown = map(module_name, predictors) if about(study).shows_predictors else ()
    return ("perfseer.cli.report", _module(study, "render"), *shown)


def sections() -> dict[str, Any]:
    """Sections of params.yaml that belong to studies, name → type: ``SECTIONS`` in ``settings.py``."""
    modules = (part(study, "settings") for study in STUDY_NAMES)
    return {
        name: kind for module in modules if module for name, kind in getattr(module, "SECTIONS", {}).items()
    }


def check(parameters: Mapping[str, Any]) -> None:
    """What studies ask of params.yaml as a whole: ``check`` in their ``settings.py``, where they have one.

    Raises:
        PerfseerError: names the parameter at fault.
    """
    for study in STUDY_NAMES:
        asked = getattr(part(study, "settings"), "check", None)
        if asked is not None:
            asked(parameters)


def register(app: typer.Typer) -> None:
    """Add the verbs of all studies: ``register`` in their ``verbs.py``, where they have one."""
    for study in STUDY_NAMES:
        verbs = part(study, "verbs")
        if verbs is not None:
            verbs.register(app)


def _module(study: str, name: str) -> str:
    return f"perfseer.studies.{study}.{name}"
