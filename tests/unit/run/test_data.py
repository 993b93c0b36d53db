"""The session of a revision, on SQLite in memory. Whole runs are in tests/integration/test_data_session.py."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
import transaction
from alembic.migration import MigrationContext
from alembic.operations import Operations

from websauna_migrate.exceptions import RunError
from websauna_migrate.run.data import data_session, joined_transaction


@pytest.fixture
def connection():
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE a (id INTEGER)")
        connection.commit()
        yield connection
    engine.dispose()
    transaction.abort()


def test_after_a_run_in_the_same_process_there_is_no_session_either():
    with Operations.context(MigrationContext.configure(dialect_name="sqlite")):
        pass
    with pytest.raises(RunError, match="data_session"):
        data_session()


def test_outside_of_a_revision_there_is_no_session():
    with pytest.raises(RunError, match=r"call it in upgrade\(\) or downgrade\(\)$"):
        data_session()


@pytest.mark.parametrize("fails", [False, True])
def test_rows_and_the_transaction_of_others_end_together(connection, fails):
    ended = []
    migration = MigrationContext.configure(connection)
    try:
        with connection.begin(), joined_transaction(connection), Operations.context(migration):
            data_session().execute(sa.text("INSERT INTO a VALUES (1)"))
            transaction.get().addAfterCommitHook(ended.append)
            if fails:
                raise ZeroDivisionError
    except ZeroDivisionError:
        transaction.abort()
    rows = connection.exec_driver_sql("SELECT count(*) FROM a").scalar()
    assert (rows, ended) == ((0, []) if fails else (1, [True]))
