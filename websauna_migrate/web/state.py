"""Where the database of a running application stands: read with its own engine, without a lock.

Nothing is created, not even a missing SQLite file.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from websauna_migrate.bootstrap import Application, running_application
from websauna_migrate.database.connection import is_missing_file, unreachable
from websauna_migrate.database.history_table import read_heads
from websauna_migrate.database.sqlite import sqlite_path
from websauna_migrate.dbsession import get_engine
from websauna_migrate.exceptions import PROGRAM, MigrateError, RunError, reason_of
from websauna_migrate.revisions.graph import Scripts
from websauna_migrate.revisions.states import are_fine, history_states, problems_of, without_revisions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyramid.registry import Registry
    from sqlalchemy.engine import Connection

    from websauna_migrate.exceptions import RevisionError
    from websauna_migrate.revisions.plan import HistoryState, PlanStep

REGISTRY_KEY = "websauna_migrate.application"

_lock = threading.Lock()


@dataclass(frozen=True)
class Standing:
    """An application, and the rows of its history tables by the package of the history."""

    app: Application
    rows: Mapping[str, tuple[str, ...]]

    def states(self) -> dict[str, HistoryState]:
        """Return the state of each history."""
        return history_states(self.app.graph(), self.app.histories, self.rows)

    def is_fine(self) -> bool:
        """Tell whether nothing is to be done, as ``status --check --expand`` finds out.

        The code runs before contract revisions are applied.
        """
        states = self.states()
        return are_fine(states.values(), expand=True) and not without_revisions(
            self.app.histories, states, self.app.owned
        )

    def problems(self, *, pending: bool = True) -> list[RevisionError]:
        """Return an error for each history that is not at its heads; without ``pending``, those an upgrade leaves."""
        return problems_of(self.app.graph(), self.app.histories, self.rows, self.app.owned, pending=pending)

    def pending(self) -> tuple[PlanStep, ...]:
        """Return what an upgrade of all packages would run, in this order.

        :raises MigrateError: a history table holds an unknown revision, or the steps cannot be put in order
        """
        return self.app.plan(self.rows, list(self.app.packages)).steps


def pending(registry: Registry) -> list[PlanStep]:
    """Return what is pending over all packages of a running application, in the order in which an upgrade runs it.

    Reads the scripts, and the heads with the application's own engine in at most three queries. It waits for no lock
    and creates nothing.

    :raises DatabaseUnreachable: the database does not answer
    :raises MigrateError: a script is broken, or a history table holds an unknown revision
    """
    return list(standing(registry).pending())


def standing(registry: Registry, *, pooled: bool = True) -> Standing:
    """Read where the application of ``registry`` stands now.

    Without ``pooled`` no connection stays open: a process that is forked later must not share it.

    :raises MigrateError: the database does not answer, a setting is wrong, or the history tables cannot be read
    """
    app = application_of(registry)
    return Standing(app, _read_rows(app, pooled=pooled))


def application_of(registry: Registry) -> Application:
    """Return the application of ``registry``, with its scripts as they are now.

    Its packages and their owners are found once: they do not change while it runs.
    """
    with _lock:
        if REGISTRY_KEY not in registry:
            registry[REGISTRY_KEY] = running_application(registry)
        app: Application = registry[REGISTRY_KEY]
    return replace(app, scripts=Scripts(app.scripts.histories))


def program_of(registry: Registry) -> tuple[str, ...]:
    """Return how commands begin that are shown for the application: with its settings file, where that is known."""
    try:
        ini = application_of(registry).ini
    except MigrateError:
        return PROGRAM
    if not ini.config_uri:
        return PROGRAM
    is_here = ini.path.parent == Path.cwd()
    return (*PROGRAM, "-c", ini.path.name if is_here else str(ini.path))


def _read_rows(app: Application, *, pooled: bool) -> Mapping[str, tuple[str, ...]]:
    if is_missing_file(app.url):
        return {history.package: () for history in app.histories}
    try:
        connection = get_engine(app.registry).connect()
    except DBAPIError as error:
        raise unreachable(app.database, error) from error
    except SQLAlchemyError as error:  # of the pool: no connection is free
        raise _unreadable(app, error) from error
    with connection:
        if not (pooled or _is_in_memory(connection)):
            connection.detach()
        try:
            return read_heads(connection, app.histories)
        except SQLAlchemyError as error:
            raise _unreadable(app, error) from error


def _is_in_memory(connection: Connection) -> bool:
    """Tell whether the database is gone when its connection is closed."""
    return connection.dialect.name == "sqlite" and sqlite_path(connection.engine.url) is None


def _unreadable(app: Application, error: SQLAlchemyError) -> RunError:
    what = f"{app.database.shown}: the history tables cannot be read: {reason_of(error)}"
    return RunError(what, "check the privileges of this user, and the server's log")
