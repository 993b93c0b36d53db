"""What goes wrong on other people's machines: one clear line on stderr, the exit code, and nothing half-written."""

from __future__ import annotations

import os
import re
import shlex
import stat
from itertools import product

import pytest
from sqlalchemy import create_engine

from projects import ALEMBIC, INCLUDEME, PACKAGES, WS_ALEMBIC, Workspace, revise, write
from servers import free_port

THING = "class Thing(Base):\n    __tablename__ = 'thing'\n    id = Column(Integer, primary_key=True)\n"
NOTE = "class Note(Base):\n    __tablename__ = 'note'\n    id = Column(Integer, primary_key=True)\n"
TEMPLATE = (PACKAGES / "acme_shop" / "alembic" / "script.py.mako").read_text(encoding="utf-8")
AUTOGENERATE = ("revision", "--autogenerate", "-m", "first")


@pytest.fixture
def shop(tmp_path, sqlite):
    """An application with one table, on SQLite."""
    workspace = Workspace(tmp_path, sqlite.new_database())
    workspace.add_app("shop", THING)
    return workspace


def test_an_unknown_package_is_a_usage_error_that_names_the_closest(shop):
    shop.add("notes", NOTE)
    shop.add_app("shop", THING, ["notes"])
    before = shop.files()
    for command in (AUTOGENERATE, ("upgrade",), ("status",), ("check",), ("init",), ("history",)):
        said = shop.fails("-x", "packages=note", *command, code=2)
        assert said == (
            "-x packages: no package 'note' is registered; registered are: notes, shop; did you mean notes?"
        )
    assert shop.files() == before


def test_no_package_named_is_a_usage_error(shop):
    assert "names no package" in shop.fails("-x", "packages=", "current", code=2)


def test_a_missing_ini_is_told_with_its_path(shop, tmp_path):
    missing = tmp_path / "missing.ini"
    for command in (AUTOGENERATE, ("upgrade",), ("current",), ("check",)):
        assert f"settings file {missing} " in shop.fails(*command, ini=missing)


def test_no_ini_at_all_is_a_usage_error(shop):
    ran = shop.call("websauna_migrate.scripts.ws_alembic:main", ["upgrade"])
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("FAILED: no settings file was named; name one with -c")


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("", "has no sqlalchemy.url"),
        ("nonsense", "sqlalchemy.url cannot be used: it is not of the form dialect://user:password@host/database"),
        ("postgresql://user:pass@word@host:port/name", "sqlalchemy.url cannot be used"),
        ("oracle9://scott:tiger@localhost/xe", "there is no dialect 'oracle9'"),
        ("postgresql+nothing://scott:tiger@localhost/xe", "there is no dialect 'postgresql+nothing'"),
        ("mssql+pymssql://scott:tiger@localhost/xe", "the driver of mssql+pymssql:// is not installed"),
    ],
)
def test_a_bad_url_is_told_without_its_password(shop, url, told):
    shop.write_ini(url=url)
    (shop.app / "alembic").mkdir()
    before = shop.files()
    for command in (AUTOGENERATE, ("upgrade",), ("current",), ("check",)):
        said = shop.fails(*command)
        assert told in said
        assert str(shop.ini) in said
        assert "tiger" not in said
        assert "pass" not in said.replace("password@host", "").replace("user:password", "").replace("a password", "")
    assert shop.files() == before


@pytest.mark.parametrize("drivername", ["postgresql+psycopg2", "mariadb+pymysql"])
def test_a_server_that_is_down_is_told_with_its_address(shop, drivername):
    port = free_port()
    shop.write_ini(url=f"{drivername}://scott:tiger@127.0.0.1:{port}/shop")
    (shop.app / "alembic").mkdir()
    revise(shop.app / "alembic", "aaa1")
    before = shop.files()
    for command in (AUTOGENERATE, ("upgrade",), ("current",), ("check",), ("stamp", "head")):
        said = shop.fails(*command)
        assert said.startswith(f"cannot connect to {drivername}://scott:***@127.0.0.1:{port}/shop: ")
        assert said.endswith("; check that the server runs, and sqlalchemy.url")
        assert "tiger" not in said
    assert shop.files() == before


def test_a_database_that_is_not_there_is_told(shop, postgresql, mariadb):
    for backend in (postgresql, mariadb):
        shop.write_ini(url=backend.new_database().set(database="nowhere"))
        assert "nowhere" in shop.fails("current")


def test_a_sqlite_file_in_a_folder_that_is_not_there_is_told(shop, tmp_path):
    shop.url = shop.url.set(database=str(tmp_path / "nowhere" / "shop.db"))
    shop.write_ini()
    revise(shop.app / "alembic", "aaa1")
    assert str(tmp_path / "nowhere") in shop.fails("upgrade")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_history_folder_without_write_permission_is_told(shop):
    versions = write(shop.app / "alembic" / "versions" / ".keep", "").parent
    versions.chmod(stat.S_IRUSR | stat.S_IXUSR)
    said = shop.fails(*AUTOGENERATE)
    assert str(versions) in said
    assert "denied" in said.lower()


def test_a_history_folder_that_cannot_be_written_is_told(shop):
    """/proc refuses new files, to root too."""
    (shop.app / "alembic").mkdir()
    (shop.app / "alembic" / "versions").symlink_to("/proc/self/fdinfo")
    before = shop.files()
    for command in (AUTOGENERATE, ("revision", "-m", "empty")):
        said = shop.fails(*command)
        assert str(shop.app / "alembic" / "versions") in said
    assert shop.files() == before


def test_a_file_in_the_way_of_the_history_folder_is_told(shop):
    write(shop.app / "alembic" / "versions", "")
    before = shop.files()
    assert str(shop.app / "alembic" / "versions") in shop.fails(*AUTOGENERATE)
    (shop.app / "alembic" / "versions").unlink()
    (shop.app / "alembic").rmdir()
    write(shop.app / "alembic", "")
    for command in (AUTOGENERATE, ("init",)):
        assert str(shop.app / "alembic") in shop.fails(*command)
    assert len(shop.files()) == len(before)


def test_two_packages_with_one_name_are_told_with_both_call_sites(shop):
    shop.add("notes", NOTE)
    shop.add("more", init="def includeme(config):\n    config.add_migration_package('notes', 'notes.models:Base')\n")
    shop.add_app("shop", THING, ["notes", "more"])
    (shop.app / "alembic").mkdir()
    before = shop.files()
    for command in (AUTOGENERATE, ("upgrade",), ("current",)):
        said = shop.fails(*command)
        assert "ConfigurationConflictError" in said
        assert f"Line 3 of file {shop.folder}/notes/notes/__init__.py: " in said
        assert f"Line 2 of file {shop.folder}/more/more/__init__.py: " in said
    assert shop.files() == before


def test_two_packages_with_one_history_table_are_told(shop):
    shop.add("a_b", NOTE)
    shop.add("a.b", NOTE)
    shop.add_app("shop", THING, ["a_b", "a.b"])
    assert shop.fails("upgrade").startswith("a_b and a.b would share the history table 'alembic_history_a_b'; ")


def test_two_packages_with_one_script_location_are_told(shop):
    how = INCLUDEME.replace('{bases}"', f'{{bases}}", script_location="{shop.folder}/revisions"')
    shop.add("one", NOTE, init=how)
    shop.add("two", NOTE.replace("note", "other"), init=how)
    shop.add_app("shop", THING, ["one", "two"])
    said = shop.fails("upgrade")
    assert said.startswith(f"one and two have the same script location {shop.folder / 'revisions'}; ")


def test_a_failing_second_history_leaves_no_file_of_the_first(shop):
    shop.add("notes", NOTE, history=True)
    shop.add_app("shop", THING, ["notes"])
    write(
        shop.app / "alembic" / "env.py",
        "from websauna_migrate.env import run_alembic\n"
        "def broken(context, revision, directives): raise RuntimeError('mine')\n"
        "run_alembic(package='shop', process_revision_directives=broken)\n",
    )
    write(shop.app / "alembic" / "script.py.mako", TEMPLATE)
    before = shop.files()
    ran = shop.run("-x", "packages=all", *AUTOGENERATE)
    assert (ran.code, ran.out) == (1, "")
    assert "env.py of shop failed with RuntimeError: mine; nothing was run; " in ran.err.splitlines()[-1]
    assert shop.files() == before


def test_a_folder_for_revisions_that_does_not_exist_is_told_with_the_command(shop):
    said = shop.fails(*AUTOGENERATE)
    assert said.endswith(f"create it with: ws-alembic -c {shop.ini} -x packages=shop init")
    assert not shop.scripts()


NAMES_A_COMMAND = {
    ("check",): "upgrade",
    ("current", "--check-heads"): "upgrade",
    ("downgrade", "aaa1"): "current",
    ("upgrade", "zzz9"): "history",
}


def test_the_commands_that_errors_name_can_be_run_as_they_are(shop):
    """Also with a settings file whose name a shell would take apart, a section, and the name in the environment."""
    revise(shop.app / "alembic", "aaa1")
    shop.ok("ensure_version")
    ini = shop.ini.rename(shop.app / "it's mine.ini")
    ini.write_text(ini.read_text() + "\n[other]\n")
    ways = [
        (["-c", str(ini), "-n", "other"], {}, ["-c", str(ini), "-n", "other"]),
        ([], {"ALEMBIC_CONFIG": str(ini)}, ["-c", str(ini)]),
    ]
    for (given, env, named), (command, remedy) in product(ways, NAMES_A_COMMAND.items()):
        ran = shop.call(WS_ALEMBIC, [*given, *command], env=env)
        program, *argv = shlex.split(ran.err[ran.err.index("ws-alembic -c") :])
        assert (program, argv) == ("ws-alembic", [*named, "-x", "packages=shop", remedy]), ran
    assert shop.run("upgrade", ini=ini).code == 0
    shop.execute("UPDATE alembic_history_shop SET version_num = 'zzz9'")
    assert shlex.join(["-c", str(ini), "-x", "packages=shop", "doctor"]) in shop.run("status", ini=ini).err


def test_what_the_user_of_the_database_may_not_do_is_told_with_the_remedy(tmp_path, postgresql):
    shop = Workspace(tmp_path, postgresql.new_database())
    shop.add_app("shop", THING)
    revise(shop.app / "alembic", "aaa1")
    revise(shop.app / "alembic", "bbb2", "aaa1")
    role = f"low_{shop.url.database}"
    shop.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC", f"CREATE ROLE {role} LOGIN")
    as_role = shop.url.set(username=role)
    remedy = "grant that right to the user of sqlalchemy.url"
    denied = f"{shop.ini}: the database reports: permission denied for"
    shop.write_ini(url=as_role)
    assert shop.fails("stamp", "aaa1").startswith(f"{denied} schema public")
    said = shop.run("upgrade").err
    assert "permission denied for schema public LINE 2: CREATE TABLE alembic_history_shop" in said
    assert said.endswith(f"; not applied: shop aaa1, shop bbb2; {remedy} and run the command again\n")
    shop.write_ini()
    shop.ok("upgrade", "aaa1")
    shop.write_ini(url=as_role)
    for command in ("status", "current", "upgrade", "plan", "doctor", "check", "downgrade base", "adopt --yes"):
        assert shop.fails(*command.split()) == f"{denied} table alembic_history_shop; {remedy}", command
    shop.execute(f"GRANT SELECT ON alembic_history_shop TO {role}")
    assert shop.ok("current") == "aaa1\n"
    assert shop.fails("stamp", "bbb2") == f"{denied} table alembic_history_shop; {remedy}"
    assert shop.run("upgrade").err.endswith(f"; {remedy} and run the command again\n")
    shop.execute(f"DROP OWNED BY {role}", f"DROP ROLE {role}")


def test_a_connection_without_an_encoding_is_told_with_the_option_that_gives_it_one(tmp_path, postgresql):
    shop = Workspace(tmp_path, postgresql.new_database())
    shop.add_app("shop", THING)
    url = shop.url.set(drivername="postgresql+psycopg").update_query_dict({"options": "-cclient_encoding=SQL_ASCII"})
    shop.write_ini(url=url)
    option = shop.fails("status").partition("; add ")[2].partition(" to the options")[0]
    shop.write_ini(url=url.update_query_string(option))
    shop.ok("status")


@pytest.mark.parametrize("path", ["nowhere", '"$user",Nowhere,public'])
def test_a_search_path_whose_first_schema_does_not_exist_is_refused(tmp_path, postgresql, path):
    shop = Workspace(tmp_path, postgresql.new_database())
    shop.add_app("shop", THING)
    revise(shop.app / "alembic", "aaa1", upgrade="op.execute('CREATE TABLE thing (id INTEGER)')")
    shop.write_ini(url=shop.url.update_query_dict({"options": f"-csearch_path={path}"}))
    assert shop.ok("current") == ""
    for command in (("upgrade",), ("stamp", "aaa1")):
        said = shop.fails(*command)
        assert "nowhere" in said
        assert ("public" in said) == ("public" in path)
    assert '"problem": "missing-schema"' in shop.run("doctor", "--format", "json").out
    assert shop.tables("public") == set()
    shop.execute(re.search(r"run the SQL: (CREATE SCHEMA [^;]+);", said)[1])
    shop.ok("upgrade")
    assert shop.tables("nowhere") == {"alembic_history_shop", "thing"}


def test_a_search_path_whose_first_schema_may_not_be_used_is_refused(tmp_path, postgresql):
    shop = Workspace(tmp_path, postgresql.new_database())
    shop.add_app("shop", THING)
    revise(shop.app / "alembic", "aaa1")
    role = f"low_{shop.url.database}"
    shop.execute("CREATE SCHEMA closed", f"CREATE ROLE {role} LOGIN")
    shop.write_ini(url=shop.url.set(username=role).update_query_dict({"options": "-csearch_path=closed,public"}))
    assert 'GRANT USAGE, CREATE ON SCHEMA "closed"' in shop.fails("upgrade")
    shop.execute(f"DROP ROLE {role}")


#: MySQL ends a query, but counts an interrupted SLEEP() as one that went well.
COLUMNS = ", ".join(f"information_schema.columns AS {name}" for name in "abc")
SLOW = f"SELECT /*+ MAX_EXECUTION_TIME(10) */ count(*) FROM {COLUMNS}"
UNFIXABLE = {
    "postgresql": [
        ("SET LOCAL lock_timeout = '10ms'\nLOCK TABLE busy", "pg_stat_activity"),
        ("SET LOCAL statement_timeout = '10ms'\nSELECT pg_sleep(9)", "raise statement_timeout"),
        ("SET TRANSACTION READ ONLY\nCREATE TABLE t (id INTEGER)", "connect to the primary server"),
        ("DO $$ BEGIN RAISE EXCEPTION 'no space' USING ERRCODE = 'disk_full'; END $$", "free disk space"),
    ],
    "mysql": [
        ("SET lock_wait_timeout = 1\nALTER TABLE busy ADD more INTEGER", "SHOW FULL PROCESSLIST"),
        (SLOW, "raise max_statement_time or max_execution_time"),
        ("START TRANSACTION READ ONLY\nINSERT INTO busy VALUES (1)", "connect to the primary server"),
    ],
    "mariadb": [
        ("ALTER TABLE busy NOWAIT ADD more INTEGER", "SHOW FULL PROCESSLIST"),
        ("SET STATEMENT max_statement_time = 0.01 FOR SELECT SLEEP(9)", "raise max_statement_time"),
        ("START TRANSACTION READ ONLY\nINSERT INTO busy VALUES (1)", "connect to the primary server"),
        ("SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1021, MESSAGE_TEXT = 'Disk full'", "free disk space"),
    ],
    "sqlite": [
        ("PRAGMA query_only = 1\nCREATE TABLE t (id INTEGER)", "make the file and its folder writable"),
        ("PRAGMA max_page_count = 1\nCREATE TABLE t (id INTEGER)", "free disk space"),
    ],
}


def test_an_error_that_no_script_can_fix_has_the_remedy_of_its_cause(tmp_path, backend):
    shop = Workspace(tmp_path, backend.new_database())
    shop.add_app("shop", THING)
    shop.execute("CREATE TABLE busy (id INTEGER)")
    shop.write_ini("websauna_migrate.lock_wait_tries = 1\n")
    engine = create_engine(shop.url)
    with engine.begin() as connection:
        connection.exec_driver_sql("SELECT * FROM busy").all()
        for statements, told in UNFIXABLE[backend.server.name]:
            work = f"[op.execute(sql) for sql in {statements.splitlines()!r}]"
            script = revise(shop.app / "alembic", "aaa1", upgrade=work)
            said = shop.run("upgrade").err
            assert told in said, said
            assert f"fix {script}" not in said
    engine.dispose()


def test_a_full_disk_under_a_script_has_the_remedy_of_its_cause(shop):
    revise(shop.app / "alembic", "aaa1", upgrade="raise OSError(28, 'No space left on device')")
    assert shop.run("upgrade").err.endswith("; free disk space on this machine and run the command again\n")


@pytest.mark.parametrize(
    "read",
    [
        "op.get_bind().execute(sa.text('SELECT 1')).fetchall()",
        "[row for row in op.get_bind().execute(sa.text('SELECT 1'))]",
        "op.get_bind().scalar(sa.text('SELECT 1'))",
        "sa.inspect(op.get_bind()).get_table_names()",
    ],
)
def test_a_revision_that_reads_cannot_be_written_as_sql_unless_it_is_guarded(shop, read):
    script = revise(shop.app / "alembic", "aaa1", upgrade=f"from alembic import context\n    {read}")
    said = shop.fails("upgrade", "--sql")
    assert "the script reads from the database" in said
    assert str(script) in said
    assert "if not context.is_offline_mode():" in said
    guarded = f"from alembic import context\n    if not context.is_offline_mode(): {read}"
    revise(shop.app / "alembic", "aaa1", upgrade=guarded)
    assert "INSERT INTO alembic_history_shop" in shop.ok("upgrade", "--sql")
    shop.ok("upgrade")


def test_the_parameters_of_a_statement_are_written_as_sql(shop):
    work = """thing = sa.table('thing', sa.column('id', sa.Integer), sa.column('name', sa.String))
    execute = op.get_bind().execute
    execute(sa.text('UPDATE thing SET name = :name WHERE id = :id'), {'name': "it's", 'id': 1})
    execute(thing.insert(), [{'id': 2, 'name': 'two'}, {'id': 3, 'name': 'three'}])
    execute(thing.update().where(thing.c.id == 2), {'name': 'deux'})"""
    revise(shop.app / "alembic", "aaa1", upgrade=work)
    written = shop.ok("upgrade", "--sql")
    for statement in (
        "UPDATE thing SET name = 'it''s' WHERE id = 1;",
        "INSERT INTO thing (id, name) VALUES (2, 'two');",
        "INSERT INTO thing (id, name) VALUES (3, 'three');",
        "UPDATE thing SET name='deux' WHERE thing.id = 2;",
    ):
        assert statement in written


@pytest.mark.parametrize(
    "work",
    [
        "op.get_bind().execute(thing.delete().where(thing.c.id == sa.bindparam('which')), {'which': 1})",
        "op.execute(sa.text('UPDATE thing SET id = :which'))",
        "op.execute('UPDATE thing SET id = :which')",
        "op.get_bind().execute(sa.text('UPDATE thing SET id = :which'))",
    ],
)
def test_a_parameter_that_cannot_be_written_as_sql_is_named(shop, work):
    revise(shop.app / "alembic", "aaa1", upgrade=f"thing = sa.table('thing', sa.column('id'))\n    {work}")
    assert "which" in shop.fails("upgrade", "--sql")


def test_an_error_of_the_database_that_has_no_remedy_of_ours_is_one_line(shop):
    revise(shop.app / "alembic", "aaa1")
    shop.execute("CREATE TABLE alembic_history_shop (version_num TEXT, more TEXT NOT NULL)")
    reported = "the database reports: NOT NULL constraint failed: alembic_history_shop.more"
    assert shop.fails("stamp", "head") == f"{shop.ini}: {reported}; pass --raiseerr to see the statement"


def test_a_foreign_key_to_a_table_with_a_dot_in_its_name_stops_only_what_would_write_it(shop):
    dotted = "class Ref(Base):\n    __tablename__ = 'ref'\n    id = Column(ForeignKey(Thing.id), primary_key=True)\n"
    shop.models(shop.app / "shop", THING.replace("'thing'", "'my.thing'") + dotted)
    revise(shop.app / "alembic", "aaa1", None, "op.create_table('my.thing', sa.Column('id', sa.Integer))")
    shop.ok("upgrade")
    assert shop.ok("current") == "aaa1 (head)\n"
    assert shop.ok("doctor") == "No problems found.\n"
    shop.ok("init")
    told = "a foreign key of table 'ref' refers to 'my.thing', and a revision cannot tell the dot in that name"
    for command in (AUTOGENERATE, ("check",)):
        assert told in shop.fails(*command)


def test_an_env_py_that_is_not_ours_is_told(shop):
    write(shop.app / "alembic" / "env.py", "print('nothing of ours')\n")
    write(shop.app / "alembic" / "script.py.mako", TEMPLATE)
    told = "did not call websauna_migrate.env.run_alembic(package='shop')"
    for command in (AUTOGENERATE, ("check",)):
        ran = shop.run(*command)
        assert (ran.code, ran.out) == (1, ""), command
        assert told in ran.err
    assert shop.scripts() == set()
    revise(shop.app / "alembic", "aaa1")
    assert told in shop.run("upgrade").err
    assert shop.tables() == set()


OF_PLAIN_ALEMBIC = """\
from sqlalchemy import engine_from_config
from alembic import context

section = context.config.get_section(context.config.config_ini_section, {})
with engine_from_config(section, prefix="sqlalchemy.").connect() as connection:
    context.configure(connection=connection)
"""


def test_the_env_py_of_plain_alembic_that_fails_is_told_by_its_name_and_what_it_lacks(shop):
    path = write(shop.app / "alembic" / "env.py", OF_PLAIN_ALEMBIC)
    write(shop.app / "alembic" / "script.py.mako", TEMPLATE)
    told = f"{path} of shop failed with KeyError: 'url'; nothing was run; it does not call websauna_migrate.env."
    for command in (AUTOGENERATE, ("check",), ("current", "-v")):
        assert shop.fails(*command).startswith(told), command
    revise(shop.app / "alembic", "aaa1")
    assert shop.fails("upgrade").startswith(told)


def test_what_fails_within_run_alembic_is_not_told_of_env_py(shop):
    shop.models(shop.app / "shop", THING + "def broken(*_): raise RuntimeError('mine')\n")
    text = "from websauna_migrate.env import run_alembic\nfrom shop.models import broken\n"
    write(shop.app / "alembic" / "env.py", text + "run_alembic(package='shop', include_object=broken)\n")
    assert shop.fails("check") == "RuntimeError: mine"


def test_a_template_of_revisions_that_is_missing_beside_env_py_is_told_with_the_command(shop):
    write(shop.app / "alembic" / "env.py", "")
    said = shop.fails(*AUTOGENERATE)
    assert f"{shop.app}/alembic/script.py.mako; " in said
    assert said.endswith(f"ws-alembic -c {shop.ini} -x packages=shop init")
    shop.ok("init")
    assert (shop.app / "alembic" / "script.py.mako").is_file()
    assert (shop.app / "alembic" / "env.py").read_text() == ""


def test_an_env_py_of_another_package_is_told(shop):
    text = "from websauna_migrate.env import run_alembic\nrun_alembic(package='blog')\n"
    env_py = write(shop.app / "alembic" / "env.py", text)
    write(shop.app / "alembic" / "script.py.mako", TEMPLATE)
    told = f"{env_py} calls run_alembic(package='blog') in the history of 'shop'; "
    assert shop.fails(*AUTOGENERATE).startswith(told)
    revise(shop.app / "alembic", "aaa1")
    assert shop.fails("upgrade").startswith(told)


@pytest.mark.parametrize(
    ("options", "instead"),
    [
        ("version_table='old'", "take the revisions of that table over with ws-alembic adopt --from old"),
        ("target_metadata=[]", "call config.add_migration_package('shop', 'shop.models:Base') in the application"),
        ("connection='secret', url='secret'", "set sqlalchemy.url = ... in the [app:...] section of the INI"),
    ],
)
def test_an_env_py_that_sets_what_we_set_is_told_what_to_write_instead(shop, options, instead):
    text = f"from websauna_migrate.env import run_alembic\nrun_alembic(package='shop', {options})\n"
    write(shop.app / "alembic" / "env.py", text)
    revise(shop.app / "alembic", "aaa1")
    said = shop.fails("upgrade")
    names = ", ".join(part.partition("=")[0] for part in options.split(", "))
    assert said == f"env.py of shop: run_alembic() does not take {names}; leave it out, and {instead}"


def test_a_wrong_command_line_exits_with_2(shop):
    for argv in (("nonsense",), ("upgrade", "--nonsense"), (), ("-x", "transaction=nonsense", "upgrade")):
        ran = shop.run(*argv)
        assert (ran.code, ran.out) == (2, ""), argv
        assert ran.err


def test_a_model_that_cannot_be_mapped_is_told_before_anything_is_written(shop):
    shop.add_app(
        "shop",
        THING + "    other = relationship('Nobody')\n",
    )
    (shop.app / "alembic").mkdir()
    said = shop.run(*AUTOGENERATE)
    assert said.code == 1
    assert "the models cannot be read" in said.err.splitlines()[-1]
    assert "Nobody" in said.err
    assert not shop.scripts()


def test_raiseerr_shows_the_trace_and_then_the_line(shop):
    ran = shop.run("--raiseerr", "-x", "packages=other", "current")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("Traceback (most recent call last):")
    assert ran.err.splitlines()[-1].startswith("FAILED: -x packages: no package 'other'")


def test_plain_alembic_tells_our_errors_too(shop):
    write(shop.app / "alembic" / "env.py", "from websauna_migrate.env import run_alembic\nrun_alembic('blog')\n")
    revise(shop.app / "alembic", "aaa1")
    with shop.ini.open("a") as ini:
        ini.write("[alembic]\nscript_location = %(here)s/alembic\n")
    ran = shop.run("upgrade", "head", script=ALEMBIC)
    assert ran.code != 0
    assert "blog" in ran.err + ran.out
    assert "Traceback" not in ran.err
