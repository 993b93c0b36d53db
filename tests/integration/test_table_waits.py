"""Upgrades while an application uses the tables: nobody waits for long, and each revision gets its turn."""

from __future__ import annotations

import re
import signal
import threading
import time
from contextlib import contextmanager
from textwrap import indent

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from scenarios import Revision, write_project
from websauna_migrate.database.table_holders import find_holder
from websauna_migrate.database.time_limits import TimeLimits, limited

ADD = Revision("add", up=["ALTER TABLE thing ADD COLUMN more INTEGER"])
LIMIT_OF_CLIENT = {"postgresql": "SET lock_timeout = '1500ms'", "mariadb": "SET lock_wait_timeout = 2"}


@pytest.fixture(params=["postgresql", "mariadb"])
def server(request):
    return request.getfixturevalue(request.param)


def project_with(tmp_path, server, *revisions, **settings):
    """Return an application with ``revisions`` and a table ``thing`` that is there already."""
    named = {f"websauna_migrate.{name}": value for name, value in {"lock_wait": 0.5, **settings}.items()}
    project = write_project(tmp_path, server.new_database(), {"red": revisions}, named)
    with project.engine().begin() as connection:
        connection.exec_driver_sql("CREATE TABLE thing (id INTEGER)")
    return project


@contextmanager
def reader(project):
    """Hold the table as a report that runs for long does; yield the number of its session."""
    with project.engine().connect() as connection:
        connection.exec_driver_sql("SELECT * FROM thing").all()
        asked = "pg_backend_pid()" if connection.dialect.name == "postgresql" else "CONNECTION_ID()"
        yield connection.exec_driver_sql(f"SELECT {asked}").scalar()


@contextmanager
def clients(project, server):
    """Query the table all the time, and yield the list of errors: a client that waits for too long gets one."""
    errors, over = [], threading.Event()

    def query():
        with project.engine().connect() as connection:
            connection.exec_driver_sql(LIMIT_OF_CLIENT[server.name])
            connection.commit()
            while not over.wait(0.05):
                try:
                    connection.exec_driver_sql("SELECT * FROM thing").all()
                except DBAPIError as error:
                    errors.append(error)
                connection.rollback()

    thread = threading.Thread(target=query)
    thread.start()
    try:
        yield errors
    finally:
        over.set()
        thread.join()


def line_with(process, words):
    """Return the next line of stderr that has ``words``."""
    for line in process.stderr:
        if words in line:
            return line
    raise AssertionError(f"no line with {words!r}")


def test_no_client_waits_for_long_and_the_revision_comes_through_when_the_reader_is_done(server, tmp_path, start):
    project = project_with(tmp_path, server, ADD)
    with clients(project, server) as errors:
        with reader(project) as session:
            upgrade = start(*project.argv("upgrade"), **project.options)
            first = line_with(upgrade, "try 1 of 20")
            line_with(upgrade, "try 2 of 20")
        assert upgrade.wait(30) == 0
    assert errors == []
    assert re.match(rf"red add waits for the table thing, which is in use by process {session}, user \w+, ", first)
    assert re.search(r", since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", first)
    assert project.heads() == {"red": ["add"]}


def test_without_a_limit_the_clients_queue_behind_the_revision(server, tmp_path, start):
    project = project_with(tmp_path, server, ADD, lock_wait=0)
    with clients(project, server) as errors, reader(project):
        upgrade = start(*project.argv("upgrade"), **project.options)
        end = time.monotonic() + 15
        while not errors and time.monotonic() < end:
            time.sleep(0.05)
    assert errors
    assert upgrade.wait(30) == 0


def test_the_last_try_says_how_many_there_were_and_who_holds_the_table(server, tmp_path, run):
    project = project_with(tmp_path, server, ADD, lock_wait_tries=2)
    with reader(project) as session:
        said = run(*project.argv("upgrade"), **project.options).stderr
    end = {"postgresql": f"SELECT pg_terminate_backend({session})", "mariadb": f"KILL {session}"}[server.name]
    assert f"the table thing is in use by process {session}, " in said
    assert "; 2 tries in " in said
    assert f"or end it with: {end}; or raise websauna_migrate.lock_wait or lock_wait_tries and run the" in said
    assert "fix /" not in said
    assert not project.heads().get("red")


def test_a_signal_ends_a_pause_at_once_and_the_lock_is_kept_until_then(postgresql, tmp_path, start, run):
    project = project_with(tmp_path, postgresql, ADD, lock_wait=0.1, lock_timeout=0)
    with reader(project):
        upgrade = start(*project.argv("upgrade"), **project.options)
        line_with(upgrade, "try 1 of 20")
        assert "another run holds it" in run(*project.argv("upgrade"), **project.options).stderr
        line_with(upgrade, "try 4 of 20")
        upgrade.send_signal(signal.SIGTERM)
        assert upgrade.wait(30) == 128 + signal.SIGTERM
    assert upgrade.stderr.read().startswith("FAILED: interrupted; applied in this run: none")


LEAVES = """
    with op.get_context().autocommit_block():
        op.execute("CREATE TABLE early (id INTEGER)")
    op.execute("ALTER TABLE thing ADD COLUMN more INTEGER")
    """
ONCE = [
    ("postgresql", LEAVES, [], "not tried again because the revision leaves its transaction"),
    ("postgresql", ADD.up, ["-x", "transaction=all"], "because all revisions run in one transaction"),
    (
        "mariadb",
        ["CREATE TABLE early (id INTEGER)", *ADD.up],
        [],
        "because what the revision had done before cannot be rolled back",
    ),
]


@pytest.mark.parametrize(("name", "up", "options", "told"), ONCE)
def test_what_cannot_be_undone_is_not_tried_again(request, tmp_path, run, name, up, options, told):
    project = project_with(tmp_path, request.getfixturevalue(name), Revision("add", up=up), lock_wait=0.2)
    with reader(project):
        program, *argv = project.argv(*options, "upgrade")
        said = run(program, *argv, **project.options).stderr
    assert "; 1 try in " in said
    assert told in said
    assert "waits for" not in said


def limits(expected, sql):
    return f"found = op.get_bind().exec_driver_sql({sql!r}).one()\nassert tuple(found) == {expected!r}, found\n"


PG = "SELECT current_setting('lock_timeout'), current_setting('statement_timeout')"
MARIADB = "SELECT @@lock_wait_timeout, @@innodb_lock_wait_timeout, @@max_statement_time"
MYSQL = "SELECT @@lock_wait_timeout, @@innodb_lock_wait_timeout, @@max_execution_time"
SEEN = {
    "postgresql": (PG, ("5s", "1min"), ("90s", "10s")),
    "mariadb": (MARIADB, (5, 5, 60.0), (90, 50, 10.0)),
    "mysql": (MYSQL, (5, 5, 60_000), (90, 50, 10_000)),
}


@pytest.mark.parametrize("together", [False, True])
def test_each_transaction_has_the_limits_of_its_script_and_an_autocommit_block_has_none(
    server, tmp_path, run, together
):
    sql, usual, own = SEEN[server.server.name]
    if together and server.name == "mariadb":
        pytest.skip("it has no transaction for all")
    url = server.new_database()
    with sa.create_engine(url, poolclass=sa.NullPool).connect() as connection:
        none = tuple(connection.exec_driver_sql(sql).one())
    block = "with op.get_context().autocommit_block():\n" + indent(limits(none, sql), "    ")
    revisions = [
        Revision("a", up=limits(usual, sql)),
        Revision("b", up=limits(own, sql)),
        Revision("c", up=limits(usual, sql)),
    ]
    if not together:
        revisions.append(Revision("d", up=limits(usual, sql) + block + limits(usual, sql)))
    project = write_project(tmp_path, url, {"red": revisions}, {"websauna_migrate.statement_timeout": 60})
    with project.script("red", "b").open("a") as file:
        file.write("\n\nlock_wait = 90\nstatement_timeout = 10\n")
    argv = project.argv(*(["-x", "transaction=all"] if together else []), "upgrade")
    done = run(*argv, **project.options)
    assert done.returncode == 0, done.stderr


def test_a_shorter_limit_of_the_url_stays(postgresql, tmp_path, run):
    body = limits(("30ms",), "SELECT current_setting('lock_timeout')")
    url = postgresql.new_database().update_query_dict({"options": "-c lock_timeout=30ms"})
    project = write_project(tmp_path, url, {"red": [Revision("a", up=body)]})
    done = run(*project.argv("upgrade"), **project.options)
    assert done.returncode == 0, done.stderr


def test_a_shorter_limit_of_the_role_or_of_a_script_stays(postgresql, tmp_path, run):
    shown = "SELECT current_setting('lock_timeout')"
    own = "op.execute(\"SET lock_timeout = '30ms'\")\n" + limits(("30ms",), shown)
    revisions = [
        Revision("a", up=limits(("70ms",), shown)),
        Revision("b", up=own),
        Revision("c", up=limits(("70ms",), shown)),
        Revision("d", up=limits(("20ms",), shown)),
    ]
    project = write_project(tmp_path, postgresql.new_database(), {"red": revisions})
    with project.script("red", "d").open("a") as file:
        file.write("\n\nlock_wait = 0.02\n")
    with project.engine().begin() as connection:
        name, role = project.url.database, project.url.username
        connection.exec_driver_sql(f"ALTER ROLE {role} IN DATABASE {name} SET lock_timeout = '70ms'")
    done = run(*project.argv("upgrade"), **project.options)
    assert done.returncode == 0, done.stderr


# What a script sets for its session, and where there is one for its transaction; what it sees of that.
OWN = {
    "postgresql": (
        ["SET lock_timeout = '7min'", "SELECT set_config('statement_timeout', '8min', false)"],
        "SET LOCAL lock_timeout = '6min'",
        ("7min", "8min"),
        ("6min", "1min"),
    ),
    "mariadb": (
        ["SET lock_wait_timeout = 77", "SET SESSION innodb_lock_wait_timeout = 78, max_statement_time = 79"],
        "SET lock_wait_timeout = 76",
        (77, 78, 79.0),
        (76, 5, 60.0),
    ),
    "mysql": (
        ["SET lock_wait_timeout = 77", "SET SESSION innodb_lock_wait_timeout = 78, max_execution_time = 79000"],
        "SET lock_wait_timeout = 76",
        (77, 78, 79_000),
        (76, 5, 60_000),
    ),
}


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("limit", [0, 60])
def test_a_limit_that_a_script_sets_lasts_to_its_end_and_no_longer(server, tmp_path, run, together, limit):
    sql, usual, _ = SEEN[server.server.name]
    if together and server.name == "mariadb":
        pytest.skip("it has no transaction for all")
    statements, local, kept, once = OWN[server.server.name]
    url = server.new_database()
    settings = {"websauna_migrate.statement_timeout": limit}
    if not limit:
        settings["websauna_migrate.lock_wait"] = 0
        with sa.create_engine(url, poolclass=sa.NullPool).connect() as connection:
            usual = tuple(connection.exec_driver_sql(sql).one())
        once = (once[0], *usual[1:])
    own = "".join(f"op.execute({statement!r})\n" for statement in statements)
    block = "" if together else "with op.get_context().autocommit_block():\n" + indent(limits(kept, sql), "    ")
    revisions = [
        Revision("a", up=own + limits(kept, sql) + block + limits(kept, sql)),
        Revision("b", up=limits(usual, sql) + f"op.execute({local!r})\n" + limits(once, sql)),
        Revision("c", up=limits(usual, sql)),
    ]
    project = write_project(tmp_path, url, {"red": revisions}, settings)
    argv = project.argv(*(["-x", "transaction=all"] if together else []), "upgrade")
    done = run(*argv, **project.options)
    assert done.returncode == 0, done.stderr


def test_an_index_that_is_built_concurrently_waits_as_long_as_it_has_to(postgresql, tmp_path, start):
    block = "with op.get_context().autocommit_block():\n    op.execute('CREATE INDEX CONCURRENTLY i ON thing (id)')"
    project = project_with(tmp_path, postgresql, Revision("a", up=block), lock_wait=0.2)
    with project.engine().begin() as writer:
        writer.exec_driver_sql("INSERT INTO thing VALUES (1)")
        upgrade = start(*project.argv("upgrade"), **project.options)
        waits = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX%%' AND wait_event_type = 'Lock'"
        with project.engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            seen, end = 0, time.monotonic() + 15
            while seen < 5 and time.monotonic() < end:  # for longer than the limit
                seen += connection.exec_driver_sql(waits).scalar()
                time.sleep(0.15)
    assert upgrade.wait(30) == 0
    assert "waits for" not in upgrade.stderr.read()
    assert project.rows("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('i')") == [(True,)]


@pytest.mark.parametrize("is_kept", [False, True])
def test_a_caller_gets_its_connection_back_as_it_was(server, is_kept):
    engine = sa.create_engine(server.new_database())
    sql = SEEN[server.server.name][0]
    with engine.connect() as connection:
        before = connection.exec_driver_sql(sql).one()
        connection.rollback()
        with limited(connection) as limits:
            limits.use(TimeLimits(lock_wait=3, statement=60))
            assert connection.exec_driver_sql(sql).one()[0] in (3, "3s")
            connection.rollback()
            if is_kept:  # by a script that fails after it
                sa.event.listen(connection, "before_cursor_execute", lambda *args: limits.hear(args[2]))
                for statement in OWN[server.server.name][0]:
                    connection.exec_driver_sql(statement)
                    connection.commit()
                    seen = connection.exec_driver_sql(sql).one()
                    assert seen[0] in (77, "7min")
                    if statement == OWN[server.server.name][0][0]:  # it takes the place of both limits
                        assert seen[1:] == before[1:]
                    connection.rollback()
        assert not connection.in_transaction()
        assert connection.exec_driver_sql(sql).one() == before
    engine.dispose()


def test_who_waits_for_nothing_has_no_holder(server):
    engine = sa.create_engine(server.new_database())
    with engine.connect() as connection:
        assert find_holder(connection, 0) is None
    engine.dispose()


@pytest.mark.parametrize("wrong", ["lock_wait = -1", "lock_wait = 'soon'", "statement_timeout = True"])
def test_a_limit_of_a_script_that_is_no_number_is_told_before_anything_is_run(sqlite, tmp_path, run, wrong):
    project = write_project(tmp_path, sqlite.new_database(), {"red": [Revision("a"), Revision("b")]})
    with project.script("red", "b").open("a") as file:
        file.write(f"\n{wrong}\n")
    said = run(*project.argv("upgrade"), **project.options).stderr
    assert f"{wrong} is not a number of seconds, 0 or more" in said
    assert project.tables() == set()
