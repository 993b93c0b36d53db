"""What ends a transaction is refused before the database hears of it."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from websauna_migrate.database.uncommitted import ends_transaction, never_committed


@pytest.mark.parametrize(
    "sql",
    [
        "COMMIT",
        " commit work;",
        "SELECT 1; COMMIT",
        "SELECT ';'; -- so\n /* and */ END",
        "rollback",
        "ABORT",
        "PREPARE TRANSACTION 'x'",
        "DO $$ BEGIN END $$; COMMIT",
    ],
)
def test_a_statement_that_ends_the_transaction_is_found(sql):
    assert ends_transaction(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1",
        "COMMENT ON TABLE a IS 'x; COMMIT'",
        'SELECT "a; COMMIT" FROM committed',
        "ROLLBACK TO SAVEPOINT a",
        "ROLLBACK WORK TO a",
        "DO $$ BEGIN PERFORM 1; END $$",
        "CREATE FUNCTION f() RETURNS void AS $body$ BEGIN PERFORM 1; COMMIT; END $body$ LANGUAGE plpgsql",
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END",
        "CREATE TEMP TRIGGER t AFTER INSERT ON a BEGIN UPDATE a SET b = 1; DELETE FROM c; END",
        "SELECT CASE WHEN true THEN 1 END",
        "-- COMMIT;\nSELECT 1",
    ],
)
def test_other_words_are_no_end(sql):
    assert not ends_transaction(sql)


class RefusedError(Exception):
    pass


@pytest.mark.parametrize(
    ("work", "reason"),
    [
        (lambda connection: connection.commit(), "commits by itself"),
        (lambda connection: connection.exec_driver_sql("COMMIT"), "ends its transaction by itself"),
        (lambda connection: connection.engine.connect(), "opens a connection of its own"),
    ],
)
def test_nothing_is_committed(tmp_path, work, reason):
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'a.db'}", poolclass=sa.NullPool)
    with engine.connect() as connection:
        with never_committed(connection, RefusedError), pytest.raises(RefusedError, match=reason):
            connection.exec_driver_sql("CREATE TABLE a (id INTEGER)")
            connection.exec_driver_sql("INSERT INTO a VALUES (1)")
            work(connection)
        connection.connection.rollback()
    with engine.connect() as connection:
        connection.exec_driver_sql("SELECT 1")
        connection.commit()
        assert sa.inspect(connection).get_table_names() in ([], ["a"])
        assert not sa.inspect(connection).get_table_names() or not connection.scalar(sa.text("SELECT count(*) FROM a"))
    engine.dispose()
