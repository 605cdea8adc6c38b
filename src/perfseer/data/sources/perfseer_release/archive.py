"""Where the files of the release are: folders or zip archives, nested or doubled, read without unpacking.

Accepted are the folder that holds ``cg`` and ``label`` (or ``cg.zip`` and ``label.zip``, or one archive of
both), or one of the two, whose sibling is then looked for. ``cg/cg/*.pkl``, as unpacking the archives gives,
is found like ``cg/*.pkl``. Graphs and labels belong together by their stems. No name out of an archive is
ever used as a path.
"""

import os
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal, get_args

from perfseer.data.sources.perfseer_release.drive import FOLDER_URL
from perfseer.data.sources.perfseer_release.wording import printable
from perfseer.errors import PerfseerError, require

_DEPTH = 4  # folders below the one given in which files are looked for
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
Kind = Literal["graph", "label"]
_FOLDERS: dict[Kind, str] = {"graph": "cg", "label": "label"}
_KINDS: dict[str, Kind] = {".pkl": "graph", ".txt": "label"}


@dataclass(frozen=True, slots=True)
class Member:
    """One file, in a folder or in an archive.

    Attributes:
        container: the file itself, or the archive it is in.
        number: its position among the archive's members; None for a file of its own.
        name: for messages.
        stem: what a graph and its labels have in common.
        kind: graph or label.
        placed: whether it lies in ``cg`` or ``label``, as its kind does in the release.
    """

    container: Path
    number: int | None
    name: str
    stem: str
    kind: Kind
    placed: bool


@dataclass(frozen=True, slots=True)
class Pair:
    """A graph, and its labels if there are any."""

    stem: str
    graph: Member
    label: Member | None


@dataclass(frozen=True)
class Release:
    """The files of a release.

    Attributes:
        pairs: every graph, sorted by stem.
        unpaired: labels without a graph.
        repeated: files whose stem another file of the kind already has; that one is used.
    """

    pairs: tuple[Pair, ...]
    unpaired: tuple[Member, ...]
    repeated: tuple[Member, ...]


def find_release(path: Path) -> Release:
    """Find graphs and labels; nothing of them is read yet.

    Args:
        path: a folder or an archive.

    Raises:
        PerfseerError: there is no such place, an archive is damaged, or there are no graphs.
    """
    require(
        path.exists(),
        f"no release at {path}: download cg.zip and label.zip from {FOLDER_URL} (the authors' folder, named "
        "in their repository upuuuuuu/PerfSeer) and give the folder that holds them",
    )
    found = _members(*_roots(path))
    members = [member for kind in get_args(Kind) for member in _in_place(found, kind)]
    chosen: dict[tuple[Kind, str], Member] = {}
    repeated = [
        member for member in members if chosen.setdefault((member.kind, member.stem), member) is not member
    ]
    ordered = sorted(chosen.items())
    pairs = tuple(
        Pair(stem, member, chosen.get(("label", stem))) for (kind, stem), member in ordered if kind == "graph"
    )
    require(bool(pairs), f"{path} holds no graphs: expected cg.zip, or a folder cg with .pkl files")
    alone = (member for (kind, _), member in ordered if kind == "label" and member.placed)
    unpaired = tuple(member for member in alone if ("graph", member.stem) not in chosen)
    return Release(pairs, unpaired, tuple(repeated))


class Reader:
    """Reads members; keeps the archives it has opened, so each process needs one of its own."""

    def __init__(self) -> None:
        self._open: dict[Path, tuple[zipfile.ZipFile, list[zipfile.ZipInfo]]] = {}

    def read(self, member: Member, limit: int) -> bytes:
        """The whole content of a member.

        Raises:
            PerfseerError: it has more than ``limit`` bytes, or cannot be read; names it.
        """
        try:
            content = self._content(member, limit)
        except (OSError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError) as error:
            raise PerfseerError(f"{member.name}: cannot be read ({type(error).__name__})") from error
        require(len(content) <= limit, f"{member.name}: refused, it has more than the {limit} bytes allowed")
        return content

    def _content(self, member: Member, limit: int) -> bytes:
        """At most one byte more than ``limit``, whatever an archive says of its sizes."""
        if member.number is None:
            with member.container.open("rb") as file:
                return file.read(limit + 1)
        if member.container not in self._open:
            archive = zipfile.ZipFile(member.container)
            self._open[member.container] = archive, archive.infolist()
        archive, entries = self._open[member.container]
        entry = entries[member.number]
        # Others can ask for gigabytes of tables.
        require(
            entry.compress_type in _METHODS,
            f"{member.name}: refused, packed by zip method {entry.compress_type}, not stored or deflated",
        )
        with archive.open(entry) as stream:
            return stream.read(limit + 1)


def _roots(path: Path) -> tuple[Path, list[Path]]:
    """Where names start, and what to look through: ``cg`` and ``label`` if it is one of them, else itself."""
    place = path.absolute()
    while place.stem in _FOLDERS.values() and place.suffix in ("", ".zip") and place != place.parent:
        place = place.parent
    if place == path.absolute():
        return (place if place.is_dir() else place.parent), [place]
    beside = (place / f"{name}{ending}" for ending in ("", ".zip") for name in _FOLDERS.values())
    return place, [found for found in beside if found.exists()]


def _in_place(members: list[Member], kind: Kind) -> list[Member]:
    """Those of a kind that lie where the release has them; all of the kind if none does."""
    of_kind = [member for member in members if member.kind == kind]
    return [member for member in of_kind if member.placed] or of_kind


def _members(base: Path, roots: list[Path]) -> list[Member]:
    """Files, those of folders before those of archives, so that what was unpacked comes first."""
    paths = [(path, path.relative_to(base).as_posix()) for root in roots for path in _files(root)]
    archives = [(path, name) for path, name in paths if path.suffix == ".zip"]
    named = [(path, name) for path, name in archives if path.stem in _FOLDERS.values()]
    members = [_member(path, None, name) for path, name in paths if path.suffix in _KINDS]
    for path, name in named or archives:
        members.extend(_archived(path, name.removesuffix(".zip")))
    return members


def _archived(path: Path, name: str) -> Iterator[Member]:
    try:
        with zipfile.ZipFile(path) as archive:
            inner = [entry.filename for entry in archive.infolist()]
    except (OSError, zipfile.BadZipFile, RuntimeError, ValueError) as error:
        raise PerfseerError(f"{path} is no whole zip archive ({error}): download it again") from error
    for number, text in enumerate(inner):
        place = PurePosixPath(text)
        # Archives made on a Mac hold a shadow of every file.
        if place.suffix in _KINDS and not place.name.startswith("._"):
            yield _member(path, number, f"{name}/{text}")


def _member(container: Path, number: int | None, name: str) -> Member:
    """What a name with its folders tells; it opens nothing."""
    place = PurePosixPath(name)
    kind = _KINDS[place.suffix]
    return Member(container, number, printable(name), place.stem, kind, _FOLDERS[kind] in place.parts[:-1])


def _files(root: Path) -> Iterator[Path]:
    """Regular files in and below a folder, sorted, down to `_DEPTH`; the root itself if it is a file."""
    if root.is_file():
        yield root
        return
    for folder, below, names in os.walk(root, onerror=_raise, followlinks=True):
        here = Path(folder)
        below[:] = sorted(below) if len(here.relative_to(root).parts) < _DEPTH else []
        yield from (here / name for name in sorted(names) if (here / name).is_file())


def _raise(error: OSError) -> None:
    raise PerfseerError(f"cannot look into {error.filename}: {error.strerror}; permit reading it") from error
