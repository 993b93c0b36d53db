"""Waiting for what a run needs: growing pauses, and a server that does not answer yet."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from websauna_migrate.database.errors import DatabaseUnreachable
from websauna_migrate.database.remedies import codes_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from websauna_migrate.database.connection import Database

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0  # seconds

# Answers of a server that will not change by themselves: no such user, wrong password, no such database.
_REFUSALS = {"28000", "28P01", "3D000", "42501", 1044, 1045, 1049, 1698}
# psycopg2 has no code for an error of the connection.
_REFUSALS_IN_WORDS = ("authentication failed", "does not exist", "no pg_hba.conf entry", "no password supplied")


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
    for waited in pauses(0 if database.url.get_backend_name() == "sqlite" else timeout):
        try:
            _connect(database)
        except DatabaseUnreachable as error:
            if _is_refusal(error):
                raise
            on_wait(error, waited)
        else:
            return
    _connect(database)


def _connect(database: Database) -> None:
    with database.connected(writes=False):
        pass


def _is_refusal(error: DatabaseUnreachable) -> bool:
    said = error.__cause__
    refused = said is not None and not _REFUSALS.isdisjoint(codes_of(said))
    return refused or any(words in error.reason for words in _REFUSALS_IN_WORDS)
