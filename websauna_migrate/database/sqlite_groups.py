"""Transactions of SQLite that share one commit: a commit waits for the disk, whatever it holds."""

from __future__ import annotations

import sqlite3

_SAVEPOINT = "websauna_migrate_step"


class GroupedConnection(sqlite3.Connection):
    """A connection whose ``commit()`` can leave what it ends to a later one.

    While ``defers`` is set, ``commit()`` leaves the transaction open. ``begin_next()`` begins the next one in it, a
    savepoint that ``rollback()`` undoes alone. A ``commit()`` without ``defers`` commits all of them.
    """

    defers = False
    #: Whether what was held was rolled back: SQLite does so by itself after some errors, as of a full disk.
    lost = False
    _holds = False
    _in_savepoint = False

    @property
    def holds(self) -> bool:
        """Whether something that was ended is not committed yet."""
        return self._holds and self.in_transaction

    def begin_next(self) -> None:
        """Begin a transaction beside those that are held."""
        self.execute(f"SAVEPOINT {_SAVEPOINT}")
        self._in_savepoint = True

    def commit(self) -> None:
        """End the transaction, and commit it with those that are held unless ``defers`` is set.

        :raises sqlite3.OperationalError: those that were held are lost
        """
        self._see_what_is_held()
        if self.lost:
            raise sqlite3.OperationalError("the transaction was rolled back before it was committed")
        if not (self.defers and self.in_transaction):
            super().commit()
            self._holds = self._in_savepoint = False
            return
        if self._in_savepoint:
            self.execute(f"RELEASE {_SAVEPOINT}")
        self._holds, self._in_savepoint = True, False

    def rollback(self) -> None:
        """Undo the transaction, and none of those that are held."""
        self._see_what_is_held()
        if not self.holds:
            super().rollback()
        elif self._in_savepoint:
            self.execute(f"ROLLBACK TO {_SAVEPOINT}")
            self.execute(f"RELEASE {_SAVEPOINT}")
        self._in_savepoint = False

    def _see_what_is_held(self) -> None:
        if self._holds and not self.in_transaction:
            self.lost, self._holds = True, False
