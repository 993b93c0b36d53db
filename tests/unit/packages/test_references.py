"""Foreign keys to another package that do not resolve."""

from __future__ import annotations

import pytest
from sqlalchemy import Column, ForeignKey, Integer, MetaData, Table
from sqlalchemy.exc import NoReferencedTableError
from sqlalchemy.orm import DeclarativeBase, mapped_column, relationship

from websauna_migrate.packages.errors import BrokenModels, UnresolvedForeignKey
from websauna_migrate.packages.metadata import target_metadata
from websauna_migrate.packages.ownership import find_owners
from websauna_migrate.packages.package import MigrationPackage
from websauna_migrate.packages.references import is_unresolved, remedy_for_reference


def note(metadata):
    return Table("note", metadata, Column("id", Integer, primary_key=True))


def thing(metadata, target):
    key = ForeignKey(target)
    Table("thing", metadata, Column("id", Integer, primary_key=True), Column("note_id", key))
    return key


def error_of(key):
    with pytest.raises(NoReferencedTableError) as caught:
        _ = key.column
    return caught.value


@pytest.fixture
def bases():
    class Notes(DeclarativeBase):
        pass

    class Things(DeclarativeBase):
        pass

    yield Notes, Things
    Notes.registry.dispose(cascade=True)


def test_models_that_refer_to_another_package_by_name_are_told_the_lines_to_write(bases):
    notes, things = bases

    class Note(notes):
        __tablename__ = "note"
        __module__ = "acme.notes.models"
        __qualname__ = "Note"
        id = mapped_column(Integer, primary_key=True)

    class Thing(things):
        __tablename__ = "thing"
        id = mapped_column(Integer, primary_key=True)
        note_id = mapped_column(ForeignKey("note.id"))
        note = relationship(Note)

    packages = [MigrationPackage("notes", (notes.metadata,)), MigrationPackage("things", (things.metadata,))]
    [problem] = find_owners(packages).problems
    assert isinstance(problem, BrokenModels)
    assert problem.remedy == (
        "import the model with 'from acme.notes.models import Note' and write ForeignKey(Note.id) at thing.note_id"
    )


def test_a_table_without_a_class_is_named():
    notes, things = MetaData(), MetaData()
    note(notes)
    error = error_of(thing(things, "note.id"))
    packages = [MigrationPackage("notes", (notes,)), MigrationPackage("things", (things,))]
    said = remedy_for_reference(error, packages)
    assert said == "import the Table 'note' and write ForeignKey(that_table.c.id) at thing.note_id"


def test_a_table_of_no_package_has_to_be_included():
    things = MetaData()
    package = MigrationPackage("things", (things,))
    key = thing(things, "note.id")
    assert is_unresolved(key)
    assert remedy_for_reference(error_of(key), [package]) == (
        "include the package that has the table 'note' with config.include(), or correct the name"
    )
    with pytest.raises(UnresolvedForeignKey, match=r"'note.id', .*; include the package that has it"):
        target_metadata([package], find_owners([package]))


def test_a_key_that_is_given_the_column_itself_resolves_across_packages():
    things = MetaData()
    package = MigrationPackage("things", (things,))
    assert not is_unresolved(thing(things, note(MetaData()).c.id))
    assert target_metadata([package], find_owners([package])) == [things]


def test_other_errors_have_no_remedy_here():
    assert remedy_for_reference(ValueError(), []) is None
