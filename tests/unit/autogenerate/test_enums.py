"""What a script says about an enum, without a database."""

from __future__ import annotations

import ast

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from websauna_migrate.autogenerate.enum_facts import Models
from websauna_migrate.autogenerate.enums import _added
from websauna_migrate.autogenerate.script_ops import Do, DoAlone, EnumOp, Note, Refuse, rendered_statement
from websauna_migrate.packages.ownership import Ownership
from websauna_migrate.packages.package import ColumnName, TableName

MOOD = TableName(None, "mood")
DIALECT = postgresql.dialect()


def placed(old, new):
    """Add the values of ``new`` to ``old`` as PostgreSQL does."""
    values = list(old)
    for statement in _added(MOOD, old, new, (), DIALECT):
        _, _, rest = statement.sql.partition("IF NOT EXISTS ")
        value, *where = rest.replace("'", "").split()
        at = values.index(where[1]) + (where[0] == "AFTER") if where else len(values)
        values.insert(at, value)
    return tuple(values)


@pytest.mark.parametrize("old", [(), ("b",), ("b", "d"), ("a", "e")])
def test_values_are_added_in_their_places(old):
    assert placed(old, ("a", "b", "c", "d", "e")) == ("a", "b", "c", "d", "e")


def test_a_value_that_is_used_at_once_is_committed_before():
    (statement,) = _added(MOOD, ("a",), ("a", "b"), ["b"], DIALECT)
    assert isinstance(statement, DoAlone)
    assert "autocommit_block()" in rendered_statement(statement, "op.", "sa.")


@pytest.mark.parametrize("value", ["it's", 'a"b', "a:b", "100%", "new\nline", "{x}", "\\"])
def test_every_statement_is_python_whatever_the_values_are(value):
    column = ColumnName(TableName("s", "t"), "c")
    for statement in (
        Do(f"SELECT {value!r}"),
        DoAlone(f"use {value!r}.", (value,)),
        Note(repr(value)),
        Refuse(column, (value,), f"SELECT {value}", f"UPDATE {value}"),
    ):
        ast.parse(rendered_statement(statement, "op.", "sa."))


def test_the_way_back_is_the_other_statements():
    op = EnumOp(("add_enum", "mood", ("a",)), [Do("up")], [Do("down")])
    assert (op.reverse().statements, op.reverse().undo) == (op.undo, op.statements)


def test_the_package_of_the_first_column_owns_an_enum():
    metadata = sa.MetaData()
    mood = sa.Enum("a", "b", name="mood")
    tables = [sa.Table(name, metadata, sa.Column("m", mood)) for name in ("one", "two")]
    keys = [TableName(None, table.name) for table in tables]
    ownership = Ownership(dict(zip(keys, tables, strict=True)), dict(zip(keys, ("first", "second"), strict=True)))
    enum = Models(ownership, ("second",), keys).enums(DIALECT)[MOOD]
    assert (enum.owner, enum.values, len(enum.users)) == ("first", ("a", "b"), 2)
