"""Waiting for what a run needs: growing pauses, and a server that does not answer yet."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from websauna_migrate.database.errors import DatabaseUnreachable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from websauna_migrate.database.connection import Database

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0  # seconds
_ONE_TRY = 15  # seconds; a packet that nobody answers is waited for some minutes otherwise
_OPTION = "connect_timeout"
_DRIVERS_WITH_IT = frozenset({"psycopg2", "psycopg", "pymysql", "mysqldb"})


def pauses(timeout: float) -> Iterator[float]:
    """Yield the seconds that have passed, with a pause after each, until ``timeout`` seconds are over."""
    start, pause = time.monotonic(), _FIRST_PAUSE
    while (waited := time.monotonic() - start) < timeout:
        yield waited
        time.sleep(min(pause, timeout - waited))
        pause = min(pause * 1.5, _LONGEST_PAUSE)


def wait_for_server(
    database: Database,
    timeout: float,
    on_wait: Callable[[DatabaseUnreachable, float], None],
) -> None:
    """Return as soon as the server of ``database`` answers; ask it again for ``timeout`` seconds.

    ``on_wait`` is called after each try in vain with its error and the seconds waited so far.

    :raises DatabaseUnreachable: it does not answer in that time, or it refuses the user, the password or the database
    """
    one_try, end = with_time_limit(database), time.monotonic() + timeout
    for waited in pauses(0 if database.url.get_backend_name() == "sqlite" else timeout):
        try:
            _connect(one_try)
        except DatabaseUnreachable as error:
            if error.is_refused or time.monotonic() > end:
                raise
            on_wait(error, waited)
        else:
            return
    _connect(one_try)


def with_time_limit(database: Database) -> Database:
    """Return ``database`` with a limit for one try to connect, unless its URL sets one."""
    url = database.url
    if url.get_driver_name() not in _DRIVERS_WITH_IT or _OPTION in url.query:
        return database
    return replace(database, url=url.update_query_dict({_OPTION: str(_ONE_TRY)}))


def _connect(database: Database) -> None:
    with database.connected(writes=False):
        pass
