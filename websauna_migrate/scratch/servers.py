"""Throw-away servers: data folder, start, and the URL of their socket. They listen nowhere else."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from websauna_migrate.scratch import mysql, postgresql
from websauna_migrate.scratch.account import cache_folder
from websauna_migrate.scratch.errors import NoScratchPlace, said_by
from websauna_migrate.scratch.programs import best_mysql, best_postgresql, find_mysql, find_postgresql
from websauna_migrate.scratch.sql import administering
from websauna_migrate.scratch.template import fill, key_of, unpack

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.engine import Connection

    from websauna_migrate.scratch.keeper import Keeper
    from websauna_migrate.scratch.programs import Mysql
    from websauna_migrate.scratch.wanted import Wanted

_START_SECONDS = 60.0
_PAUSE = 0.02  # seconds between two looks whether a server answers
_DATA = "data"
_PORT = 5432  # part of the name of PostgreSQL's socket; nothing listens on it

_POSTGRESQL_SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "autovacuum": "off",
}
_INITDB = ("-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync", "--wal-segsize=1")
# With "loose" a server passes over what it does not know: MySQL has other names for some than MariaDB.
_MYSQL_DATA = (
    "--no-defaults",
    "--loose-innodb-log-file-size=8M",
    "--loose-innodb-redo-log-capacity=8M",
    "--loose-mysqlx=OFF",
)
_MYSQL_OWN = ("--secure-file-priv=NULL",)  # or it wants the folder of the packages of MySQL
_MYSQL_SETTINGS = (
    *_MYSQL_DATA,
    "--skip-networking",
    "--skip-log-bin",
    "--character-set-server=utf8mb4",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-doublewrite=OFF",
    "--innodb-fast-shutdown=2",
    "--innodb-buffer-pool-size=32M",
    "--performance-schema=OFF",
)


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs: ``number`` is that of its process, ``address`` the options of a URL that lead to it."""

    kind: ModuleType
    number: int
    socket: Path
    superuser: str
    address: dict[str, str]
    mark: str

    @property
    def data(self) -> Path:
        """The folder of its data."""
        return self.socket.parent / _DATA

    def url(self, drivername: str, user: str, database: str) -> URL:
        """Return the URL of a database of this server. Nobody needs a password here."""
        return URL.create(drivername, user, database=database, query=self.address)

    def admin_url(self, drivername: str) -> URL:
        """Return the URL of a session that may do all."""
        return self.url(drivername, self.superuser, self.kind.MAINTENANCE)


def start_server(keeper: Keeper, wanted: Wanted, kept: Path | None = None) -> Server:
    """Start a server for ``wanted`` and wait until it answers; with the data of the archive ``kept`` if there is one.

    :raises NoScratchPlace: this machine has no programs for it, or the server does not start
    """
    start = _start_postgresql if wanted.dialect == "postgresql" else _start_mysql
    folder = keeper.new_folder("server-")
    if kept is not None and unpack(kept, folder / _DATA):
        keeper.give(folder / _DATA)
    server = start(keeper, folder, wanted)
    _wait(keeper, server, wanted, folder)
    return server


def _start_postgresql(keeper: Keeper, folder: Path, wanted: Wanted) -> Server:
    found = find_postgresql(keeper)
    if not found:
        raise NoScratchPlace(wanted.dialect, "this machine has no initdb and postgres that can be used")
    programs = best_postgresql(found, wanted.described)
    tools = [programs.folder / name for name in ("initdb", "postgres")]

    def make(data: Path) -> None:
        _run(keeper, wanted, [tools[0], "-D", data, "-U", postgresql.SUPERUSER, *_INITDB])

    data = _data_folder(keeper, folder, f"postgresql-{key_of(tools, programs.version)}", make)
    settings = {**_POSTGRESQL_SETTINGS, "unix_socket_directories": str(folder), "cluster_name": folder.name}
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    number = keeper.start([tools[1], "-D", data, "-p", str(_PORT), *options], folder / "log")
    path = folder / f".s.PGSQL.{_PORT}"
    return Server(postgresql, number, path, postgresql.SUPERUSER, _address(wanted, path), folder.name)


def _address(wanted: Wanted, path: Path) -> dict[str, str]:
    if wanted.drivername.endswith("+pg8000"):
        return {"unix_sock": str(path)}
    # Each stands before what libpq finds in the environment: $PGHOSTADDR would lead to another server.
    return {"host": str(path.parent), "hostaddr": "", "port": str(_PORT)}


def _start_mysql(keeper: Keeper, folder: Path, wanted: Wanted) -> Server:
    found = find_mysql(keeper)
    if not found:
        raise NoScratchPlace(wanted.dialect, "this machine has no mariadbd and no mysqld that can be used")
    programs = best_mysql(found, wanted.described, wanted.dialect)

    def make(data: Path) -> None:
        _run(keeper, wanted, _mysql_install(programs, data))

    key = key_of([programs.server], programs.version)
    data, path = _data_folder(keeper, folder, f"mysql-{key}", make), folder / "socket"
    # In the folder for temporary files a server removes, when it starts, what another one that runs has there.
    places = (f"--datadir={data}", f"--socket={path}", f"--pid-file={folder / 'pid'}", f"--tmpdir={folder}")
    argv: list[str | Path] = [programs.server, *_MYSQL_SETTINGS, *places]
    if not programs.is_mariadb:
        argv += _MYSQL_OWN
    number = keeper.start(argv, folder / "log")
    return Server(mysql, number, path, "root", {"unix_socket": str(path)}, str(path))


def _mysql_install(programs: Mysql, data: Path) -> Sequence[str | Path]:
    if programs.installer is None:
        return [programs.server, *_MYSQL_DATA, *_MYSQL_OWN, "--initialize-insecure", f"--datadir={data}"]
    # Without --force it wants the machine's name to be known to a resolver.
    options = ("--auth-root-authentication-method=normal", "--skip-test-db", "--force")
    return [programs.installer, *_MYSQL_DATA, *options, f"--datadir={data}", f"--tmpdir={data.parent}"]


def _data_folder(keeper: Keeper, folder: Path, key: str, make: Callable[[Path], None]) -> Path:
    data, cache = folder / _DATA, cache_folder()
    if data.exists():
        return data
    fill(data, cache / f"{key}.tar" if cache is not None else None, make)
    keeper.give(data)
    return data


def _run(keeper: Keeper, wanted: Wanted, argv: Sequence[str | Path]) -> None:
    done = keeper.run(argv)
    if done.returncode:
        raise NoScratchPlace(wanted.dialect, f"{Path(argv[0]).name} failed: {said_by(done.output)}")


def _wait(keeper: Keeper, server: Server, wanted: Wanted, folder: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        if _answers(server, wanted):
            return
        if keeper.has_ended(server.number) or time.monotonic() > deadline:
            said = said_by((folder / "log").read_text(errors="replace"))
            raise NoScratchPlace(wanted.dialect, f"its server does not start: {said}")
        time.sleep(_PAUSE)


def _answers(server: Server, wanted: Wanted) -> bool:
    if not _listens(server.socket):  # PyMySQL leaks its own when nobody listens
        return False
    try:
        with administering(server.admin_url(wanted.drivername)) as connection:
            refuse_another(server, connection, wanted)
    except DBAPIError:
        return False
    return True


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe, suppress(OSError):
        probe.connect(str(path))
        return True
    return False


def refuse_another(server: Server, connection: Connection, wanted: Wanted) -> None:
    """Stop where ``connection`` leads to another server than ``server``: nothing may be written there."""
    if server.kind.mark(connection) != server.mark:
        raise NoScratchPlace(wanted.dialect, "settings of the environment lead its connections to another server")
