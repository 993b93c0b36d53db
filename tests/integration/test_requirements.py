"""Revisions that refer to other packages: what they require, and foreign keys in a circle."""

from __future__ import annotations

import pytest

from projects import Workspace, revise
from servers import Backend

ALL = ("-x", "packages=all")
USER = """
class User(Base):
    __tablename__ = "users"
    id = Column(Integer, primary_key=True)
    favourite_id = Column(ForeignKey("item.id"))
"""
SHOP = """
from three.user.models import Base
from sqlalchemy import *

class Item(Base):
    __tablename__ = "item"
    id = Column(Integer, primary_key=True)
    seller_id = Column(ForeignKey("users.id"), nullable=False)
    parent_id = Column(ForeignKey("item.id"))
"""
EXTRA_KEY = '    extra_id = Column(ForeignKey("extra.id"))\n'
EXTRA = """
class Extra(Base):
    __tablename__ = "extra"
    id = Column(Integer, primary_key=True)
"""
BLOG = """
from three.user.models import Base
from sqlalchemy import *

class Post(Base):
    __tablename__ = "post"
    id = Column(Integer, primary_key=True)
    author_id = Column(ForeignKey("users.id"))
    item_id = Column(ForeignKey("item.id"))
    cover_id = Column(ForeignKey("picture.id"))

class Picture(Base):
    __tablename__ = "picture"
    id = Column(Integer, primary_key=True)
    post_id = Column(ForeignKey("post.id"))
"""


@pytest.fixture
def workspace(tmp_path, backend: Backend) -> Workspace:
    return Workspace(tmp_path, backend.new_database())


def circle(workspace: Workspace) -> Workspace:
    workspace.add("three.user", USER, history=True)
    workspace.add("three.shop", SHOP, history=True)
    workspace.add_app("three.blog", BLOG, addons=["three.user", "three.shop"])
    for name in ("shop", "blog"):
        models = workspace.folder / f"three.{name}" / "three" / name / "models.py"
        assert "three.user" in models.read_text()
    (workspace.app / "alembic" / "versions").mkdir(parents=True)
    return workspace


def test_three_packages_that_refer_to_each_other_work_after_two_commands(workspace):
    circle(workspace)
    workspace.ok("-x", "packages=all", "revision", "--autogenerate", "-m", "first")
    workspace.ok("-x", "packages=all", "upgrade")
    assert workspace.tables() >= {"users", "item", "post", "picture"}
    workspace.ok("-x", "packages=all", "check")
    workspace.ok("-x", "packages=all", "downgrade", "base")
    assert {name for name in workspace.tables() if not name.startswith("alembic_history_")} == set()


def test_a_circle_is_split_into_a_second_revision_that_requires_the_other_package(workspace):
    circle(workspace)
    workspace.ok("-x", "packages=all", "revision", "--autogenerate", "-m", "first")
    scripts = sorted(path for path in workspace.scripts() if path.parent.parent.parent.name == "user")
    assert len(scripts) == 2
    second = next(path.read_text() for path in scripts if "create_table" not in path.read_text())
    assert "fk_users_favourite_id_item" in second
    assert "'three.shop': '" in second


def test_a_new_key_of_an_old_table_waits_for_the_table_of_a_package_that_comes_later(workspace):
    circle(workspace)
    workspace.autogenerate(*ALL)
    workspace.models(workspace.folder / "three.user" / "three" / "user", USER + EXTRA_KEY)
    shop = workspace.folder / "three.shop" / "three" / "shop" / "models.py"
    shop.write_text(SHOP + EXTRA)
    written = workspace.autogenerate(*ALL)
    second = next(path.read_text() for path in written if "fk_users_extra_id_extra" in path.read_text())
    assert ("'three.shop': '" in second, "add_column" in second) == (True, False)
    workspace.ok(*ALL, "check")
    workspace.ok(*ALL, "downgrade", "base")
    workspace.ok(*ALL, "upgrade")
    workspace.ok(*ALL, "check")


def test_a_table_that_no_revision_creates_is_refused_with_the_remedy(workspace):
    circle(workspace)
    before = workspace.files()
    message = workspace.fails("-x", "packages=three.blog", "revision", "--autogenerate", "-m", "first")
    assert "-x packages=all" in message
    assert workspace.files() == before


OLD = """
class Old(Base):
    __tablename__ = "old"
    id = Column(Integer, primary_key=True)
"""
NEW = """
class New(Base):
    __tablename__ = "new"
    id = Column(Integer, primary_key=True)
    old_id = Column({})
"""
OLD_TABLE = "CREATE TABLE old (id INTEGER PRIMARY KEY NOT NULL)"


@pytest.mark.parametrize("argv", [(), ALL], ids=["own", "all"])
def test_a_key_may_refer_to_a_table_of_its_package_that_no_revision_made(tmp_path, sqlite, argv):
    workspace = Workspace(tmp_path, sqlite.new_database())
    workspace.add_app("shop", OLD + NEW.format("ForeignKey('old.id')"), history=True)
    workspace.execute(OLD_TABLE)
    workspace.autogenerate(*argv)
    workspace.ok("check")


def test_a_key_requires_the_revision_that_makes_the_table_in_sql(tmp_path, sqlite):
    workspace = Workspace(tmp_path, sqlite.new_database())
    addon = workspace.add("stock", OLD, history=True)
    revise(addon / "alembic", "aaa1", upgrade=f"op.execute({OLD_TABLE!r})", downgrade="op.drop_table('old')")
    workspace.add_app(
        "shop",
        "from stock.models import Base\nfrom sqlalchemy import *\n" + NEW.format("ForeignKey('old.id')"),
        ["stock"],
        history=True,
    )
    workspace.ok(*ALL, "upgrade")
    (script,) = workspace.autogenerate("-x", "packages=shop")
    assert "{'stock': 'aaa1'}" in script.read_text()


def test_a_template_that_would_lose_what_a_revision_requires_is_an_error_with_the_line_to_add(workspace):
    circle(workspace)
    workspace.ok("-x", "packages=three.blog", "init")
    template = workspace.app / "alembic" / "script.py.mako"
    line = next(line for line in template.read_text().splitlines(True) if line.startswith("requires"))
    template.write_text(template.read_text().replace(line, ""))
    before = workspace.files()
    ran = workspace.run("-x", "packages=all", "revision", "--autogenerate", "-m", "first")
    assert (ran.code, ran.out) == (1, "")
    assert f"{template} has no line for 'requires'" in ran.err
    assert workspace.files() == before
    template.write_text(template.read_text() + "\n" + ran.err.rpartition("add the line ")[2])
    workspace.ok("-x", "packages=all", "revision", "--autogenerate", "-m", "first")
    workspace.ok("-x", "packages=all", "upgrade")


# --- tables that go ------------------------------------------------------------------------------------------

BASE = """
class Thing(Base):
    __tablename__ = "thing"
    id = Column(Integer, primary_key=True)
"""
PART = """
class Part(Base):
    __tablename__ = "part"
    id = Column(Integer, primary_key=True)
"""
KEY = '    thing_id = Column(ForeignKey("thing.id", name="fk_part_thing"))\n'
STORE = """
class Store(Base):
    __tablename__ = "store"
    id = Column(Integer, primary_key=True)
"""


@pytest.fixture
def two(workspace) -> Workspace:
    """An add-on with a table, and an application with one that refers to it."""
    workspace.add("things", BASE + STORE, history=True)
    workspace.add_app("parts", "", ["things"], history=True)
    remodel(workspace, "parts", "from things.models import Thing\n" + PART + KEY.replace('"thing.id"', "Thing.id"))
    workspace.autogenerate(*ALL)
    return workspace


def remodel(workspace, name, models):
    workspace.models(workspace.folder / name / name, models)


def runs_from_base_to_heads_and_back(workspace):
    """Run all revisions, and those of the removal once more by themselves, in each direction."""
    workspace.ok(*ALL, "check")
    assert "thing" not in workspace.tables()
    for package in ("things", "parts"):
        workspace.ok(*ALL, "downgrade", "base")
        assert {name for name in workspace.tables() if not name.startswith("alembic_history_")} == set()
        workspace.ok(*ALL, "upgrade")
        workspace.ok("-x", f"packages={package}", "check")


def test_a_table_goes_after_the_key_of_another_package_that_leads_to_it(two):
    remodel(two, "things", STORE)
    remodel(two, "parts", PART)
    scripts = two.autogenerate(*ALL)
    (of_things,) = (path for path in scripts if path.is_relative_to(two.folder / "things"))
    (of_parts,) = (path for path in scripts if path.is_relative_to(two.app))
    assert "run_before: dict[str, str] = {'things': '" + of_things.name[:12] in of_parts.read_text()
    assert "run_before" not in of_things.read_text()
    assert "requires: dict[str, str] = {}" in of_things.read_text()
    runs_from_base_to_heads_and_back(two)


def test_a_table_goes_with_the_table_of_another_package_that_refers_to_it(two):
    remodel(two, "things", STORE)
    remodel(two, "parts", STORE.replace("tore", "helf"))
    two.autogenerate(*ALL)
    runs_from_base_to_heads_and_back(two)


@pytest.mark.parametrize("between", [["upgrade"], ["plan"]], ids=["applied", "not applied"])
def test_a_table_goes_after_the_key_whose_package_was_revised_first(two, between):
    remodel(two, "parts", PART)
    two.ok("revision", "--autogenerate", "-m", "first")
    two.ok(*ALL, *between)
    remodel(two, "things", STORE)
    (script,) = two.autogenerate("-x", "packages=things")
    assert "requires: dict[str, str] = {'parts': '" in script.read_text()
    two.ok(*ALL, "upgrade")
    runs_from_base_to_heads_and_back(two)


def test_a_table_goes_after_the_key_of_a_package_that_has_nothing_to_revise_any_more(two):
    remodel(two, "parts", PART)
    two.autogenerate(*ALL)
    remodel(two, "things", STORE)
    (script,) = two.autogenerate(*ALL)
    assert "requires: dict[str, str] = {'parts': '" in script.read_text()
    runs_from_base_to_heads_and_back(two)


def test_a_table_goes_after_the_key_whose_package_is_revised_after_it(two):
    remodel(two, "things", STORE)
    remodel(two, "parts", PART)
    two.ok("-x", "packages=things", "revision", "--autogenerate", "-m", "second")
    two.ok("-x", "packages=parts", "revision", "--autogenerate", "-m", "second")
    two.ok(*ALL, "upgrade")
    runs_from_base_to_heads_and_back(two)


def test_a_key_that_moves_from_a_table_that_goes_to_one_that_comes_is_refused_with_the_remedy(two):
    moved = "from things.models import Box\n" + PART + KEY.replace('"thing.id"', "Box.id").replace("thing", "box")
    box = STORE.replace("tore", "ox").replace("Sox", "Box").replace("sox", "box")
    before = two.files()
    remodel(two, "things", STORE + box)
    remodel(two, "parts", moved)
    ran = two.run(*ALL, "revision", "--autogenerate", "-m", "second")
    assert ran.code == 1
    assert "table 'part' refers to 'thing' until its own revision is run" in ran.err.splitlines()[-1]
    assert two.files().keys() == before.keys()
    remodel(two, "things", BASE + STORE + box)
    two.autogenerate(*ALL)
    remodel(two, "things", STORE + box)
    two.autogenerate(*ALL)
    runs_from_base_to_heads_and_back(two)
