"""What autogenerate may touch: the tables that the selected packages own, and nothing else, on all three databases."""

from __future__ import annotations

import re

import pytest

from projects import MODELS, Workspace, revise, write

THING = """
class Thing(Base):
    __tablename__ = "thing"
    id = Column(Integer, primary_key=True)
    name = Column(String(20))
"""
NOTE = """
class Note(Base):
    __tablename__ = "note"
    id = Column(Integer, primary_key=True)
"""
TAG = NOTE.replace("Note", "Tag").replace("note", "tag")
FOREIGN = "CREATE TABLE nobodys (id INTEGER)"
ALL = ("-x", "packages=all")


@pytest.fixture
def here(tmp_path, database_url):
    """A folder with nothing in it and a database, on each of the three."""
    return Workspace(tmp_path, database_url)


@pytest.fixture
def lite(tmp_path, sqlite):
    """The same on SQLite, for what does not depend on the database."""
    return Workspace(tmp_path, sqlite.new_database())


def make_app(workspace, *args, **how):
    package = workspace.add_app("shop", *args, **how)
    (workspace.app / "alembic").mkdir(exist_ok=True)
    return package


def test_an_application_goes_from_models_to_tables_and_back(here):
    package = make_app(here, THING)
    here.execute(FOREIGN)
    (first,) = here.autogenerate()
    assert first.parent == here.app / "alembic" / "versions"
    assert here.tables() == {"thing", "nobodys", "alembic_history_shop"}
    assert here.ok("current") == f"{first.stem.split('_')[0]} (head)\n"
    assert here.ok("check") == "No new upgrade operations detected.\n"
    # No file is written when nothing changed.
    before = here.files()
    ran = here.run("revision", "--autogenerate", "-m", "nothing")
    assert (ran.code, ran.out) == (0, "")
    assert "shop: no changes, no revision was written" in ran.err
    assert here.files() == before
    wide = THING.replace("String(20)", "String(40), nullable=False")
    here.models(package, wide + NOTE + TAG)
    ran = here.run("check")
    assert ran.code == 1
    assert ran.out.startswith("shop:\n  add table note\n")
    assert ran.err.splitlines()[-1].startswith("FAILED: the database differs from the models of shop; ")
    (second,) = here.autogenerate()
    assert here.tables() == {"thing", "note", "tag", "nobodys", "alembic_history_shop"}
    here.ok("check")
    # A table that a revision renamed is that of its new name; with the old name it is somebody else's.
    id_ = second.stem.split("_")[0]
    revise(here.app / "alembic", "bbb2", id_, 'op.rename_table("note", "memo")', 'op.rename_table("memo", "note")')
    here.models(package, wide + NOTE.replace('"note"', '"memo"') + TAG)
    here.ok("upgrade")
    here.execute("CREATE TABLE note (id INTEGER)")
    here.ok("check")
    # Removed models are dropped, the renamed one too.
    here.models(package, wide)
    (last,) = here.autogenerate()
    assert "drop_table('tag')" in last.read_text()
    assert "drop_table('memo')" in last.read_text()
    assert here.tables() == {"thing", "note", "nobodys", "alembic_history_shop"}
    here.ok("check")
    here.ok("downgrade", "-1")
    assert {"memo", "tag"} <= here.tables()
    here.execute("DROP TABLE note")
    here.ok("downgrade", "base")
    assert here.tables() == {"nobodys", "alembic_history_shop"}
    assert "nobodys" not in "".join(path.read_text() for path in here.scripts())


#: On the declarative base of the package ``people``.
ON_PEOPLE = "from people.models import Base, Person, Shape\nfrom sqlalchemy import *\nfrom sqlalchemy.orm import *\n"
PEOPLE = """
from sqlalchemy.ext.declarative import AbstractConcreteBase

class Person(Base):
    __tablename__ = "person"
    id = Column(Integer, primary_key=True)
    kind = Column(String(10))
    __mapper_args__ = {"polymorphic_on": kind, "polymorphic_identity": "person"}

class Shape(AbstractConcreteBase, Base):
    strict_attrs = True
"""
LINKED = """
    note_id = Column(ForeignKey('note.id'))
    persons = relationship(Person, secondary=person_thing, backref='things')
"""
SHOP = f"""
person_thing = Table('person_thing', Base.metadata,
    Column('thing_id', ForeignKey('thing.id')), Column('person_id', ForeignKey('person.id')))
{THING}{LINKED}
class Joined(Person):
    __tablename__ = "joined"
    id = Column(ForeignKey("person.id"), primary_key=True)
    __mapper_args__ = {{"polymorphic_identity": "joined"}}

class Single(Person):
    extra = Column(Integer)
    __mapper_args__ = {{"polymorphic_identity": "single"}}

class Circle(Shape):
    __tablename__ = "circle"
    id = Column(Integer, primary_key=True)
    __mapper_args__ = {{"polymorphic_identity": "circle", "concrete": True}}
"""
PEN = NOTE.replace("Note", "Pen").replace("note", "pen")
INK = NOTE.replace("Note", "Ink").replace("note", "ink")
BOX = NOTE.replace("Note", "Box").replace("note", "box")


def test_each_package_makes_and_drops_its_own_tables(here):
    """Of one shared metadata and of their own; a package with its own history, one without, and the application."""
    notes = here.add("notes", NOTE + TAG + BOX, history=True)
    pens = here.add("pens", PEN + INK)
    here.add("people", PEOPLE, history=True)
    here.add("marks", ON_PEOPLE + TAG.replace("tag", "mark").replace("Tag", "Mark"), history=True)
    addons = ["notes", "pens", "people", "marks"]
    shop = make_app(here, ON_PEOPLE + SHOP, addons)
    written = here.autogenerate(*ALL)
    assert {path.parent for path in written} == {
        here.app / "alembic" / "versions",
        *(here.folder / name / name / "alembic" / "versions" for name in ("notes", "people", "marks")),
    }
    texts = {path.parents[2].name: path.read_text() for path in written}
    created = {name: set(re.findall(r"op.create_table\('(\w+)'", text)) for name, text in texts.items()}
    assert created == {
        "notes": {"note", "tag", "box"},
        "people": {"person"},
        "marks": {"mark"},
        "shop": {"thing", "person_thing", "joined", "circle", "pen", "ink"},
    }
    assert "'extra'" in texts["people"]
    histories = {f"alembic_history_{name}" for name in texts}
    made = here.tables()
    assert made == {*histories, *(table for tables in created.values() for table in tables)}
    for options in (("-x", "packages=notes"), ("-x", "packages=shop"), ALL):
        here.ok(*options, "check")
    # Each package compares its own tables.
    here.execute("ALTER TABLE note ADD COLUMN more INTEGER")
    here.ok("-x", "packages=shop", "check")
    assert here.run("-x", "packages=notes", "check").code == 1
    here.execute("ALTER TABLE note DROP COLUMN more")
    # A model that moved to another package stays in the database, and removed ones are dropped by their own package.
    here.models(notes, NOTE)
    write(shop / "models.py", ON_PEOPLE + SHOP + BOX)
    here.ok("-x", "packages=shop", "check")
    (script,) = here.autogenerate(*ALL)
    assert script.is_relative_to(notes)
    assert ("'tag'" in script.read_text(), "'box'" in script.read_text()) == (True, False)
    assert here.tables() == made - {"tag"}
    # Those of a package without a history are dropped with those of the application.
    here.models(pens, PEN)
    assert here.run("-x", "packages=pens", "check").code == 0
    (script,) = here.autogenerate("-x", "packages=shop")
    assert "drop_table('ink')" in script.read_text()
    assert here.tables() == made - {"tag", "ink"}
    here.ok(*ALL, "downgrade", "base")
    assert here.tables() == histories


def test_history_tables_of_packages_that_are_gone_are_never_touched(lite):
    lite.add("notes", NOTE, history=True)
    make_app(lite, THING, ["notes"])
    lite.autogenerate(*ALL)
    make_app(lite, THING)
    lite.ok(*ALL, "check")
    assert lite.run(*ALL, "revision", "--autogenerate").out == ""
    assert {"note", "alembic_history_notes"} <= lite.tables()


def test_tables_of_removed_models_are_found_in_version_folders_below(lite):
    package = make_app(lite, THING + NOTE, settings="[alembic]\nrecursive_version_locations = true\n")
    (script,) = lite.autogenerate()
    below = script.parent / "2026" / script.name
    below.parent.mkdir()
    script.rename(below)
    lite.models(package, THING)
    lite.autogenerate()
    assert lite.tables() == {"thing", "alembic_history_shop"}


def test_packages_that_share_a_metadata_are_generated_one_at_a_time(lite):
    lite.add("base", NOTE)
    lite.add("addon", "from base.models import Base\nfrom sqlalchemy import *\n" + TAG)
    make_app(lite, "from base.models import Base\nfrom sqlalchemy import *\n" + THING, ["base", "addon"])
    for name, table in (("base", "note"), ("addon", "tag"), ("shop", "thing")):
        (script,) = lite.autogenerate("-x", f"packages={name}")
        assert script.parent == lite.app / "alembic" / "versions"
        assert script.read_text().count("op.create_table(") == 1
        assert f"op.create_table('{table}'" in script.read_text()
    lite.ok(*ALL, "check")


def test_a_table_without_an_owner_stops_what_compares_and_nothing_else(lite):
    lite.add("loose", NOTE, init="")
    models = "from loose.models import Base\nfrom sqlalchemy import *\n" + THING
    make_app(lite, models)
    lite.add("addon", models="from loose.models import Base\n")
    make_app(lite, models, ["addon"])
    for command in (("revision", "--autogenerate"), ("check",)):
        ran = lite.run(*command)
        assert (ran.code, ran.out) == (1, "")
        assert ran.err.splitlines()[-1].startswith("FAILED: table 'note' belongs to no registered migration package; ")
    assert not lite.scripts()
    for init in lite.folder.glob("*/*/__init__.py"):  # a command that only reads does not import what is named
        name = init.parent.name
        init.write_text(init.read_text().replace(f'"{name}.models:Base"', f"__import__('{name}.models').models.Base"))
    for reading in (("upgrade",), ("current",), ("status",), ("heads",)):
        ran = lite.run(*reading)
        assert ran.code == 0, ran
        assert ran.err.startswith("WARNING: table 'note' belongs to no registered migration package; ")


def test_a_table_with_two_owners_stops_what_compares_and_nothing_else(lite):
    shared = "from base.models import Base, Note\nfrom sqlalchemy.orm import *\n"
    lite.add("base", NOTE)
    lite.add("addon", shared + "class Other(Base):\n    __table__ = Note.__table__\n")
    make_app(lite, THING, ["base", "addon"])
    said = lite.run("check")
    assert said.err.splitlines()[-1].startswith(
        "FAILED: table 'note' belongs to several migration packages: addon, base; "
    )
    assert lite.run("upgrade").code == 0


def test_tables_in_schemas_of_postgresql_belong_to_their_packages(tmp_path, postgresql):
    here = Workspace(tmp_path, postgresql.new_database())
    here.execute("CREATE SCHEMA stock", "CREATE SCHEMA elsewhere", "CREATE TABLE elsewhere.thing (id INTEGER)")
    in_stock = THING + "    __table_args__ = {'schema': 'stock'}\n"
    package = make_app(here, in_stock + NOTE)
    here.autogenerate()
    assert here.tables("stock") == {"thing"}
    assert here.tables() == {"note", "alembic_history_shop"}
    here.execute("CREATE TABLE stock.nobodys (id INTEGER)", "CREATE TABLE thing (id INTEGER)")
    here.ok("check")
    here.models(package, NOTE)
    (script,) = here.autogenerate()
    assert "op.drop_table('thing', schema='stock')" in script.read_text()
    assert here.tables("stock") == {"nobodys"}
    assert "thing" in here.tables()
    assert here.tables("elsewhere") == {"thing"}


def test_the_default_schema_named_in_a_model_is_the_default_schema(tmp_path, postgresql):
    here = Workspace(tmp_path, postgresql.new_database())
    make_app(here, THING + "    __table_args__ = {'schema': 'public'}\n")
    here.autogenerate()
    assert here.tables() == {"thing", "alembic_history_shop"}
    here.ok("check")


def test_sqlite_changes_tables_in_batches_that_keep_the_rows(lite):
    package = make_app(lite, THING)
    lite.autogenerate()
    lite.execute("INSERT INTO thing (id, name) VALUES (1, 'kept')")
    lite.models(package, THING.replace("String(20)", "String(40)"))
    (script,) = lite.autogenerate()
    assert "op.batch_alter_table('thing'" in script.read_text()
    assert lite.execute("SELECT * FROM thing") == [(1, "kept")]
    lite.ok("check")


def test_look_alike_names_and_a_package_inside_another_own_their_own_tables(lite):
    lite.add("foo", NOTE, history=True)
    lite.add("foobar", TAG, history=True)
    inner = lite.folder / "foo" / "foo" / "inner"
    write(
        inner / "__init__.py",
        "def includeme(config):\n    config.add_migration_package('foo.inner', 'foo.inner.models:Base')\n",
    )
    write(inner / "models.py", MODELS + PEN)
    write(inner / "alembic" / "versions" / ".keep", "")
    make_app(lite, THING, ["foo", "foo.inner", "foobar"])
    written = {path.parents[2].name: path.read_text() for path in lite.autogenerate(*ALL)}
    created = {name: re.findall(r"op.create_table\('(\w+)'", text) for name, text in written.items()}
    assert created == {"foo": ["note"], "foobar": ["tag"], "inner": ["pen"], "shop": ["thing"]}
