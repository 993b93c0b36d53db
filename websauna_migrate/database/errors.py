"""Errors of a connection, of the lock, of client programs and of dumps."""

from __future__ import annotations

import errno
from typing import Protocol

from websauna_migrate.exceptions import ClientError, LockError, RevisionError, RunError
from websauna_migrate.files import remedy_for_file


class Holder(Protocol):
    """Who holds a lock."""

    @property
    def how_to_end(self) -> str:
        """The statement or command that ends a holder that hangs."""


class LockTimeout(LockError, TimeoutError):
    """The lock could not be acquired: another run held it. ``holder`` says which, None if that is not known."""

    def __init__(self, database: str, seconds: float, holder: Holder | None) -> None:
        self.database = database
        self.seconds = seconds
        self.holder = holder
        end = f", or if it hangs end it with: {holder.how_to_end}" if holder else ""
        super().__init__(
            f"the lock of the database {database} could not be acquired in {seconds:g} s: another run holds it, "
            f"holder: {holder or 'unknown'}",
            f"wait for that run and try again, or raise websauna_migrate.lock_timeout{end}",
        )


class LockLost(LockError, ConnectionError):
    """The lock was lost while the run was under way: its connection died, or its file was removed."""

    def __init__(self, database: str) -> None:
        self.database = database
        super().__init__(
            f"the lock of the database {database} was lost, so another run may be active there; "
            f"stopped before the next step or commit",
            "look into the server's log, then run the command again",
        )


class LockFileError(LockError, OSError):
    """The file that locks a SQLite database cannot be created or written."""

    def __init__(self, path: str, error: OSError) -> None:
        self.path = path
        self.reason = error.strerror or str(error)
        usual = "make the folder of the database writable for this user"
        remedy = f"remove {path}" if error.errno in (errno.EISDIR, errno.ELOOP) else remedy_for_file(error) or usual
        super().__init__(f"cannot lock the database with the file {path}: {self.reason}", remedy)


class LockUnreachable(LockError, ConnectionError):
    """The connection for the lock of a run fails. ``url`` is without its password."""

    def __init__(self, url: str, reason: str, *, is_own_address: bool) -> None:
        self.url = url
        self.reason = reason
        self.is_own_address = is_own_address
        remedy = (
            "correct the setting websauna_migrate.lock_url"
            if is_own_address
            else "if a pooler allows one connection only, set websauna_migrate.lock_url to a direct address"
        )
        super().__init__(f"cannot connect to {url} for the lock: {reason}; nothing was run", remedy)


class DatabaseUnreachable(RunError, ConnectionError):
    """The connection to the database fails. ``url`` is without its password.

    ``is_refused`` where the server answers, and will not let this user in or has no such database.
    """

    def __init__(
        self,
        url: str,
        reason: str,
        remedy: str = "check that the server runs, and sqlalchemy.url",
        *,
        is_refused: bool = False,
    ) -> None:
        self.url = url
        self.reason = reason
        self.is_refused = is_refused
        super().__init__(f"cannot connect to {url}: {reason}", remedy)


class FirstSchemaMissing(RunError):
    """The first schema of the ``search_path`` cannot be used, so tables would go to ``instead``, None for nowhere."""

    def __init__(self, schema: str, search_path: str, instead: str | None, *, exists: bool) -> None:
        self.schema = schema
        self.search_path = search_path
        self.instead = instead
        self.exists = exists
        quoted = '"{}"'.format(schema.replace('"', '""'))
        reason = "may not be used by this user" if exists else "does not exist"
        place = f"tables would be created in {instead}" if instead else "no table can be created"
        todo = f"GRANT USAGE, CREATE ON SCHEMA {quoted} TO ..." if exists else f"CREATE SCHEMA {quoted}"
        super().__init__(
            f"the schema {schema}, the first one of search_path = {search_path}, {reason}, so {place}; nothing was run",
            f"run the SQL: {todo}; or correct the search_path of sqlalchemy.url, of the role or of the database",
        )


class ClientMissing(ClientError, FileNotFoundError):
    """No suitable client program is installed. ``packages`` are the packages that contain one."""

    def __init__(self, programs: tuple[str, ...], packages: tuple[str, ...]) -> None:
        self.programs = programs
        self.packages = packages
        super().__init__(
            f"{' or '.join(programs)} is not installed, or not in PATH",
            f"install one of: {', '.join(dict.fromkeys(packages))}",
        )


class ClientFailed(ClientError):
    """A client program ended with an error. ``returncode`` is its exit code, 128 and more where a signal ended it."""

    def __init__(self, program: str, returncode: int, said: str, remedy: str) -> None:
        self.program = program
        self.returncode = returncode
        self.said = said
        super().__init__(f"{program} ended with exit code {returncode}{f'; {said}' if said else ''}", remedy)


class DatabaseFileMissing(ClientError, FileNotFoundError):
    """The SQLite file of the URL does not exist. It is not created here."""

    def __init__(self, path: str) -> None:
        self.path = path
        where = path if path not in ("", ":memory:") else "it is in the memory of its process"
        super().__init__(f"the SQLite database is not a file that exists: {where}", "check sqlalchemy.url")


class IdTooLong(RevisionError, ValueError):
    """A revision id is longer than the column of the history table, which has ``width`` characters."""

    def __init__(self, revision: str, history_table: str, width: int) -> None:
        self.revision = revision
        self.history_table = history_table
        self.width = width
        super().__init__(
            f"the revision id {revision} has {len(revision)} characters, and the table {history_table} has room for "
            f"{width}; nothing was run",
            "give the revision a shorter id, in its script and in those that name it",
        )
