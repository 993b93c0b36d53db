"""``ws-db-shell`` as a process: the client has taken its place, with its terminal, signals and exit code."""

from __future__ import annotations

import os
import pty
import shutil
import signal
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from servers import PASSWORD

QUIT = {"psql": b"\\q\n", "mariadb": b"exit\n", "mysql": b"exit\n", "sqlite3": b".quit\n"}
RUN_QUERY = {"postgresql": ["-c"], "mariadb": ["-e"], "sqlite": []}


def write_ini(folder: Path, url: sa.URL | str) -> Path:
    text = url if isinstance(url, str) else url.render_as_string(hide_password=False)
    ini = folder / "development.ini"
    ini.write_text(f"[app:main]\nuse = call:acme.shop:main\nsqlalchemy.url = {text.replace('%', '%%')}\n")
    return ini


def path_of(*folders: object) -> dict[str, str]:
    return {"PATH": os.pathsep.join([*map(str, folders), os.environ["PATH"]])}


def fake(folder: Path, name: str, script: str) -> dict[str, str]:
    """Put a program ``name`` first in PATH."""
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)
    return path_of(folder)


@pytest.fixture
def reachable(backend, tmp_path):
    """The settings file of a database that is there, the client's name, and the environment to find it in."""
    url = backend.new_database(password=backend.name != "sqlite")
    client = backend.server.client
    if backend.name == "sqlite":
        Path(url.database).touch()
        if not shutil.which(client):
            pytest.skip("no sqlite3 program here")
    return write_ini(tmp_path, url), client, path_of(getattr(backend.server, "programs", tmp_path))


def test_a_person_at_a_terminal_talks_to_the_client(reachable, start):
    ini, client, env = reachable
    ours, theirs = pty.openpty()
    env |= {"TERM": "dumb", "PAGER": "cat"}
    shell = start("ws-db-shell", "--client", client, ini, stdin=theirs, stdout=theirs, stderr=theirs, env=env)
    os.close(theirs)
    os.write(ours, b"SELECT 123456 * 1001 AS answer;\n")
    read_until(ours, "123579456")
    os.write(ours, QUIT[client])
    assert shell.wait(10) == 0
    os.close(ours)


def read_until(terminal: int, text: str, seconds: float = 20) -> None:
    shown, deadline = "", time.monotonic() + seconds
    while text not in shown:
        assert time.monotonic() < deadline, shown
        shown += os.read(terminal, 4096).decode(errors="replace")


def test_arguments_reach_the_client_and_its_exit_code_comes_back(backend, reachable, run):
    ini, client, env = reachable
    query = RUN_QUERY[backend.name]
    done = run("ws-db-shell", ini, "--client", client, "--", *query, "SELECT 6 * 7", env=env)
    assert (done.returncode, done.stderr) == (0, "")
    assert "42" in done.stdout
    done = run("ws-db-shell", ini, "--client", client, "--", *query, "SELECT nonsense", env=env)
    assert done.returncode == 1
    assert "nonsense" in done.stderr


def test_the_client_is_the_same_process(start, tmp_path):
    ini = write_ini(tmp_path, "postgresql://h/d")
    shell = start("ws-db-shell", ini, env=fake(tmp_path, "pgcli", "echo $$; exec sleep 60"))
    assert int(shell.stdout.readline()) == shell.pid
    shell.send_signal(signal.SIGTERM)
    assert shell.wait(10) == -signal.SIGTERM


def test_a_closed_pipe_ends_the_client_as_without_us(start, tmp_path):
    ini = write_ini(tmp_path, "postgresql://h/d")
    shell = start("ws-db-shell", ini, env=fake(tmp_path, "pgcli", "exec yes"))
    assert shell.stdout.readline() == "y\n"
    shell.stdout.close()
    assert shell.wait(10) == -signal.SIGPIPE


@pytest.mark.parametrize(
    ("url", "client", "script"),
    [
        ("postgresql+psycopg2", "pgcli", 'echo "$PGPASSWORD"; echo "$@"'),
        ("postgresql+psycopg2", "psql", 'echo "$PGPASSWORD"; echo "$@"'),
        ("mariadb+pymysql", "mycli", 'echo "$MYSQL_PWD"; echo "$@"'),
        ("mariadb+pymysql", "mariadb", 'sed -n "s/^password=//p" "${1#*=}"; echo "$@"'),
    ],
)
def test_the_password_reaches_the_client_and_is_in_no_argument(run, tmp_path, url, client, script):
    ini = write_ini(tmp_path, sa.URL.create(url, "me", PASSWORD, "h", 1, "d"))
    done = run("ws-db-shell", "--client", client, ini, env=fake(tmp_path, client, script))
    password, arguments = done.stdout.splitlines()
    assert password in (PASSWORD, '"' + PASSWORD.replace('"', '\\"') + '"')
    assert not any(part in arguments for part in ("a%40b", "a%2540b", "psycopg2"))


def assert_failed(done, code: int) -> None:
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith("FAILED: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("url", "options", "code", "said"),
    [
        ("", [], 1, "sqlalchemy.url"),
        ("oracle+nodriver://u:secr3t@h/d", [], 1, "oracle"),
        ("postgresql://u:secr3t@h/d", [], 1, "pip install pgcli, postgresql-client"),
        ("postgresql://u:secr3t@h/d", ["--client", "psql"], 1, "psql is not installed"),
        ("postgresql://u:secr3t@h/d", ["--client", "sqlite3"], 2, "pgcli, psql"),
        ("mysql+pymysql://u:secr3t@h/d", [], 1, "pip install mycli, mysql-client, mariadb-client"),
    ],
)
def test_what_cannot_be_is_one_line_without_the_password(run, tmp_path, url, options, code, said):
    done = run("ws-db-shell", write_ini(tmp_path, url), *options, env={"PATH": str(tmp_path)})
    assert_failed(done, code)
    assert said in done.stderr
    assert "secr3t" not in done.stderr


def test_a_missing_sqlite_file_is_not_created(run, tmp_path):
    assert_failed(run("ws-db-shell", write_ini(tmp_path, f"sqlite:///{tmp_path}/app.sqlite")), 1)
    assert [path.name for path in tmp_path.iterdir()] == ["development.ini"]


@pytest.mark.parametrize("name", ["postgresql", "mariadb"])
def test_a_wrong_password_is_what_the_client_says_and_its_exit_code(request, run, tmp_path, name):
    server = request.getfixturevalue(name)
    ini = write_ini(tmp_path, server.new_database(password=True).set(password="wr0ng"))
    options = ["--client", server.server.client]
    done = run("ws-db-shell", *options, ini, "--", *RUN_QUERY[name], "SELECT 1", env=path_of(server.server.programs))
    assert done.returncode in (1, 2)
    assert "secretive" in done.stderr
    assert "wr0ng" not in done.stderr
