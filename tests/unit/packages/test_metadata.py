"""One metadata for Alembic: everything keeps its name, and a script finds the naming convention of its package."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Enum,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    UniqueConstraint,
)
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from websauna_migrate.packages.metadata import alters_names, merged_metadata, steps_metadata
from websauna_migrate.packages.ownership import find_owners
from websauna_migrate.packages.package import History, MigrationPackage

# --- a copy of all tables --------------------------------------------------------------------------------------

TEMPLATES = {
    "ix": ["ix_%(column_0_label)s", "%(table_name)s_%(column_0_N_name)s_idx", "%(constraint_name)s_ix"],
    "uq": ["uq_%(table_name)s_%(column_0_name)s", "%(table_name)s_%(constraint_name)s", "%(column_0_N_key)s"],
    "ck": ["ck_%(table_name)s_%(constraint_name)s", "ck_%(table_name)s_%(column_0_name)s"],
    "fk": ["fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s", "%(constraint_name)s_fk"],
    "pk": ["pk_%(table_name)s", "pk_%(column_0_N_name)s"],
}
CONVENTIONS = st.fixed_dictionaries({}, optional={kind: st.sampled_from(of) for kind, of in TEMPLATES.items()})
DIALECTS = [postgresql.dialect(), mysql.dialect(), sqlite.dialect()]


def flags(draw, convention, kind):
    """Return a name or None, but a name where the ``convention`` wants one to begin with."""
    wanted = "constraint_name" in convention.get(kind, "")
    return f"my_{kind}" if wanted or draw(st.booleans()) else None


@st.composite
def metadata(draw, name):
    """Return a metadata of two tables whose constraints and indexes have a name, or none, or one of the convention."""
    convention = draw(CONVENTIONS)
    made = MetaData(naming_convention=convention, schema=draw(st.sampled_from([None, name])))

    def of(kind):
        return flags(draw, convention, kind)

    columns = [
        Column("a", Integer, key=draw(st.sampled_from(["a", "other"]))),
        Column("b", Integer, CheckConstraint("b > 0", name=of("ck"))),
        Column("f", Boolean(create_constraint=True, name=of("ck"))),
        Column("e", Enum("x", "y", create_constraint=True, native_enum=False, length=9, name=of("ck"))),
    ]
    if "constraint_name" not in convention.get("ix", ""):
        columns.append(Column("i", String(9), index="ix" in convention or not convention))
    if "constraint_name" not in convention.get("uq", ""):
        columns.append(Column("u", Integer, unique=True))
    table = Table(
        f"{name}_thing",
        made,
        Column("id", Integer, primary_key=True),
        *columns,
        UniqueConstraint("b", "f", name=of("uq")),
        CheckConstraint("a > b", name=of("ck")),
    )
    Index("ix_" + name, table.c.b)
    prefix = f"{made.schema}." if made.schema else ""
    key = ForeignKeyConstraint(["thing"], [f"{prefix}{name}_thing.id"], name=of("fk"))
    Table(f"{name}_part", made, Column("x", Integer), Column("thing", Integer), PrimaryKeyConstraint("x"), key)
    return made


def statements(tables, dialect):
    """Return the SQL that creates ``tables`` and their indexes, in any order."""
    made = [element for table in tables for element in (CreateTable(table), *map(CreateIndex, table.indexes))]
    # The order of constraints without a name is that of their creation, which a copy does not keep.
    return sorted(sorted(re.split(r"[,\n]\s*", str(one.compile(dialect=dialect)))) for one in made)


@given(metadata("one"), metadata("two"))
def test_a_copy_of_all_tables_has_the_names_of_their_own_metadata(one, two):
    ownership = find_owners([MigrationPackage("one", (one,)), MigrationPackage("two", (two,))])
    merged = merged_metadata(ownership)
    for dialect in DIALECTS:
        wanted = statements([*one.tables.values(), *two.tables.values()], dialect)
        assert statements(merged.tables.values(), dialect) == wanted


def test_a_check_that_no_database_needs_may_lack_the_name_that_the_convention_wants():
    made = MetaData(naming_convention={"ck": "ck_%(table_name)s_%(constraint_name)s"})
    Table("thing", made, Column("id", Integer, primary_key=True), Column("f", Boolean(create_constraint=True)))
    merged = merged_metadata(find_owners([MigrationPackage("one", (made,))]))
    assert "BOOLEAN" in str(CreateTable(merged.tables["thing"]).compile(dialect=DIALECTS[0]))


def test_an_exclude_constraint_keeps_its_operator_classes():
    made = MetaData()
    Table("thing", made, Column("t", String), postgresql.ExcludeConstraint(("t", "="), ops={"t": "gist_text_ops"}))
    merged = merged_metadata(find_owners([MigrationPackage("one", (made,))]))
    assert "gist_text_ops" in str(CreateTable(merged.tables["thing"]).compile(dialect=DIALECTS[0]))


def test_a_foreign_key_to_another_package_keeps_its_name():
    shop = MetaData(naming_convention={"fk": "fk_%(table_name)s_%(referred_table_name)s"})
    Table("thing", shop, Column("id", ForeignKey("note.id"), primary_key=True))
    notes = MetaData()
    Table("note", notes, Column("id", Integer, primary_key=True))
    merged = merged_metadata(find_owners([MigrationPackage("shop", (shop,)), MigrationPackage("notes", (notes,))]))
    (key,) = merged.tables["thing"].foreign_key_constraints
    assert (key.name, key.referred_table) == ("fk_thing_note", merged.tables["note"])


# --- the metadata of the steps of a history --------------------------------------------------------------------

ONE, OTHER = {"uq": "%(table_name)s_unique"}, {"uq": "unique_%(table_name)s"}


def steps(app, addon=()):
    """Return the metadata for a history of an application, which has adopted an add-on."""
    registered = {"app": MigrationPackage("app", tuple(app)), "addon": MigrationPackage("addon", tuple(addon))}
    history = History("app", ("app", "addon"), Path("/app"), (), "alembic_history_app")
    return steps_metadata(history, registered)


def test_the_only_metadata_of_the_package_is_that_of_its_steps():
    app, addon = MetaData(naming_convention=ONE), MetaData(naming_convention=OTHER)
    assert steps([app], [addon]) is app


def test_a_package_without_models_takes_that_of_those_that_it_adopted():
    addon = MetaData(naming_convention=OTHER)
    assert steps([], [addon]) is addon
    assert steps([]).naming_convention == MetaData().naming_convention


@pytest.mark.parametrize(("second", "found"), [(ONE, ONE), (OTHER, None), (None, None)])
def test_several_metadata_give_the_convention_that_they_share(second, found):
    app = [MetaData(naming_convention=one) for one in (ONE, second)]
    assert steps(app).naming_convention == MetaData(naming_convention=found).naming_convention


def test_only_a_convention_that_uses_given_names_alters_them():
    assert not alters_names(MetaData().naming_convention)
    assert not alters_names({"uq": "uq_%(table_name)s", "mine": lambda *_: "constraint_name"})
    assert alters_names({"ck": "ck_%(constraint_name)s"})
