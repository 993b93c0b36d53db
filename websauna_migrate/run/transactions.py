"""The transactions of a run: of each step, of all steps, and of a trial that keeps nothing."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from websauna_migrate.private import begin_transaction

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alembic.runtime.migration import MigrationContext
    from sqlalchemy.engine import Connection

    from websauna_migrate.run.grouping import Group


@contextmanager
def begin_step(migration: MigrationContext, connection: Connection, group: Group) -> Iterator[None]:
    """Run the block in the transaction of one step, which may share its commit with others of ``group``."""
    from websauna_migrate.run.data import joined_transaction

    with group.of_step(), begin_transaction(migration):
        with joined_transaction(connection):
            yield
        group.end_step()


@contextmanager
def begin_together(connection: Connection) -> Iterator[None]:
    """Run the block in the transaction of all steps."""
    from websauna_migrate.run.data import joined_transaction

    with connection.begin(), joined_transaction(connection):
        yield


@contextmanager
def rolled_back(connection: Connection) -> Iterator[None]:
    """Run the block in the transaction of all steps, and roll it back; what joined it is aborted."""
    from websauna_migrate.run.data import aborted_transaction

    transaction = connection.begin()
    try:
        with aborted_transaction(connection):
            yield
    finally:
        transaction.rollback()
        if not connection.invalidated:
            connection.connection.rollback()  # a commit that was refused has left it open
