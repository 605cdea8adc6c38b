"""The database as a place: a file of SQLite or a schema of PostgreSQL, replaced as a whole or not at all.

Contents are rows by table. Their digest says whether anything changed; where it did not, nothing is written.
A build that is killed leaves what was there: a file takes its place in the end, a transaction is rolled back.
"""

import fcntl
import hashlib
import json
import os
import re
import sqlite3
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
from sqlalchemy import Connection, Date, Engine, Table, create_engine, event, insert, inspect, select, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError, SQLAlchemyError
from sqlalchemy.schema import CreateSchema

from perfseer.errors import PerfseerError, require
from perfseer.hardware.rows import Row
from perfseer.hardware.schema import METADATA, build
from perfseer.outputs import WriteError, atomic, require_writable

Contents = Mapping[str, Sequence[Row]]

SCHEMA_VERSION = 1
# Where the tables lie in PostgreSQL: a schema of their own, so that nothing of others is ever touched.
POSTGRES_SCHEMA = "perfseer_hardware"
# What a file of SQLite begins with.
_SQLITE = b"SQLite format 3\0"


@dataclass(frozen=True)
class Written:
    """What came of writing.

    Attributes:
        digest: of the contents, SHA-256.
        changed: false where the database had them already.
    """

    digest: str
    changed: bool


def content_digest(contents: Contents) -> str:
    """SHA-256 of all rows of all tables, in the order of ids; equal contents have equal digests."""
    total = hashlib.sha256()
    for table in METADATA.sorted_tables:
        if table is build:
            continue
        names = [column.name for column in table.columns]
        rows = [[row.get(name) for name in names] for row in contents.get(table.name, ())]
        try:
            text = json.dumps([table.name, names, rows], allow_nan=False, default=date.isoformat)
        except ValueError as error:
            raise PerfseerError(f"a row of {table.name} holds a number that is not finite") from error
        total.update(text.encode())
    return total.hexdigest()


def database_url(place: str | Path) -> URL:
    """The address of a database: a path is a file of SQLite.

    Args:
        place: a path, ``sqlite:///…`` or ``postgresql://user@host/name``.

    Raises:
        PerfseerError: it is no address, or of another kind of database.
    """
    given = str(place)
    require(given != ":memory:", "a database in memory cannot be built or asked: name a file")
    if "://" not in given:
        return URL.create("sqlite", database=given)
    try:
        url = make_url(given)
    except (ArgumentError, ValueError) as error:  # the latter of a host or port that cannot be one
        raise PerfseerError(
            f"{given!r} is no address of a database: expected a path, or postgresql://…"
        ) from error
    backend = url.get_backend_name()
    require(
        backend in ("sqlite", "postgresql"),
        f"a database of kind {backend!r} cannot be used: expected a path (SQLite) or postgresql://…",
    )
    return url.set(drivername="postgresql+psycopg") if url.drivername in ("postgresql", "postgres") else url


def write(contents: Contents, place: str | Path) -> Written:
    """Replace the database, unless it has these contents already.

    Args:
        contents: rows by table, every id given.
        place: as of `database_url`.

    Raises:
        PerfseerError: the place cannot be written, the server cannot be reached, or a row breaks a
            constraint.
    """
    url = database_url(place)
    digest = content_digest(contents)
    if url.get_backend_name() == "sqlite":
        return _write_file(contents, digest, Path(url.database or ""))
    return _write_server(contents, digest, url)


def read_digest(place: str | Path) -> str | None:
    """Digest of the contents a database has; None where there is none."""
    url = database_url(place)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        return None
    with _engine(url) as engine, engine.connect() as connection:
        return _stored_digest(connection)


@contextmanager
def connected(place: str | Path) -> Iterator[Connection]:
    """A connection for reading.

    Raises:
        PerfseerError: there is no such database, or it is another program's.
    """
    url = database_url(place)
    if url.get_backend_name() == "sqlite":
        path = Path(url.database or "")
        require(path.is_file(), f"no hardware database {path}: `perfseer hardware build` makes it")
    with _engine(url) as engine, _told(url), engine.connect() as connection:
        require(
            _stored_digest(connection) is not None,
            f"{_shown(url)} holds no hardware database of this version: `perfseer hardware build` "
            "makes it anew",
        )
        yield connection


def _write_file(contents: Contents, digest: str, path: Path) -> Written:
    require(bool(path.name), f"{str(path)!r} names no file to build the database in: name one")
    # One build after the other: the second finds that nothing changed.
    with _alone(path):
        if path.is_file() and _file_digest(path) == digest:
            return Written(digest, changed=False)
        with (
            atomic(path, what="the hardware database") as temporary,
            _engine(URL.create("sqlite", database=str(temporary))) as engine,
            _told(str(path)),
            engine.begin() as connection,
        ):
            # The file takes its place whole or is thrown away: a journal would only be left lying about.
            connection.exec_driver_sql("PRAGMA journal_mode = MEMORY")
            METADATA.create_all(connection)
            _fill(connection, contents, digest)
            connection.exec_driver_sql("ANALYZE")
    return Written(digest, changed=True)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Wait for whoever writes ``path``; what a killed build left beside it is removed."""
    require_writable(path, what="the hardware database")
    if path.exists() and not path.is_file():  # a device or a pipe has no old contents to keep
        yield
        return
    path = Path(os.path.realpath(path))
    lock = path.parent / f".{path.name}.lock"
    with lock.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        for left in list(path.parent.iterdir()):
            if _is_left(left, path):
                left.unlink(missing_ok=True)
        yield


def _is_left(found: Path, path: Path) -> bool:
    """Whether a file is what a killed build of ``path`` was writing; other hidden files are none of ours."""
    if not re.fullmatch(rf"\.{re.escape(path.name)}\.[a-z0-9_]{{8}}", found.name):
        return False
    if found.is_symlink() or not found.is_file():
        return False
    with found.open("rb") as stream:
        start = stream.read(len(_SQLITE))
    # Nothing is written yet, or a database of SQLite; mkstemp gives it to its owner alone.
    return start in (b"", _SQLITE) and stat.S_IMODE(found.stat().st_mode) == 0o600


def _file_digest(path: Path) -> str | None:
    """None where the file is damaged or another program's: it is replaced."""
    try:
        return read_digest(path)
    except (PerfseerError, SQLAlchemyError):
        return None


def _write_server(contents: Contents, digest: str, url: URL) -> Written:
    with _engine(url) as engine, _told(url):
        with engine.begin() as connection:
            connection.execute(
                text("SELECT pg_advisory_xact_lock(hashtext(:name))"), {"name": POSTGRES_SCHEMA}
            )
            connection.execute(CreateSchema(POSTGRES_SCHEMA, if_not_exists=True))
            if _stored_digest(connection) == digest:
                return Written(digest, changed=False)
            _make_room(connection)
            _fill(connection, contents, digest)
        with engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT")
            for table in METADATA.sorted_tables:
                connection.execute(text(f'ANALYZE {POSTGRES_SCHEMA}."{table.name}"'))
    return Written(digest, changed=True)


def _make_room(connection: Connection) -> None:
    """Empty tables of this version. Rows are deleted, so that readers see the old ones until the commit."""
    have = set(inspect(connection).get_table_names(schema=POSTGRES_SCHEMA))
    ours = {table.name for table in METADATA.sorted_tables}
    require(
        not have - ours,
        f"schema {POSTGRES_SCHEMA} holds tables of others ({', '.join(sorted(have - ours))}): "
        "move them elsewhere",
    )
    if have == ours and _stored_version(connection) == SCHEMA_VERSION:
        for table in reversed(METADATA.sorted_tables):
            connection.execute(table.delete())
        return
    METADATA.drop_all(connection)
    METADATA.create_all(connection)


def _fill(connection: Connection, contents: Contents, digest: str) -> None:
    unknown = set(contents) - set(METADATA.tables)
    require(not unknown, f"contents name tables that do not exist: {sorted(unknown)}")
    put = _copy if connection.dialect.name == "postgresql" else _insert
    for table in METADATA.sorted_tables:
        put(connection, table, contents.get(table.name, ()))
    connection.execute(insert(build), [{"digest": digest, "schema_version": SCHEMA_VERSION}])


def _insert(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Rows in SQLite, handed to its driver as they are: half the time of compiling a statement for each."""
    names = [column.name for column in table.columns]
    quoted, places = ", ".join(f'"{name}"' for name in names), ", ".join("?" * len(names))
    days = [isinstance(column.type, Date) for column in table.columns]
    given = [
        tuple(
            value.isoformat() if day and value is not None else value
            for value, day in zip(map(row.get, names), days, strict=True)
        )
        for row in rows
    ]
    if given:
        connection.exec_driver_sql(f'INSERT INTO "{table.name}" ({quoted}) VALUES ({places})', given)


def _copy(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Rows by PostgreSQL's COPY: a third of the time that inserting them takes.

    Raises:
        DBAPIError: a row breaks a constraint.
    """
    names = [column.name for column in table.columns]
    quoted = ", ".join(f'"{name}"' for name in names)
    statement = f'COPY {POSTGRES_SCHEMA}."{table.name}" ({quoted}) FROM STDIN'
    driver = connection.connection.cursor()
    try:
        with driver.copy(statement) as stream:
            for row in rows:
                stream.write_row([row.get(name) for name in names])
    except connection.dialect.loaded_dbapi.Error as error:
        raise DBAPIError(statement, None, error) from error


def _stored_digest(connection: Connection) -> str | None:
    """None where there is no database of this version."""
    schema = POSTGRES_SCHEMA if connection.dialect.name == "postgresql" else None
    if not inspect(connection).has_table(build.name, schema=schema):
        return None
    columns = {column["name"] for column in inspect(connection).get_columns(build.name, schema=schema)}
    if columns != {column.name for column in build.columns}:
        return None
    found = connection.execute(select(build.c.digest, build.c.schema_version)).first()
    return found.digest if found is not None and found.schema_version == SCHEMA_VERSION else None


def _stored_version(connection: Connection) -> int | None:
    return connection.execute(select(build.c.schema_version)).scalar()


@contextmanager
def _engine(url: URL) -> Iterator[Engine]:
    """An engine that ends with the block; foreign keys are checked in SQLite too."""
    try:
        engine = create_engine(url)
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise PerfseerError(
            f"PostgreSQL needs a driver that is not installed ({error}): pip install 'perfseer[postgres]'"
        ) from error
    if url.get_backend_name() == "sqlite":
        event.listen(engine, "connect", _check_foreign_keys)
    else:
        engine = engine.execution_options(schema_translate_map={None: POSTGRES_SCHEMA})
    try:
        yield engine
    finally:
        engine.dispose()


def _check_foreign_keys(connection: Any, _: object) -> None:
    connection.execute("PRAGMA foreign_keys = ON")


@contextmanager
def _told(place: URL | str) -> Iterator[None]:
    """Errors of the database in our words."""
    try:
        yield
    except OperationalError as error:
        code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF  # without what the fault was in particular
        kind = WriteError if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR) else PerfseerError
        raise kind(f"cannot use the database {_shown(place)}: {_first_line(error)}") from error
    except DBAPIError as error:
        raise PerfseerError(f"the database {_shown(place)} refuses: {_first_line(error)}") from error
    except pd.errors.DatabaseError as error:
        fault = error.__cause__
        line = _first_line(fault) if isinstance(fault, DBAPIError) else str(error).splitlines()[0]
        raise PerfseerError(
            f"the database {_shown(place)} is damaged, or went away: {line}; `perfseer hardware build` makes "
            "it anew"
        ) from error


def _first_line(error: DBAPIError) -> str:
    return str(error.orig).strip().splitlines()[0]


def _shown(place: URL | str) -> str:
    """Without the password."""
    return place.render_as_string(hide_password=True) if isinstance(place, URL) else str(place)
