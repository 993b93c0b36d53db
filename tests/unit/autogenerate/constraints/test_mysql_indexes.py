"""The order of the indexes that foreign keys of MySQL and MariaDB need."""

from __future__ import annotations

from alembic.operations import ops

from websauna_migrate.autogenerate.constraints.mysql_indexes import ordered
from websauna_migrate.dialects.mysql_keys import ForeignKey
from websauna_migrate.packages.package import TableName

CHILD, PARENT = TableName(None, "child"), TableName(None, "parent")
KEY = ForeignKey("fk", CHILD, ("a",), PARENT, ("id",))


def drop(name, table="child"):
    return ops.DropIndexOp(name, table)


def create(name, *columns, table="child"):
    return ops.CreateIndexOp(name, table, list(columns))


def test_a_successor_of_another_name_comes_first():
    gone, new, more = drop("ix"), create("new", "a", "b"), create("more", "b")
    found, own, apart = ordered([gone, more, new], CHILD, [KEY], {"ix": ("a",)})
    assert (found, own, apart) == ([new, gone, more], [], [])


def test_without_a_successor_the_key_gets_an_index_of_its_own_name():
    indexes = {"ix": ("a",), "fk": ("a",)}  # the latter may be the server's: that goes when it likes
    found, own, apart = ordered([drop("ix")], CHILD, [KEY], indexes)
    assert [(type(op), op.index_name) for op in found] == [(ops.CreateIndexOp, "fk"), (ops.DropIndexOp, "ix")]
    assert found[0].if_not_exists
    assert (own, apart) == ([KEY], [])


def test_a_key_is_dropped_while_an_index_is_made_anew_under_its_name():
    operations = [drop("ix"), create("ix", "a", "b")]
    indexes = {"ix": ("a",)}
    assert ordered(operations, CHILD, [KEY], indexes) == (operations, [], [KEY])
    assert indexes == {"ix": ("a", "b")}


def test_an_index_that_another_one_stands_in_for_is_just_dropped():
    for other in (("a", "b"), ("a",)):
        operations = [drop("ix")]
        assert ordered(operations, CHILD, [KEY], {"ix": ("a",), "PRIMARY": other}) == (operations, [], [])


def test_what_a_key_refers_to_keeps_an_index_too():
    gone, new = drop("uq", "parent"), create("new", "id", table="parent")
    assert ordered([gone, new], PARENT, [KEY], {"uq": ("id",)}) == ([new, gone], [], [])
    # Nothing follows: the server refuses it, as it refuses such models.
    assert ordered([gone], PARENT, [KEY], {"uq": ("id",)}) == ([gone], [], [])
