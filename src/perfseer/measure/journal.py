"""The journal: finished configurations, one JSON line each, on disk before the next one starts."""

import contextlib
import fcntl
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from perfseer.digests import digest
from perfseer.errors import PerfseerError

DEFAULT_FOLDER = Path(".journal")
FOLDER_VARIABLE = "PERFSEER_JOURNAL"


def journal_folder(given: Path | None) -> Path:
    """Where journals live: what was given, else ``$PERFSEER_JOURNAL``, else ``.journal``."""
    return given or Path(os.environ.get(FOLDER_VARIABLE) or DEFAULT_FOLDER)


@dataclass(frozen=True)
class Reading:
    """What a journal file holds.

    Attributes:
        header: what the journal is about; None if that line is missing.
        records: by configuration id; of several with one id, the last.
        sound: the lines worth keeping, as they are.
        corrupt: line number (from 1) and bytes of lines whose checksum does not fit.
        truncated: bytes after the last line end, left by a process killed while it wrote.
    """

    header: dict[str, Any] | None = None
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    sound: list[bytes] = field(default_factory=list)
    corrupt: list[tuple[int, bytes]] = field(default_factory=list)
    truncated: bytes = b""


def encode_line(body: Mapping[str, Any]) -> bytes:
    """One line: ``body`` and its checksum.

    Raises:
        ValueError: a number is NaN or infinite.
    """
    return json.dumps({"body": body, "sum": digest(body)}, allow_nan=False, sort_keys=True).encode() + b"\n"


def decode_line(line: bytes) -> dict[str, Any] | None:
    """The body of a line, or None if the line is not what `encode_line` wrote."""
    try:
        record = json.loads(line)
        body = record["body"]
        sound = record["sum"] == digest(body) and ("header" in body or {"id", "record"} <= set(body))
    except (ValueError, KeyError, TypeError):
        return None
    return body if sound else None


def read_journal(content: bytes) -> Reading:
    """Sort the lines of a journal into sound, corrupt and truncated."""
    *lines, truncated = content.split(b"\n")
    header: dict[str, Any] | None = None
    reading = Reading(truncated=truncated)
    for number, line in enumerate(lines, start=1):
        body = decode_line(line)
        if body is None:
            reading.corrupt.append((number, line))
            continue
        reading.sound.append(line)
        if "header" in body:
            header = body["header"]
        else:
            reading.records[body["id"]] = body["record"]
    return Reading(header, reading.records, reading.sound, reading.corrupt, truncated)


class Journal:
    """An open journal, locked against other collectors; a context manager.

    Attributes:
        path: ``<folder>/<key>.jsonl``.
        records: finished configurations by id.
        notes: what opening it had to repair, in words.
    """

    def __init__(self, folder: Path, key: str, header: Mapping[str, Any]) -> None:
        """Open, lock and repair the journal of ``key``; make it if there is none.

        Args:
            folder: made if it is missing.
            key: digest of everything the records depend on besides the configuration.
            header: what ``key`` is the digest of, for people.

        Raises:
            PerfseerError: the folder cannot be written, or another collector holds the journal.
        """
        self.path = folder / f"{key}.jsonl"
        self.notes: list[str] = []
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # Not the journal itself: a repair replaces that file, and the lock would go with it.
            self._lock = os.open(folder / f"{key}.lock", os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise self._unwritable(error) from error
        self._descriptor = -1
        try:
            self._acquire()
            reading = self._repair()
            self._descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
            self.records = reading.records
            if reading.header is None:
                self._append({"header": dict(header)})
        except OSError as error:
            self.close()
            raise self._unwritable(error) from error
        except PerfseerError:
            self.close()
            raise

    def append(self, identifier: str, record: Mapping[str, Any]) -> None:
        """Add one finished configuration; it is on disk when this returns.

        Raises:
            PerfseerError: the disk is full or fails. The journal then holds what it held before.
            ValueError: a number is NaN or infinite.
        """
        self._append({"id": identifier, "record": dict(record)})
        self.records[identifier] = dict(record)

    def close(self) -> None:
        """Release the file and the lock."""
        for descriptor in (self._descriptor, self._lock):
            if descriptor >= 0:
                os.close(descriptor)
        self._descriptor = self._lock = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
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
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, f"{os.getpid()}\n".encode(), 0)

    def _repair(self) -> Reading:
        """Read the journal; cut off a truncated end, move corrupt lines to ``<key>.rejected``."""
        reading = read_journal(self.path.read_bytes() if self.path.is_file() else b"")
        if reading.truncated:
            self.notes.append(
                f"{self.path}: dropped a last line that was cut off; its configuration is repeated"
            )
        if reading.corrupt:
            self._reject(reading.corrupt)
        if reading.truncated or reading.corrupt:
            temporary = self.path.with_suffix(".tmp")
            _write_through(temporary, b"".join(line + b"\n" for line in reading.sound), os.O_TRUNC)
            temporary.replace(self.path)
        return reading

    def _reject(self, corrupt: list[tuple[int, bytes]]) -> None:
        place = self.path.with_suffix(".rejected")
        _write_through(place, b"".join(b"%d\t%s\n" % entry for entry in corrupt), os.O_APPEND)
        numbers = ", ".join(str(number) for number, _ in corrupt)
        self.notes.append(
            f"{self.path}: line {numbers} failed its checksum and was moved to {place}; "
            "what it held is measured again"
        )

    def _append(self, body: Mapping[str, Any]) -> None:
        line = encode_line(body)
        size = os.fstat(self._descriptor).st_size
        try:
            _write_all(self._descriptor, line)
        except OSError as error:
            # Where even this fails, the next opening drops the half line.
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, size)
            raise self._unwritable(error) from error

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


def _write_through(path: Path, content: bytes, flag: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | flag, 0o666)
    try:
        _write_all(descriptor, content)
    finally:
        os.close(descriptor)
