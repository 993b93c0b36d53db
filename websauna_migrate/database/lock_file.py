"""The lock of a SQLite database: an operating-system lock on a file beside it."""

from __future__ import annotations

import json
import os
import re
import socket
import stat
import time
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from websauna_migrate.database.errors import LockFileError
from websauna_migrate.database.lock_base import LockHolder, RunLock, no_lock

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine

LOCK_FILE_SUFFIX = "-migrate-lock"
_HOST = re.compile(r"[A-Za-z0-9_.-]+")


def file_lock(engine: Engine) -> RunLock:
    """Return the lock of the SQLite database of ``engine``; one in memory, which no other process sees, has none."""
    database = _file_of(engine)
    return no_lock() if database is None else _FileLock(database)


class _FileLock(RunLock):
    """A lock of the operating system on a file beside the database; the file goes when the lock is given back.

    Whoever gets a lock on a file that lost its name meanwhile has nothing, and tries again.
    """

    def __init__(self, database: Path) -> None:
        self.database = str(database)
        self.path = database.with_name(database.name + LOCK_FILE_SUFFIX)
        self.descriptor: int | None = None

    def try_to_take(self) -> bool:
        try:
            return self._take()
        except OSError as error:
            raise LockFileError(str(self.path), error) from error

    def _take(self) -> bool:
        from filelock import lock_descriptor

        # Never follow a link, which another user may have put there: the file is written to.
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
        try:
            if lock_descriptor(descriptor, blocking=False) and self._has_its_name(descriptor):
                self._sign(descriptor)
                self.descriptor, descriptor = descriptor, -1
        finally:
            if descriptor >= 0:
                os.close(descriptor)
        return self.descriptor is not None

    def _has_its_name(self, descriptor: int) -> bool:
        with suppress(FileNotFoundError):
            return os.path.samestat(os.fstat(descriptor), self.path.stat())
        return False

    def _sign(self, descriptor: int) -> None:
        if os.name == "posix" and os.fstat(descriptor).st_uid == os.geteuid():
            _permit_as(Path(self.database), descriptor)
        note = {"process": os.getpid(), "host": socket.gethostname(), "since": time.time()}
        os.ftruncate(descriptor, 0)
        # On Windows nobody else can read the byte that is locked, the first one.
        os.write(descriptor, b"\n" + json.dumps(note).encode() + b"\n")

    def holder(self) -> LockHolder | None:
        with (
            suppress(OSError, ValueError, LookupError, TypeError, OverflowError),
            self.path.open("rb", buffering=0) as file,
        ):
            file.seek(1)
            note = json.loads(file.read())
            since = datetime.fromtimestamp(note["since"], timezone.utc)
            return _holder(note["process"], note["host"], since)
        return None

    def is_held(self) -> bool:
        return self.descriptor is not None and self._has_its_name(self.descriptor)

    def guards(self, connection: Connection) -> bool:
        return file_lock(connection.engine).database == self.database

    def close(self) -> None:
        if self.descriptor is None:
            return
        # Windows does not remove a file that others have open; then it stays, and does no harm.
        with suppress(OSError):
            if self.is_held():
                self.path.unlink()
        os.close(self.descriptor)
        self.descriptor = None


def _holder(process: object, host: object, since: datetime) -> LockHolder | None:
    """Return the holder that a lock file names, None where that is not the note of a run.

    Whoever may write to the file can put anything there, and it ends in a command: ``kill`` with a number below 1 ends
    many processes.
    """
    if type(process) is not int or process < 1 or not (isinstance(host, str) and _HOST.fullmatch(host)):
        return None
    return LockHolder(process, host, "websauna_migrate", since, f"kill {process} (on {host})")


def _file_of(engine: Engine) -> Path | None:
    """Ask SQLite itself which file it opens, so that links, URI names and the driver's own rules are all kept."""
    connection = engine.pool.recreate().connect()
    try:
        cursor = connection.cursor()
        cursor.execute("PRAGMA database_list")
        files = {name: file for _, name, file in cursor.fetchall()}
        return Path(files["main"]).resolve() if files["main"] else None
    finally:
        connection.detach()
        connection.close()


def _permit_as(database: Path, descriptor: int) -> None:
    """Give the lock file the permissions of the database, as SQLite does with its own files."""
    like = database.stat()
    os.fchmod(descriptor, stat.S_IMODE(like.st_mode))
    if os.geteuid() == 0:
        os.fchown(descriptor, like.st_uid, like.st_gid)
