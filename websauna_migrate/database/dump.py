"""A database as SQL text: used by ``ws-dump-db`` and by ``upgrade --backup``.

:func:`dump` streams; its memory does not grow with the database. PostgreSQL, MySQL and MariaDB are dumped by their own
programs. SQLite is copied with its backup API while others go on writing, and the copy is written out here: what
the ``sqlite3`` program prints depends on its version, and ``Connection.iterdump()`` loses the carriage returns.
"""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import tempfile
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from websauna_migrate.database.client import choose, dump_calls, option_file, sqlite_file
from websauna_migrate.database.errors import ClientFailed
from websauna_migrate.exceptions import ClientError, one_line
from websauna_migrate.files import replaced

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

    from sqlalchemy.engine import URL

    from websauna_migrate.database.client import ClientCall

CHUNK = 128 * 1024  # bytes
BUSY_SECONDS = 60.0  # how long a SQLite database may be locked against reading
_BUSY_OR_LOCKED = (5, 6)  # SQLITE_BUSY and SQLITE_LOCKED, which the module names from Python 3.11


def dump(
    url: URL,
    arguments: Sequence[str] = (),
    *,
    folder: Path | None = None,
    on_message: Callable[[str], None] = lambda line: None,
) -> Generator[bytes]:
    """Yield the SQL that makes the database of ``url`` again, in pieces; to be closed, with :func:`closing`.

    :param arguments: go to the program; SQLite has none.
    :param folder: where the copy of a SQLite database lies meanwhile; default: the system's folder for such.
    :param on_message: gets the lines that a program wrote to stderr although it succeeded.
    :raises ClientError: something is missing, or failed; what was yielded before is not complete then.
    """
    if url.get_backend_name() == "sqlite":
        return _dump_sqlite(sqlite_file(url), folder)
    return _dump_by_program(choose(dump_calls(url, arguments)), on_message)


def write_whole(path: Path, pieces: Iterable[bytes]) -> None:
    """Write ``pieces`` to the file ``path``, which appears, or changes, only when all are there.

    What is no regular file, such as a named pipe, is written to directly.

    :raises ClientError: no room, no permission, and the like
    """
    try:
        with replaced(path) as file:
            write_all(file.fileno(), pieces, str(path))
    except (ClientError, BrokenPipeError):  # the dump failed, and not the writing
        raise
    except OSError as error:
        raise _not_written(str(path), error) from error


def write_all(descriptor: int, pieces: Iterable[bytes], target: str) -> None:
    """Write ``pieces`` to a file descriptor, past all buffers; a reader that left is a :class:`BrokenPipeError`.

    :raises ClientError: no room, and the like; the message calls the file ``target``
    """
    for piece in pieces:
        left = memoryview(piece)
        while left:
            try:
                left = left[os.write(descriptor, left) :]
            except BrokenPipeError:
                raise
            except OSError as error:
                raise _not_written(target, error) from error


def _not_written(target: str, error: OSError) -> ClientError:
    reason = error.strerror or str(error)
    return ClientError(f"cannot write the dump to {target}: {reason}", "choose another place, or free some space there")


# PostgreSQL, MySQL and MariaDB: their programs

# What a program says where it gives up, and what helps.
_FAILURE = re.compile(r"\berror\b", re.IGNORECASE)
_LAST_LINES = 3
_REMEDIES = {
    "server version mismatch": "install the client programs of the server's version, and put them first in PATH",
    "COLUMN_STATISTICS": "this is MySQL's program: for MariaDB install mariadb-client, and write mariadb:// in the URL",
}


def _dump_by_program(call: ClientCall, on_message: Callable[[str], None]) -> Generator[bytes]:
    with tempfile.TemporaryFile() as messages:
        with _started(call, messages) as process:
            assert process.stdout is not None
            while piece := process.stdout.read(CHUNK):
                yield piece
        messages.seek(0)
        lines = messages.read().decode(errors="replace").splitlines()
    if process.returncode:
        raise _failure(call.program, process.returncode, lines)
    for line in lines:
        on_message(line)


@contextmanager
def _started(call: ClientCall, messages: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """Run the program of ``call``; it has ended when the block has, whatever happens there."""
    with option_file(call) as (argv, descriptors):
        process = subprocess.Popen(
            argv,
            env={**os.environ, **call.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=messages,
            bufsize=0,
            pass_fds=descriptors,
        )
        with process:
            try:
                yield process
            except BaseException:
                process.terminate()
                raise


def _failure(program: str, returncode: int, lines: list[str]) -> ClientFailed:
    # Before the first line with the error there may be pages of `--verbose`.
    first = next((number for number, line in enumerate(lines) if _FAILURE.search(line)), -_LAST_LINES)
    said = one_line(" ".join(lines[first:]))
    remedy = next((remedy for sign, remedy in _REMEDIES.items() if sign in said), "")
    return ClientFailed(program, returncode if returncode > 0 else 128 - returncode, said, remedy)


# SQLite

# Text with a carriage return or a zero byte does not survive all programs that read SQL, infinity is printed as a
# name that is none, and quote() is right for everything else.
_LITERAL = """CASE
    WHEN typeof({0}) = 'text' AND (instr({0}, char(13)) OR instr({0}, char(0)))
        THEN 'CAST(' || quote(CAST({0} AS BLOB)) || ' AS TEXT)'
    WHEN typeof({0}) = 'real' AND abs({0}) > 1.7976931348623157e308
        THEN CASE WHEN {0} > 0 THEN '9e999' ELSE '-9e999' END
    ELSE quote({0}) END"""


def _dump_sqlite(path: Path, folder: Path | None) -> Generator[bytes]:
    try:
        with (
            tempfile.TemporaryDirectory(prefix=".ws-dump-db-", dir=folder) as private,
            closing(sqlite3.connect(Path(private) / "snapshot")) as snapshot,
        ):
            _copy(path, snapshot)
            yield from _in_chunks(_statements(snapshot))
    except sqlite3.Error as error:
        raise ClientError(
            f"cannot dump {path}: {error}",
            "check that it is a SQLite database that you may read, and that there is room for a copy of it "
            "in the folder of --output, else in TMPDIR",
        ) from error


def _copy(path: Path, snapshot: sqlite3.Connection) -> None:
    """Copy the database as it is at one moment: in one step, during which others can read, and write in WAL mode."""
    deadline = time.monotonic() + BUSY_SECONDS

    def give_up_in_time(status: int, _remaining: int, _total: int) -> None:
        if status in _BUSY_OR_LOCKED and time.monotonic() > deadline:
            raise sqlite3.OperationalError("the database is locked by another process")

    snapshot.execute("PRAGMA synchronous = OFF")
    # Not read-only, because what a crashed process left in the journal may have to be put in order first.
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=0)) as source:
        source.backup(snapshot, pages=-1, progress=give_up_in_time)


def _in_chunks(statements: Iterable[bytes]) -> Iterator[bytes]:
    waiting, size = [], 0
    for statement in statements:
        waiting.append(statement)
        size += len(statement)
        if size >= CHUNK:
            yield b"".join(waiting)
            waiting, size = [], 0
    yield b"".join(waiting)


def _statements(database: sqlite3.Connection) -> Iterator[bytes]:
    """Yield the statements, each with its end of line. They are bytes, because text may be no valid UTF-8."""
    database.text_factory = bytes
    schema = list(database.execute("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid"))
    tables = [(name, sql) for kind, name, sql in schema if kind == b"table" and not name.startswith(b"sqlite_")]
    virtual = [(name, sql) for name, sql in tables if re.match(rb"CREATE\s+VIRTUAL\b", sql, re.IGNORECASE)]
    yield from _settings(database)
    yield b"PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n"
    for name, sql in tables:
        if (name, sql) not in virtual:
            yield _statement(sql)
            yield from _rows(database, name)
    if any(name == b"sqlite_sequence" for _, name, _ in schema):
        yield b"DELETE FROM sqlite_sequence;\n"
        yield from _rows(database, b"sqlite_sequence")
    # Creation order, so that nothing comes before what it needs; triggers last, they may be on views.
    for wanted in (b"index", b"view", b"trigger"):
        yield from (_statement(sql) for kind, _, sql in schema if kind == wanted)
    yield from _virtual_tables(virtual)
    yield b"COMMIT;\n"
    if virtual:
        yield b"PRAGMA writable_schema=RESET;\n"
    if any(name == b"sqlite_stat1" for _, name, _ in schema):
        yield b"ANALYZE;\n"


def _settings(database: sqlite3.Connection) -> Iterator[bytes]:
    """Yield what is said of the whole database; the encoding counts only before the first table."""
    (encoding,), (application,), (version,) = (
        database.execute(f"PRAGMA {name}").fetchone() for name in ("encoding", "application_id", "user_version")
    )
    if encoding != b"UTF-8":
        yield b"PRAGMA encoding='%s';\n" % encoding
    if application or version:
        yield b"PRAGMA application_id=%d;\nPRAGMA user_version=%d;\n" % (application, version)


def _rows(database: sqlite3.Connection, table: bytes) -> Iterator[bytes]:
    # Generated columns are hidden: they are computed again.
    xinfo = database.execute("SELECT name FROM pragma_table_xinfo(?) WHERE hidden = 0", (table.decode(),))
    literals = ", ".join(_LITERAL.format(_quoted(name)) for (name,) in xinfo)
    into = f"INSERT INTO {_quoted(table)} VALUES(".encode()
    for row in database.execute(f"SELECT {literals} FROM {_quoted(table)}"):
        yield into + b",".join(row) + b");\n"


def _virtual_tables(tables: list[tuple[bytes, bytes]]) -> Iterator[bytes]:
    """Enter virtual tables into the schema by hand: creating them would make their shadow tables a second time."""
    if tables:
        yield b"PRAGMA writable_schema=ON;\n"
    for name, sql in tables:
        values = f"'table',{_string(name)},{_string(name)},0,{_string(sql)}"
        yield f"INSERT INTO sqlite_master(type,name,tbl_name,rootpage,sql) VALUES({values});\n".encode()


def _statement(sql: bytes) -> bytes:
    # A comment may be what it ends with.
    return sql + (b"\n;\n" if b"--" in sql else b";\n")


def _quoted(name: bytes) -> str:
    return '"' + name.decode().replace('"', '""') + '"'


def _string(value: bytes) -> str:
    return "'" + value.decode().replace("'", "''") + "'"
