"""A user's own ``env.py``: its hooks work besides ours. And plain ``alembic -c development.ini`` with it."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import make_url

from projects import ALEMBIC, PACKAGES, WS_ALEMBIC, Workspace, revise, write

NOTE = "class Note(Base):\n    __tablename__ = 'note'\n    id = Column(Integer, primary_key=True)\n"
THING = NOTE.replace("Note", "Thing").replace("note", "thing") + "    name = Column(String(20))\n"
TEMPLATE = (PACKAGES / "acme_shop" / "alembic" / "script.py.mako").read_text(encoding="utf-8")
ALL = ("-x", "packages=all")
PLAIN = "[alembic]\nscript_location = %(here)s/alembic\n"


@pytest.fixture
def here(tmp_path, database_url):
    return Workspace(tmp_path, database_url)


@pytest.fixture
def lite(tmp_path, sqlite):
    return Workspace(tmp_path, sqlite.new_database())


def make_app(workspace, models=THING + NOTE, addons=(), hooks="", options="", settings=PLAIN):
    """Write the application with an ``env.py`` that defines ``hooks`` and gives ``options`` to run_alembic()."""
    package = workspace.add_app("shop", models, addons, settings)
    head = "from websauna_migrate.env import run_alembic\n"
    write(workspace.app / "alembic" / "env.py", f"{head}{hooks}\nrun_alembic(package='shop'{options})\n")
    write(workspace.app / "alembic" / "script.py.mako", TEMPLATE)
    return package


# --- hooks -----------------------------------------------------------------------------------------------------


def test_hooks_narrow_what_is_compared_and_change_what_is_written(lite):
    hooks = """
import sqlalchemy

def include_object(item, name, type_, reflected, other):
    return name != 'note'

def include_name(name, type_, parents):
    return not (type_ == 'column' and name == 'extra')

def render_item(type_, item, context):
    return 'sa.Unicode(99)' if type_ == 'type' and isinstance(item, sqlalchemy.String) else False

def process(context, revision, directives):
    directives[0].message = 'renamed by me'
"""
    names = {name: name for name in ("include_object", "include_name", "render_item")}
    names["process_revision_directives"] = "process"
    given = "".join(f", {option}={name}" for option, name in names.items())
    make_app(lite, hooks=hooks, options=f"{given}, compare_type=False")
    lite.execute("CREATE TABLE nobodys (id INTEGER)")
    (script,) = lite.autogenerate()
    assert lite.tables() == {"thing", "nobodys", "alembic_history_shop"}
    assert "sa.Unicode(99)" in script.read_text()
    assert script.name.endswith("_renamed_by_me.py")
    lite.execute("ALTER TABLE thing ADD COLUMN extra INTEGER")
    lite.ok("check")
    lite.execute("ALTER TABLE thing ADD COLUMN more INTEGER")
    assert lite.run("check").code == 1


def test_include_object_does_not_widen_what_is_compared(lite):
    make_app(lite, hooks="def mine(*arguments):\n    return True\n", options=", include_object=mine, include_name=mine")
    lite.execute("CREATE TABLE nobodys (id INTEGER)")
    lite.autogenerate()
    lite.ok("check")
    assert "nobodys" in lite.tables()


def test_process_revision_directives_may_write_nothing(lite):
    hooks = "def mine(context, revision, directives):\n    directives[:] = []\n"
    make_app(lite, hooks=hooks, options=", process_revision_directives=mine")
    ran = lite.run("revision", "--autogenerate")
    assert (ran.code, ran.out) == (0, "")
    assert not lite.scripts()


FIRST_CHECK = {
    "": {"modify_type", "modify_default", "add_constraint", "add_index"},
    ", compare_type=False": {"modify_default", "add_constraint", "add_index"},
    ", compare_server_default=False": {"modify_type", "add_constraint", "add_index"},
    ", include_object=mine": {"modify_type"},
}


def test_the_first_check_of_a_database_that_plain_alembic_made_can_be_narrowed(lite):
    """As on the page about a project that used plain Alembic."""
    lite.execute("CREATE TABLE thing (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(20), kind VARCHAR(9))")
    models = """
    class Thing(Base):
        __tablename__ = "thing"
        id = Column(Integer, primary_key=True)
        name = Column(String(40), index=True)
        kind = Column(String(9), server_default="plain")
        __table_args__ = (CheckConstraint("kind <> ''", name="ck_kind"),)
    """
    hooks = (
        "def mine(item, name, type_, reflected, other):\n"
        "    return type_ not in ('check_constraint', 'index') and name != 'kind'\n"
    )
    found = {}
    for options in FIRST_CHECK:
        make_app(lite, models, hooks=hooks, options=options)
        found[options] = {one["operation"] for one in json.loads(lite.run("check", "--format", "json").out)}
    assert found == FIRST_CHECK


def test_compare_type_may_be_switched_off(lite):
    package = make_app(lite, options=", compare_type=False")
    lite.autogenerate()
    lite.models(package, THING.replace("String(20)", "String(40)") + NOTE)
    lite.ok("check")
    make_app(lite, THING.replace("String(20)", "String(40)") + NOTE)
    assert lite.run("check").code == 1


def test_compare_type_may_be_a_function_of_ones_own(lite):
    hooks = "def mine(context, inspected, column, inspected_type, type_):\n    return False\n"
    package = make_app(lite, hooks=hooks, options=", compare_type=mine")
    lite.autogenerate()
    lite.models(package, THING.replace("String(20)", "Integer") + NOTE)
    lite.ok("check")


def test_on_version_apply_is_called_for_each_revision(lite):
    hooks = "def mine(ctx, step, heads, run_args):\n    print('applied', step.up_revision_id, sorted(heads))\n"
    make_app(lite, hooks=hooks, options=", on_version_apply=mine")
    revise(lite.app / "alembic", "aaa1")
    revise(lite.app / "alembic", "bbb2", "aaa1")
    ran = lite.run("upgrade")
    assert ran.code == 0, ran
    assert [line for line in ran.err.splitlines() if line.startswith("applied")] == [
        "applied aaa1 ['aaa1']",
        "applied bbb2 ['bbb2']",
    ]


def test_x_arguments_and_tags_reach_the_env_py_and_the_revisions(lite):
    hooks = "from alembic import context\nprint('got', context.get_x_argument(as_dictionary=True)['mine'])\n"
    make_app(lite, hooks=hooks + "print('tag', context.get_tag_argument())\n")
    revise(lite.app / "alembic", "aaa1", upgrade="print('here', op.get_context().config.cmd_opts.x)")
    ran = lite.run("-x", "mine=yours", "upgrade", "--tag", "blue")
    assert ran.code == 0, ran
    assert "got yours\ntag blue\n" in ran.err
    assert "here ['mine=yours']" in ran.err


def test_an_env_py_may_read_the_options_of_the_ini(lite):
    hooks = (
        "from alembic import context\n"
        "print('mine is', context.config.get_main_option('mine'), context.config.config_file_name)\n"
    )
    make_app(lite, hooks=hooks, settings=PLAIN + "mine = 50%% off\n")
    revise(lite.app / "alembic", "aaa1")
    assert f"mine is 50% off {lite.ini}" in lite.run("upgrade").err


def test_a_file_template_of_the_ini_names_the_files(lite):
    make_app(lite, settings=PLAIN + "file_template = %%(year)d_%%(slug)s\ntimezone = UTC\n")
    (script,) = lite.autogenerate()
    assert script.name.endswith("_autogenerated.py")
    assert script.name.startswith("20")
    assert "+00:00" in script.read_text()


def test_post_write_hooks_of_the_ini_are_run(lite):
    hooks = "[post_write_hooks]\nhooks = mine\nmine.type = exec\nmine.executable = touch\n"
    hooks += "mine.options = REVISION_SCRIPT_FILENAME.seen\n"
    make_app(lite, settings=PLAIN + hooks)
    (script,) = lite.autogenerate()
    assert script.with_name(script.name + ".seen").exists()


@pytest.mark.parametrize(("program", "told"), [("false", "exit code 1"), ("no-such-program", "No such file")])
def test_a_post_write_hook_that_fails_is_told_and_its_script_stays(lite, program, told):
    make_app(lite, settings=f"{PLAIN}[post_write_hooks]\nhooks = mine\nmine.type = exec\nmine.executable = {program}\n")
    ran = lite.run("revision", "--autogenerate", "-m", "first")
    line = ran.err.splitlines()[-1]
    assert ran.code == 1
    assert line.startswith("FAILED: ")
    assert told in line
    (script,) = lite.scripts()
    assert f"{program} {script}" in line


# --- the naming convention of the models -------------------------------------------------------------------------

CONVENTION = """
Base.metadata.naming_convention = {"uq": "%(table_name)s_unique", "ck": "%(table_name)s_%(constraint_name)s_check"}
"""
NAMELESS = """
    op.create_table("one", sa.Column("a", sa.Integer, unique=True), sa.Column("b", sa.Integer))
    op.create_table("two", sa.Column("a", sa.Integer), sa.CheckConstraint("a > 0", name="positive"))
    with op.batch_alter_table("two", recreate="always") as batch_op:
        batch_op.create_unique_constraint(None, ["a"])
"""
NAMES = ("one_unique", "two_unique", "two_positive_check")


def nameless(workspace, *, script=NAMELESS):
    """Write an application with a naming convention, which has adopted an add-on with none, and one revision."""
    workspace.add("tags", NOTE.replace("Note", "Tag").replace("note", "tag"))
    make_app(workspace, CONVENTION + THING, addons=["tags"])
    revise(workspace.app / "alembic", "aaa1", upgrade=script)
    return workspace


@pytest.mark.parametrize("script", [WS_ALEMBIC, ALEMBIC], ids=["ours", "plain"])
def test_a_script_finds_the_naming_convention_of_its_package(lite, script):
    nameless(lite)
    assert lite.run("upgrade", "head", script=script).code == 0
    sql = " ".join(str(row) for row in lite.execute("SELECT sql FROM sqlite_master"))
    assert all(f"CONSTRAINT {name} " in sql for name in NAMES), sql


@pytest.mark.parametrize("script", [WS_ALEMBIC, ALEMBIC], ids=["ours", "plain"])
def test_a_script_finds_the_naming_convention_of_its_package_offline(lite, script):
    nameless(lite, script=NAMELESS.partition("    with ")[0])
    sql = lite.ok("upgrade", "head", "--sql", script=script)
    assert "CONSTRAINT one_unique UNIQUE (a)" in sql
    assert "CONSTRAINT two_positive_check CHECK" in sql


def test_a_revision_names_what_an_adopted_package_names_itself(lite):
    checked = "    __table_args__ = (CheckConstraint('id > 0', name='positive'),)\n"
    lite.add("tags", NOTE.replace("Note", "Tag").replace("note", "tag") + checked)
    make_app(lite, CONVENTION + THING + checked, addons=["tags"])
    lite.autogenerate(*ALL)
    lite.ok(*ALL, "check")
    sql = " ".join(str(row) for row in lite.execute("SELECT sql FROM sqlite_master"))
    assert "CONSTRAINT thing_positive_check CHECK" in sql
    assert "CONSTRAINT positive CHECK" in sql


# --- plain alembic ---------------------------------------------------------------------------------------------


def plain(workspace, *argv, **how):
    """Run plain ``alembic`` and return what it printed; it has to succeed."""
    ran = workspace.run(*argv, script=ALEMBIC, **how)
    assert ran.code == 0, ran
    return ran.out


def test_plain_alembic_does_the_same_for_the_package_of_the_env_py_by_turns_with_ws_alembic(here):
    here.add("tags", NOTE.replace("Note", "Tag").replace("note", "tag"), history=True)
    make_app(here, addons=["tags"])
    here.execute("CREATE TABLE nobodys (id INTEGER)")
    here.autogenerate("-x", "packages=tags")
    others = {"nobodys", "tag", "alembic_history_tags"}
    of_tags = here.scripts()
    plain(here, "revision", "--autogenerate", "-m", "first")
    (script,) = here.scripts() - of_tags
    plain(here, "upgrade", "head")
    assert here.tables() == {"thing", "note", "alembic_history_shop", *others}
    id_ = script.name[:12]
    assert plain(here, "current") == here.ok("current") == f"{id_} (head)\n"
    assert plain(here, "check") == here.ok("check") == "No new upgrade operations detected.\n"
    plain(here, "revision", "--autogenerate", "-m", "nothing")
    assert here.scripts() == {script, *of_tags}
    revise(here.app / "alembic", "bbb2", id_, 'op.create_table("two", sa.Column("id", sa.Integer))')
    here.ok("upgrade", "head")
    assert plain(here, "current") == "bbb2 (head)\n"
    plain(here, "stamp", id_)
    assert here.ok("current") == f"{id_}\n"
    plain(here, "downgrade", "base")
    assert here.tables() == {"two", "alembic_history_shop", *others}


def test_plain_alembic_reads_packages_too(lite):
    lite.add("tags", NOTE.replace("Note", "Tag").replace("note", "tag"))
    make_app(lite, addons=["tags"])
    plain(lite, "revision", "--autogenerate", "-m", "own")
    (own,) = lite.scripts()
    assert "tag" not in own.read_text()
    plain(lite, "upgrade", "head")
    plain(lite, "-x", "packages=all", "revision", "--autogenerate", "-m", "all")
    (other,) = lite.scripts() - {own}
    assert "create_table('tag'" in other.read_text()
    assert "thing" not in other.read_text()


@pytest.mark.parametrize("script", ["ours", "plain"])
def test_sql_is_written_without_a_server(lite, script):
    make_app(lite)
    revise(lite.app / "alembic", "aaa1", upgrade='op.create_table("one", sa.Column("id", sa.Integer))')
    lite.write_ini(PLAIN, "postgresql://scott:tiger@127.0.0.1:1/nowhere")
    sql = plain(lite, "upgrade", "head", "--sql") if script == "plain" else lite.ok("upgrade", "head", "--sql")
    assert "CREATE TABLE alembic_history_shop" in sql
    assert "CREATE TABLE one" in sql
    assert "INSERT INTO alembic_history_shop (version_num) VALUES ('aaa1')" in sql
    assert "tiger" not in sql


def test_plain_alembic_with_an_env_py_of_another_package_is_told(lite):
    make_app(lite)
    env_py = "from websauna_migrate.env import run_alembic\nrun_alembic(package='blog')\n"
    write(lite.app / "alembic" / "env.py", env_py)
    ran = lite.run("current", script=ALEMBIC)
    assert ran.code != 0
    assert "blog" in ran.err + ran.out
    assert "Traceback" not in ran.err


# --- Alembic called by a program ---------------------------------------------------------------------------------

#: Calls functions of Alembic one after another, each for the database of a URL that is handed over in one of several
#: ways, and prints the tables that are there after each.
CALLER = """\
import json
import sys
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, inspect

def main(argv):
    ini, url, *calls = argv
    for how, name, *arguments in map(json.loads, calls):
        engine = create_engine(url)
        call(Config(ini), engine, how, getattr(command, name), arguments)
        print(sorted(inspect(engine).get_table_names()))
        print("==", flush=True)
        engine.dispose()

def call(config, engine, how, function, arguments):
    if how == "url":
        url = engine.url.render_as_string(hide_password=False)
        config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
        function(config, *arguments)
    elif how == "engine":
        config.attributes["connection"] = engine
        function(config, *arguments)
    elif how == "connection":
        with engine.connect() as connection:
            config.attributes["connection"] = connection
            function(config, *arguments)
    else:
        with engine.connect() as connection, connection.begin() as transaction:
            config.attributes["connection"] = connection
            function(config, *arguments)
            assert connection.in_transaction()
            getattr(transaction, how)()
"""


def call(workspace, url, *calls):
    """Run the program, which has to be in the folder of the application."""
    address = url.render_as_string(hide_password=False)
    return workspace.call("caller:main", [str(workspace.ini), address, *map(json.dumps, calls)])


WAYS = ("connection", "engine", "url", "commit")


def test_the_database_that_a_program_hands_to_alembic_is_used(here, backend):
    make_app(here)
    here.autogenerate()
    before = here.tables()
    write(here.app / "caller.py", CALLER)
    other = Workspace(here.folder, backend.new_database())
    calls = [
        [how, *call] for how in WAYS for call in (["upgrade", "head"], ["check"], ["current"], ["downgrade", "base"])
    ]
    # A transaction that a program began is its own to end.
    ran = call(here, other.url, *calls, ["rollback", "upgrade", "head"])
    assert ran.code == 0, ran
    said = ran.out.split("==\n")
    current = here.ok("current")
    for number, how in enumerate(WAYS):
        after_upgrade, checked, shown, after_downgrade = said[4 * number : 4 * number + 4]
        assert after_upgrade.splitlines()[-1] == checked.splitlines()[-1] == repr(sorted(before)), how
        assert shown.splitlines()[0] + "\n" == current, how
        assert after_downgrade.splitlines()[-1] == "['alembic_history_shop']", how
    # The driver of SQLite begins no transaction before DDL, and MariaDB ends it.
    kept = {"alembic_history_shop"} if backend.name == "postgresql" else before
    assert said[-2].splitlines()[-1] == repr(sorted(kept))
    assert here.tables() == before


def test_a_program_that_asks_for_a_revision_gets_none_when_nothing_changed(lite):
    make_app(lite)
    scripts = set(lite.autogenerate())
    write(lite.app / "caller.py", CALLER)
    ran = call(lite, lite.url, ["engine", "check"], ["engine", "revision", "nothing", True])
    assert ran.code == 0, ran
    assert lite.scripts() == scripts
    assert "no changes" in ran.out


def test_a_program_may_upgrade_while_a_table_has_no_owner(lite):
    package = make_app(lite)
    lite.autogenerate()
    lite.models(
        package, THING + NOTE + "Table('lost', Base.metadata, Column('id', Integer), info={'package': 'nobody'})\n"
    )
    write(lite.app / "caller.py", CALLER)
    assert call(lite, lite.url, ["engine", "upgrade", "head"]).code == 0
    assert call(lite, lite.url, ["engine", "check"]).code != 0


def test_an_url_in_the_section_of_alembic_does_not_take_the_place_of_that_of_the_application(lite):
    make_app(lite, settings=PLAIN + "sqlalchemy.url = sqlite:///elsewhere.db\n")
    lite.autogenerate()
    assert plain(lite, "current") == lite.ok("current")
    assert not (lite.app / "elsewhere.db").exists()


def test_a_session_is_refused_in_a_transaction_that_a_program_began(lite, tmp_path):
    make_app(lite)
    revise(lite.app / "alembic", "aaa1", upgrade="from websauna_migrate import data_session; data_session()")
    write(lite.app / "caller.py", CALLER)
    url = make_url(f"sqlite:///{tmp_path}/other.db")
    ran = call(lite, url, ["commit", "upgrade", "head"])
    assert ran.code != 0
    assert "data_session() needs a transaction of its own" in ran.err
    assert call(lite, url, ["connection", "upgrade", "head"]).code == 0
