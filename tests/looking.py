"""Connections by which the tests look into databases: one for each, kept until the database is dropped.

A server needs as long for a connection as for some twenty queries. Files of SQLite are connected to each time: tests
replace and remove them.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import URL, Engine, NullPool, create_engine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

#: What outlasts a transaction in a session, or shows in new sessions only.
_OF_SESSION = re.compile(r"\s*(SET|USE|RESET|ALTER\s+(DATABASE|ROLE|USER))\b", re.IGNORECASE)
_kept: dict[URL, Engine] = {}


@contextmanager
def looking(url: URL) -> Iterator[Connection]:
    """Yield a connection to a database, in a transaction that is committed where the block ends well."""
    with _engine(url).begin() as connection:
        yield connection


def execute(url: URL, *statements: str) -> list[tuple[object, ...]]:
    """Run statements in one transaction of a database and return the rows of the last one."""
    rows: list[tuple[object, ...]] = []
    try:
        with looking(url) as connection:
            for statement in statements:
                result = connection.exec_driver_sql(statement)
                rows = [tuple(row) for row in result] if result.returns_rows else []
    finally:
        if any(map(_OF_SESSION.match, statements)):
            let_go(url)
    return rows


def let_go(url: URL) -> None:
    """Close what is kept open to the database of ``url``, by whichever user and options."""
    for kept in [kept for kept in _kept if (kept.port, kept.database) == (url.port, url.database)]:
        _kept.pop(kept).dispose()


def let_server_go(port: int) -> None:
    """Close what is kept open to the databases of the server at ``port``."""
    for url in [kept for kept in _kept if kept.port == port]:
        let_go(url)


def _engine(url: URL) -> Engine:
    if url.get_backend_name() == "sqlite":
        return create_engine(url, poolclass=NullPool)
    if url not in _kept:
        # It would ask for a type that no test looks at.
        own = {"use_native_hstore": False} if url.drivername == "postgresql+psycopg2" else {}
        # A test may have ended the session, or the server.
        _kept[url] = create_engine(url, pool_size=1, max_overflow=-1, pool_pre_ping=True, **own)
    return _kept[url]
