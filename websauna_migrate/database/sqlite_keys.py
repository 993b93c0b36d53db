"""Foreign keys of SQLite around a run: not enforced while tables are rebuilt, and checked before each commit."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from websauna_migrate.database.errors import BrokenForeignKeys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.engine import Connection


@contextmanager
def keys_unenforced(connection: Connection) -> Iterator[Callable[[], None]]:
    """Switch the enforcement of foreign keys off on SQLite, and yield a check to be made before each commit.

    Batch mode drops the old table, and the rows that refer to it would go too. The pragma does nothing inside a
    transaction, so it stands around all of them; where keys are not enforced, there is nothing to check.
    """
    if connection.dialect.name != "sqlite" or not _sqlite(connection, "PRAGMA foreign_keys"):
        yield lambda: None
        return
    try:
        broken: set[Any] | None = set(_sqlite(connection, "PRAGMA foreign_key_check"))
    except connection.dialect.loaded_dbapi.Error:  # a key refers to columns that are not unique
        broken = None
    _sqlite(connection, "PRAGMA foreign_keys = OFF")

    def check_keys() -> None:
        if broken is None:
            return
        now = set(_sqlite(connection, "PRAGMA foreign_key_check"))
        new = sorted(now - broken, key=str)
        # Rows that were broken before may be others now, of a renamed table for instance.
        if len(now) > len(broken):
            raise BrokenForeignKeys(
                tuple(f"row {row} of {table} refers to a missing row of {target}" for table, row, target, _ in new)
            )

    try:
        yield check_keys
    finally:
        connection.rollback()
        _sqlite(connection, "PRAGMA foreign_keys = ON")


def _sqlite(connection: Connection, statement: str) -> list[Any]:
    """Run ``statement`` on the driver's own connection: through SQLAlchemy it would begin a transaction."""
    rows: list[Any] = connection.connection.cursor().execute(statement).fetchall()
    return [] if rows == [(0,)] else rows
