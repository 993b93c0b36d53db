"""Which revision made something, by the text of scripts."""

from __future__ import annotations

import pytest

from websauna_migrate.autogenerate.creators import (
    Used,
    UsedType,
    creator,
    dropping,
    first_with,
    has_key_to,
    last_of,
    last_with,
)
from websauna_migrate.packages.package import TableName
from websauna_migrate.revisions.scripts import Revision

ITEM = TableName(None, "item")


@pytest.fixture
def revise(tmp_path):
    def revise(id_, up, *, after=()):
        path = tmp_path / f"{id_}.py"
        path.write_text(f"def upgrade():\n    {up}\n")
        return Revision(id_, after, (), (), (), (), "", None, path, path.read_bytes())

    return revise


def test_the_revision_that_made_an_object_last_is_found(revise):
    view = "PGView('public', 'costs', 'SELECT {}')"
    first = revise("a1", f"op.create_entity({view.format(1)})")
    second = revise("a2", f"op.replace_entity({view.format(2)})", after=("a1",))
    used = Used("view x", "shop", TableName("public", "costs"), "PGView")
    assert last_of(used, [first, second]) is second
    assert last_of(Used("view x", "shop", TableName("crm", "costs"), "PGView"), [first]) is None
    assert last_of(Used("view x", "shop", used.name, "PGFunction"), [first]) is None


def test_an_overloaded_function_is_found_by_its_name(revise):
    one = revise("a1", "op.create_entity(PGFunction('public', 'spent(below int)', 'returns int'))")
    assert last_of(Used("view x", "shop", TableName("public", "spent"), "PGFunction"), [one]) is one


def test_a_name_in_sql_is_found_as_a_whole_word(revise):
    one, other = revise("a1", "op.execute('CREATE TABLE items ()')"), revise("a2", "op.execute('CREATE TABLE item ()')")
    assert first_with("item", [one, other]) is other
    third = revise("a3", "op.add_column('item', sa.Column('a'))", after=("a2",))
    assert last_with("item", [third, other, one]) is third
    assert last_with("note", [one, other]) is None


def test_a_type_is_made_by_its_statement_or_with_its_table(revise):
    one = revise("a1", "op.create_table('item')")
    two = revise("a2", "op.execute('CREATE TYPE hue AS ENUM ()')", after=("a1",))
    assert creator(UsedType("note.hue", "hue", ITEM, "CREATE TYPE hue"), [one, two]) is two
    assert creator(UsedType("note.hue", "hue", ITEM, "CREATE TYPE tone"), [one, two]) is one


def test_the_revision_that_drops_a_table_is_found(revise):
    one = revise("a1", "op.create_table('item')")
    two = revise("a2", "op.drop_table('item')", after=("a1",))
    assert dropping(ITEM, [one, two]) == "a2"
    assert dropping(ITEM, [one]) is None
    assert dropping(ITEM, [one, two, revise("a3", "op.create_table('item')", after=("a2",))]) == "a2"


def test_a_foreign_key_is_found_in_a_table_and_by_itself(revise):
    assert has_key_to(ITEM, revise("a1", "sa.ForeignKeyConstraint(['a'], ['item.id'])"))
    assert has_key_to(ITEM, revise("a2", "op.create_foreign_key(op.f('fk'), 'note', 'item', ['a'], ['id'])"))
    assert not has_key_to(ITEM, revise("a3", "op.create_table('item')"))
