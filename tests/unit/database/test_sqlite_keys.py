"""Rows of SQLite that refer to missing rows, found where a revision leaves them."""

from __future__ import annotations

from collections import Counter

import pytest
from sqlalchemy import create_engine, event

from costs import calls
from websauna_migrate.database.sqlite_keys import KeyCheck, References, changed_names, newly_dangling, violation
from websauna_migrate.exceptions import RunError

FAMILY = (
    "CREATE TABLE Parent (id INTEGER PRIMARY KEY, name TEXT)",
    "CREATE TABLE child (id INTEGER PRIMARY KEY, up INTEGER REFERENCES Parent)",
    "CREATE TABLE grandchild (id INTEGER PRIMARY KEY, up INTEGER REFERENCES child)",
    "CREATE TABLE other (id INTEGER PRIMARY KEY, up INTEGER REFERENCES other)",
    "INSERT INTO Parent VALUES (1, 'a'), (2, 'b')",
    "INSERT INTO child VALUES (5, 1), (6, 2), (7, 99)",
    "INSERT INTO grandchild VALUES (8, 5)",
)


@pytest.fixture
def connection():
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        for statement in FAMILY:
            connection.exec_driver_sql(statement)
        connection.commit()
        yield connection
    engine.dispose()


@pytest.fixture
def check(connection):
    check = KeyCheck(connection)
    with check.listening():
        yield check


@pytest.fixture
def read(connection):
    """The pragmas that check the keys of a table, in the order in which they were run."""
    statements = []
    connection.connection.driver_connection.set_trace_callback(statements.append)
    return lambda: [sql.split('"')[1] for sql in statements if "foreign_key_check" in sql]


@pytest.mark.parametrize(
    ("statements", "row"),
    [
        (["DELETE FROM parent WHERE id = 1"], "row 5 of child refers to a missing row of Parent"),
        (["INSERT INTO other VALUES (1, 2)"], "row 1 of other refers to a missing row of other"),
        (["UPDATE child SET up = 98 WHERE id = 6"], "row 6 of child refers to a missing row of Parent"),
        (
            ["CREATE TABLE kid (id INTEGER PRIMARY KEY, up REFERENCES parent)", "INSERT INTO kid VALUES (1, 3)"],
            "row 1 of kid refers to a missing row of parent",
        ),
        (["DROP TABLE child"], "row 8 of grandchild refers to a missing row of child"),
        (
            [
                "CREATE TRIGGER t AFTER UPDATE ON other BEGIN DELETE FROM child; END",
                "INSERT INTO other VALUES (1, 1)",
                "UPDATE other SET up = NULL",
            ],
            "row 8 of grandchild refers to a missing row of child",
        ),
    ],
)
def test_what_statements_break_is_found(connection, check, statements, row):
    for statement in statements:
        connection.exec_driver_sql(statement)
    with pytest.raises(RunError, match=f"^foreign key violation: {row}; "):
        check()


def test_what_was_broken_before_is_not_counted_again(connection, check):
    connection.exec_driver_sql("ALTER TABLE child RENAME TO kid")
    check()
    connection.exec_driver_sql("UPDATE kid SET up = 98 WHERE id = 7")
    check()
    connection.exec_driver_sql("DELETE FROM kid WHERE id = 7")
    check()
    connection.exec_driver_sql("UPDATE kid SET up = 98 WHERE id = 6")
    with pytest.raises(RunError, match="row 6 of kid"):
        check()


def test_a_change_on_the_connection_of_the_driver_is_found(connection, check):
    connection.connection.cursor().execute("DELETE FROM parent WHERE id = 1")
    with pytest.raises(RunError, match="row 5 of child"):
        check()


def test_only_what_may_have_been_broken_is_read(connection, check, read):
    connection.exec_driver_sql("ALTER TABLE parent ADD COLUMN more TEXT")
    connection.exec_driver_sql("CREATE TABLE lone (id INTEGER PRIMARY KEY)")
    connection.exec_driver_sql("INSERT INTO lone VALUES (1)")
    connection.exec_driver_sql("SELECT * FROM child").all()
    check()
    assert read() == []
    connection.exec_driver_sql("UPDATE child SET up = 1 WHERE id = 5")
    check()
    assert read() == ["child", "grandchild"]


def test_a_key_to_columns_that_are_not_unique_is_left_alone(connection):
    connection.exec_driver_sql("CREATE TABLE odd (name TEXT REFERENCES parent (name))")
    connection.exec_driver_sql("INSERT INTO odd VALUES ('nobody')")
    check = KeyCheck(connection)
    with check.listening():
        connection.exec_driver_sql("UPDATE odd SET name = 'c'")
        check()
        connection.exec_driver_sql("DELETE FROM parent WHERE id = 1")
        with pytest.raises(RunError, match="row 5 of child"):
            check()


def test_the_listeners_are_taken_away(connection):
    check = KeyCheck(connection)
    with check.listening():
        assert event.contains(connection, "before_cursor_execute", check._before)
    assert not event.contains(connection, "before_cursor_execute", check._before)


def test_rows_count_by_their_number_where_a_table_is_made_anew_or_renamed():
    three, two = Counter({("t", n, "p"): 1 for n in range(3)}), Counter({("t", n, "p"): 1 for n in (7, 8)})
    assert newly_dangling({"t": three}, {"t": two}, ()) == {}
    assert newly_dangling({"t": two}, {"t": three}, ()) == {"t": three}
    assert newly_dangling({"old": three}, {"new": two}, {"old"}) == {}
    assert newly_dangling({"old": two}, {"new": three}, {"old"}) == {"new": three}


def test_a_change_puts_the_table_itself_and_those_that_refer_to_it_at_risk():
    targets = {"a": frozenset("b"), "b": frozenset(), "c": frozenset("ad"), "d": frozenset("d")}
    references = References()
    assert references.update(dict.fromkeys(targets, "CREATE"), targets.__getitem__) == (set(targets), set())
    assert references.at_risk({"b"}) == ["a", "b"]
    assert references.at_risk({"d", "update"}) == ["c", "d"]
    assert references.at_risk(()) == []


def test_only_tables_whose_definition_changed_are_asked_what_they_refer_to():
    references, asked = References(), []

    def targets_of(table):
        asked.append(table)
        return frozenset("b") if len(asked) < 4 else frozenset("c")

    references.update({"a": "CREATE 1", "b": "CREATE", "old": "CREATE"}, targets_of)
    del asked[:]
    asked += ["-", "-", "-"]
    assert references.update({"a": "CREATE 2", "b": "CREATE", "c": "CREATE"}, targets_of) == ({"c"}, {"old"})
    assert sorted(asked[3:]) == ["a", "c"]
    assert references.at_risk({"b"}) == ["b"]
    assert references.at_risk({"c"}) == ["a", "c"]
    assert references.at_risk({"old"}) == []


def test_a_check_after_a_revision_costs_the_same_with_many_tables(connection, check):
    def of_a_revision(number):
        connection.exec_driver_sql(f"ALTER TABLE other ADD COLUMN more{number} TEXT")
        connection.exec_driver_sql("UPDATE grandchild SET up = 5")
        return calls(check)

    few = of_a_revision(1)
    for number in range(100):
        connection.exec_driver_sql(f"CREATE TABLE t{number} (id INTEGER PRIMARY KEY, up REFERENCES parent)")
    check()
    assert of_a_revision(2) == few


def test_the_first_three_rows_are_named():
    rows = Counter({("t", n, "p"): 1 for n in range(5)}) + Counter({("u", None, "p"): 1})
    assert violation({"t": rows}).startswith("foreign key violation: row 0 of t refers to a missing row of p, row 1")
    assert violation({"t": rows}).endswith(" and 3 more")
    assert violation({"u": Counter({("u", None, "p"): 1})}).endswith("a row of u refers to a missing row of p")


@pytest.mark.parametrize(
    ("statement", "names"),
    [
        ("SELECT * FROM child", set()),
        ('-- why\nDELETE FROM "Child Two"', {"delete", "from", "child two"}),
        ("WITH a AS (SELECT 1) INSERT INTO [b] SELECT 'c'", {"with", "a", "as", "select", "insert", "into", "b"}),
        ("ALTER TABLE a ADD COLUMN b", set()),
        ("ALTER TABLE a ADD b REFERENCES c", {"alter", "table", "a", "add", "b", "references", "c"}),
    ],
)
def test_names_are_those_of_what_changes_rows(statement, names):
    assert changed_names(statement) == names
