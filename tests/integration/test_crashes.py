"""Runs that end before they are through: killed, interrupted, or without their server."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import pytest

from scenarios import Revision, chain, run_killed_at, start_prepared, write_project
from websauna_migrate.database.lock_file import LOCK_FILE_SUFFIX
from websauna_migrate.scripts.signals import ENDING

PACKAGES = ("red", "green", "blue")


def wait_for(process, text: str) -> None:
    """Read what ``process`` says until there is ``text`` in it."""
    while line := process.stderr.readline():
        if text in line:
            return
    pytest.fail(f"it never said {text!r}")


def tables_of(heads: dict[str, list[str]]) -> set[str]:
    """Return the tables that there have to be at ``heads`` of histories made by ``chain(package, n, 2)``."""
    last = {package: int(rows[0].removeprefix(package)) for package, rows in heads.items() if rows}
    return {f"{package}{n}_{letter}" for package in last for n in range(1, last[package] + 1) for letter in "ab"}


# --- kill -9 ---------------------------------------------------------------------------------------------------


def settled(project) -> None:
    """Wait until the server has noticed that its client is gone."""
    if project.url.get_backend_name() == "postgresql":
        query = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        while project.rows(query):
            time.sleep(0.01)


@pytest.fixture(params=["sqlite", "postgresql"])
def atomic_backend(request):
    return request.getfixturevalue(request.param)


def test_a_run_killed_at_any_statement_never_leaves_a_revision_half_done(atomic_backend, tmp_path):
    url = atomic_backend.new_database()
    project = write_project(tmp_path, url, {name: chain(name, 4, 2) for name in PACKAGES})
    moment = random.Random(1)
    aims = {"upgrade": "heads", "downgrade": "base"}
    kills = seen_between = 0
    while kills < {"sqlite": 24, "postgresql": 6}[atomic_backend.name]:
        command = "downgrade" if tables_of(project.heads()) == everything() else "upgrade"
        code = run_killed_at(moment.randrange(1, 42), project, command, aims[command])
        assert code in (0, -signal.SIGKILL)
        kills += code != 0
        settled(project)
        assert project.tables() == tables_of(project.heads())
        seen_between += project.tables() not in (set(), everything())
    assert seen_between > 3

    assert run_killed_at(0, project, "upgrade") == 0
    assert project.tables() == everything()


def everything() -> set[str]:
    return tables_of({name: [f"{name}4"] for name in PACKAGES})


def test_on_mariadb_a_killed_run_goes_on_where_it_stopped_or_says_what_stays(mariadb, tmp_path, start, run):
    slow = Revision("slow", up="time.sleep(60)")
    project = write_project(tmp_path, mariadb.new_database(), {"red": [*chain("red", 3), slow]})
    killed = start(*project.argv("upgrade"), **project.options)
    wait_for(killed, "slow")
    killed.kill()
    killed.wait()
    assert project.heads() == {"red": ["red3"]}
    project.script("red", "slow").write_text(project.script("red", "slow").read_text().replace("sleep(60)", "sleep(0)"))

    assert run(*project.argv("upgrade"), **project.options).returncode == 0
    assert project.heads() == {"red": ["slow"]}


# --- signals ---------------------------------------------------------------------------------------------------

# Statements that take a minute unless somebody ends them.
LONG = {
    "postgresql": "SELECT pg_sleep(60)",
    "mariadb": "SELECT sleep(60)",
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
}
RUNNING = {
    "postgresql": "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND state = 'active'"
    " AND query LIKE 'SELECT pg_sleep%'",
    "mariadb": "SELECT 1 FROM information_schema.processlist WHERE db = DATABASE() AND info LIKE 'SELECT sleep%'",
}
CREATE = 'op.execute("CREATE TABLE half (id INTEGER)")\n'
ASLEEP = 'os.write(2, b"asleep\\n")\n'


#: A signal is handled alike whatever its number is: each meets both kinds of work, and each database both.
MET = [
    *(("sqlite", "statement", number) for number in ENDING[::2]),
    *(("sqlite", "python", number) for number in ENDING[1::2]),
    *(("postgresql", "statement", number) for number in ENDING[1::2]),
    *(("postgresql", "python", number) for number in ENDING[::2]),
    *(("mariadb", "statement", number) for number in ENDING[:2]),
    *(("mariadb", "python", number) for number in ENDING[2:] or ENDING),
]


@pytest.mark.parametrize(("backend", "work", "number"), MET, indirect=["backend"])
def test_a_signal_ends_the_revision_under_way_and_rolls_it_back(number, work, backend, tmp_path, start):
    pause = f"op.execute({LONG[backend.name]!r})" if work == "statement" else "for _ in range(600): time.sleep(0.1)"
    history = [*chain("red", 2), Revision("slow", up=CREATE + ASLEEP + pause), *chain("late", 1)]
    project = write_project(tmp_path, backend.new_database(), {"red": history})
    process = start(*project.argv("upgrade"), **project.options)
    wait_for(process, "asleep")
    if work == "statement":
        wait_for_statement(project)

    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)

    line = stderr.splitlines()[-1]
    assert process.returncode == 128 + number
    assert line.startswith("FAILED: interrupted; ")
    assert ("statements of red slow were not rolled back" in line) == (backend.name == "mariadb")
    assert "applied in this run: red red1, red red2; not applied: red slow, red late1; run the command again" in line
    assert project.heads() == {"red": ["red2"]}
    assert ("half" in project.tables()) == (backend.name == "mariadb")


def wait_for_statement(project) -> None:
    """Wait until the server, where there is one, is at work on a statement of :data:`LONG`."""
    query = RUNNING.get(project.url.get_backend_name())
    while query and not project.rows(query):
        time.sleep(0.02)


@pytest.mark.parametrize("name", ["mariadb", "mysql"])
def test_a_script_may_work_for_longer_than_the_server_keeps_idle_connections(name, request, tmp_path, run):
    url = request.getfixturevalue(name).new_database()
    url = url.update_query_dict({"init_command": "SET SESSION wait_timeout = 1"})
    works = Revision("works", up="import time\nop.execute('CREATE TABLE a (id INTEGER)')\ntime.sleep(2)")
    project = write_project(tmp_path, url, {"red": [works]})

    done = run(*project.argv("upgrade"), **project.options)

    assert done.returncode == 0, done.stderr


def test_on_mariadb_the_server_ends_the_statement_of_an_interrupted_run_too(mariadb, tmp_path, start):
    history = [*chain("red", 1), Revision("slow", up=[LONG["mariadb"]])]
    project = write_project(tmp_path, mariadb.new_database(), {"red": history})
    process = start(*project.argv("upgrade"), **project.options)
    wait_for(process, "red slow")
    wait_for_statement(project)

    process.terminate()
    process.wait(60)

    assert project.rows(RUNNING["mariadb"]) == []


def test_a_signal_at_any_moment_leaves_what_the_error_says(atomic_backend, tmp_path, start):
    # More than the five runs come to on a quick machine: the signal is to meet each in the middle.
    project = write_project(tmp_path, atomic_backend.new_database(), {name: chain(name, 120, 2) for name in PACKAGES})
    moment = random.Random(2)
    before = 0
    for _ in range(5):
        process = start(*project.argv("upgrade"), **project.options)
        for _ in range(moment.randrange(1, 20)):
            wait_for(process, "]")

        process.terminate()
        _, stderr = process.communicate(timeout=60)

        assert process.returncode == 128 + signal.SIGTERM
        assert project.tables() == tables_of(project.heads())
        after = len(project.tables()) // 2
        assert said_to_be_applied(stderr) == after - before
        assert f"({360 - after} in all); run the command again" in stderr
        before = after


@pytest.mark.parametrize("number", ENDING, ids=lambda number: number.name)
def test_a_signal_while_an_env_py_runs_tells_what_was_not_applied(sqlite, number, tmp_path, start):
    project = write_project(tmp_path, sqlite.new_database(), {"red": chain("red", 1)})
    env = tmp_path / "red" / "alembic" / "env.py"
    env.write_text(f"import sys, time\nprint('here', file=sys.stderr, flush=True)\ntime.sleep(60)\n{env.read_text()}")
    process = start(*project.argv("upgrade"), **project.options)
    wait_for(process, "here")

    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)

    assert process.returncode == 128 + number
    assert "FAILED: interrupted; applied in this run: none; not applied: red red1; run the command again" in stderr


def test_a_doctor_that_is_interrupted_does_not_tell_what_it_did_in_the_scratch_database(sqlite, tmp_path, start):
    history = [*chain("red", 1), Revision("slow", up=f"{CREATE}{ASLEEP}time.sleep(60)")]
    project = write_project(tmp_path, sqlite.new_database(), {"red": history})
    with project.engine().begin() as connection:
        connection.exec_driver_sql("CREATE TABLE alembic_history_red (version_num VARCHAR(32))")
        connection.exec_driver_sql("INSERT INTO alembic_history_red VALUES ('gone')")
    process = start(*project.argv("doctor"), **project.options)
    wait_for(process, "asleep")

    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=60)

    assert process.returncode == 143
    assert stderr.splitlines()[-1] == "FAILED: interrupted"


@pytest.mark.parametrize(
    ("backend", "number"),
    [("sqlite", signal.SIGINT), ("postgresql", signal.SIGTERM), ("mariadb", signal.SIGINT)],
    indirect=["backend"],
)
def test_further_signals_do_not_stop_the_end_of_a_run(backend, number, tmp_path, start):
    history = [*chain("red", 1), Revision("slow", up=f"{ASLEEP}op.execute({LONG[backend.name]!r})")]
    project = write_project(tmp_path, backend.new_database(), {"red": history})
    process = start(*project.argv("upgrade"), **project.options)
    wait_for(process, "asleep")
    wait_for_statement(project)

    for _ in range(4):
        process.send_signal(number)
        time.sleep(0.007)
    _, stderr = process.communicate(timeout=60)

    assert process.returncode == 128 + number
    assert "applied in this run: red red1; not applied: red slow" in stderr.splitlines()[-1]


def test_ctrl_c_ends_a_run_that_waits_for_a_writer_of_the_sqlite_file(sqlite, tmp_path, start):
    project = write_project(tmp_path, sqlite.new_database(), {"red": chain("red", 1)})
    with project.engine().connect() as writer:
        writer.exec_driver_sql("CREATE TABLE other (id INTEGER)")
        writer.exec_driver_sql("BEGIN IMMEDIATE")
        process = start(*project.argv("upgrade"), **project.options)
        while not Path(project.url.database + LOCK_FILE_SUFFIX).exists():
            assert process.poll() is None
            time.sleep(0.01)

        process.send_signal(signal.SIGINT)

        assert process.wait(5) != 0
        writer.rollback()


def said_to_be_applied(stderr: str) -> int:
    said = stderr.splitlines()[-1].partition("applied in this run: ")[2].partition(";")[0]
    if said.endswith("in all)"):
        return int(said.rpartition("(")[2].split()[0])
    return 0 if said == "none" else said.count(",") + 1


def test_a_run_that_ignores_ctrl_c_as_under_nohup_goes_on(sqlite, tmp_path):
    history = [*chain("red", 1), Revision("slow", up="time.sleep(1)")]
    project = write_project(tmp_path, sqlite.new_database(), {"red": history})
    ignores = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"
    with start_prepared(project, ignores, "upgrade") as process:
        wait_for(process, "slow")

        process.send_signal(signal.SIGINT)

        assert process.wait(60) == 0


# --- a server that goes away -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["own_postgresql", "own_mariadb"])
def test_a_server_restarted_in_the_middle_of_a_run_gives_a_clear_error_and_the_next_run_completes(
    kind, request, tmp_path, start, run
):
    server = request.getfixturevalue(kind)
    for name, sleep in (("statement", LONG[server.name]), ("between", "SELECT 1")):
        folder = tmp_path / name
        folder.mkdir()
        restart_in_the_middle(server, folder, sleep, start, run)


def restart_in_the_middle(server, folder: Path, sleep: str, start, run) -> None:
    """Restart ``server`` while a revision is at work on ``sleep``, or past it where that takes no time."""
    marker, restarted = folder / "first", folder / "restarted"
    work = f"""
        if not os.path.exists({str(marker)!r}):
            open({str(marker)!r}, "w").close()
            os.write(2, b"asleep\\n")
            op.execute({sleep!r})
            while not os.path.exists({str(restarted)!r}):
                time.sleep(0.02)
        op.execute("CREATE TABLE late (id INTEGER)")
        """
    project = write_project(folder, server.create_database(), {"red": [*chain("red", 2), Revision("slow", up=work)]})
    process = start(*project.argv("upgrade"), **project.options)
    wait_for(process, "asleep")
    if sleep in LONG.values():
        wait_for_statement(project)

    server.restart()
    restarted.touch()
    _, stderr = process.communicate(timeout=60)

    assert process.returncode == 1, sleep
    assert stderr.startswith("FAILED: the connection to the database was lost: "), (sleep, stderr)
    assert "applied in this run: red red1, red red2; not applied: red slow; " in stderr, (sleep, stderr)
    assert len(stderr.splitlines()) == 1
    done = run(*project.argv("upgrade"), **project.options)
    assert done.returncode == 0, (sleep, done.stderr)
    assert project.heads() == {"red": ["slow"]}, sleep


def test_a_lock_lost_while_a_revision_runs_stops_it_before_it_commits(postgresql, tmp_path, start):
    history = [*chain("red", 1), Revision("slow", up="time.sleep(1.5)")]
    project = write_project(tmp_path, postgresql.new_database(), {"red": history})
    process = start(*project.argv("upgrade"), **project.options)
    wait_for(process, "red slow")

    here = "(SELECT oid FROM pg_database WHERE datname = current_database())"
    project.rows(f"SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND database = {here}")
    _, stderr = process.communicate(timeout=20)

    assert process.returncode == 1
    assert "was lost, so another run may be active there; stopped before the next step or commit;" in stderr
    assert "applied in this run: red red1; not applied: red slow" in stderr
    assert project.heads() == {"red": ["red1"]}


def test_a_server_that_is_down_is_one_clear_line(own_postgresql, tmp_path, run):
    project = write_project(tmp_path, own_postgresql.create_database(), {"red": chain("red", 1)})
    own_postgresql.stop()

    done = run(*project.argv("upgrade"), **project.options)

    assert done.returncode == 1
    assert done.stderr.startswith("FAILED: cannot connect to postgresql+psycopg2://postgres@127.0.0.1:")
    assert len(done.stderr.splitlines()) == 1
