"""What every lock of a run can do, and who holds one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from websauna_migrate.database.errors import LockLost
from websauna_migrate.database.sqlite import sqlite_path

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection


@dataclass(frozen=True, slots=True)
class LockHolder:
    """Who holds a lock. What the database does not show is None.

    ``process`` is the server's process or connection of the holder, on SQLite the holder itself. ``since`` is in
    UTC; MySQL and MariaDB know only when the holder's connection was last used. ``how_to_end`` is the statement or
    command that ends a holder that hangs.
    """

    process: int | None = None
    host: str | None = None
    application: str | None = None
    since: datetime | None = None
    how_to_end: str = ""

    def __str__(self) -> str:
        since = self.since and self.since.astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
        facts = {"process": self.process, "host": self.host, "application": self.application, "since": since}
        return ", ".join(f"{name} {fact}" for name, fact in facts.items() if fact)


class RunLock(ABC):
    """A lock of one database: free, or held until :meth:`close`. ``database`` names it in messages."""

    database: str

    @abstractmethod
    def try_to_take(self) -> bool:
        """Take the lock if it is free, without waiting, and return whether it is held now."""

    @abstractmethod
    def holder(self) -> LockHolder | None:
        """Return who holds the lock, or None where nobody does or that is unknown."""

    @abstractmethod
    def is_held(self) -> bool:
        """Return whether the lock that was taken is still held."""

    @abstractmethod
    def guards(self, connection: Connection) -> bool:
        """Return whether the lock that is held keeps other runs away from the database of ``connection``."""

    @abstractmethod
    def close(self) -> None:
        """Give the lock back, if it is held, and what was opened for it."""

    def check(self) -> None:
        """Raise :class:`LockLost` unless the lock is still held. To be asked before each step of a run."""
        if not self.is_held():
            raise LockLost(self.database)


class _NoLock(RunLock):
    """No lock at all: for a database that only this process can see, or for one without a known lock."""

    database = ""

    def try_to_take(self) -> bool:
        return True

    def holder(self) -> LockHolder | None:
        return None

    def is_held(self) -> bool:
        return True

    def guards(self, connection: Connection) -> bool:
        return connection.dialect.name != "sqlite" or sqlite_path(connection.engine.url) is None

    def close(self) -> None:
        pass


def no_lock() -> RunLock:
    """Return the object that is used where there is no lock."""
    return _NoLock()
