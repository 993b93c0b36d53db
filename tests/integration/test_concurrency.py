"""Several runs on one database at the same time: one works, the others wait and then find nothing to do."""

from __future__ import annotations

import re

import pytest
import sqlalchemy as sa

from scenarios import Revision, chain, write_project

LOG = "CREATE TABLE applied (revision VARCHAR(40))"


def logged(package: str, length: int) -> list[Revision]:
    """Revisions that write down each time that they run, and take a moment, so that runs meet."""
    work = """
        op.execute("INSERT INTO applied VALUES ('{0}')")
        time.sleep(0.02)
        op.execute("CREATE TABLE {0} (id INTEGER)")
        """
    return [Revision(f"{package}{n}", up=work.format(f"{package}{n}")) for n in range(1, length + 1)]


def project_with_log(tmp_path, url, length=8):
    histories = {name: logged(name, length) for name in ("red", "green", "blue")}
    histories["red"][0:0] = [Revision("log", up=[LOG])]
    histories["green"][0] = Revision("green1", up=histories["green"][0].up, requires={"red": "log"})
    histories["blue"][0] = Revision("blue1", up=histories["blue"][0].up, requires={"red": "log"})
    return write_project(tmp_path, url, histories)


def finish(processes) -> list[str]:
    """Wait for ``processes``, make sure that all succeeded, and return what each said."""
    said = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes), said
    return [stderr for _, stderr in said]


def test_six_processes_that_upgrade_a_fresh_database_all_succeed_and_apply_each_revision_once(backend, tmp_path, start):
    project = project_with_log(tmp_path, backend.new_database())

    said = finish([start(*project.argv("upgrade"), **project.options) for _ in range(6)])

    applied = [row[0] for row in project.rows("SELECT revision FROM applied")]
    assert len(applied) == 24
    assert len(set(applied)) == 24
    assert project.heads() == {"red": ["red8"], "green": ["green8"], "blue": ["blue8"]}
    assert sum(text.count(": Make ") for text in said) == 25


def test_runs_through_pgbouncer_in_transaction_mode_take_turns(postgresql, pgbouncer, tmp_path, start):
    direct = postgresql.new_database()
    project = project_with_log(tmp_path, pgbouncer(default_pool_size=4).url(direct))

    finish([start(*project.argv("upgrade"), **project.options) for _ in range(4)])

    assert len(project.rows("SELECT revision FROM applied")) == 24


def test_behind_a_pgbouncer_with_one_connection_the_lock_goes_to_its_own_address(
    postgresql, pgbouncer, tmp_path, start
):
    direct = postgresql.new_database()
    lock_url = {"websauna_migrate.lock_url": direct.render_as_string()}
    project = write_project(tmp_path, pgbouncer(default_pool_size=1).url(direct), {"red": chain("red", 4)}, lock_url)

    finish([start(*project.argv("upgrade"), **project.options) for _ in range(2)])

    assert project.heads() == {"red": ["red4"]}


def test_an_index_is_created_concurrently_while_others_wait_for_the_lock(postgresql, tmp_path, start):
    concurrently = """
        op.execute("SELECT pg_sleep(1.5)")
        with op.get_context().autocommit_block():
            op.execute("CREATE INDEX CONCURRENTLY i ON red1_a (id)")
        """
    histories = {"red": [*chain("red", 1), Revision("index", up=concurrently), *chain("late", 1)]}
    project = write_project(tmp_path, postgresql.new_database(), histories)

    said = finish([start(*project.argv("upgrade"), **project.options) for _ in range(3)])

    assert sum("waiting for another run" in text for text in said) == 2
    assert [index["name"] for index in sa.inspect(project.engine()).get_indexes("red1_a")] == ["i"]
    assert project.heads() == {"red": ["late1"]}


def test_who_waits_too_long_is_told_who_holds_the_lock(backend, tmp_path, start, run):
    histories = {"red": [*chain("red", 1), Revision("slow", up="time.sleep(30)")]}
    project = write_project(tmp_path, backend.new_database(), histories, {"websauna_migrate.lock_timeout": 0.3})
    holder = start(*project.argv("upgrade"), **project.options)
    while "slow" not in holder.stderr.readline():
        pass

    done = run(*project.argv("upgrade"), **project.options)

    assert done.returncode == 1
    assert re.search(
        r"the lock of the database \S+ could not be acquired in 0.3 s: another run holds it, holder: process \d+",
        done.stderr,
    )


def upgrades_beside(folder, held: sa.URL, free: sa.URL, start, run) -> bool:
    """Tell whether an upgrade of ``free`` goes on while one of ``held`` is under way."""
    slow = {"red": [*chain("red", 1), Revision("slow", up="time.sleep(30)")]}
    (folder / "held").mkdir()
    (folder / "free").mkdir()
    one = write_project(folder / "held", held, slow)
    other = write_project(folder / "free", free, {"red": chain("red", 2)}, {"websauna_migrate.lock_timeout": 0})
    holder = start(*one.argv("upgrade"), **one.options)
    while "slow" not in holder.stderr.readline():
        pass
    return run(*other.argv("upgrade"), **other.options).returncode == 0


def test_runs_on_two_databases_do_not_wait_for_each_other(backend, tmp_path, start, run):
    assert upgrades_beside(tmp_path, backend.new_database(), backend.new_database(), start, run)


@pytest.mark.parametrize(("schema", "goes_on"), [("blue", True), ("red", False)])
def test_runs_in_two_schemas_do_not_wait_for_each_other(postgresql, tmp_path, start, run, schema, goes_on):
    url = postgresql.new_database()
    with sa.create_engine(url).begin() as connection:
        connection.execute(sa.text("CREATE SCHEMA red; CREATE SCHEMA blue"))
    red, other = (url.update_query_dict({"options": f"-csearch_path={name}"}) for name in ("red", schema))
    assert upgrades_beside(tmp_path, red, other, start, run) == goes_on


def test_a_revision_applied_by_another_tool_in_the_middle_of_a_run_is_found_out(postgresql, tmp_path, run):
    meddle = """
        op.execute("CREATE TABLE a (id INTEGER)")
        engine = sa.create_engine(op.get_bind().engine.url)
        with engine.begin() as other:
            other.execute(sa.text("INSERT INTO alembic_history_red VALUES ('zzz')"))
        """
    project = write_project(
        tmp_path, postgresql.new_database(), {"red": [*chain("red", 1), Revision("meddled", up=meddle)]}
    )

    done = run(*project.argv("upgrade"), **project.options)

    assert done.returncode == 1
    assert "the table alembic_history_red holds meddled, zzz, expected meddled" in done.stderr


def test_what_only_reads_does_not_wait_for_the_lock(postgresql, tmp_path, start, run):
    slow = {"red": [*chain("red", 1), Revision("slow", up="time.sleep(30)")]}
    project = write_project(tmp_path, postgresql.new_database(), slow)
    holder = start(*project.argv("upgrade"), **project.options)
    while "slow" not in holder.stderr.readline():
        pass

    for command in ("current", "status", "plan"):
        assert run(*project.argv(command), **project.options, timeout=10).returncode == 0


@pytest.mark.parametrize("kind", ["postgresql", "own_mariadb"])
def test_who_waits_long_goes_on_though_the_server_ends_idle_connections(kind, request, tmp_path, start):
    server = request.getfixturevalue(kind)
    url = server.new_database() if kind == "postgresql" else server.create_database()
    with sa.create_engine(url).begin() as connection:
        statement = f"ALTER DATABASE {url.database} SET idle_session_timeout = '2s'"
        connection.exec_driver_sql(statement if kind == "postgresql" else "SET GLOBAL wait_timeout = 2")
    slow = "SELECT pg_sleep(5)" if kind == "postgresql" else "SELECT sleep(5)"
    histories = {"red": [*chain("red", 1), Revision("slow", up=[slow]), *chain("late", 1)]}
    project = write_project(tmp_path, url, histories)
    first = start(*project.argv("upgrade"), **project.options)
    while "slow" not in first.stderr.readline():
        pass

    second = start(*project.argv("upgrade"), **project.options)

    assert "waiting for another run" in finish([first, second])[1]


def test_who_waits_says_once_for_whom_and_since_when(backend, tmp_path, start):
    steps = [Revision(f"slow{n}", up="time.sleep(1.1)") for n in range(4)]
    project = write_project(tmp_path, backend.new_database(), {"red": steps})
    first = start(*project.argv("upgrade"), **project.options)
    while "slow0" not in first.stderr.readline():
        pass

    _, said = finish([first, start(*project.argv("upgrade"), **project.options)])

    assert said.count("waiting for another run") == 1
    assert re.search(r"process \d+.* since 20\d\d-", said)


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("postgresql+psycopg2://127.0.0.1:1/x", "refused"),
        ("postgresql+none://h/x", "Can't load plugin"),
        ("sqlite:///x.db", "not of the same kind"),
    ],
)
def test_an_address_of_the_lock_that_cannot_be_used_is_named_with_its_setting(
    postgresql, tmp_path, run, address, reason
):
    settings = {"websauna_migrate.lock_url": address}
    project = write_project(tmp_path, postgresql.new_database(), {"red": chain("red", 1)}, settings)

    done = run(*project.argv("upgrade"), **project.options)

    assert done.returncode == 1
    line = done.stderr.splitlines()[-1]
    assert line.startswith("FAILED: cannot connect to ")
    assert reason in line
    assert line.endswith("nothing was run; correct the setting websauna_migrate.lock_url")
