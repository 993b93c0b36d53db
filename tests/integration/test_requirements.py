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


def test_packages_that_refer_to_each_other_go_from_models_to_tables_and_back(workspace):
    circle(workspace)
    before = workspace.files()
    message = workspace.fails("-x", "packages=three.blog", "revision", "--autogenerate", "-m", "first")
    assert "-x packages=all" in message
    assert workspace.files() == before
    scripts = sorted(path for path in workspace.autogenerate(*ALL) if path.parents[2].name == "user")
    assert workspace.tables() >= {"users", "item", "post", "picture"}
    workspace.ok(*ALL, "check")
    # The circle is split: a second revision requires the other package.
    assert len(scripts) == 2
    second = next(path.read_text() for path in scripts if "create_table" not in path.read_text())
    assert "fk_users_favourite_id_item" in second
    assert "'three.shop': '" in second
    # A new key of an old table waits for the table of a package that comes later.
    workspace.models(workspace.folder / "three.user" / "three" / "user", USER + EXTRA_KEY)
    shop = workspace.folder / "three.shop" / "three" / "shop" / "models.py"
    shop.write_text(SHOP + EXTRA)
    written = workspace.autogenerate(*ALL)
    second = next(path.read_text() for path in written if "fk_users_extra_id_extra" in path.read_text())
    assert ("'three.shop': '" in second, "add_column" in second) == (True, False)
    workspace.ok(*ALL, "check")
    workspace.ok(*ALL, "downgrade", "base")
    assert {name for name in workspace.tables() if not name.startswith("alembic_history_")} == set()
    workspace.ok(*ALL, "upgrade")
    workspace.ok(*ALL, "check")


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


def test_a_template_that_would_lose_what_a_revision_requires_is_an_error_with_the_line_to_add(tmp_path, sqlite):
    workspace = circle(Workspace(tmp_path, sqlite.new_database()))
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

#: Each table of the add-on, by when it goes: after the key of a table of the application, which refers to it.
CASES = ("together", "with_part", "applied", "planned", "selected", "earlier", "moved")
THING = """
class Thing{name}(Base):
    __tablename__ = "thing_{name}"
    id = Column(Integer, primary_key=True)
"""
PART = """
class Part{name}(Base):
    __tablename__ = "part_{name}"
    id = Column(Integer, primary_key=True)
"""
KEY = '    thing_id = Column(ForeignKey("thing_{thing}.id", name="fk_{name}_{thing}"))\n'


class Two:
    """An add-on, and an application with tables that refer to those of the add-on by ``keys``."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.things, self.parts, self.keys = [*CASES], [*CASES], {name: name for name in CASES}
        workspace.add("things", "", history=True)
        workspace.add_app("parts", "", ["things"], history=True)
        self.write()
        workspace.autogenerate(*ALL)

    def write(self) -> None:
        """Write the models."""
        things = "".join(THING.format(name=name) for name in self.things)
        keys = {name: KEY.format(name=name, thing=thing) for name, thing in self.keys.items()}
        parts = "".join(PART.format(name=name) + keys.get(name, "") for name in self.parts)
        self.workspace.models(self.workspace.folder / "things" / "things", things)
        self.workspace.models(self.workspace.app / "parts", parts)

    def lose(self, *, thing: str = "", key: str = "", part: str = "") -> None:
        """Take a table of the add-on, a key of the application, or its table with the key out of the models."""
        self.things = [name for name in self.things if name != thing]
        self.parts = [name for name in self.parts if name != part]
        self.keys.pop(key or part, None)
        self.write()

    def of_things(self, *argv: str) -> str:
        """Write a revision, which has to be of the add-on alone, run it, and return its text."""
        (script,) = self.workspace.autogenerate(*argv)
        assert script.is_relative_to(self.workspace.folder / "things")
        return script.read_text()


REQUIRES = "requires: dict[str, str] = {'parts': '"


def test_a_table_goes_after_the_key_of_another_package_that_leads_to_it(workspace):
    two = Two(workspace)
    # Both packages are revised together.
    two.lose(thing="together", key="together")
    scripts = workspace.autogenerate(*ALL)
    (of_things,) = (path for path in scripts if path.is_relative_to(workspace.folder / "things"))
    (of_parts,) = (path for path in scripts if path.is_relative_to(workspace.app))
    assert "run_before: dict[str, str] = {'things': '" + of_things.name[:12] in of_parts.read_text()
    assert "run_before" not in of_things.read_text()
    assert "requires: dict[str, str] = {}" in of_things.read_text()
    # The table of the other package goes as well.
    two.lose(thing="with_part", part="with_part")
    assert len(workspace.autogenerate(*ALL)) == 2
    # The package of the key was revised first: that was run or not, and is selected or not.
    for name, between in (("applied", "upgrade"), ("planned", "plan")):
        two.lose(key=name)
        workspace.ok("revision", "--autogenerate", "-m", name)
        workspace.ok(*ALL, between)
        two.lose(thing=name)
        assert REQUIRES in two.of_things("-x", "packages=things"), name
    two.lose(key="selected")
    workspace.autogenerate(*ALL)
    two.lose(thing="selected")
    assert REQUIRES in two.of_things(*ALL)
    # The package of the key is revised after it.
    two.lose(thing="earlier", key="earlier")
    for package in ("things", "parts"):
        workspace.ok("-x", f"packages={package}", "revision", "--autogenerate", "-m", "earlier")
    workspace.ok(*ALL, "upgrade")
    # The key moves to a table that comes: refused, with the remedy.
    before = workspace.files()
    two.things.append("new")
    two.keys["moved"] = "new"
    two.lose(thing="moved")
    ran = workspace.run(*ALL, "revision", "--autogenerate", "-m", "moved")
    assert ran.code == 1
    assert "table 'part_moved' refers to 'thing_moved' until its own revision is run" in ran.err.splitlines()[-1]
    assert workspace.files().keys() == before.keys()
    two.things.append("moved")
    two.write()
    workspace.autogenerate(*ALL)
    two.lose(thing="moved")
    workspace.autogenerate(*ALL)
    runs_from_base_to_heads_and_back(workspace)


def runs_from_base_to_heads_and_back(workspace):
    """Run all revisions in each direction, and look whether each package has what its models say."""
    workspace.ok(*ALL, "check")
    assert {name for name in workspace.tables() if name.startswith("thing_")} == {"thing_new"}
    workspace.ok(*ALL, "downgrade", "base")
    assert {name for name in workspace.tables() if not name.startswith("alembic_history_")} == set()
    workspace.ok(*ALL, "upgrade")
    for package in ("things", "parts"):
        workspace.ok("-x", f"packages={package}", "check")
