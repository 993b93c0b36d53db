"""Rows that a revision moves, together with what else has to happen with it or not at all: mail, files and the like.

:func:`data_session` is for revision scripts; the rest is for what runs them. They make one of the transaction
of the ``transaction`` package and that of the database. The database commits when all others have agreed, as the last
one that is asked: whoever refuses undoes the revision, and where the commit fails, nobody goes on.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary, WeakSet

import transaction
from sqlalchemy.orm import Session

from websauna_migrate.exceptions import RunError
from websauna_migrate.run.errors import FailedAfterCommit, TransactionEndedInside

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection


def data_session() -> Session:
    """Return the ORM session of the revision that runs; to be called in its ``upgrade()`` or ``downgrade()``.

    The session works on the connection of the revision, in its transaction. From its first call on, what joins
    ``transaction.get()`` commits when the revision does, and aborts when it fails. The session is flushed when the
    script has ended; call ``session.flush()`` before an ``op.`` call that needs what was changed.

    :raises RunError: no revision is running, ``--sql`` only writes statements, or the program that called Alembic
        began the transaction
    """
    connection = connection_of_revision("websauna_migrate.data_session()")
    if connection in _of_caller:
        raise RunError(
            "websauna_migrate.data_session() needs a transaction of its own, and the program that called Alembic has "
            "begun one on its connection",
            "pass a connection without one in Config.attributes",
        )
    if connection not in _joined:
        _joined[connection] = _RevisionManager(connection)
    return _joined[connection].open_session()


@contextmanager
def joined_transaction(connection: Connection) -> Iterator[None]:
    """End what the revisions of the block joined together with their transaction on ``connection``.

    It stands inside the block of that transaction. What an application left in the transaction of the ``transaction``
    package while it started is dropped.

    :raises TransactionEndedInside: a revision ended the transaction by itself
    :raises FailedAfterCommit: the database has committed, and somebody then did not go on
    """
    current = transaction.begin()
    if connection in _on_trial:
        current.doom()
    try:
        yield
        commit_joined(connection)
    finally:
        if _joined.pop(connection, None) or connection in _on_trial:
            transaction.abort()


@contextmanager
def aborted_transaction(connection: Connection) -> Iterator[None]:
    """Run revisions whose transaction on ``connection`` is rolled back at the end: abort what they join to it."""
    transaction.begin().doom()
    try:
        yield
    finally:
        _joined.pop(connection, None)
        transaction.abort()


@contextmanager
def on_trial(connection: Connection) -> Iterator[None]:
    """Run revisions in a scratch database: the database commits, and everything else in their transaction is aborted.

    So no mail is sent, and no hook is called that waits for a commit.
    """
    _on_trial.add(connection)
    try:
        yield
    finally:
        _on_trial.discard(connection)


@contextmanager
def transaction_of_caller(connection: Connection) -> Iterator[None]:
    """Run revisions in a transaction that the caller of Alembic has begun, and ends as it likes: nothing joins it."""
    _of_caller.add(connection)
    try:
        yield
    finally:
        _of_caller.discard(connection)


def end_revision(connection: Connection) -> None:
    """Write what the session of a revision still holds, and forget it: the next revision gets one of its own."""
    if connection in _joined:
        _joined[connection].end_session()


def commit_joined(connection: Connection) -> None:
    """Commit, where a revision called :func:`data_session`, what was joined and the transaction on ``connection``."""
    if connection in _joined:
        _joined[connection].end()
        del _joined[connection]


class _RevisionManager:
    """The data manager that stands for the revisions of one transaction of the database."""

    def __init__(self, connection: Connection) -> None:
        self.transaction_manager = transaction.manager
        self._connection = connection
        self._transaction = transaction.get()
        self._session: Session | None = None
        self._is_ending = self._is_committed = False
        self._transaction.join(self)

    def open_session(self) -> Session:
        if self._session is None:
            # Its rollback() undoes the revision. Its commit() only flushes.
            self._session = Session(self._connection, join_transaction_mode="rollback_only")
        return self._session

    def end_session(self) -> None:
        if self._session is not None:
            self._session.flush()
            self._session = None  # not closed: a manager of zope.sqlalchemy may have it too

    def end(self) -> None:
        if transaction.get() is not self._transaction:
            raise TransactionEndedInside
        self._is_ending = True
        if self._connection in _on_trial:
            self.end_session()
            self.tpc_vote(self._transaction)
            return
        try:
            self._transaction.commit()
        except Exception as error:
            if self._is_committed:
                raise FailedAfterCommit(error) from error
            raise

    # What the `transaction` package calls; when it commits, the first four in this order.

    def tpc_begin(self, _transaction: object) -> None:
        if not self._is_ending:
            raise TransactionEndedInside
        self.end_session()

    def commit(self, _transaction: object) -> None:
        pass

    def tpc_vote(self, _transaction: object) -> None:
        current = self._connection.get_transaction()
        if current is None:
            raise TransactionEndedInside
        current.commit()
        self._is_committed = True

    def tpc_finish(self, _transaction: object) -> None:
        pass

    def tpc_abort(self, _transaction: object) -> None:
        pass  # whoever began the transaction of the database rolls it back

    def abort(self, _transaction: object) -> None:
        pass

    def savepoint(self) -> object:
        return self.open_session().begin_nested()

    def sortKey(self) -> str:  # noqa: N802
        # zope.sqlalchemy's own managers begin with one tilde, to be the last to vote.
        return "~~websauna_migrate"


_joined: WeakKeyDictionary[Connection, _RevisionManager] = WeakKeyDictionary()
_on_trial: WeakSet[Connection] = WeakSet()
_of_caller: WeakSet[Connection] = WeakSet()


def has_data_session(connection: Connection) -> bool:
    """Tell whether the revision on ``connection`` has called :func:`data_session`."""
    return connection in _joined


def connection_of_revision(function: str) -> Connection:
    """Return the connection of the revision that runs, for ``function``, which was called in it.

    :raises RunError: no revision is running, or ``--sql`` only writes statements
    """
    from alembic import op

    try:
        migration = op.get_context()
    except (NameError, AttributeError) as error:  # Alembic's proxy stands for nothing yet, or no longer
        raise RunError(f"{function} was called outside of a revision", "call it in upgrade() or downgrade()") from error
    if migration.as_sql or migration.connection is None:
        raise RunError(
            f"{function} needs a database, and --sql has none",
            "run this revision without --sql, or write its work as op.execute()",
        )
    return migration.connection
