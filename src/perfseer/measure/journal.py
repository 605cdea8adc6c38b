"""The journal: finished measurements, one JSON line each, on disk before the next one starts."""

import contextlib
import errno
import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from perfseer.digests import canonical_json
from perfseer.errors import PerfseerError, require
from perfseer.measure.journal_lines import Reading, decode_line, encode_line, read_journal

DEFAULT_FOLDER = Path(".journal")
FOLDER_VARIABLE = "PERFSEER_JOURNAL"


def journal_folder(given: Path | None) -> Path:
    """Where journals live: what was given, else ``$PERFSEER_JOURNAL``, else ``.journal``."""
    return given or Path(os.environ.get(FOLDER_VARIABLE) or DEFAULT_FOLDER)


class Records(Mapping[str, dict[str, Any]]):
    """Finished measurements by id, read from the file when asked for: 53,000 would fill half a gigabyte.

    Args:
        descriptor: the open journal.
        places: offset and length of each record's line.
    """

    def __init__(self, descriptor: int, places: dict[str, tuple[int, int]]) -> None:
        self._descriptor = descriptor
        self._places = places

    def __getitem__(self, identifier: str) -> dict[str, Any]:
        offset, length = self._places[identifier]
        body = decode_line(os.pread(self._descriptor, length, offset).removesuffix(b"\n"))
        require(
            body is not None and body.get("id") == identifier,
            f"the journal changed while it was open: byte {offset} no longer begins the record {identifier}. "
            "See who else writes there, then run the same command again",
        )
        record: dict[str, Any] = (body or {})["record"]
        return record

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


class Journal:
    """An open journal, locked against other collectors; a context manager.

    Attributes:
        path: ``<folder>/<key>.jsonl``.
        records: finished measurements by id.
        notes: what opening it had to repair, in words.
    """

    def __init__(self, folder: Path, key: str, header: Mapping[str, Any]) -> None:
        """Open, lock and repair the journal of ``key``; make it if there is none.

        Args:
            folder: made if it is missing.
            key: digest of everything the records depend on besides the configuration.
            header: what ``key`` is the digest of, for people.

        Raises:
            PerfseerError: the folder cannot be written, another collector holds the journal, or it is about
                something else than ``header``.
        """
        self.path = folder / f"{key}.jsonl"
        self.notes: list[str] = []
        self._descriptor = self._lock = -1
        try:
            _make_folder(folder)
            # Not the journal itself: a repair replaces that file, and the lock would go with it.
            self._lock = os.open(folder / f"{key}.lock", os.O_RDWR | os.O_CREAT, 0o666)
            self._acquire()
            reading = self._repaired(header)
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND)
            self._size = os.fstat(self._descriptor).st_size
        except OSError as error:
            self.close()
            raise self._unwritable(error) from error
        except PerfseerError:
            self.close()
            raise
        self._places = reading.places
        self.records: Mapping[str, dict[str, Any]] = Records(self._descriptor, reading.places)

    def append(self, identifier: str, record: Mapping[str, Any]) -> None:
        """Add one finished measurement; it is on disk when this returns.

        Raises:
            PerfseerError: the disk is full or fails; the journal then holds what it held before. Or somebody
                else deleted, replaced or wrote it.
            ValueError: a number is NaN or infinite.
        """
        line = encode_line({"id": identifier, "record": dict(record)})
        self._require_untouched()
        try:
            _write_all(self._descriptor, line)
        except OSError as error:
            # Where even this fails, the next opening drops the half line.
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self._size)
            raise self._unwritable(error) from error
        self._places[identifier] = (self._size, len(line))
        self._size += len(line)

    def close(self) -> None:
        """Release the file and the lock."""
        for descriptor in (self._descriptor, self._lock):
            if descriptor >= 0:
                os.close(descriptor)
        self._descriptor = self._lock = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _acquire(self) -> None:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(self._lock, 32, 0).decode(errors="replace").strip() or "unknown"
            raise PerfseerError(
                f"another collector (process {holder}) is writing the journal {self.path}; two at once would "
                "also spoil each other's timings: wait for it, stop it, or give another folder with --journal"
            ) from error
        except OSError as error:
            raise PerfseerError(
                f"the journal {self.path} cannot be locked ({error.strerror}), so a second collector could "
                "write it too; some network file systems lock nothing: give a folder on a local disk with "
                "--journal"
            ) from error
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, f"{os.getpid()}\n".encode(), 0)

    def _repaired(self, header: Mapping[str, Any]) -> Reading:
        """Read the journal; cut off a truncated end, move corrupt lines to ``<key>.rejected``."""
        reading = self._read()
        self._require_about(header, reading)
        if reading.sound:
            return reading
        if reading.truncated:
            self.notes.append(
                f"{self.path}: dropped a last line that was cut off; its configuration is repeated"
            )
        if reading.corrupt:
            self._reject(reading.corrupt)
        dropped = {number for number, _ in reading.corrupt}
        _replace(self.path, [encode_line({"header": dict(header)}), *self._kept(dropped)])
        return self._read()

    def _read(self) -> Reading:
        if not self.path.exists():
            return Reading()
        with self.path.open("rb") as lines:
            return read_journal(lines)

    def _kept(self, dropped: set[int]) -> Iterator[bytes]:
        """Lines of sound records, each with its end."""
        if not self.path.exists():
            return
        with self.path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                body = None if number in dropped else decode_line(line.removesuffix(b"\n"))
                if body is not None and "header" not in body:
                    yield line.removesuffix(b"\n") + b"\n"

    def _require_about(self, header: Mapping[str, Any], reading: Reading) -> None:
        wanted = json.loads(canonical_json(header))
        for found in reading.headers:
            differing = sorted(key for key in {*wanted, *found} if wanted.get(key) != found.get(key))
            require(
                not differing,
                f"the journal {self.path} is about something else than its name says: {', '.join(differing)} "
                "differ, so its measurements would be mistaken for others. Was it copied or renamed? Move it "
                "away and run the same command again",
            )

    def _require_untouched(self) -> None:
        found = os.fstat(self._descriptor)
        require(
            found.st_nlink > 0 and found.st_size == self._size,
            f"the journal {self.path} was deleted, replaced or changed by somebody else while measurements "
            "were being added; the latest of them is not in it. Leave its folder alone and run the same "
            "command again",
        )

    def _reject(self, corrupt: list[tuple[int, bytes]]) -> None:
        place = self.path.with_suffix(".rejected")
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            _write_all(descriptor, b"".join(b"%d\t%s\n" % entry for entry in corrupt))
        finally:
            os.close(descriptor)
        numbers = ", ".join(str(number) for number, _ in corrupt)
        self.notes.append(
            f"{self.path}: line {numbers} failed its checksum and was moved to {place}; "
            "what it held is measured again"
        )

    def _unwritable(self, error: OSError) -> PerfseerError:
        return PerfseerError(
            f"cannot write the journal {self.path}: {error.strerror or error}; what it holds is safe. "
            "Make room or permit writing there and run the same command again, or give another folder with "
            "--journal"
        )


def _write_all(descriptor: int, content: bytes) -> None:
    while content:
        content = content[os.write(descriptor, content) :]
    os.fsync(descriptor)


def _replace(path: Path, lines: Iterable[bytes]) -> None:
    """Write ``lines`` in the place of ``path``, whole or not at all, whatever happens to the power."""
    path = Path(os.path.realpath(path))  # a link stays one
    temporary = path.with_suffix(".tmp")
    try:
        with temporary.open("wb") as stream:
            stream.writelines(lines)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError:
        # On a full disk a half copy would take the room that the journal needs.
        temporary.unlink(missing_ok=True)
        raise
    # Without this a power cut could bring the old file back, and what was appended to the new one be lost.
    _sync_folder(path.parent)


def _make_folder(folder: Path) -> None:
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some file systems keep folders in order without being asked
            raise
    finally:
        os.close(descriptor)
