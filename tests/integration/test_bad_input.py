"""Settings, scripts and tables that are wrong: one clear line, the right exit code, nothing changed, nothing hangs."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from filelock import lock_descriptor

from projects import PACKAGES, Workspace, revise, write

THING = "class Thing(Base):\n    __tablename__ = 'thing'\n    id = Column(Integer, primary_key=True)\n"
TEMPLATE = (PACKAGES / "acme_shop" / "alembic" / "script.py.mako").read_text(encoding="utf-8")


def make_shop(workspace, settings=""):
    """Make an application with one table whose history has no revision yet, and return its script location."""
    workspace.add_app("shop", THING, settings=settings)
    write(workspace.app / "alembic" / "script.py.mako", TEMPLATE)
    write(workspace.app / "alembic" / "versions" / ".keep", "")
    return workspace.app / "alembic"


@pytest.fixture
def shop(tmp_path, sqlite):
    """An application with one table, on SQLite."""
    workspace = Workspace(tmp_path, sqlite.new_database())
    make_shop(workspace)
    return workspace


# --- settings --------------------------------------------------------------------------------------------------


def test_a_package_with_a_name_of_one_letter_has_its_revisions(shop):
    package = shop.add("h", THING.replace("hing", "hong"), history=True)
    init = (package / "__init__.py").read_text().replace(':Base"', ':Base", script_location="h:migrations"')
    write(package / "__init__.py", init)
    revise(package / "migrations", "aaa1")
    shop.add_app("shop", THING, ["h"])
    assert "aaa1" in shop.ok("-x", "packages=h", "heads")


def test_a_lock_of_another_database_is_refused_because_it_keeps_nobody_away(tmp_path, backend):
    shop = Workspace(tmp_path, backend.new_database())
    revise(make_shop(shop), "aaa1", upgrade="op.execute('CREATE TABLE t (id INTEGER)')")
    other = backend.new_database()
    shop.write_ini(f"websauna_migrate.lock_url = {other.render_as_string(hide_password=False)}\n")
    for command in (("upgrade",), ("stamp", "aaa1")):
        said = shop.fails(*command)
        assert "websauna_migrate.lock_url" in said
        assert str(other.database) in said
        assert shop.tables() == set()
    shop.write_ini(f"websauna_migrate.lock_url = {shop.url.render_as_string(hide_password=False)}\n")
    shop.ok("upgrade")


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ("websauna_migrate.script_location.nobody = %(here)s/x", "no package 'nobody' is registered"),
        ("websauna_migrate.script_location.shop = %(here)s/shop/models.py", "models.py' of shop cannot be used"),
        ("[alembic]\nversion_locations = /nonexistent", "version_locations names /nonexistent, which does not exist"),
        ("[alembic]\nscript_location = %(here)s/shop/models.py", "models.py' of shop cannot be used"),
        ("[alembic]\nscript_location = nowhere:x", "there is no package 'nowhere'"),
    ],
)
def test_a_setting_that_names_nothing_is_refused(shop, settings, told):
    shop.write_ini(settings + "\n")
    before = shop.files()
    for command in (("upgrade",), ("status",), ("history",)):
        assert told in shop.fails(*command)
    assert shop.files() == before


# --- drivers and secrets ---------------------------------------------------------------------------------------


def test_an_asynchronous_driver_is_replaced_for_the_run(tmp_path, backend):
    workspace = Workspace(tmp_path, backend.new_database())
    folder = make_shop(workspace)
    revise(folder, "aaa1", upgrade="op.create_table('thing', sa.Column('id', sa.Integer, primary_key=True))")
    name = {"sqlite": "aiosqlite", "postgresql": "asyncpg", "mariadb": "aiomysql"}[backend.name]
    workspace.write_ini(url=workspace.url.set(drivername=f"{workspace.url.get_backend_name()}+{name}"))
    workspace.ok("upgrade")
    workspace.ok("check")
    if name == "aiosqlite":
        dumped = workspace.call("websauna_migrate.scripts.ws_dump_db:main", [str(workspace.ini)])
        assert "CREATE TABLE thing" in dumped.out


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgresql+pg8000://u:SECRET@h/d", "install it with: pip install 'pg8000'; or use psycopg2"),
        ("mysql+mysqldb://u:SECRET@h/d", "install it with: pip install 'mysqlclient'; or use pymysql"),
        ("postgres://u:SECRET@h/d", "there is no dialect 'postgres'; write postgresql://"),
        ("postgresql://u:SEC@RET@h/d", "it has an '@' that is not encoded"),
        ("mysql+pymysql://u:SECRET\u0142@127.0.0.1:1/d", "its driver cannot encode the user name or the password"),
        ("mysql+pymysql://u:SECRET@127.0.0.1:1/d?foo=SECRET", "unexpected keyword argument 'foo'"),
        ("sqlite:////nowhere/x.db", "the folder /nowhere does not exist: create it"),
        ("postgresql://u:a%(SECRET)sb@h/d", "it has a %(name)s that is not set"),
    ],
)
def test_a_url_that_cannot_be_used_says_what_to_do_and_shows_no_secret(shop, url, told):
    text = shop.ini.read_text()
    write(shop.ini, re.sub("sqlalchemy.url = .*", lambda _: f"sqlalchemy.url = {url}", text))
    revise(shop.app / "alembic", "aaa1")
    ran = shop.run("--raiseerr", "upgrade")
    assert ran.code == 1
    assert told in ran.err.splitlines()[-1]
    assert not any(part in ran.out + ran.err for part in ("SEC", "RET", "\u0142", r"\u0142"))


def test_a_setting_that_sqlalchemy_does_not_know_is_named(shop):
    revise(shop.app / "alembic", "aaa1")
    shop.write_ini("sqlalchemy.foo = 1\n")
    assert f"{shop.ini}: sqlalchemy.foo cannot be used: Invalid argument(s) 'foo'" in shop.fails("upgrade")


# --- ids and file names ----------------------------------------------------------------------------------------

NEW = ("revision", "-m", "says")


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (("--rev-id", "../../../OUT"), "'../../../OUT' is not valid"),
        (("--rev-id", "a b"), "'a b' is not valid"),
        (("--rev-id", ""), "'' is not valid"),
        (("--rev-id", ".hidden"), "'.hidden' is not valid"),
        (("--rev-id", "__init__"), "'__init__' is not valid"),
        (("--rev-id", 'a"b'), "is not valid"),
        (("--rev-id", "a\x1b[31m"), r"'a\x1b[31m' is not valid"),
        (("--rev-id", "head"), "'head' is not valid: it is a symbol"),
        (("--rev-id", "base"), "'base' is not valid: it is a symbol"),
        (("--rev-id", "aaa1"), "'aaa1' is taken in shop by "),
        (("--rev-id", "blue"), "'blue' is taken in shop by "),
        (("--branch-label", "aaa1"), "'aaa1' is taken in shop by "),
        (("--branch-label", 'a"b'), "is not valid"),
        (("--branch-label", "heads"), "'heads' is not valid: it is a symbol"),
        (("-m", "\udcff"), "-m is not text"),
    ],
)
def test_a_name_that_a_new_script_cannot_have_is_a_usage_error(shop, argv, told):
    revise(shop.app / "alembic", "aaa1", header="branch_labels = 'blue'")
    before = shop.files()
    assert told in shop.fails(*NEW, *argv, code=2)
    assert shop.files() == before


def test_an_id_that_does_not_fit_the_history_table_is_refused_unless_the_table_is_wider(shop):
    revise(shop.app / "alembic", "aaa1")
    shop.ok("upgrade")
    said = shop.fails(*NEW, "--rev-id", "b" * 33)
    assert "has 33 characters, and the table alembic_history_shop has room for 32" in said
    rebuild = "CREATE TABLE alembic_history_shop (version_num VARCHAR(33) NOT NULL PRIMARY KEY)"
    shop.execute("DROP TABLE alembic_history_shop", rebuild, "INSERT INTO alembic_history_shop VALUES ('aaa1')")
    shop.ok(*NEW, "--rev-id", "b" * 33)
    shop.ok("upgrade")
    assert shop.execute("SELECT version_num FROM alembic_history_shop") == [("b" * 33,)]


WIDE = "has 33 characters, and the table alembic_history_shop has room for 32"


def test_an_id_that_does_not_fit_is_refused_before_anything_is_run(tmp_path, backend):
    workspace = Workspace(tmp_path, backend.new_database())
    folder = make_shop(workspace)
    revise(folder, "aaa1", upgrade="op.create_table('thing', sa.Column('id', sa.Integer))")
    revise(folder, "b" * 33, "aaa1")
    assert f"{WIDE}; nothing was run" in workspace.fails("upgrade")
    assert workspace.tables() == set()
    workspace.ok("upgrade", "aaa1")
    assert WIDE in workspace.fails("upgrade")


def test_an_id_that_does_not_fit_is_refused_by_each_command_that_writes_it(shop):
    revise(shop.app / "alembic", "b" * 33)
    for command in (("stamp", "head"), ("upgrade", "--sql"), ("stamp", "head", "--sql")):
        assert f"{WIDE}; nothing was run" in shop.fails(*command), command
        assert shop.tables() == set()


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("", "it makes the file name '.py'"),
        ("/%%(rev)s", "it leads out of the folder of the revisions"),
        ("../%%(rev)s", "it leads out of the folder of the revisions"),
        ("__init__%%(rev)s", "it makes the file name '__init__"),
        ("%%(rev)s\n x", "it makes the file name "),
        ("%%(year)d/%%(rev)s", "it makes the folder "),
        ("%%(nothing)s", "it cannot be filled in: KeyError: 'nothing'"),
        ("%%", "it cannot be filled in: ValueError: incomplete format"),
    ],
)
def test_a_file_template_that_makes_no_script_is_refused(shop, template, told):
    shop.write_ini(f"[alembic]\nfile_template = {template}\n")
    before = shop.files()
    said = shop.fails(*NEW)
    assert f"{shop.ini}: file_template is not valid: {told}" in said
    assert shop.files() == before


def test_a_new_script_never_takes_the_place_of_another(shop):
    shop.write_ini("[alembic]\nfile_template = %%(slug)s\n")
    shop.ok(*NEW)
    before = shop.files()
    assert "says.py exists; no revision was written" in shop.fails(*NEW)
    assert shop.files() == before


def test_quotes_in_a_message_leave_the_script_whole(shop):
    down = None
    for number, message in enumerate(('say "hi"', '"""', "'''", "back\\", '\\"""', "${x} <% %>", "two\nlines")):
        shop.ok("revision", "--rev-id", f"a{number}", "-m", message)
        down = f"a{number}"
    shop.ok("upgrade")
    assert down in shop.ok("current")


def test_an_id_in_a_script_stays_in_its_comment_of_sql(shop):
    revise(shop.app / "alembic", "aaa1", message="says").rename(shop.app / "alembic" / "versions" / "b.py")
    script = shop.app / "alembic" / "versions" / "b.py"
    write(script, script.read_text().replace("'aaa1'", "'aaa1\\nDROP TABLE thing;'"))
    assert "\nDROP" not in shop.ok("upgrade", "--sql").replace("('aaa1\nDROP", "")


# --- hostile text ----------------------------------------------------------------------------------------------

HOSTILE = "\x1b]0;owned\x07\x1b[2K\x9b31m\u202e"


def shows_it_escaped(ran) -> bool:
    return not any(character in ran.out + ran.err for character in "\x1b\x07\x9b\u202e\x7f")


def test_no_escape_sequence_of_a_script_or_a_row_reaches_the_terminal(shop):
    folder = shop.app / "alembic"
    revise(folder, "aaa1", message=f"says {HOSTILE}")
    revise(
        folder, "bbb2", "aaa1", upgrade=f"raise ValueError({HOSTILE!r})", header=f"branch_labels = {HOSTILE + 'l'!r}"
    )
    hostile = write(folder / "versions" / "c.py", (folder / "versions" / "aaa1.py").read_text())
    write(hostile, hostile.read_text().replace("'aaa1'", repr("c" + HOSTILE)))
    commands = [
        ("plan",),
        ("plan", "--format", "json"),
        ("heads",),
        ("heads", "-v"),
        ("history",),
        ("history", "-v"),
        ("branches", "-v"),
        ("show", "aaa1"),
        ("upgrade", "bbb2"),
        ("--raiseerr", "upgrade", "bbb2"),
        ("upgrade", "aaa1"),
        ("status",),
        ("status", "--format", "json"),
        ("current",),
        ("doctor", "--format", "json"),
    ]
    for command in commands:
        assert shows_it_escaped(shop.run(*command)), command
    assert r"\x1b]0;owned\x07" in shop.ok("history")
    shop.execute(f"UPDATE alembic_history_shop SET version_num = '{HOSTILE}'")
    for command in [("status",), ("current",), ("upgrade",), ("doctor",), ("downgrade", "base", "--yes")]:
        ran = shop.run(*command)
        assert shows_it_escaped(ran), command
        assert r"\x1b]0;owned" in ran.out + ran.err, command


def test_no_escape_sequence_of_a_requirement_or_an_exception_reaches_the_terminal(shop):
    folder = shop.app / "alembic"
    revise(folder, "aaa1", header=f"requires = {{{HOSTILE!r}: {HOSTILE!r}}}")
    for command in [("upgrade",), ("plan",), ("--raiseerr", "upgrade")]:
        ran = shop.run(*command)
        assert ran.code == 1
        assert shows_it_escaped(ran), command
    write(folder / "versions" / "aaa1.py", f"raise ValueError({HOSTILE!r})")
    for command in [("upgrade",), ("--raiseerr", "upgrade"), ("history",), ("--raiseerr", "history")]:
        ran = shop.run(*command)
        assert ran.code == 1
        assert shows_it_escaped(ran), command


@pytest.mark.parametrize(
    "note",
    [
        {"process": f"1; rm -rf / {HOSTILE}", "host": "here", "since": 1},
        {"process": -1, "host": "here", "since": 1},
        {"process": True, "host": "here", "since": 1},
        {"process": 1, "host": "here); rm -rf (/", "since": 1},
        {"process": 1, "host": "here", "since": "x"},
        {"process": 1, "host": "here", "since": 1e300},
        [1],
    ],
)
def test_a_lock_file_puts_nothing_into_a_command_but_the_number_of_a_process(shop, note):
    revise(shop.app / "alembic", "aaa1")
    shop.write_ini("websauna_migrate.lock_timeout = 0\n")
    shop.execute("CREATE TABLE t (id INTEGER)")
    path = Path(str(shop.url.database) + "-migrate-lock")
    path.write_bytes(b"\n" + json.dumps(note).encode())
    descriptor = os.open(path, os.O_RDWR)
    try:
        assert lock_descriptor(descriptor, blocking=False)
        said = shop.run("upgrade")
    finally:
        os.close(descriptor)
    assert said.code == 1
    assert "holder: unknown" in said.err
    assert "kill" not in said.err
    assert shows_it_escaped(said)


# --- files and tables that are not what they should be ---------------------------------------------------------

ALEMBICS = [("history",), ("heads", "-v"), ("show", "aaa1"), ("merge", "heads"), ("revision", "-m", "x")]


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (os.mkfifo, "it is not a regular file"),
        (lambda path: path.symlink_to(path), "Too many levels of symbolic links"),
    ],
    ids=["pipe", "loop"],
)
def test_what_is_no_file_among_the_scripts_stops_no_command_for_ever(shop, make, told):
    revise(shop.app / "alembic", "aaa1")
    path = shop.app / "alembic" / "versions" / "x.py"
    make(path)
    for command in [("upgrade",), ("status",), *ALEMBICS]:
        assert shop.fails(*command).startswith(f"{path}: cannot be read: {told}"), command


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x = (", "x.py, line 1: not valid Python: "),
        ("x = '\0'", "x.py: not valid Python: "),
        ("x = 1", "x.py: sets no 'down_revision'; "),
        ("revision = 'x'", "x.py: sets no 'down_revision'; "),
        ("revision = 'x'\ndown_revision = 3", "x.py: down_revision is not valid; "),
        ("revision = 'x'\ndown_revision = 'y'", "shop x: down_revision names 'y', which this history does not have; "),
        ("revision = 'x'\ndown_revision = 'x'", "shop: revisions follow each other in a circle: x after x; "),
    ],
)
def test_a_broken_script_is_told_alike_by_all_commands(shop, text, told):
    revise(shop.app / "alembic", "aaa1")
    write(shop.app / "alembic" / "versions" / "x.py", text)
    for command in [("status",), *ALEMBICS]:
        assert told in shop.fails(*command), command


@pytest.mark.parametrize("error", ["GeneratorExit", "BaseException('says')", "__import__('asyncio').CancelledError"])
def test_whatever_a_script_raises_is_one_line(shop, error):
    folder = shop.app / "alembic"
    revise(folder, "aaa1", upgrade=f"raise {error}")
    said = shop.run("upgrade")
    assert said.code == 1
    assert said.err.splitlines()[-1].startswith("FAILED: upgrade to shop aaa1 failed: ")
    assert "Traceback" not in said.err
    assert shop.tables() == set()
    assert "aaa1" in shop.fails("upgrade", "--sql")
    write(folder / "versions" / "aaa1.py", f"down_revision = None\nrevision = str('aaa1')\nraise {error}")
    for command in (("upgrade",), ("status",), ("history",), ("show", "aaa1")):
        assert "aaa1.py: loading it failed with " in shop.fails(*command)
    revise(folder, "aaa1")
    write(folder / "env.py", f"raise {error}")
    for command in (("upgrade",), ("current", "-v")):
        assert "env.py of shop failed with " in shop.fails(*command)
    (folder / "env.py").unlink()
    write(shop.app / "shop" / "models.py", f"raise {error}")
    assert "the application of" in shop.fails("check")


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (("history", "-r", ":::"), "':::' is not a range of revisions; write START:END"),
        (("history", "-r", "aaa1"), "'aaa1' is not a range of revisions; write START:END"),
        (("show", ""), "a revision has an empty name"),
    ],
)
def test_a_range_that_is_none_is_a_usage_error(shop, command, told):
    revise(shop.app / "alembic", "aaa1")
    assert told in shop.fails(*command, code=2)


TABLE = "alembic_history_shop"


def test_a_row_that_is_no_id_is_an_unknown_revision_until_it_is_purged(shop):
    revise(shop.app / "alembic", "aaa1")
    shop.execute(f"CREATE TABLE {TABLE} (version_num VARCHAR(32))", f"INSERT INTO {TABLE} VALUES (NULL)")
    (row,) = json.loads(shop.ok("status", "--format", "json"))
    assert (row["current"], row["state"]) == (["NULL"], "unknown revision")
    for command in (("upgrade",), ("current",)):
        assert "shop: the database is at revision NULL (table alembic_history_shop)" in shop.fails(*command)
    assert shop.run("doctor").code == 1
    assert "unknown revision" in shop.ok("status")
    shop.ok("stamp", "--purge", "head")
    assert shop.execute(f"SELECT version_num FROM {TABLE}") == [("aaa1",)]


def test_a_blob_in_a_history_table_is_an_unknown_revision(shop):
    revise(shop.app / "alembic", "aaa1")
    shop.execute(f"CREATE TABLE {TABLE} (version_num VARCHAR(32))", f"INSERT INTO {TABLE} VALUES (x'00ff')")
    assert "shop: the database is at revision X'00FF' (table" in shop.fails("upgrade")
    assert "unknown revision" in shop.ok("status")
    shop.ok("stamp", "--purge", "head")
    assert shop.execute(f"SELECT version_num FROM {TABLE}") == [("aaa1",)]


NO_HISTORY_TABLE = {
    "VIEW": (f"CREATE VIEW {TABLE} AS SELECT 'aaa1' AS version_num", "it is a view; rename it"),
    "TABLE": (f"CREATE TABLE {TABLE} (x INTEGER)", "it has no column version_num; rename it"),
}


def names_what_is_no_history_table(workspace, *commands):
    revise(workspace.app / "alembic", "aaa1", upgrade="op.create_table('thing', sa.Column('id', sa.Integer))")
    for kind, (statement, told) in NO_HISTORY_TABLE.items():
        workspace.execute(statement)
        for command in commands:
            said = workspace.fails(*command)
            assert said.startswith(f"{TABLE} is not a history table: {told}"), (kind, command)
        workspace.execute(f"DROP {kind} {TABLE}")
    assert "thing" not in workspace.tables()


def test_what_has_the_name_of_a_history_table_and_is_none_is_named(tmp_path, backend):
    workspace = Workspace(tmp_path, backend.new_database())
    make_shop(workspace)
    names_what_is_no_history_table(workspace, ("status",), ("upgrade",))


def test_what_has_the_name_of_a_history_table_and_is_none_is_named_by_each_command(shop):
    names_what_is_no_history_table(shop, ("current",), ("doctor",), ("stamp", "head"))
