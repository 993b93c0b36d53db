"""Names of tables, histories and constraints."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from websauna_migrate.packages.package import (
    MAX_TABLE_NAME,
    ColumnName,
    TableName,
    constraint_name,
    history_table_name,
    holds,
    referred_name,
)

PACKAGES = st.from_regex(r"[a-zA-Z][a-zA-Z_]*(\.[a-zA-Z_]+){0,9}", fullmatch=True)


def test_a_table_is_shown_with_its_schema_unless_that_is_the_default_one():
    assert str(TableName("crm", "note")) == "crm.note"
    assert str(ColumnName(TableName(None, "note"), "id")) == "note.id"
    assert TableName("public", "note").shown("public") == TableName(None, "note")
    assert TableName("crm", "note").shown("public") == TableName("crm", "note")


def test_a_foreign_key_names_its_table_and_the_schema():
    columns = (sa.Column("b", sa.ForeignKey("crm.note.id")), sa.Column("c", sa.ForeignKey("n.id")))
    table = sa.Table("a", sa.MetaData(), *columns)
    found = {key.parent.name: referred_name(key) for key in table.foreign_keys}
    assert found == {"b": TableName("crm", "note"), "c": TableName(None, "n")}


def test_the_history_table_has_the_name_of_the_package():
    assert history_table_name("Acme.Shop") == "alembic_history_acme_shop"


@given(PACKAGES)
def test_the_name_of_a_history_table_leaves_room_for_that_of_its_key(package):
    name = history_table_name(package)
    assert len(name.encode()) <= MAX_TABLE_NAME
    assert name.startswith("alembic_history_")


def test_long_names_that_begin_alike_stay_different():
    first, second = (history_table_name(f"{'a' * 80}.{end}") for end in ("x", "y"))
    assert first != second
    assert constraint_name("fk", "t" * 70, ["a"], "x") != constraint_name("fk", "t" * 70, ["a"], "y")


def test_a_constraint_without_a_name_gets_one_that_tells_what_it_is():
    assert constraint_name("fk", "note", ["user_id"], "user") == "fk_note_user_id_user"
    assert constraint_name("uq", "note", ["a", "b"]) == "uq_note_a_b"


@pytest.mark.parametrize(("name", "held"), [("foo", True), ("foo.bar", True), ("foobar", False), ("bar.foo", False)])
def test_a_package_holds_what_is_inside_it(name, held):
    assert holds("foo", name) is held
