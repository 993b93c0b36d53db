"""Owners of tables, rule by rule, in their order."""

from __future__ import annotations

import gc
import sys
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, ForeignKey, Integer, MetaData, String, Table, event, inspect
from sqlalchemy.ext.declarative import AbstractConcreteBase
from sqlalchemy.orm import DeclarativeBase, Mapper, registry, relationship

from websauna_migrate.exceptions import OwnershipError
from websauna_migrate.ordering import dependency_groups
from websauna_migrate.packages.errors import BrokenModels, TableDefinedTwice, TableWithoutOwner, TableWithTwoOwners
from websauna_migrate.packages.ownership import find_owners, foreign_keys_between, owning_package, package_dependencies
from websauna_migrate.packages.package import MigrationPackage, TableName


@pytest.fixture
def base():
    """A declarative base of this test alone: no mapper of it is left for the next."""

    class Base(DeclarativeBase):
        kept = []  # a class that nobody holds may be collected with its mapper

    yield Base
    Base.registry.dispose()
    gc.collect()


# SQLAlchemy 2.0 asks an AbstractConcreteBase for its mapper whenever mappers are configured, also a disposed one.
NEVER_DISPOSED = []


def model(base, name, module, **attributes):
    """Define the class ``name`` with its own table, as if it stood in ``module``."""
    columns = {"id": Column(Integer, primary_key=True)}
    names = {"__tablename__": name.lower(), "__module__": module, **columns, **attributes}
    base.kept.append(type(name, (base,), names))
    return base.kept[-1]


def table(metadata, name, *columns, **options):
    return Table(name, metadata, Column("id", Integer, primary_key=True), *columns, **options)


def owners(*packages):
    """Return the owners by the name of the table; ``packages`` are a name and its metadata each."""
    found = find_owners([MigrationPackage(name, tuple(metadata)) for name, *metadata in packages])
    assert found.problems == ()
    return {str(key): owner for key, owner in found.owners.items()}


def problem(*packages):
    (found,) = find_owners([MigrationPackage(name, tuple(metadata)) for name, *metadata in packages]).problems
    return found


# --- the rules -------------------------------------------------------------------------------------------------


def test_info_goes_before_the_class(base):
    model(base, "Thing", "foo.models", __table_args__={"info": {"package": "bar"}})
    assert owners(("foo", base.metadata), ("bar", base.metadata)) == {"thing": "bar"}


def test_info_may_name_a_module_of_the_package(base):
    model(base, "Thing", "foo.models", __table_args__={"info": {"package": "bar.models"}})
    assert owners(("foo", base.metadata), ("bar", base.metadata)) == {"thing": "bar"}


def test_info_with_a_package_that_is_not_registered_is_a_problem(base):
    model(base, "Thing", "foo.models", __table_args__={"info": {"package": "nobody"}})
    found = problem(("foo", base.metadata))
    assert isinstance(found, OwnershipError)
    assert "'thing'" in found.what
    assert "info['package'] = 'nobody'" in found.what
    assert str(found.remedy).endswith(": foo")


def test_the_module_of_the_class_goes_before_the_metadata(base):
    model(base, "Thing", "foo.models")
    model(base, "Note", "bar.models.notes")
    shared = ("foo", base.metadata), ("bar", base.metadata)
    assert owners(*shared) == {"thing": "foo", "note": "bar"}
    assert owners(("bar", base.metadata), ("foo", MetaData())) == {"thing": "foo", "note": "bar"}


def test_an_association_table_belongs_to_the_class_that_uses_it(base):
    link = Table("link", base.metadata, Column("a", ForeignKey("thing.id")), Column("b", ForeignKey("note.id")))
    note = model(base, "Note", "foo.models")
    model(base, "Thing", "bar.models", notes=relationship(note, secondary=link, backref="things"))
    shared = ("foo", base.metadata), ("bar", base.metadata)
    assert owners(*shared)["link"] == "bar"


def test_an_association_table_that_is_a_class_too_belongs_to_the_class(base):
    model(base, "Thing", "foo.models")
    model(base, "Link", "bar.models", thing_id=Column(ForeignKey("thing.id")), note_id=Column(ForeignKey("note.id")))
    link = base.metadata.tables["link"]
    model(base, "Note", "foo.models", things=relationship("Thing", secondary=link, viewonly=True))
    assert owners(("foo", base.metadata), ("bar", base.metadata))["link"] == "bar"


def test_an_association_table_that_two_packages_use_is_a_problem_unless_a_module_tells(base, monkeypatch):
    link = Table("link", base.metadata, Column("a", ForeignKey("thing.id")), Column("b", ForeignKey("note.id")))
    model(base, "Note", "foo.models", things=relationship("Thing", secondary=link, viewonly=True))
    model(base, "Thing", "bar.models", notes=relationship("Note", secondary=link, viewonly=True))
    packages = ("foo", base.metadata), ("bar", base.metadata)
    found = problem(*packages)
    assert isinstance(found, TableWithTwoOwners)
    assert found.packages == ("bar", "foo")
    hold(monkeypatch, "foo.models", link=link)
    assert owners(*packages)["link"] == "foo"


def hold(monkeypatch, name, **names):
    module = ModuleType(name)
    vars(module).update(names)
    monkeypatch.setitem(sys.modules, name, module)


def test_a_table_without_a_class_belongs_to_the_module_that_holds_it(monkeypatch):
    metadata = MetaData()
    hold(monkeypatch, "foo.tables", thing=table(metadata, "thing"))
    hold(monkeypatch, "elsewhere", thing=metadata.tables["thing"])
    assert owners(("foo", metadata), ("bar", metadata)) == {"thing": "foo"}


def test_a_table_held_by_two_packages_is_a_problem(monkeypatch):
    metadata = MetaData()
    for name in ("foo.tables", "bar.tables"):
        hold(monkeypatch, name, thing=table(metadata, "thing", extend_existing=True))
    assert isinstance(problem(("foo", metadata), ("bar", metadata)), TableWithTwoOwners)


def test_a_table_that_nobody_holds_belongs_to_the_only_package_of_its_metadata():
    metadata = MetaData()
    table(metadata, "thing")
    assert owners(("foo", metadata), ("bar", MetaData())) == {"thing": "foo"}


def test_a_table_that_no_rule_gives_to_a_package_is_a_problem():
    metadata = MetaData()
    table(metadata, "thing", schema="stock")
    found = problem(("foo", metadata), ("bar", metadata))
    assert isinstance(found, TableWithoutOwner)
    assert str(found).startswith("table 'stock.thing' belongs to no registered migration package; ")
    ownership = find_owners([MigrationPackage("foo", (metadata,)), MigrationPackage("bar", (metadata,))])
    with pytest.raises(TableWithoutOwner):
        ownership.require()
    assert ownership.tables == {}


def test_one_table_in_the_metadata_of_two_packages_is_a_problem():
    first, second = MetaData(), MetaData()
    table(first, "thing")
    table(second, "thing")
    found = problem(("foo", first), ("bar", second))
    assert isinstance(found, TableDefinedTwice)
    assert found.packages == ("foo", "bar")


def test_the_same_name_in_two_schemas_is_two_tables():
    first, second = MetaData(), MetaData(schema="stock")
    table(first, "thing")
    table(second, "thing")
    assert owners(("foo", first), ("bar", second)) == {"thing": "foo", "stock.thing": "bar"}


def test_models_that_cannot_be_configured_are_a_problem(base):
    model(base, "Thing", "foo.models", other=relationship("Nobody"))
    found = problem(("foo", base.metadata))
    assert isinstance(found, BrokenModels)
    assert "Nobody" in str(found)
    assert "\n" not in str(found)


def test_where_classes_tell_all_owners_the_mappers_stay_as_they_are(base):
    mapped = inspect(model(base, "Thing", "foo.models", other=relationship("Nobody")))
    packages = [MigrationPackage("foo", (base.metadata,))]
    ownership = find_owners(packages, complete=False)
    assert (ownership.problems, len(ownership.owners), mapped.configured) == ((), 1, False)


def test_where_classes_do_not_tell_all_owners_the_quick_way_is_the_complete_one(base):
    keys = [Column(f"{name}_id", ForeignKey(f"{name}.id")) for name in ("thing", "other")]
    link = Table("link", base.metadata, *keys)
    model(base, "Other", "foo.models")
    model(base, "Thing", "foo.models", others=relationship("Other", secondary=link))
    packages = [MigrationPackage("bar", (base.metadata,)), MigrationPackage("foo", (base.metadata,))]
    assert find_owners(packages, complete=False).owners[TableName(None, "link")] == "foo"


def test_tables_made_while_the_mappers_are_configured_count(base):
    model(base, "Thing", "foo.models")

    @event.listens_for(Mapper, "after_configured", once=True)
    def add_table():
        table(base.metadata, "thing_version", info={"package": "foo"})

    assert owners(("foo", base.metadata)) == {"thing": "foo", "thing_version": "foo"}


# --- kinds of models -------------------------------------------------------------------------------------------


def test_single_table_inheritance_in_another_package_leaves_the_table_with_the_first(base):
    kind = Column(String(9))
    person = model(base, "Person", "foo.models", kind=kind, __mapper_args__={"polymorphic_on": kind})
    guest = type("Guest", (person,), {"__module__": "bar.models", "__mapper_args__": {"polymorphic_identity": "guest"}})
    base.kept.append(guest)
    assert owners(("foo", base.metadata), ("bar", base.metadata)) == {"person": "foo"}


def test_joined_inheritance_gives_each_table_to_the_package_of_its_class(base):
    person = model(base, "Person", "foo.models")
    names = {"__module__": "bar.models", "__tablename__": "guest"}
    base.kept.append(type("Guest", (person,), {**names, "id": Column(ForeignKey("person.id"), primary_key=True)}))
    assert owners(("foo", base.metadata), ("bar", base.metadata)) == {"person": "foo", "guest": "bar"}


def test_concrete_inheritance_gives_each_table_to_the_package_of_its_class(base):
    person = model(base, "Person", "foo.models")
    names = {"__module__": "bar.models", "__tablename__": "guest", "__mapper_args__": {"concrete": True}}
    base.kept.append(type("Guest", (person,), {**names, "id": Column(Integer, primary_key=True)}))
    assert owners(("foo", base.metadata), ("bar", base.metadata)) == {"person": "foo", "guest": "bar"}


def test_an_abstract_concrete_base_is_no_table():
    base = type("Base", (DeclarativeBase,), {})
    shape = type("Shape", (AbstractConcreteBase, base), {"__module__": "foo.models", "strict_attrs": True})
    names = {"__module__": "bar.models", "__tablename__": "circle"}
    arguments = {"polymorphic_identity": "circle", "concrete": True}
    NEVER_DISPOSED.append(
        type("Circle", (shape,), {**names, "id": Column(Integer, primary_key=True), "__mapper_args__": arguments})
    )
    assert owners(("foo", base.metadata), ("bar", base.metadata)) == {"circle": "bar"}


def test_an_imperative_mapping_counts_as_the_class():
    metadata = MetaData()
    thing = table(metadata, "thing")
    mappers = registry(metadata=metadata)
    mapped = type("Thing", (), {"__module__": "foo.models"})  # kept: a registry refers to its classes weakly
    mappers.map_imperatively(mapped, thing)
    assert owners(("foo", metadata), ("bar", metadata)) == {"thing": "foo"}
    mappers.dispose()


def test_look_alike_names_are_different_packages(base):
    model(base, "Thing", "foobar.models")
    model(base, "Note", "foo")
    shared = ("foo", base.metadata), ("foobar", base.metadata)
    assert owners(*shared) == {"thing": "foobar", "note": "foo"}


def test_the_longest_name_wins(base):
    model(base, "Thing", "acme.shop.models")
    model(base, "Note", "acme.models")
    shared = ("acme", base.metadata), ("acme.shop", base.metadata)
    assert owners(*shared) == {"thing": "acme.shop", "note": "acme"}


part = st.sampled_from(["a", "b", "ab", "aa"])
name = st.lists(part, min_size=1, max_size=4).map(".".join)


@given(st.sets(name), name)
def test_an_owner_is_a_whole_prefix_and_no_longer_one_exists(names, dotted):
    owner = owning_package(names, dotted)
    prefixes = [n for n in names if (dotted + ".").startswith(n + ".")]
    assert owner == max(prefixes, key=len, default=None)


# --- dependencies ----------------------------------------------------------------------------------------------


def test_foreign_keys_lead_to_tables_of_other_metadata_and_schemas():
    first, second = MetaData(), MetaData(schema="stock")
    table(first, "thing", Column("part_id", ForeignKey("stock.part.id")), Column("own", ForeignKey("thing.id")))
    table(second, "part", Column("box_id", ForeignKey("stock.box.id")))
    table(second, "box", Column("lost_id", ForeignKey("nowhere.id")))
    ownership = find_owners([MigrationPackage("foo", (first,)), MigrationPackage("bar", (second,))])
    keys = {(source.fullname, target.fullname) for source, _, target in foreign_keys_between(ownership)}
    assert keys == {("thing", "stock.part"), ("stock.part", "stock.box")}
    assert package_dependencies(ownership) == {"foo": frozenset({"bar"}), "bar": frozenset()}
    assert ownership.of(["bar"]) == {TableName("stock", "part"), TableName("stock", "box")}


def test_packages_come_after_those_they_need_and_circles_are_one_group():
    needs = {"a": {"c"}, "b": {"a"}, "c": {"d"}, "d": {"c"}}
    assert dependency_groups(("a", "b", "c", "d", "e"), needs) == (("c", "d"), ("a",), ("b",), ("e",))


@given(st.permutations("abcdef"), st.dictionaries(st.sampled_from("abcdef"), st.sets(st.sampled_from("abcdefx"))))
def test_groups_hold_each_name_once_and_no_group_needs_a_later_one(names, needs):
    groups = dependency_groups(names, needs)
    assert sorted(n for group in groups for n in group) == sorted(names)
    later = set(names)
    for group in groups:
        later -= set(group)
        assert not later & {needed for member in group for needed in needs.get(member, ())}
        assert list(group) == [n for n in names if n in group]


@given(st.permutations("abcdef"))
def test_names_that_need_nothing_keep_their_order(names):
    assert dependency_groups(names, {}) == tuple((n,) for n in names)
