"""The statements of a script, and what batch mode does on SQLite."""

from __future__ import annotations

from websauna_migrate.lint.statements import read_statement, without_batches


def kinds(*sql):
    read = [read_statement(None, 1, text, "sqlite") for text in sql]
    return [action.kind for statement in without_batches(read) for action in statement.actions]


def test_a_statement_is_shown_in_one_line():
    statement = read_statement(None, 1, "DROP TABLE t,\n\tu;", "sqlite")
    assert statement.shown == "DROP TABLE t, u"
    assert statement.table.name == "t"
    assert read_statement(None, 1, "SELECT 1", "sqlite").table is None


def test_what_no_line_of_the_script_says_does_nothing():
    assert read_statement(None, None, "DROP TABLE t", "sqlite").actions == ()


def test_a_table_that_batch_mode_makes_anew_is_not_dropped():
    anew = (
        "CREATE TABLE _alembic_tmp_t (id INTEGER)",
        "INSERT INTO _alembic_tmp_t (id) SELECT t.id FROM t",
        "DROP TABLE t",
        "ALTER TABLE _alembic_tmp_t RENAME TO t",
    )
    assert kinds(*anew) == []
    assert kinds(*anew, "DROP TABLE u") == ["drop table"]
    assert kinds("DROP TABLE t") == ["drop table"]
