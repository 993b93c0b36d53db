"""``ws-dump-db`` as a process: what it prints restores, and what goes wrong is told in one line."""

from __future__ import annotations

import os
import pty
import shutil
import signal
import sqlite3
import stat
import subprocess
import threading
import time
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from forked import Process, Program
from servers import PASSWORD

# Tables, rows and all else that a dump has to bring back; each statement on its own.
SCHEMAS = {
    "postgresql": [
        "CREATE TYPE mood AS ENUM ('sad', 'it''s ok', 'überglücklich')",
        "CREATE SEQUENCE ticket START 41",
        "CREATE TABLE note (id SERIAL PRIMARY KEY, body TEXT, data BYTEA, mood mood,"
        " number BIGINT DEFAULT nextval('ticket'), size INTEGER GENERATED ALWAYS AS (length(body)) STORED)",
        "CREATE VIEW long_note AS SELECT id, body FROM note WHERE size > 3",
        "CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN NEW.body := upper(NEW.body); RETURN NEW; END $$",
        "CREATE TRIGGER shout BEFORE INSERT ON note FOR EACH ROW WHEN (NEW.mood = 'sad') EXECUTE FUNCTION shout()",
    ],
    "mariadb": [
        "CREATE TABLE note (id INTEGER AUTO_INCREMENT PRIMARY KEY, body TEXT, data LONGBLOB,"
        " mood ENUM('sad', 'it''s ok', 'überglücklich'), number BIGINT DEFAULT 41,"
        " size INTEGER GENERATED ALWAYS AS (char_length(body)) STORED)",
        "CREATE VIEW long_note AS SELECT id, body FROM note WHERE size > 3",
        "CREATE FUNCTION loud(x TEXT) RETURNS TEXT DETERMINISTIC RETURN upper(x)",
        "CREATE TRIGGER shout BEFORE INSERT ON note FOR EACH ROW"
        " SET NEW.body = IF(NEW.mood = 'sad', loud(NEW.body), NEW.body)",
    ],
    "sqlite": [
        "CREATE TABLE note (id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT, data BLOB,"
        " mood TEXT CHECK (mood IN ('sad', 'it''s ok', 'überglücklich')), number BIGINT DEFAULT 41,"
        " size INTEGER GENERATED ALWAYS AS (length(body)) STORED)",
        "CREATE VIEW long_note AS SELECT id, body FROM note WHERE size > 3",
        "CREATE TRIGGER shout AFTER INSERT ON note WHEN NEW.mood = 'sad'"
        " BEGIN UPDATE note SET body = upper(body) WHERE id = NEW.id; END",
    ],
}
ROWS = [
    {"body": "plain", "data": b"", "mood": "it's ok"},
    {"body": "two\nlines\r\nof\tspace \\ 'quotes' \"\"", "data": bytes(range(256)), "mood": "überglücklich"},
    {"body": "Ünïcödé 🐘 \u2028 %s :x", "data": None, "mood": None},
    {"body": None, "data": b"\r\n'\\\0", "mood": "sad"},
]
MANY = {
    "postgresql": "SELECT 'row ' || g || repeat(' and more', {1}), 'it''s ok' FROM generate_series(1, {0}) AS g",
    "mariadb": "SELECT concat('row ', g, repeat(' and more', {1})), 'it''s ok'"
    " FROM json_table(concat('[0', repeat(',0', {0} - 1), ']'), '$[*]' COLUMNS (g FOR ORDINALITY)) AS s",
    "sqlite": "WITH RECURSIVE s(g) AS (SELECT 1 UNION ALL SELECT g + 1 FROM s WHERE g < {0})"
    " SELECT 'row ' || g || replace(hex(zeroblob({1})), '00', ' and more'), 'it''s ok' FROM s",
}


@contextmanager
def connected(url: sa.URL):
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        yield connection


def kind_of(url: sa.URL) -> str:
    return url.get_backend_name().replace("mysql", "mariadb")


def fill(url: sa.URL, many: int = 0, words: int = 20) -> None:
    with connected(url) as connection:
        for statement in SCHEMAS[kind_of(url)]:
            connection.exec_driver_sql(statement.replace("%", "%%"))
        connection.execute(sa.text("INSERT INTO note (body, data, mood) VALUES (:body, :data, :mood)"), ROWS)
        if many:
            rows = MANY[kind_of(url)].format(many, words)
            connection.exec_driver_sql(f"INSERT INTO note (body, mood) {rows}")


def contents(url: sa.URL) -> list[list[tuple]]:
    with connected(url) as connection:
        queries = ("SELECT * FROM note ORDER BY id", "SELECT * FROM long_note ORDER BY id")
        return [[tuple(map(plain, row)) for row in connection.exec_driver_sql(query)] for query in queries]


def digest(url: sa.URL) -> list[object]:
    """Return what differs where the rows do, made by the server if it can: many rows take a driver long."""
    query = {
        "postgresql": "SELECT md5(string_agg(note::text, '' ORDER BY id)) FROM note",
        "mariadb": "CHECKSUM TABLE note EXTENDED",
        "sqlite": "SELECT * FROM note ORDER BY id",
    }[kind_of(url)]
    with connected(url) as connection:
        return [tuple(row) if kind_of(url) == "sqlite" else row[-1] for row in connection.exec_driver_sql(query)]


def plain(value):
    return bytes(value) if isinstance(value, memoryview) else value


def write_ini(folder: Path, url: sa.URL | str) -> Path:
    text = url if isinstance(url, str) else url.render_as_string(hide_password=False)
    ini = folder / "development.ini"
    ini.write_text(f"[app:main]\nuse = call:acme.shop:main\nsqlalchemy.url = {text.replace('%', '%%')}\n")
    return ini


def with_programs_of(server) -> dict[str, str]:
    """Put the client programs of a server first in PATH."""
    return {"PATH": os.pathsep.join([str(getattr(server, "programs", "/")), os.environ["PATH"]])}


def restore(server, url: sa.URL, sql: Path) -> None:
    """Restore as the documentation says."""
    programs = getattr(server, "programs", None)
    calls = {
        "postgresql": ["--quiet", "--set=ON_ERROR_STOP=1", "--single-transaction", f"--dbname={pg_uri(url)}"],
        "mariadb": [f"--host={url.host}", f"--port={url.port}", f"--user={url.username}", url.database],
        "sqlite": ["-bail", url.database],
    }
    if url.get_backend_name() == "sqlite" and not shutil.which("sqlite3"):
        with closing(sqlite3.connect(url.database)) as database:
            database.executescript(sql.read_text())
        return
    program = str(programs / server.client) if programs else server.client
    with sql.open("rb") as file:
        subprocess.run([program, *calls[kind_of(url)]], stdin=file, check=True, capture_output=True)


def pg_uri(url: sa.URL) -> str:
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


@pytest.fixture
def dumped(backend, run, tmp_path):
    """A filled database, and its dump in a file."""
    url = backend.new_database()
    fill(url)
    ini = write_ini(tmp_path, url)
    done = run("ws-dump-db", ini, "--output", tmp_path / "dump.sql", env=with_programs_of(backend.server))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return url, tmp_path / "dump.sql"


def test_the_dump_restores_with_the_same_rows(backend, dumped):
    url, sql = dumped
    restored = backend.new_database()
    restore(backend.server, restored, sql)
    assert contents(restored) == contents(url)
    assert contents(url)[0][1][1:3] == tuple(ROWS[1][key] for key in ("body", "data"))


def test_what_was_restored_works_on(backend, dumped):
    url, sql = dumped
    restored = backend.new_database()
    restore(backend.server, restored, sql)
    for target in (url, restored):
        with connected(target) as connection:
            connection.exec_driver_sql("DELETE FROM note WHERE id = 4")
            connection.exec_driver_sql("INSERT INTO note (body, mood) VALUES ('new', 'sad')")
    assert contents(restored) == contents(url)
    assert contents(restored)[0][-1][:2] == (5, "NEW")


@pytest.mark.mariadb_only("sequences")
def test_a_sequence_goes_on_where_it_was(server, run, tmp_path):
    url, restored = server.new_database(), server.new_database()
    with connected(url) as connection:
        connection.exec_driver_sql("CREATE SEQUENCE ticket START WITH 41")
        connection.execute(sa.select(sa.Sequence("ticket").next_value()))
    output = ["--output", tmp_path / "dump.sql"]
    assert run("ws-dump-db", write_ini(tmp_path, url), *output, env=with_programs_of(server.server)).returncode == 0
    restore(server.server, restored, tmp_path / "dump.sql")
    with connected(restored) as connection:
        # MariaDB goes on after the numbers that it had taken to have them at hand.
        expected = 42 if server.name == "postgresql" else 1041
        assert connection.scalar(sa.select(sa.Sequence("ticket").next_value())) == expected


@pytest.mark.mariadb_only("sequences")
def test_a_default_that_asks_a_sequence_of_mariadb_comes_back_in_a_database_of_the_same_name(mariadb, run, tmp_path):
    url = mariadb.new_database()
    with connected(url) as connection:
        connection.exec_driver_sql("CREATE SEQUENCE ticket START WITH 41 NOCACHE")
        connection.exec_driver_sql("CREATE TABLE numbered (name TEXT, number BIGINT DEFAULT nextval(ticket))")
        connection.exec_driver_sql("INSERT INTO numbered (name) VALUES ('a'), ('b')")
    output = ["--output", tmp_path / "dump.sql"]
    assert run("ws-dump-db", write_ini(tmp_path, url), *output, env=with_programs_of(mariadb.server)).returncode == 0
    with connected(url) as connection:
        connection.exec_driver_sql(f"DROP DATABASE {url.database}")
        connection.exec_driver_sql(f"CREATE DATABASE {url.database}")
    restore(mariadb.server, url, tmp_path / "dump.sql")
    with connected(url) as connection:
        connection.exec_driver_sql("INSERT INTO numbered (name) VALUES ('c')")
        assert list(connection.scalars(sa.text("SELECT number FROM numbered"))) == [41, 42, 43]


def test_a_wrong_enum_value_is_refused_after_restoring(backend, dumped):
    _, sql = dumped
    restored = backend.new_database()
    restore(backend.server, restored, sql)
    with pytest.raises(sa.exc.DBAPIError), connected(restored) as connection:
        connection.exec_driver_sql("INSERT INTO note (mood) VALUES ('furious')")


MEASURED = """
import resource
from pathlib import Path

from websauna_migrate.scripts.ws_dump_db import main

def measured(argv):
    try:
        main(argv)
    finally:
        Path("peak").write_text(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))
"""


def test_a_large_table_is_dumped_with_flat_memory_and_restores(backend, tmp_path):
    (tmp_path / "measuring.py").write_text(MEASURED)
    peaks = {}
    for many in (200, 20_000):
        url = backend.new_database()
        fill(url, many, words=100)
        argv = ["ws-dump-db", str(write_ini(tmp_path, url))]
        env = {**os.environ, **with_programs_of(backend.server)}
        program = Program("measuring:measured", argv, env, str(tmp_path), [str(tmp_path)])
        with (tmp_path / "dump.sql").open("wb") as output, Process(program, None, output, None) as process:
            assert process.wait(60) == 0
        peaks[many] = int((tmp_path / "peak").read_text())
    assert (tmp_path / "dump.sql").stat().st_size > 18_000_000
    assert peaks[20_000] - peaks[200] < 8_000  # kilobytes
    restored = backend.new_database()
    restore(backend.server, restored, tmp_path / "dump.sql")
    assert digest(restored) == digest(url)


def test_a_password_with_all_that_hurts_works_and_never_shows(server, run, tmp_path):
    url = server.new_database(password=True)
    with connected(url) as connection:
        connection.exec_driver_sql("CREATE TABLE seen (id INTEGER)")
    seen = spy_on(tmp_path, server.server, server.server.dumper)
    done = run("ws-dump-db", write_ini(tmp_path, url), env={"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert done.returncode == 0, done.stderr
    assert "CREATE TABLE" in done.stdout
    for secret in (PASSWORD, sa.URL.create("x", "u", PASSWORD, "h").render_as_string(hide_password=False)[6:-2]):
        assert secret not in seen.read_text() + done.stdout + done.stderr


def test_a_wrong_password_is_one_line_without_it(server, run, tmp_path):
    url = server.new_database(password=True).set(password="wr0ng %'\"")
    done = run("ws-dump-db", write_ini(tmp_path, url), env=with_programs_of(server.server))
    assert_failed(done)
    assert "wr0ng" not in done.stderr
    assert "secretive" in done.stderr


def spy_on(folder: Path, server, program: str) -> Path:
    """Put a program into ``folder`` that notes how it was called and goes on as the real one."""
    spy = folder / program
    spy.write_text(f'#!/bin/sh\nprintf "%s\\n" "$0" "$@" >{folder}/seen\nexec {server.programs}/{program} "$@"\n')
    spy.chmod(0o755)
    return folder / "seen"


@pytest.fixture(params=["postgresql", "mariadb"])
def server(request):
    return request.getfixturevalue(request.param)


def assert_failed(done, code: int | None = None) -> None:
    assert done.returncode == code if code else done.returncode > 0
    assert done.stdout == ""
    assert done.stderr.startswith("FAILED: ")
    assert done.stderr.count("\n") == 1


# --- how to reach the server -----------------------------------------------------------------------------------


def test_postgresql_is_reached_by_its_socket_and_options_of_the_url(postgresql, run, tmp_path):
    url = postgresql.new_database()
    fill(url)
    query = {"host": str(postgresql.server.folder), "port": str(url.port), "application_name": "it's me"}
    by_socket = sa.URL.create("postgresql+psycopg2", "postgres", None, None, None, url.database, query)
    done = run("ws-dump-db", write_ini(tmp_path, by_socket), env=with_programs_of(postgresql.server))
    assert (done.returncode, done.stderr) == (0, "")
    demanding = url.update_query_dict({"sslmode": "require"})
    done = run("ws-dump-db", write_ini(tmp_path, demanding), env=with_programs_of(postgresql.server))
    assert_failed(done)
    assert "SSL" in done.stderr


def test_mariadb_is_reached_by_its_socket(mariadb, run, tmp_path):
    url = mariadb.new_database()
    fill(url)
    by_socket = url.set(host=None, port=None).update_query_dict({"unix_socket": str(mariadb.server.socket)})
    done = run("ws-dump-db", write_ini(tmp_path, by_socket), env=with_programs_of(mariadb.server))
    assert (done.returncode, done.stderr) == (0, "")


def test_the_settings_file_of_the_user_does_not_change_where_mariadb_is(mariadb, run, tmp_path):
    url = mariadb.new_database(password=True)
    (tmp_path / ".my.cnf").write_text("[client]\npassword=other\nport=1\n")
    env = with_programs_of(mariadb.server) | {"HOME": str(tmp_path)}
    assert run("ws-dump-db", write_ini(tmp_path, url), env=env).returncode == 0


# --- arguments, output -----------------------------------------------------------------------------------------


def test_arguments_after_two_dashes_reach_the_program(server, run, tmp_path):
    url = server.new_database()
    fill(url)
    only_schema = "--schema-only" if server.name == "postgresql" else "--no-data"
    done = run("ws-dump-db", write_ini(tmp_path, url), "--", only_schema, env=with_programs_of(server.server))
    assert done.returncode == 0
    assert "CREATE TABLE" in done.stdout
    assert "plain" not in done.stdout


@pytest.mark.parametrize("output", [(), ("--output", "dump.sql")], ids=["to stdout", "to a file"])
def test_the_exit_code_is_that_of_the_program(server, run, tmp_path, output):
    ini = write_ini(tmp_path, server.new_database())
    env = with_programs_of(server.server)
    done = run("ws-dump-db", ini, *output, "--", "--no-such-option", env=env, cwd=tmp_path)
    program = server.server.programs / server.server.dumper
    assert_failed(done, subprocess.run([program, "--no-such-option"], capture_output=True).returncode)
    assert "no-such-option" in done.stderr
    assert "cannot write" not in done.stderr


def test_sqlite_takes_no_arguments(sqlite, run, tmp_path):
    url = sqlite.new_database()
    fill(url)
    assert_failed(run("ws-dump-db", write_ini(tmp_path, url), "--", "--verbose"), 2)


def test_a_failure_keeps_the_old_file_and_leaves_no_other(server, run, tmp_path):
    ini = write_ini(tmp_path, server.new_database().set(database="not_there"))
    (tmp_path / "dump.sql").write_text("old")
    done = run("ws-dump-db", ini, "--output", tmp_path / "dump.sql", env=with_programs_of(server.server))
    assert_failed(done)
    assert "not_there" in done.stderr
    assert (tmp_path / "dump.sql").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["development.ini", "dump.sql"]


def test_output_replaces_what_a_link_points_to_and_keeps_its_permissions(sqlite, run, tmp_path):
    url = sqlite.new_database()
    fill(url)
    (tmp_path / "real.sql").write_text("old")
    (tmp_path / "real.sql").chmod(0o640)
    (tmp_path / "dump.sql").symlink_to("real.sql")
    assert run("ws-dump-db", write_ini(tmp_path, url), "--output", tmp_path / "dump.sql").returncode == 0
    assert (tmp_path / "dump.sql").is_symlink()
    assert "INSERT INTO" in (tmp_path / "real.sql").read_text()
    assert stat.S_IMODE((tmp_path / "real.sql").stat().st_mode) == 0o640


@pytest.mark.parametrize("where", ["stdout", "output"])
def test_a_full_disk_is_one_line(dumped, where, run, start, tmp_path, backend):
    ini, env = tmp_path / "development.ini", with_programs_of(backend.server)
    if where == "stdout":
        with Path("/dev/full").open("wb") as full:
            process = start("ws-dump-db", ini, stdout=full, env=env)
            _, stderr = process.communicate(timeout=60)
        done = subprocess.CompletedProcess([], process.returncode, "", stderr)
    else:
        done = run("ws-dump-db", ini, "--output", "/dev/full", env=env)
        assert stat.S_ISCHR(Path("/dev/full").stat().st_mode)
    assert_failed(done, 1)
    assert "No space left on device" in done.stderr


def test_a_closed_pipe_ends_it_quietly(backend, start, tmp_path):
    url = backend.new_database()
    fill(url, 20_000)
    process = start("ws-dump-db", write_ini(tmp_path, url), env=with_programs_of(backend.server))
    assert process.stdout.readline()
    process.stdout.close()
    process.stdout = None
    _, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (128 + signal.SIGPIPE, "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_the_program_too_and_removes_what_was_written(server, start, tmp_path, number):
    url = server.new_database()
    name = server.server.dumper
    (tmp_path / name).write_text(f'#!/bin/sh\necho $$ >"{tmp_path}/number"\necho something\nexec sleep 60\n')
    (tmp_path / name).chmod(0o755)
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    process = start("ws-dump-db", write_ini(tmp_path, url), "--output", tmp_path / "dump.sql", env=env)
    wait_for(lambda: any(path.suffix == ".partial" and path.stat().st_size for path in tmp_path.iterdir()))
    process.send_signal(number)
    _, stderr = process.communicate(timeout=10)
    assert process.returncode == 128 + number
    assert "Traceback" not in stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["development.ini", "number", name])
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "number").read_text()), 0)


def test_a_program_that_a_signal_ends_counts_as_in_a_shell(postgresql, run, tmp_path):
    (tmp_path / "pg_dump").write_text("#!/bin/sh\nkill -9 $$\n")
    (tmp_path / "pg_dump").chmod(0o755)
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    assert_failed(run("ws-dump-db", write_ini(tmp_path, postgresql.new_database()), env=env), 137)


def wait_for(condition, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


# --- what can be wrong -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "code", "said"),
    [
        ("", 1, "sqlalchemy.url"),
        ("nonsense", 1, "sqlalchemy.url"),
        ("oracle+nodriver://u:secr3t@h/d", 1, "oracle"),
        ("postgresql://u:secr3t@127.0.0.1:1/d", 1, "refused"),
        ("mariadb+pymysql://u:secr3t@127.0.0.1:1/d", 2, "127.0.0.1"),
        ("mysql+pymysql://u:secr3t@127.0.0.1/", 1, "names no database"),
        ("sqlite://", 1, "memory"),
    ],
)
def test_a_wrong_url_is_one_line_without_the_password(run, tmp_path, url, code, said, request):
    env = {}
    if url.startswith(("postgresql", "mariadb")):
        env = with_programs_of(request.getfixturevalue(url.partition(":")[0].partition("+")[0]).server)
    done = run("ws-dump-db", write_ini(tmp_path, url), env=env)
    assert_failed(done, code)
    assert said in done.stderr
    assert "secr3t" not in done.stderr


def test_a_missing_program_is_one_line_that_says_what_to_install(run, tmp_path):
    done = run("ws-dump-db", write_ini(tmp_path, "postgresql://h/d"), env={"PATH": str(tmp_path)})
    assert_failed(done, 1)
    assert "pg_dump" in done.stderr
    assert "postgresql-client" in done.stderr


def test_a_missing_settings_file_is_one_line(run, tmp_path):
    assert_failed(run("ws-dump-db", tmp_path / "nowhere.ini"), 1)


def test_programs_of_another_version_are_explained(postgresql, run, tmp_path):
    said = "pg_dump: error: aborting because of server version mismatch\npg_dump: detail: server version: 18.6\n"
    (tmp_path / "pg_dump").write_text(f"#!/bin/sh\ncat >&2 <<END\n{said}END\nexit 1\n")
    (tmp_path / "pg_dump").chmod(0o755)
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = run("ws-dump-db", write_ini(tmp_path, postgresql.new_database()), env=env)
    assert_failed(done, 1)
    assert "server version: 18.6" in done.stderr
    assert "install the client programs of the server's version" in done.stderr


def test_warnings_of_the_program_are_shown(postgresql, run, tmp_path):
    (tmp_path / "pg_dump").write_text("#!/bin/sh\necho 'pg_dump: warning: circular' >&2\n")
    (tmp_path / "pg_dump").chmod(0o755)
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = run("ws-dump-db", write_ini(tmp_path, postgresql.new_database()), env=env)
    assert (done.returncode, done.stderr) == (0, "pg_dump: warning: circular\n")


def test_a_missing_sqlite_file_is_not_created(run, tmp_path):
    done = run("ws-dump-db", write_ini(tmp_path, f"sqlite:///{tmp_path}/app.sqlite"), "--output", tmp_path / "dump.sql")
    assert_failed(done, 1)
    assert f"{tmp_path}/app.sqlite" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["development.ini"]


def test_a_file_that_is_no_database_is_one_line(run, tmp_path):
    (tmp_path / "app.sqlite").write_text("not a database, but long enough to look like one" * 100)
    done = run("ws-dump-db", write_ini(tmp_path, f"sqlite:///{tmp_path}/app.sqlite"))
    assert_failed(done, 1)
    assert "file is not a database" in done.stderr


# --- a terminal ------------------------------------------------------------------------------------------------


def test_a_terminal_shows_bytes_and_time(dumped, start, tmp_path, backend):
    _, sql = dumped
    ours, theirs = pty.openpty()
    env = with_programs_of(backend.server) | {"TERM": "xterm", "COLUMNS": "80"}
    process = start("ws-dump-db", tmp_path / "development.ini", "--output", sql, stderr=theirs, env=env)
    os.close(theirs)
    assert process.wait(60) == 0
    shown = os.read(ours, 65536).decode()
    os.close(ours)
    assert "dumping" in shown
    assert "kB" in shown
    assert "0:00:0" in shown


# --- a consistent snapshot -------------------------------------------------------------------------------------


@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_sqlite_is_dumped_as_it_was_at_one_moment_while_others_write(sqlite, run, tmp_path, journal):
    url = sqlite.new_database()
    fill(url, 20_000)
    with closing(sqlite3.connect(url.database)) as database:
        database.execute(f"PRAGMA journal_mode={journal}")
        database.execute("CREATE TABLE a (n)")
        database.execute("CREATE TABLE z (n)")
        database.commit()
    stop = threading.Event()

    def write():
        with closing(sqlite3.connect(url.database, timeout=30)) as database:
            while not stop.is_set():
                with database:
                    database.execute("INSERT INTO a VALUES (1)")
                    database.execute("INSERT INTO z VALUES (1)")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        done = run("ws-dump-db", write_ini(tmp_path, url))
    finally:
        stop.set()
        writer.join()
    assert done.returncode == 0, done.stderr
    assert done.stdout.count('INSERT INTO "a"') == done.stdout.count('INSERT INTO "z"')


def test_a_dump_never_takes_the_place_of_the_database_that_it_reads(tmp_path, run):
    database = tmp_path / "shop.sqlite"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE kept (id INTEGER)")
    (tmp_path / "app.ini").write_text(f"[app:main]\nuse = call:x:main\nsqlalchemy.url = sqlite:///{database}\n")
    before = database.read_bytes()

    done = run("ws-dump-db", tmp_path / "app.ini", "--output", database)

    assert (done.returncode, done.stdout, database.read_bytes()) == (2, "", before)
    assert "is the database itself" in done.stderr
