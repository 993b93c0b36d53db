"""Steps that share one commit on SQLite, where nothing can tell the difference.

A commit waits for the disk; most revisions take less than that. What a revision did is released to the next one, and
committed with it: at the latest after :data:`LONGEST` seconds, before a script that may look at the database from
elsewhere or ends its transaction by itself, and at the end of the run, whatever ends it.
"""

from __future__ import annotations

import re
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection

    from websauna_migrate.database.sqlite_groups import GroupedConnection
    from websauna_migrate.run.failures import Account

LONGEST = 0.2  # seconds

# What a script needs to end its transaction, or to look at the database on another connection.
_LEAVES = re.compile(rb"rollback|commit|\bengine\b|create_engine|__import__", re.IGNORECASE)
_IMPORTS = re.compile(rb"^[ \t]*(?:from|import)[ \t]+([^\n]*)", re.MULTILINE)
_PLAIN = frozenset(
    b"__future__ alembic collections datetime decimal enum json logging re sqlalchemy typing uuid".split()
)


def stays_inside(source: bytes) -> bool:
    """Tell whether the script ``source`` works on its own connection alone, as far as its text shows."""
    return bool(source) and not _LEAVES.search(source) and all(map(_is_plain, _IMPORTS.findall(source)))


def _is_plain(imported: bytes) -> bool:
    """Tell whether what follows ``from`` or ``import`` names one module that does nothing else."""
    name = re.match(rb"\w+", imported)
    several = b"," in imported.partition(b" import ")[0]
    return name is not None and name[0] in _PLAIN and not several


class Group:
    """The steps of a run that are done and not committed yet. Without a ``driver`` each is committed at once."""

    def __init__(self, account: Account, driver: GroupedConnection | None) -> None:
        self._account = account
        self._driver = driver
        self._inside = [driver is not None and stays_inside(step.revision.source) for step in account.plan.steps]
        self._began = 0.0
        self._waiting = 0  # steps

    @contextmanager
    def of_step(self) -> Iterator[None]:
        """Run the transaction of the next step in the block."""
        if self._driver is None:
            yield
            return
        if not self._driver.holds:
            self._began = time.monotonic()
        try:
            yield
        finally:
            self._driver.defers = False
        self._waiting = self._waiting + 1 if self._driver.holds else 0

    def end_step(self) -> None:
        """Let the transaction of the step, which ends now, wait for the next one where it may."""
        number = len(self._account.done)
        if self._driver is not None and number + 1 < len(self._inside):
            is_due = time.monotonic() - self._began >= LONGEST
            self._driver.defers = self._inside[number] and self._inside[number + 1] and not is_due

    def close(self) -> None:
        """Commit what waits, which is so after an error only; what cannot be committed is lost."""
        if self._driver is None or not self._waiting:
            return
        self._account.lost = self._waiting
        with suppress(self._driver.Error):  # the one that ended the run is told
            self._driver.commit()
            self._account.lost = 0


@contextmanager
def grouped(connection: Connection, account: Account) -> Iterator[Group]:
    """Yield what lets the steps of ``account`` share commits, on a connection to SQLite that is our own."""
    group = Group(account, None if account.together else _driver_of(connection))
    try:
        yield group
    finally:
        group.close()


def _driver_of(connection: Connection) -> GroupedConnection | None:
    if connection.dialect.name != "sqlite":
        return None
    from websauna_migrate.database.sqlite_groups import GroupedConnection

    driver = connection.connection.driver_connection
    return driver if isinstance(driver, GroupedConnection) else None
