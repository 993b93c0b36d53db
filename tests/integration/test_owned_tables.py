"""What autogenerate may touch: the tables that the selected packages own, and nothing else, on all three databases."""

from __future__ import annotations

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
    (script,) = here.autogenerate()
    assert script.parent == here.app / "alembic" / "versions"
    assert here.tables() == {"thing", "alembic_history_shop"}
    assert here.ok("current") == f"{script.stem.split('_')[0]} (head)\n"
    assert here.ok("check") == "No new upgrade operations detected.\n"
    here.models(package, THING.replace("String(20)", "String(40), nullable=False") + NOTE)
    ran = here.run("check")
    assert ran.code == 1
    assert ran.out.startswith("shop:\n  add table note\n")
    assert ran.err.splitlines()[-1].startswith("FAILED: the database differs from the models of shop; ")
    here.autogenerate()
    assert here.tables() == {"thing", "note", "alembic_history_shop"}
    here.ok("check")
    here.ok("downgrade", "base")
    assert here.tables() == {"alembic_history_shop"}


def test_no_file_is_written_when_nothing_changed(here):
    make_app(here, THING)
    here.autogenerate()
    before = here.files()
    ran = here.run("revision", "--autogenerate", "-m", "nothing")
    assert (ran.code, ran.out) == (0, "")
    assert "shop: no changes, no revision was written" in ran.err
    assert here.files() == before


def test_a_table_that_is_nobodys_is_never_touched(here):
    make_app(here, THING)
    here.execute(FOREIGN)
    here.autogenerate()
    here.ok("check")
    assert "nobodys" in here.tables()
    assert "nobodys" not in "".join(path.read_text() for path in here.scripts())


def test_the_table_of_another_package_is_never_touched(here):
    here.add("notes", NOTE, history=True)
    make_app(here, THING, ["notes"])
    written = here.autogenerate(*ALL)
    assert {path.parent for path in written} == {
        here.app / "alembic" / "versions",
        here.folder / "notes" / "notes" / "alembic" / "versions",
    }
    assert here.tables() == {"thing", "note", "alembic_history_shop", "alembic_history_notes"}
    for options in (("-x", "packages=notes"), ("-x", "packages=shop"), ALL):
        here.ok(*options, "check")
    here.execute("ALTER TABLE note ADD COLUMN more INTEGER")
    here.ok("-x", "packages=shop", "check")
    assert here.run("-x", "packages=notes", "check").code == 1


def test_history_tables_of_packages_that_are_gone_are_never_touched(here):
    here.add("notes", NOTE, history=True)
    make_app(here, THING, ["notes"])
    here.autogenerate(*ALL)
    make_app(here, THING)
    here.ok(*ALL, "check")
    assert here.run(*ALL, "revision", "--autogenerate").out == ""
    assert {"note", "alembic_history_notes"} <= here.tables()


def test_a_removed_model_is_dropped(here):
    package = make_app(here, THING + NOTE)
    here.execute(FOREIGN)
    here.autogenerate()
    here.models(package, THING)
    (script,) = here.autogenerate()
    assert "drop_table('note')" in script.read_text()
    assert here.tables() == {"thing", "nobodys", "alembic_history_shop"}
    here.ok("check")


def test_a_removed_model_of_an_adopted_package_is_dropped_with_those_of_the_application(here):
    notes = here.add("notes", NOTE + TAG)
    make_app(here, THING, ["notes"])
    here.autogenerate(*ALL)
    here.models(notes, NOTE)
    assert here.run("-x", "packages=notes", "check").code == 0
    (script,) = here.autogenerate("-x", "packages=shop")
    assert "drop_table('tag')" in script.read_text()
    assert here.tables() == {"thing", "note", "alembic_history_shop"}


def test_a_removed_model_of_a_package_with_its_own_history_is_dropped_by_that_package_only(here):
    notes = here.add("notes", NOTE + TAG, history=True)
    make_app(here, THING, ["notes"])
    here.autogenerate(*ALL)
    here.models(notes, NOTE)
    here.ok("-x", "packages=shop", "check")
    (script,) = here.autogenerate(*ALL)
    assert script.is_relative_to(notes)
    assert "tag" not in here.tables()


def test_a_model_that_moved_to_another_package_stays_in_the_database(here):
    notes = here.add("notes", NOTE + TAG, history=True)
    shop = make_app(here, THING, ["notes"])
    here.autogenerate(*ALL)
    here.models(notes, NOTE)
    here.models(shop, THING + TAG)
    here.ok(*ALL, "check")
    assert here.autogenerate(*ALL) == []
    assert "tag" in here.tables()


def test_a_table_that_a_revision_renamed_and_whose_model_is_gone_is_dropped(here):
    package = make_app(here, THING + NOTE)
    (first,) = here.autogenerate()
    here.models(package, THING + NOTE.replace('"note"', '"memo"'))
    id_ = first.stem.split("_")[0]
    revise(here.app / "alembic", "bbb2", id_, 'op.rename_table("note", "memo")', 'op.rename_table("memo", "note")')
    here.ok("upgrade")
    here.ok("check")
    here.models(package, THING)
    (script,) = here.autogenerate()
    assert "drop_table('memo')" in script.read_text()
    assert here.tables() == {"thing", "alembic_history_shop"}
    here.ok("downgrade", "-1")
    assert "memo" in here.tables()


def test_a_table_with_an_old_name_that_is_nobodys_now_is_not_touched(here):
    """The revisions renamed it away; what stands there today was made by somebody else."""
    package = make_app(here, THING + NOTE)
    (first,) = here.autogenerate()
    here.models(package, THING + NOTE.replace('"note"', '"memo"'))
    revise(here.app / "alembic", "bbb2", first.stem.split("_")[0], 'op.rename_table("note", "memo")')
    here.ok("upgrade")
    here.execute("CREATE TABLE note (id INTEGER)")
    here.ok("check")


def test_tables_of_removed_models_are_found_in_version_folders_below(here):
    package = make_app(here, THING + NOTE, settings="[alembic]\nrecursive_version_locations = true\n")
    (script,) = here.autogenerate()
    below = script.parent / "2026" / script.name
    below.parent.mkdir()
    script.rename(below)
    here.models(package, THING)
    here.autogenerate()
    assert here.tables() == {"thing", "alembic_history_shop"}


def test_one_shared_metadata_is_split_between_its_packages(here):
    here.add("base", NOTE, history=True)
    here.add("addon", "from base.models import Base\nfrom sqlalchemy import *\n" + TAG, history=True, bases="Base")
    make_app(here, "from base.models import Base\nfrom sqlalchemy import *\n" + THING, ["base", "addon"])
    written = here.autogenerate(*ALL)
    created = {path.parents[2].name: path.read_text().count("op.create_table(") for path in written}
    assert created == {"base": 1, "addon": 1, "shop": 1}
    here.ok(*ALL, "check")


def test_packages_that_share_a_metadata_are_generated_one_at_a_time(here):
    here.add("base", NOTE)
    here.add("addon", "from base.models import Base\nfrom sqlalchemy import *\n" + TAG)
    make_app(here, "from base.models import Base\nfrom sqlalchemy import *\n" + THING, ["base", "addon"])
    for name, table in (("base", "note"), ("addon", "tag"), ("shop", "thing")):
        (script,) = here.autogenerate("-x", f"packages={name}")
        assert script.parent == here.app / "alembic" / "versions"
        assert script.read_text().count("op.create_table(") == 1
        assert f"op.create_table('{table}'" in script.read_text()
    assert here.autogenerate(*ALL) == []


def test_foreign_keys_lead_from_one_metadata_to_another(here):
    here.add("notes", NOTE, history=True)
    linked = THING + "    note_id = Column(ForeignKey('note.id'))\n"
    make_app(here, linked, ["notes"])
    here.autogenerate(*ALL)
    assert here.autogenerate(*ALL) == []
    here.ok(*ALL, "downgrade", "base")
    assert here.tables() == {"alembic_history_shop", "alembic_history_notes"}


def test_an_association_table_without_a_class_goes_with_the_class_that_uses_it(here):
    here.add("notes", NOTE, history=True)
    linked = (
        "note_thing = Table('note_thing', Base.metadata, Column('thing_id', ForeignKey('thing.id')),"
        " Column('note_id', ForeignKey('note.id')))\n"
    )
    models = f"from notes.models import Base, Note\nfrom sqlalchemy import *\nfrom sqlalchemy.orm import *\n{linked}"
    make_app(
        here, models + THING + "    notes = relationship(Note, secondary=note_thing, backref='things')\n", ["notes"]
    )
    written = {path.parents[2].name: path.read_text() for path in here.autogenerate(*ALL)}
    assert "note_thing" in written["shop"]
    assert "note_thing" not in written["notes"]
    here.ok(*ALL, "check")


@pytest.mark.parametrize("command", [("revision", "--autogenerate"), ("check",)])
def test_a_table_without_an_owner_stops_what_compares_and_nothing_else(lite, command):
    lite.add("loose", NOTE, init="")
    models = "from loose.models import Base\nfrom sqlalchemy import *\n" + THING
    make_app(lite, models)
    lite.add("addon", models="from loose.models import Base\n")
    make_app(lite, models, ["addon"])
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
    assert here.autogenerate() == []
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
    assert here.autogenerate() == []


def test_sqlite_changes_tables_in_batches_that_keep_the_rows(lite):
    package = make_app(lite, THING)
    lite.autogenerate()
    lite.execute("INSERT INTO thing (id, name) VALUES (1, 'kept')")
    lite.models(package, THING.replace("String(20)", "String(40)"))
    (script,) = lite.autogenerate()
    assert "op.batch_alter_table('thing'" in script.read_text()
    assert lite.execute("SELECT * FROM thing") == [(1, "kept")]
    lite.ok("check")


def test_inheritance_of_each_kind_is_generated_by_the_package_of_its_class(here):
    here.add(
        "base",
        """
        from sqlalchemy.ext.declarative import AbstractConcreteBase

        class Person(Base):
            __tablename__ = "person"
            id = Column(Integer, primary_key=True)
            kind = Column(String(10))
            __mapper_args__ = {"polymorphic_on": kind, "polymorphic_identity": "person"}

        class Shape(AbstractConcreteBase, Base):
            strict_attrs = True
        """,
        history=True,
    )
    models = """
from base.models import Base, Person, Shape
from sqlalchemy import *

class Joined(Person):
    __tablename__ = "joined"
    id = Column(ForeignKey("person.id"), primary_key=True)
    __mapper_args__ = {"polymorphic_identity": "joined"}

class Single(Person):
    extra = Column(Integer)
    __mapper_args__ = {"polymorphic_identity": "single"}

class Circle(Shape):
    __tablename__ = "circle"
    id = Column(Integer, primary_key=True)
    __mapper_args__ = {"polymorphic_identity": "circle", "concrete": True}
"""
    make_app(here, models, ["base"])
    written = {path.parents[2].name: path.read_text() for path in here.autogenerate(*ALL)}
    created = {name: text.count("op.create_table(") for name, text in written.items()}
    assert created == {"base": 1, "shop": 2}
    assert "'extra'" in written["base"]
    here.ok(*ALL, "check")


def test_look_alike_names_own_their_own_tables(lite):
    lite.add("foo", NOTE, history=True)
    lite.add("foobar", TAG, history=True)
    make_app(lite, THING, ["foo", "foobar"])
    written = {path.parents[2].name: path.read_text() for path in lite.autogenerate(*ALL)}
    assert {name: "'tag'" in text for name, text in written.items()} == {"foo": False, "foobar": True, "shop": False}


def test_a_package_inside_another_owns_its_own_tables(lite):
    lite.add("acme", NOTE, history=True)
    inner = lite.folder / "acme" / "acme" / "inner"
    write(
        inner / "__init__.py",
        "def includeme(config):\n    config.add_migration_package('acme.inner', 'acme.inner.models:Base')\n",
    )
    write(inner / "models.py", MODELS + TAG)
    write(inner / "alembic" / "versions" / ".keep", "")
    make_app(lite, THING, ["acme", "acme.inner"])
    written = {path.parents[1].parent.name: path.read_text() for path in lite.autogenerate(*ALL)}
    assert "'tag'" in written["inner"]
    assert "'tag'" not in written["acme"]
