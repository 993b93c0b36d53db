"""Models that are registered by a dotted name: which commands import them, and what is said of a wrong name."""

from __future__ import annotations

import json

import pytest

from projects import Workspace, revise, write

ALL = ("-x", "packages=all")
NOISY = "print('imported')\nfrom pathlib import Path\nPath(__file__).with_name('imported').touch()\n"
USER = "class User(Base):\n    __tablename__ = 'user'\n    id = Column(Integer, primary_key=True)\n"
POST = """
from user.models import User
class Post(Base):
    __tablename__ = 'post'
    id = Column(Integer, primary_key=True)
    user_id = Column(ForeignKey(User.id))
Table("tag", Base.metadata, Column("id", Integer), info={"package": "nobody"})
"""


@pytest.fixture
def here(tmp_path, sqlite):
    """An application ``blog`` whose first revision requires that of the add-on ``user``; both have models."""
    workspace = Workspace(tmp_path, sqlite.new_database())
    workspace.add("user", NOISY + USER, history=True)
    workspace.add_app("blog", NOISY + POST, ["user"], history=True)
    revise(workspace.folder / "user" / "user" / "alembic", "u1", None, "op.execute('SELECT 1')")
    revise(workspace.app / "blog" / "alembic", "b1", None, "op.execute('SELECT 1')", header="requires = {'user': 'u1'}")
    return workspace


def imported(workspace):
    """Return the packages whose models were imported since the last call."""
    marks = list(workspace.folder.glob("**/imported"))
    for mark in marks:
        mark.unlink()
    return {mark.parent.name for mark in marks}


def test_only_commands_that_use_tables_import_the_models(here):
    ownerless = "info['package'] = 'nobody'"
    for argv in (["status"], ["current"], ["heads"], ["graph"], ["plan", "u1"], ["stamp", "base"], ["ensure_version"]):
        done = here.run(*ALL, *argv)
        assert (done.code, imported(here), ownerless in done.err) == (0, set(), False), argv

    done = here.run(*ALL, "upgrade")
    assert (done.code, done.out, imported(here)) == (0, "", {"blog", "user"})
    assert done.err.count(ownerless) == done.err.count("WARNING") == 1, done.err

    assert here.run(*ALL, "upgrade").err == "nothing to do\n"
    assert imported(here) == set()
    for argv, code in ((["graph", "--tables"], 0), (["downgrade", "base"], 0), (["doctor"], 1), (["check"], 1)):
        done = here.run(*ALL, *argv)
        assert (done.code, imported(here), done.err.count(ownerless) <= 1) == (code, {"blog", "user"}, True), done
        assert ownerless in done.out + done.err
        assert "imported\n" not in done.out
    done = here.run(*ALL, "upgrade", "--sql")
    assert (imported(here), done.err.count(ownerless)) == ({"blog", "user"}, 1)


def test_requirements_order_the_histories_where_no_models_are_imported(here):
    init = here.app / "blog" / "__init__.py"
    text = init.read_text()
    init.write_text(text.replace("include_addons", "configure_later").replace("configure_models", "include_addons"))
    init.write_text(init.read_text().replace("configure_later", "configure_models"))  # blog is registered first
    rows = json.loads(here.ok(*ALL, "status", "--format", "json"))
    assert [row["package"] for row in rows] == ["user", "blog"]
    assert [step["package"] for step in json.loads(here.ok(*ALL, "plan", "--format", "json"))] == ["user", "blog"]


def test_a_broken_script_is_told_where_it_is_needed_only(here):
    write(here.app / "blog" / "alembic" / "versions" / "second.py", "down_revision = 'b1'\n")
    here.ok(*ALL, "ensure_version")
    assert "sets no 'revision'" in here.fails(*ALL, "status")


WRONG = [
    ("blog.models:Bass", "", "add_migration_package('blog'): metadata: 'blog.models:Bass' cannot be imported: mod"),
    ("blog.models:User", "User = 1", "add_migration_package('blog'): metadata: 'blog.models:User' is not one; give"),
    (
        "blog.models:Base",
        "raise KeyError('mine')",
        "the application of INI did not start: KeyError: 'mine'; fix it",
    ),
    (
        "blog.modles:Base",
        "",
        "add_migration_package('blog'): metadata: 'blog.modles:Base' cannot be imported: No",
    ),
]


def test_a_wrong_name_fails_where_the_models_are_needed(here):
    here.models(here.folder / "user" / "user", USER)
    init = here.app / "blog" / "__init__.py"
    right = init.read_text()
    for name, models, said in WRONG:
        init.write_text(right.replace("blog.models:Base", name))
        here.models(here.app / "blog", models)
        assert here.fails(*ALL, "upgrade").startswith(said.replace("INI", str(here.ini))), name
    here.ok(*ALL, "status")
    for argv in (["check"], ["doctor"], ["revision", "--autogenerate"], ["upgrade", "--sql"]):
        assert "blog.modles:Base" in here.fails(*ALL, *argv), argv
    here.ok(*ALL, "stamp", "heads")
    assert here.run(*ALL, "upgrade").err == "nothing to do\n"
