"""What a comparison may see. What it writes is tested on real databases, in tests/integration/test_owned_tables.py."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Column, ForeignKey, Integer, MetaData, Table, create_engine

from websauna_migrate.autogenerate.comparison import Comparison, make_comparison
from websauna_migrate.autogenerate.options import comparison_options
from websauna_migrate.packages.errors import TableWithoutOwner, UnresolvedForeignKey
from websauna_migrate.packages.metadata import merged_metadata, target_metadata
from websauna_migrate.packages.ownership import find_owners
from websauna_migrate.packages.package import History, MigrationPackage, TableName

THING, STOCK, NOTE = TableName(None, "thing"), TableName("stock", "thing"), TableName(None, "note")


def package(name, *tables, schema=None):
    """A package with a metadata of its own; a table is its name, and the target of a foreign key or None."""
    metadata = MetaData(schema=schema)
    for table, target in tables:
        columns = [Column("id", Integer, primary_key=True)]
        columns += [Column("other", ForeignKey(target))] if target else []
        Table(table, metadata, *columns)
    return MigrationPackage(name, (metadata,))


def options(*tables, connection=None, **user):
    return comparison_options(Comparison([], frozenset(tables)), connection, user)


def sees(chosen, kind, name, schema=None):
    return chosen["include_name"](name, kind, {"schema_name": schema})


# --- hooks -----------------------------------------------------------------------------------------------------


def test_only_named_tables_are_read_from_the_database():
    chosen = options(THING, STOCK)
    assert sees(chosen, "table", "thing")
    assert sees(chosen, "table", "thing", "stock")
    assert not sees(chosen, "table", "note")
    assert not sees(chosen, "table", "thing", "other")
    assert sees(chosen, "column", "anything")
    assert [sees(chosen, "schema", name) for name in (None, "stock", "other")] == [True, True, False]
    assert chosen["include_schemas"]
    assert not options(THING)["include_schemas"]


def test_only_named_tables_of_the_models_are_compared():
    include_object = options(THING)["include_object"]
    for name, schema, expected in (("thing", None, True), ("note", None, False), ("thing", "stock", False)):
        table = Table(name, MetaData(), Column("id", Integer), schema=schema)
        assert include_object(table, name, "table", False, None) is expected
        assert include_object(table.c.id, "id", "column", False, None)


@pytest.mark.parametrize("hook", ["include_name", "include_object"])
@pytest.mark.parametrize(("theirs", "expected"), [(True, True), (False, False)])
def test_a_hook_of_the_user_narrows(hook, theirs, expected):
    chosen = options(THING, **{hook: lambda *arguments: theirs})
    table = Table("thing", MetaData())
    arguments = (
        ("thing", "table", {"schema_name": None}) if hook == "include_name" else (table, "", "table", True, None)
    )
    assert chosen[hook](*arguments) is expected


@pytest.mark.parametrize("hook", ["include_name", "include_object"])
def test_a_hook_of_the_user_is_not_asked_about_foreign_tables(hook):
    chosen = options(THING, **{hook: lambda *arguments: pytest.fail("asked")})
    table = Table("note", MetaData())
    arguments = ("note", "table", {"schema_name": None}) if hook == "include_name" else (table, "", "table", True, None)
    assert not chosen[hook](*arguments)


def test_other_options_of_the_user_go_before_ours():
    chosen = options(THING, compare_type=False, render_as_batch=True, user_module_prefix="mine.")
    assert (chosen["compare_type"], chosen["render_as_batch"], chosen["user_module_prefix"]) == (False, True, "mine.")
    assert options(THING)["compare_type"] is True


def test_sqlite_works_in_batches():
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        assert options(THING, connection=connection)["render_as_batch"]
    engine.dispose()
    assert not options(THING)["render_as_batch"]


# --- tables ----------------------------------------------------------------------------------------------------


@pytest.fixture
def history(tmp_path):
    """A history whose revision created ``thing``, ``gone`` and ``note``."""
    created = "\n".join(f"    op.create_table({name!r})" for name in ("thing", "gone", "note"))
    (tmp_path / "aaa1.py").write_text(f"revision = 'aaa1'\ndown_revision = None\ndef upgrade():\n{created}\n")
    return History("shop", ("shop", "tags"), Path("/shop"), (tmp_path,), "alembic_history_shop")


def compared(packages, registered, history):
    registered = {one.name: one for one in registered}
    return make_comparison(packages, history, registered, find_owners(registered.values())).tables


def test_a_comparison_sees_what_is_owned_and_what_was_created_and_is_claimed_by_nobody(history):
    registered = [package("shop", ("thing", None)), package("notes", ("note", None)), package("tags", ("tag", None))]
    gone = TableName(None, "gone")
    assert compared(["shop"], registered, history) == {THING, gone}
    assert compared(["shop", "tags"], registered, history) == {THING, gone, TableName(None, "tag")}
    assert compared(["tags"], registered, history) == {TableName(None, "tag")}


def test_a_table_without_an_owner_stops_the_comparison(history):
    shared = package("shop", ("thing", None))
    with pytest.raises(TableWithoutOwner):
        compared(["shop"], [shared, MigrationPackage("tags", shared.metadata)], history)


# --- metadata --------------------------------------------------------------------------------------------------


def metadata_of(*packages):
    return target_metadata(packages, find_owners(packages))


def test_the_metadata_of_the_packages_is_used_as_it_is_while_its_foreign_keys_resolve():
    shop, notes = package("shop", ("thing", "thing.id")), package("notes", ("note", None))
    assert metadata_of(shop, notes, MigrationPackage("tags", shop.metadata)) == [*shop.metadata, *notes.metadata]


def test_foreign_keys_to_another_metadata_resolve_in_a_copy():
    shop, notes = package("shop", ("thing", "note.id")), package("notes", ("note", None))
    (merged,) = metadata_of(shop, notes)
    (key,) = merged.tables["thing"].foreign_keys
    assert key.column is merged.tables["note"].c.id
    assert set(shop.metadata[0].tables) == {"thing"}


def test_foreign_keys_between_schemas_resolve_in_the_copy():
    shop = package("shop", ("thing", "stock.part.id"))
    stock = package("stock", ("part", "stock.box.id"), ("box", "thing.id"), schema="stock")
    merged = merged_metadata(find_owners([shop, stock]))
    targets = {key.column.table.fullname for table in merged.tables.values() for key in table.foreign_keys}
    assert targets == {"stock.part", "stock.box", "thing"}


def test_a_foreign_key_to_nowhere_is_told_with_both_names():
    with pytest.raises(UnresolvedForeignKey, match=r"table 'thing' refers to 'nowhere.id', which is in no registered"):
        metadata_of(package("shop", ("thing", "nowhere.id")), package("notes", ("note", None)))
