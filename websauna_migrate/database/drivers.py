"""The drivers of the databases: what to install for one, and a synchronous one in place of an asynchronous one."""

from __future__ import annotations

from contextlib import suppress
from difflib import get_close_matches
from importlib.util import find_spec
from typing import TYPE_CHECKING

from sqlalchemy.exc import NoSuchModuleError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.engine import URL

#: The synchronous drivers of each database, the preferred one first: the module that each is, and its package.
_SYNCHRONOUS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "postgresql": {
        "psycopg2": ("psycopg2", "psycopg2-binary"),
        "psycopg": ("psycopg", "psycopg[binary]"),
        "pg8000": ("pg8000", "pg8000"),
    },
    "mysql": {
        "pymysql": ("pymysql", "pymysql"),
        "mysqldb": ("MySQLdb", "mysqlclient"),
        "mysqlconnector": ("mysql", "mysql-connector-python"),
        "mariadbconnector": ("mariadb", "mariadb"),
    },
    "sqlite": {"pysqlite": ("sqlite3", "")},
}
_DATABASES = ("postgresql", "mysql", "mariadb", "sqlite", "oracle", "mssql")


def synchronous(url: URL) -> URL:
    """Return ``url`` with an installed synchronous driver in place of an asynchronous one, if there is one.

    The options of asyncpg become those of libpq; other asynchronous drivers take those of the drivers that they wrap.
    """
    if not is_asynchronous(url):
        return url
    backend = url.get_backend_name()
    installed = _installed(url)
    if not installed:
        return url
    query = libpq_options(url) if url.get_driver_name() == "asyncpg" else url.query
    return url.set(drivername=f"{backend}+{installed[0]}", query=query)


def is_asynchronous(url: URL) -> bool:
    """Tell whether the driver of ``url`` works only in an event loop, which no run has."""
    with suppress(NoSuchModuleError):
        return url.get_dialect().is_async
    return False


def how_to_install(url: URL) -> str:
    """Return what to install for the driver of ``url``, and how to write an URL for a driver that is installed."""
    driver, known = url.get_driver_name(), _drivers(url)
    package = known[driver][1] if driver in known else driver.removesuffix("_async")
    if is_asynchronous(url) and known:
        package = next(iter(known.values()))[1]
    remedy = f"install it with: pip install '{package}'"
    others = [name for name in _installed(url) if name != driver]
    if others:
        return f"{remedy}; or use {others[0]}, which is installed: {url.get_backend_name()}+{others[0]}://"
    if "+" not in url.drivername and len(known) > 1:
        other, (_, other_package) = next((name, facts) for name, facts in known.items() if name != driver)
        return f"{remedy}; or write {url.drivername}+{other}:// and: pip install '{other_package}'"
    return remedy


def other_name(drivername: str) -> str | None:
    """Return the known dialect that is closest to that of ``drivername``, None if none is similar."""
    database, plus, driver = drivername.partition("+")
    spelled = "postgresql" if database == "postgres" else next(iter(get_close_matches(database, _DATABASES, 1)), None)
    return spelled if spelled in (None, database) else f"{spelled}{plus}{driver}"


def libpq_options(url: URL) -> dict[str, str]:
    """Translate what a driver with options of its own (asyncpg, pg8000) was told in the query of ``url``."""
    query = {name: value if isinstance(value, str) else value[-1] for name, value in url.query.items()}
    options: dict[str, str] = {name: query[name] for name in ("host", "port", "application_name") if name in query}
    if "ssl" in query:
        options["sslmode"] = query["ssl"]
    if "unix_sock" in query:
        folder, _, port = query["unix_sock"].rpartition("/.s.PGSQL.")
        options |= {"host": folder, "port": port}
    return options


def _drivers(url: URL) -> Mapping[str, tuple[str, str]]:
    backend = url.get_backend_name()
    return _SYNCHRONOUS.get("mysql" if backend == "mariadb" else backend, {})


def _installed(url: URL) -> list[str]:
    return [name for name, (module, _) in _drivers(url).items() if find_spec(module) is not None]
