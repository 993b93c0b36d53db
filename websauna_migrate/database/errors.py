"""Errors of a connection, of the lock, of client programs and of dumps."""

from __future__ import annotations

from typing import Any

from websauna_migrate.exceptions import ClientError, LockError, OwnershipError, RunError, UsageError, listed


class UnknownTable(UsageError):
    """No selected package owns a table of this name."""

    def __init__(self, table: str, packages: tuple[str, ...], closest: str | None) -> None:
        self.table = table
        self.packages = packages
        self.closest = closest
        hint = f"did you mean {closest}?" if closest else "name another package with -x packages="
        super().__init__(f"no table {table!r} in the models of {listed(packages)}; {hint}")


class NotInThisDialect(OwnershipError):
    """A table asks for something that the database does not have."""

    def __init__(self, dialect: str, reason: str) -> None:
        self.dialect = dialect
        self.reason = reason
        super().__init__(f"the models cannot be written in {dialect}: {reason}; give the type a variant for {dialect}")


class LockTimeout(LockError):
    """Somebody else held the lock all the time; ``holder`` says who, or is None where nobody can tell."""

    def __init__(self, database: str, seconds: float, holder: Any) -> None:
        self.database = database
        self.seconds = seconds
        self.holder = holder
        super().__init__(
            f"another run holds the lock of the database {database}, waited {seconds:g} s, holder: "
            f"{holder or 'unknown'}; wait for that run and try again, or raise websauna_migrate.lock_timeout"
            + (f", or if it hangs end it with: {holder.how_to_end}" if holder else "")
        )


class LockLost(LockError):
    """The lock went while the run was under way: its connection died, or its file was removed."""

    def __init__(self, database: str) -> None:
        self.database = database
        super().__init__(
            f"the lock of the database {database} was lost, so another run may be at work there; stopped before the "
            "next step or commit; see what the server's log says, then run the command again"
        )


class LockFileError(LockError):
    """The file that locks a SQLite database cannot be made or written."""

    def __init__(self, path: str, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(
            f"cannot lock the database with the file {path}: {reason}; "
            "the folder of the database has to be writable for the user who runs this"
        )


class LockUnreachable(LockError):
    """The connection for the lock of a run cannot be had. ``url`` is without its password."""

    def __init__(self, url: str, reason: str, *, is_own_address: bool) -> None:
        self.url = url
        self.reason = reason
        self.is_own_address = is_own_address
        remedy = (
            "correct the setting websauna_migrate.lock_url"
            if is_own_address
            else "where a pooler has one connection only, name a direct address with websauna_migrate.lock_url"
        )
        super().__init__(f"no connection for the lock at {url}: {reason}; nothing was run; {remedy}")


class DatabaseUnreachable(RunError):
    """No connection to the database was had."""

    def __init__(self, url: str, reason: str) -> None:
        self.url = url
        self.reason = reason
        super().__init__(f"cannot connect to {url}: {reason}; check that the server runs, and sqlalchemy.url")


class BrokenForeignKeys(RunError):
    """Rows refer to rows that a revision took away. ``keys`` name them."""

    def __init__(self, keys: tuple[str, ...]) -> None:
        self.keys = keys
        more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
        super().__init__(f"foreign keys lead nowhere: {', '.join(keys[:3])}{more}; move or delete those rows first")


class NoClientKnown(ClientError):
    """No client program is known for this kind of database."""

    def __init__(self, backend: str, known: tuple[str, ...]) -> None:
        self.backend = backend
        self.known = known
        super().__init__(f"no client program is known for {backend} databases; known are: {', '.join(known)}")


class ClientMissing(ClientError):
    """None of the programs that would do is installed. ``packages`` says for each where it comes from."""

    def __init__(self, programs: tuple[str, ...], packages: tuple[str, ...]) -> None:
        self.programs = programs
        self.packages = packages
        super().__init__(
            f"{' or '.join(programs)} is not installed, or not in PATH; install one of: "
            f"{', '.join(dict.fromkeys(packages))}"
        )


class UnknownClient(UsageError):
    """``--client`` names a program that is none of those for this database."""

    def __init__(self, program: str, known: tuple[str, ...]) -> None:
        self.program = program
        self.known = known
        super().__init__(f"--client {program}: not a client of this database; choose one of: {', '.join(known)}")


class ClientFailed(ClientError):
    """A client program ended with an error. ``returncode`` is its exit code, 128 and more where a signal ended it."""

    def __init__(self, program: str, returncode: int, said: str, remedy: str) -> None:
        self.program = program
        self.returncode = returncode
        self.said = said
        super().__init__(f"{program} ended with exit code {returncode}{f'; {said}' if said else ''}", remedy)


class DatabaseUnnamed(ClientError):
    """The URL names a server, but none of its databases."""

    def __init__(self) -> None:
        super().__init__("sqlalchemy.url names no database; add /NAME after the host")


class DatabaseFileMissing(ClientError):
    """The SQLite database of the URL is no file that exists. It is not created here."""

    def __init__(self, path: str) -> None:
        self.path = path
        where = path if path not in ("", ":memory:") else "it is in the memory of its process"
        super().__init__(f"there is no file with the SQLite database: {where}; check sqlalchemy.url")


class SnapshotFailed(ClientError):
    """A SQLite database could not be copied or read."""

    def __init__(self, path: str, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(
            f"cannot dump {path}: {reason}; check that it is a SQLite database that you may read, and that there is "
            "room for a copy of it beside --output, else in TMPDIR"
        )


class OutputFailed(ClientError):
    """A dump could not be written where it should go."""

    def __init__(self, target: str, reason: str) -> None:
        self.target = target
        self.reason = reason
        super().__init__(f"cannot write the dump to {target}: {reason}; give it another place or make room there")
