"""The rows of history tables, on SQLite in memory."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy.dialects import postgresql

from costs import calls
from websauna_migrate.database.errors import IdTooLong
from websauna_migrate.database.history_table import (
    ID_WIDTH,
    RowStatements,
    create_missing,
    history_table,
    read_heads,
    replace_rows,
    require_room,
    require_room_in_new,
    row_changes,
)
from websauna_migrate.exceptions import RunError
from websauna_migrate.packages.package import History

SHOP, BLOG = (History(name, (name,), Path(), (), f"alembic_history_{name}") for name in ("shop", "blog"))
TABLE = history_table(SHOP.history_table)
LONG = "a" * (ID_WIDTH + 1)


def test_a_missing_table_holds_nothing(connection):
    replace_rows(TABLE, (), ("b1", "a1"), connection)
    connection.commit()
    assert read_heads(connection, [SHOP, BLOG]) == {"shop": ("a1", "b1"), "blog": ()}
    assert not connection.in_transaction()


def test_rows_are_replaced_one_by_one(connection):
    create_missing(TABLE, connection)
    create_missing(TABLE, connection)
    replace_rows(TABLE, (), ("a1", "b1"), connection)
    replace_rows(TABLE, ("a1", "b1"), ("b1", "c1", "d1"), connection)
    connection.commit()
    assert read_heads(connection, [SHOP])["shop"] == ("b1", "c1", "d1")


def test_a_row_that_is_no_text_is_shown_and_can_be_deleted(connection):
    connection.exec_driver_sql("CREATE TABLE alembic_history_shop (version_num)")
    connection.exec_driver_sql("INSERT INTO alembic_history_shop VALUES (NULL), (x'00ff'), (7)")
    connection.commit()
    rows = read_heads(connection, [SHOP])["shop"]
    assert rows == ("7", "NULL", "X'00FF'")
    replace_rows(TABLE, rows, (), connection)
    connection.commit()
    assert read_heads(connection, [SHOP])["shop"] == ()


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("CREATE VIEW alembic_history_shop AS SELECT 1 AS version_num", "it is a view"),
        ("CREATE TABLE alembic_history_shop (revision TEXT)", "no column version_num"),
    ],
)
def test_what_only_has_the_name_of_a_history_table_is_refused(connection, sql, told):
    connection.exec_driver_sql(sql)
    connection.commit()
    with pytest.raises(RunError, match=told):
        read_heads(connection, [SHOP])


def test_an_id_that_does_not_fit_is_refused_before_it_is_written(connection):
    with pytest.raises(IdTooLong, match=str(ID_WIDTH)):
        require_room_in_new(TABLE, ["a1", LONG])
    with pytest.raises(IdTooLong):
        replace_rows(TABLE, (), (LONG,), connection)
    connection.exec_driver_sql(f"CREATE TABLE alembic_history_blog (version_num VARCHAR({len(LONG)}))")
    require_room(connection, {"alembic_history_blog": [LONG]})


def test_revisions_change_rows_by_statements_that_are_made_once(connection):
    create_missing(TABLE, connection)
    statements = RowStatements(TABLE, connection.dialect)
    changes = [((), ("a1",)), (("a1",), ("b1",)), (("b1",), ("c1", "d1")), (("c1", "d1"), ("e1",)), (("e1",), ("f1",))]
    costs = [calls(lambda old=old, new=new: statements.execute(old, new, connection)) for old, new in changes]
    connection.commit()
    assert read_heads(connection, [SHOP])["shop"] == ("f1",)
    anew = row_changes(TABLE, ["f1"], ["g1"], connection.dialect)
    assert costs[-1] < calls(lambda: [connection.execute(change) for change in anew]) / 2


@pytest.mark.parametrize(("old", "new"), [(("b1",), ("c1",)), (("b1",), ()), (("a1", "b1"), ("c1",))])
def test_a_row_that_is_no_longer_there_is_noticed(connection, old, new):
    replace_rows(TABLE, (), ("a1",), connection)
    assert not RowStatements(TABLE, connection.dialect).execute(old, new, connection)


def test_postgresql_compares_with_its_own_operator():
    (change,) = row_changes(TABLE, ["a1"], [], postgresql.dialect())
    assert "OPERATOR(pg_catalog.=)" in str(change.compile(dialect=postgresql.dialect()))
    made_once = RowStatements(TABLE, postgresql.dialect())
    for change in (made_once.update, made_once.delete):
        assert "OPERATOR(pg_catalog.=)" in str(change.compile(dialect=postgresql.dialect()))
