"""The page of the error messages: each is what a command prints, or what the sources can print."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable

import pytest

from page_blocks import blocks, follow
from projects import ALEMBIC, ROOT, Workspace, revise, write
from troubles import NOTE, THING, shop

TEXT = (ROOT / "docs" / "troubleshooting" / "error-messages.rst").read_text(encoding="utf-8")
SECTION = re.compile(r"(?ms)^(\S[^\n]*)\n~+\n(.*?)(?=^\S[^\n]*\n(?:~+|-+)\n|\Z)")
SECTIONS = dict(SECTION.findall(TEXT))
QUOTED = [block.text for block in blocks(TEXT) if block.language == "none"]


def no_ini(workspace: Workspace) -> None:
    assert not (workspace.app / "production.ini").exists()


def driver(workspace: Workspace) -> None:
    workspace.write_ini(url="postgresql+pg8000://shop@127.0.0.1/shop")


def no_server(workspace: Workspace) -> None:
    workspace.write_ini(url="postgresql+psycopg2://shop:secret@127.0.0.1:1/shop")


def no_url(workspace: Workspace) -> None:
    workspace.ini.write_text(workspace.ini.read_text().replace("sqlalchemy.url", "database"))


def nothing_registered(workspace: Workspace) -> None:
    change(workspace, "__init__.py", 'self.config.add_migration_package("shop", "shop.models:Base")', "pass")


def as_it_is(workspace: Workspace) -> None:
    pass


def import_fails(workspace: Workspace) -> None:
    write(workspace.app / "shop" / "models.py", "import nothing\n")


def foreign_key(workspace: Workspace) -> None:
    workspace.ok("upgrade")
    change(workspace, "models.py", "thing_id = Column(Integer", "author_id = Column(ForeignKey('author.id')")


def no_owner(workspace: Workspace) -> None:
    """A table that no module names, in metadata that two packages registered."""
    tag = "\n\ndef add():\n    Table('tag', Base.metadata, Column('id', Integer))\n\n\nadd()\n"
    workspace.add("blog", "from shop.models import Base\n")
    workspace.add_app("shop", THING + NOTE + tag, ["blog"])
    workspace.ok("upgrade")


def type_in_a_function(workspace: Workspace) -> None:
    workspace.ok("upgrade")
    mood = "def make():\n    class Mood(TypeDecorator):\n        impl = String\n    return Mood()\n"
    change(workspace, "models.py", "class Thing", f"{mood}\n\nclass Thing")
    change(workspace, "models.py", "thing_id =", "mood = Column(make())\n    thing_id =")


def changed_model(workspace: Workspace) -> None:
    workspace.ok("upgrade")
    workspace.models(workspace.app / "shop", THING.replace("    name = Column(String(20), unique=True)\n", "") + NOTE)


def lost_revision(workspace: Workspace) -> None:
    lost = revise(workspace.app / "alembic", "ccc3", "bbb2")
    workspace.ok("upgrade")
    lost.unlink()


def two_heads(workspace: Workspace) -> None:
    workspace.ok("init")
    revise(workspace.app / "alembic", "ccc3", "bbb2")
    revise(workspace.app / "alembic", "ddd4", "bbb2")


def no_down_revision(workspace: Workspace) -> None:
    revise(workspace.app / "alembic", "ccc3", "bbb1")


def no_requirement(workspace: Workspace) -> None:
    revise(workspace.app / "alembic", "ccc3", "bbb2", header="requires = {'acme.blog': '1f2e'}")


def env_of_alembic(workspace: Workspace) -> None:
    write(workspace.app / "alembic" / "env.py", "from alembic import context\n")


def table_exists(workspace: Workspace) -> None:
    workspace.execute("CREATE TABLE thing (id INTEGER PRIMARY KEY, name VARCHAR(20) UNIQUE)")


def not_adopted(workspace: Workspace) -> None:
    table_exists(workspace)
    workspace.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
    workspace.execute("INSERT INTO alembic_version VALUES ('aaa1')")


def not_null(workspace: Workspace) -> None:
    workspace.ok("upgrade")
    workspace.execute("INSERT INTO thing VALUES (1, NULL)")
    alter = "with op.batch_alter_table('thing') as batch: batch.alter_column('name', nullable=False)"
    revise(workspace.app / "alembic", "ccc3", "bbb2", alter)


def missing_row(workspace: Workspace) -> None:
    workspace.ok("upgrade")
    workspace.execute("INSERT INTO note VALUES (1, 7)")
    alter = "with op.batch_alter_table('note') as batch: batch.create_foreign_key('fk', 'thing', ['thing_id'], ['id'])"
    revise(workspace.app / "alembic", "ccc3", "bbb2", alter)


def half_done(workspace: Workspace) -> None:
    workspace.ok("upgrade")
    workspace.execute("INSERT INTO thing VALUES (1, 'a'), (2, 'b'), (3, 'c')")
    sql = "UPDATE thing SET name = min(id, 2) WHERE id BETWEEN :low AND :high"
    batches = f"from websauna_migrate.data import in_batches; in_batches('thing', {sql!r}, size=1)"
    revise(workspace.app / "alembic", "ccc3", "bbb2", batches)
    workspace.fails("upgrade", "-q")


SCENARIOS: dict[str, Callable[[Workspace], None]] = {
    "The settings file does not exist": no_ini,
    "The driver is not installed": driver,
    "Cannot connect": no_server,
    "sqlalchemy.url is missing": no_url,
    "The application registers no package": nothing_registered,
    "No package is registered under this name": as_it_is,
    "Cannot be imported": import_fails,
    "NoReferencedTableError": foreign_key,
    "The table belongs to no registered package": no_owner,
    "The type cannot be written into a revision": type_in_a_function,
    "Target database is not up to date": as_it_is,
    "New upgrade operations detected": changed_model,
    "Can't locate revision identified by": lost_revision,
    "No revision of this name": as_it_is,
    "Multiple head revisions are present": two_heads,
    "A down_revision that this history does not have": no_down_revision,
    "A requirement that is not registered": no_requirement,
    "env.py did not call run_alembic()": env_of_alembic,
    "The table already exists": table_exists,
    "The revision is applied already": not_adopted,
    "NOT NULL constraint failed": not_null,
    "Foreign key violation": missing_row,
    "A revision is half done": half_done,
}


def change(workspace: Workspace, module: str, old: str, new: str) -> None:
    path = workspace.app / "shop" / module
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


@pytest.mark.parametrize("title", SCENARIOS)
def test_a_section_does_what_it_says(title, tmp_path, sqlite):
    workspace = shop(tmp_path, sqlite.new_database())
    SCENARIOS[title](workspace)
    follow(workspace, SECTIONS[title])


def test_each_section_with_a_command_is_run():
    assert {title for title, text in SECTIONS.items() if ".. code-block:: console" in text} == set(SCENARIOS)


def test_plain_alembic_says_what_the_titles_quote(tmp_path, sqlite):
    workspace = shop(tmp_path, sqlite.new_database())

    def says(*argv):
        return workspace.run(*argv, script=ALEMBIC).out.removeprefix("FAILED: ")

    assert says("heads").startswith("No 'script_location' key found in configuration")
    workspace.write_ini("[alembic]\nscript_location = %(here)s/alembic\n")
    workspace.ok("init")
    assert says("check").startswith("Target database is not up to date")
    assert says("upgrade", "ccc3").startswith("Can't locate revision identified by")
    workspace.ok("upgrade")
    changed_model(workspace)
    assert says("check").startswith("New upgrade operations detected")
    two_heads(workspace)
    assert says("upgrade", "head").startswith("Multiple head revisions are present")
    no_down_revision(workspace)
    printed = " ".join(workspace.run("heads", script=ALEMBIC).err.split())
    assert "Revision bbb1 referenced from bbb1 -> ccc3 (head), is not present" in printed


def texts_of_the_sources():
    """Return the strings of the package, those of f-strings with NUL in place of their values."""
    for path in (ROOT / "websauna_migrate").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                yield "".join(part.value if isinstance(part, ast.Constant) else "\0" for part in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


@pytest.fixture(scope="module")
def sources():
    return "\n".join(texts_of_the_sources())


@pytest.mark.parametrize("quoted", QUOTED)
def test_a_message_that_is_not_printed_here_is_in_the_sources(quoted, sources):
    # What happened and what to do are joined when they are printed.
    parts = [part.strip(" ;:") for part in re.split(r"\.\.\.|; ", quoted.strip().removeprefix("FAILED: "))]
    assert [part for part in parts if part not in sources] == []
    assert max(map(len, parts)) >= len("not applied:")
