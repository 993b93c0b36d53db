"""Differences between models and a database as texts and as plain values."""

from __future__ import annotations

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.dialects import sqlite

from websauna_migrate.autogenerate.findings import Difference, differences, differences_json, differences_text
from websauna_migrate.packages.package import TableName


def test_what_alembic_finds_goes_to_the_owner_of_the_table():
    metadata = sa.MetaData()
    sa.Table("note", metadata, sa.Column("id", sa.Integer), sa.Column("text", sa.Text, index=True))
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE note (id INTEGER)")
        connection.exec_driver_sql("CREATE TABLE old (id INTEGER)")
        diffs = compare_metadata(MigrationContext.configure(connection), metadata)
    engine.dispose()
    found = list(differences(diffs, "shop", {TableName(None, "note"): "blog"}, sqlite.dialect()))
    told = {(one.package, one.operation, str(one.table), one.detail) for one in found}
    assert ("blog", "add_column", "note", "text TEXT") in told
    assert ("blog", "add_index", "note", "ix_note_text (text)") in told
    assert ("shop", "remove_table", "old", "") in told


def test_a_change_of_a_column_shows_both_sides_in_one_line():
    diff = [("modify_type", None, "note", "text", {}, sa.String(3), sa.Text())]
    (one,) = differences([diff], "shop", {}, sqlite.dialect())
    assert (one.operation, one.detail) == ("modify_type", "text from VARCHAR(3) to TEXT")


def test_differences_are_told_below_their_packages():
    found = [
        Difference("shop", "add_table", TableName("crm", "note"), ""),
        Difference("blog", "change_enum", None, "hue"),
        Difference("shop", "remove_column", TableName(None, "tag"), "name TEXT"),
    ]
    assert differences_text(found).splitlines() == [
        "shop:",
        "  add table crm.note",
        "  remove column tag: name TEXT",
        "blog:",
        "  change enum: hue",
    ]
    assert differences_json(found[1:2]) == [
        {"package": "blog", "operation": "change_enum", "table": None, "detail": "hue"}
    ]


def table(*items):
    columns = [sa.Column(name, sa.Integer) for name in ("a", "b")]
    return sa.Table("note", sa.MetaData(), *columns, *items)


def key(**rules):
    return sa.ForeignKeyConstraint(["a"], ["tag.id"], name="fk", **rules)


def index(*parts, **options):
    return sa.Index("ix", *parts, **options)


def changed(before, after):
    """Return what is told of a thing that is dropped and made again, with another difference in between."""
    table(before)
    table(after)
    kind = {sa.Index: "index", sa.ForeignKeyConstraint: "fk"}.get(type(before), "constraint")
    diffs = [(f"remove_{kind}", before), ("add_table", table()), (f"add_{kind}", after)]
    found = list(differences(diffs, "shop", {}, sqlite.dialect()))
    assert [one.operation for one in found][1:] == ["add_table"]
    return differences_text(found[:1]).splitlines()[1].strip()


def test_of_what_is_dropped_and_made_again_the_change_is_told():
    assert changed(key(), key(ondelete="CASCADE")) == "modify fk note: fk (a), ondelete: None -> CASCADE"
    unique = [sa.UniqueConstraint("a", "b", name=name) for name in ("uq", "uq")]
    unique[1].deferrable = True
    assert changed(*unique) == "modify constraint note: uq (a, b), deferrable: None -> True"
    orders = sa.UniqueConstraint("a", "b"), sa.UniqueConstraint("b", "a")
    assert changed(*orders) == "modify constraint note: (b, a), columns: (a, b) -> (b, a)"
    primary = sa.PrimaryKeyConstraint("a", name="note_pkey"), sa.PrimaryKeyConstraint("a", "b", name="pk_note")
    assert changed(*primary) == "modify primary key note: pk_note (a, b), columns: (a) -> (a, b)"
    checks = sa.CheckConstraint("a > 0", name="ck"), sa.CheckConstraint("a > 1", name="ck")
    assert changed(*checks) == "modify constraint note: ck, condition: a > 0 -> a > 1"
    where = {"sqlite_where": sa.text("a > 0")}
    assert changed(index("a"), index("a", **where)) == "modify index note: ix (a), where: None -> a > 0"
    assert changed(index("a"), index("a", unique=True)) == "modify index note: ix (a), unique: None -> True"


def test_constraints_without_a_name_are_told_by_their_columns():
    constraints = [sa.UniqueConstraint("a", "b"), sa.CheckConstraint("a > 0")]
    table(*constraints)
    found = differences([("add_constraint", one) for one in constraints], "shop", {}, sqlite.dialect())
    assert [one.detail for one in found] == ["(a, b)", "(a > 0)"]


def test_of_an_enum_only_the_values_that_come_and_go_are_told():
    diffs = [("modify_enum", "hue", ("a", "b"), ("b", "c")), ("modify_enum", "hue", ("a", "b"), ("b", "a"))]
    found = differences(diffs, "shop", {}, sqlite.dialect())
    assert [one.detail for one in found] == ["hue adds 'c', removes 'a'", "hue from the order 'a', 'b' to 'b', 'a'"]


def test_what_is_too_long_for_a_line_goes_on_in_the_next():
    (_, *lines) = differences_text([Difference("shop", "add_enum", None, "value " * 50)]).splitlines()
    assert [len(line) <= 120 for line in lines] == [True] * 3
    assert [line[:8] for line in lines] == ["  add en", "      va", "      va"]
