"""The client programs of a database: which, with what arguments and what environment.

:func:`dump_calls` and :func:`shell_calls` are pure: a URL goes in, and the calls that would do come out, the best
first; :func:`choose` takes the first that is installed. A password goes into the environment or into an option
file, never into the arguments, which every user of the machine can read.

MySQL's own programs get an option file: for them ``MYSQL_PWD`` is deprecated, and a ``~/.my.cnf`` would override
it. The file has no name in any folder, so nothing has to be removed, however the run ends.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from websauna_migrate.database.drivers import libpq_options
from websauna_migrate.database.errors import ClientMissing, DatabaseFileMissing
from websauna_migrate.database.sqlite import sqlite_path
from websauna_migrate.exceptions import ClientError, UsageError, listed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sqlalchemy.engine import URL

#: Stands for the path of the option file in the arguments of a call.
OPTION_FILE = "{option file}"

_LIBPQ_DRIVERS = {"psycopg", "psycopg_async", "psycopg2", "psycopg2cffi"}
_MYSQL_SSL = ("ca", "capath", "cert", "key", "cipher")


@dataclass(frozen=True, slots=True)
class ClientCall:
    """How to start a client program. ``environment`` is added to the one there is.

    Where ``option_file`` holds a text, the program is to read it from a file that nobody else can, and
    :data:`OPTION_FILE` in ``arguments`` stands for its path.
    """

    program: str
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    option_file: str | None = None


def dump_calls(url: URL, arguments: Sequence[str] = ()) -> tuple[ClientCall, ...]:
    """Return the calls that print the database of ``url`` as SQL, the best first; ``arguments`` go to the program.

    :raises ClientError: no program dumps such a database; SQLite needs none
    :raises ClientError: MySQL and MariaDB have to be told which database
    """
    return _of_backend(_DUMPS, url)(url, tuple(arguments))


def shell_calls(url: URL, arguments: Sequence[str] = ()) -> tuple[ClientCall, ...]:
    """Return the calls that open a shell on the database of ``url``, the best first.

    :raises ClientError: no shell is known for such a database
    :raises DatabaseFileMissing: there is no such SQLite file, which its shells would create
    """
    return _of_backend(_SHELLS, url)(url, tuple(arguments))


def choose(calls: Sequence[ClientCall], program: str | None = None) -> ClientCall:
    """Return the first of ``calls`` whose program is installed, or the one of ``program``.

    :raises UsageError: ``program`` is none of those
    :raises ClientMissing: it is not installed, or none is
    """
    known = tuple(call.program for call in calls)
    if program is not None and program not in known:
        raise UsageError(
            f"--client {program}: this is not a client of this database", f"choose one of: {', '.join(known)}"
        )
    wanted = [call for call in calls if program in (None, call.program)]
    for call in wanted:
        if shutil.which(call.program):
            return call
    names = tuple(call.program for call in wanted)
    raise ClientMissing(names, tuple(_PACKAGES[name] for name in names))


@contextmanager
def option_file(call: ClientCall) -> Iterator[tuple[list[str], tuple[int, ...]]]:
    """Yield the arguments of ``call``, its program first, and the descriptors that the program has to inherit."""
    if call.option_file is None:
        yield [call.program, *call.arguments], ()
        return
    with tempfile.TemporaryFile() as file:
        file.write(call.option_file.encode())
        # Where the system shares the position between us and the program, it must be at the start.
        file.seek(0)
        os.set_inheritable(file.fileno(), True)
        path = f"/dev/fd/{file.fileno()}"
        yield [call.program, *(part.replace(OPTION_FILE, path) for part in call.arguments)], (file.fileno(),)


def sqlite_file(url: URL) -> Path:
    """Return the absolute path of the SQLite file of ``url``.

    :raises DatabaseFileMissing: there is none, or the database is in memory
    """
    path = sqlite_path(url)
    if path is None or not path.is_file():
        raise DatabaseFileMissing(":memory:" if path is None else str(path))
    return path


def _of_backend(calls: Mapping[str, _Calls], url: URL) -> _Calls:
    backend = url.get_backend_name()
    if backend not in calls:
        raise ClientError(f"no client program is known for {backend} databases", f"known are: {listed(tuple(calls))}")
    return calls[backend]


def _query(url: URL) -> dict[str, str]:
    """Return the options of ``url``; of one that is given several times the last counts."""
    return {name: value if isinstance(value, str) else value[-1] for name, value in url.query.items()}


# PostgreSQL


def _dump_postgresql(url: URL, arguments: tuple[str, ...]) -> tuple[ClientCall, ...]:
    uri, environment = _libpq(url)
    # Never asking: there may be nobody to answer.
    return (ClientCall("pg_dump", ("--no-password", f"--dbname={uri}", *arguments), environment),)


def _postgresql_shells(url: URL, arguments: tuple[str, ...]) -> tuple[ClientCall, ...]:
    uri, environment = _libpq(url)
    return (
        ClientCall("pgcli", (uri, *arguments), environment),
        ClientCall("psql", (f"--dbname={uri}", *arguments), environment),
    )


def _libpq(url: URL) -> tuple[str, dict[str, str]]:
    """Return ``url`` as libpq reads it, without a driver and without passwords, and the environment with them."""
    known = url if url.get_driver_name() in _LIBPQ_DRIVERS else url.set(query=libpq_options(url))
    # SQLAlchemy's own reading of it, which knows several hosts, and sockets among the options.
    _, options = known.set(drivername="postgresql+psycopg2").get_dialect()().create_connect_args(known)
    secrets = {name: options.pop(name, None) for name in ("password", "sslpassword")}
    options.pop("async_fallback", None)
    uri = "postgresql:///?" + urlencode(options, quote_via=quote)
    return uri, {"PGPASSWORD": secrets["password"]} if secrets["password"] else {}


# MySQL and MariaDB


def _dump_mysql(url: URL, arguments: tuple[str, ...]) -> tuple[ClientCall, ...]:
    if not url.database:
        raise ClientError("sqlalchemy.url names no database", "add /NAME after the host")
    # The whole database, as it is at one moment, while others go on writing.
    whole = ("--single-transaction", "--routines", "--events", "--triggers", "--hex-blob", "--no-tablespaces")
    # A table that is locked while it is restored cannot reach the sequence of its default: MariaDB's error 1100.
    safe = ("--skip-add-locks", "--max-allowed-packet=1G", "--default-character-set=utf8mb4")
    first, rest = (f"--defaults-file={OPTION_FILE}", *whole, *safe), (url.database, *arguments)
    calls = ((name, (*first, *_options_of_mysql(name), *rest)) for name in _mysql_first(url, "dump"))
    return tuple(ClientCall(name, call, option_file=_option_file(url)) for name, call in calls)


def _options_of_mysql(program: str) -> tuple[str, ...]:
    """Return the options of a dump that only MySQL knows. MariaDB installs its program under the old name too."""
    found = shutil.which(program)
    if program != "mysqldump" or (found and Path(found).resolve().name.startswith("mariadb")):
        return ()
    # Else a dump says which transactions the server has seen, which no other server takes.
    return ("--set-gtid-purged=OFF",)


def _mysql_shells(url: URL, arguments: tuple[str, ...]) -> tuple[ClientCall, ...]:
    database = (url.database,) if url.database else ()
    call = (f"--defaults-file={OPTION_FILE}", *database, *arguments)
    own = (ClientCall(name, call, option_file=_option_file(url)) for name in _mysql_first(url, ""))
    return (_mycli(url, arguments), *own)


def _mysql_first(url: URL, suffix: str) -> tuple[str, str]:
    """Return the names of the program of both families; the one that fits the URL's dialect is the better one."""
    mysql, mariadb = f"mysql{suffix}", f"mariadb-{suffix}" if suffix else "mariadb"
    return (mariadb, mysql) if url.get_backend_name() == "mariadb" else (mysql, mariadb)


def _option_file(url: URL) -> str:
    # Quoted and escaped as https://dev.mysql.com/doc/refman/en/option-files.html has it.
    options = {name: value.replace("\\", "\\\\").replace('"', '\\"') for name, value in _mysql_options(url).items()}
    lines = [f'{name}="{value}"' for name, value in options.items()]
    if _verifies_server(url):
        # One of these is MySQL's, the other MariaDB's; each family warns of the one that it does not know.
        lines += ["loose-ssl-mode=VERIFY_IDENTITY", "loose-ssl-verify-server-cert"]
    return "\n".join(["[client]", *lines, ""])


def _mysql_options(url: URL) -> dict[str, str]:
    query = _query(url)
    options = {
        "host": url.host,
        "port": url.port,
        "user": url.username,
        "password": url.password,
        "socket": query.get("unix_socket"),
        "default-character-set": query.get("charset"),
        **{f"ssl-{name}": query.get(f"ssl_{name}") for name in _MYSQL_SSL},
    }
    if "unix_socket" not in query and url.get_driver_name() != "mysqldb":
        # For these programs `localhost` means a socket; for all drivers but one it does not.
        options["protocol"] = "tcp"
    return {name: str(value) for name, value in options.items() if value is not None}


def _verifies_server(url: URL) -> bool:
    query = _query(url)
    asked = [query.get(name, "").lower() for name in ("ssl_check_hostname", "ssl_verify_identity", "ssl_verify_cert")]
    return "true" in asked or query.get("ssl_mode", "").upper() in ("VERIFY_CA", "VERIFY_IDENTITY")


def _mycli(url: URL, arguments: tuple[str, ...]) -> ClientCall:
    """Return the call of mycli, which reads no option file of ours: what it calls quoting differs."""
    options = _mysql_options(url) | {"database": url.database or ""}
    options["charset"] = options.pop("default-character-set", "")
    password = options.pop("password", None)
    options.pop("protocol", None)
    named = tuple(f"--{name}={value}" for name, value in options.items() if value)
    verify = ("--ssl-verify-server-cert",) if _verifies_server(url) else ()
    return ClientCall("mycli", (*named, *verify, *arguments), {"MYSQL_PWD": password} if password else {})


# SQLite


def _sqlite_shells(url: URL, arguments: tuple[str, ...]) -> tuple[ClientCall, ...]:
    path = str(sqlite_file(url))
    return (ClientCall("litecli", (path, *arguments)), ClientCall("sqlite3", (path, *arguments)))


if TYPE_CHECKING:
    _Calls = Callable[[URL, tuple[str, ...]], tuple[ClientCall, ...]]

_DUMPS: dict[str, _Calls] = {"postgresql": _dump_postgresql, "mysql": _dump_mysql, "mariadb": _dump_mysql}
_SHELLS: dict[str, _Calls] = {
    "postgresql": _postgresql_shells,
    "mysql": _mysql_shells,
    "mariadb": _mysql_shells,
    "sqlite": _sqlite_shells,
}

#: What to install for a program: a Python package, or a package of the operating system by its name in Debian.
_PACKAGES = {
    "pgcli": "pip install pgcli",
    "psql": "postgresql-client",
    "pg_dump": "postgresql-client",
    "mycli": "pip install mycli",
    "mysql": "mysql-client",
    "mysqldump": "mysql-client",
    "mariadb": "mariadb-client",
    "mariadb-dump": "mariadb-client",
    "litecli": "pip install litecli",
    "sqlite3": "sqlite3",
}
