"""Tables that nobody claims while the database has the history of a package that is not registered."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from websauna_migrate.autogenerate.comparison import Comparison
from websauna_migrate.autogenerate.orphans import without_orphans
from websauna_migrate.packages.package import TableName

NOTE, TAG = TableName(None, "note"), TableName(None, "tag")
COMPARISON = Comparison(
    [], frozenset({NOTE, TAG}), unclaimed=frozenset({TAG}), history_tables=frozenset({"alembic_history_shop"})
)


@pytest.fixture
def connection():
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:
        for name in ("note", "tag", "alembic_history_shop"):
            connection.exec_driver_sql(f"CREATE TABLE {name} (id INTEGER)")
        connection.commit()
        yield connection
    engine.dispose()


def test_an_unclaimed_table_counts_as_ours_where_all_histories_are_known(connection):
    assert without_orphans(COMPARISON, connection) is COMPARISON
    assert without_orphans(COMPARISON, None) is COMPARISON


def test_an_unclaimed_table_is_left_alone_beside_an_unknown_history(connection):
    connection.exec_driver_sql("CREATE TABLE alembic_history_gone (id INTEGER)")
    connection.commit()
    with pytest.warns(UserWarning, match="tag.*alembic_history_gone"):
        assert without_orphans(COMPARISON, connection).tables == {NOTE}
