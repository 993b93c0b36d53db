"""The statements that change an enum type, without a database."""

from __future__ import annotations

import pytest
from sqlalchemy.dialects import postgresql

from websauna_migrate.autogenerate.enums.changes import Add, Create, Drop, Remake, Rename
from websauna_migrate.autogenerate.enums.facts import User
from websauna_migrate.autogenerate.enums.sql import added, written
from websauna_migrate.autogenerate.script_ops import Do, DoAlone, Note, Refuse, rendered_statement
from websauna_migrate.packages.package import ColumnName, TableName

MOOD = TableName(None, "mood")
DIALECT = postgresql.dialect()
FACE = User(ColumnName(TableName(None, "t"), "face"), default="'a'")


def placed(old, new):
    """Add the values of ``new`` to ``old`` as PostgreSQL does."""
    values = list(old)
    for statement in added(Add(MOOD, tuple(old), new, ()), DIALECT):
        _, _, rest = statement.sql.partition("IF NOT EXISTS ")
        value, *where = rest.replace("'", "").split()
        at = values.index(where[1]) + (where[0] == "AFTER") if where else len(values)
        values.insert(at, value)
    return tuple(values)


@pytest.mark.parametrize("old", [(), ("b",), ("b", "d"), ("a", "e")])
def test_values_are_added_in_their_places(old):
    assert placed(old, ("a", "b", "c", "d", "e")) == ("a", "b", "c", "d", "e")


def test_a_value_that_is_used_at_once_is_committed_before():
    (statement,) = added(Add(MOOD, ("a",), ("a", "b"), (), needed=("b",)), DIALECT)
    assert isinstance(statement, DoAlone)
    assert "autocommit_block()" in rendered_statement(statement, "op.", "sa.")


def test_a_drop_is_a_creation_turned_round():
    create, drop = (written(kind(MOOD, ("a",)), DIALECT) for kind in (Create, Drop))
    assert (create.statements, create.undo) == (drop.undo, drop.statements)


def test_a_type_gets_its_name_and_its_schema_and_both_back():
    op = written(Rename(MOOD, TableName("s", "state")), DIALECT)
    assert [do.sql for do in op.statements] == ["ALTER TYPE mood RENAME TO state", "ALTER TYPE state SET SCHEMA s"]
    assert [do.sql for do in op.undo] == ["ALTER TYPE s.state RENAME TO mood", "ALTER TYPE s.mood SET SCHEMA public"]


def test_a_type_that_others_use_keeps_its_values_on_the_way_back():
    op = written(Add(MOOD, ("a",), ("a", "b"), (FACE,), shared=True), DIALECT)
    assert [type(statement) for statement in op.undo] == [Note]


def test_a_type_that_is_made_anew_refuses_lost_values_first_and_drops_the_old_type_last():
    op = written(Remake(MOOD, ("a", "b"), ("a",), (FACE,), (FACE,)), DIALECT)
    assert isinstance(op.statements[0], Refuse)
    assert op.statements[-1] == Do("DROP TYPE mood_old")
    assert not any(isinstance(statement, Refuse) for statement in op.undo)
