"""Where the database of a running application stands: read with its own engine, without a lock.

Nothing is created, not even a missing SQLite file.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from websauna_migrate.bootstrap import Application, running_application
from websauna_migrate.database.connection import is_missing_file, unreachable
from websauna_migrate.database.history_table import read_heads, read_heads_and_values
from websauna_migrate.database.search_path import CURRENT_SCHEMA, SEARCH_PATH, first_schema_missing, may_be_missing
from websauna_migrate.database.sqlite import sqlite_path
from websauna_migrate.dbsession import get_engine
from websauna_migrate.exceptions import PROGRAM, MigrateError, RunError, reason_of
from websauna_migrate.revisions.graph import Scripts
from websauna_migrate.revisions.states import are_fine, history_states, problems_of, without_revisions
from websauna_migrate.web.ahead import histories_ahead

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyramid.registry import Registry
    from sqlalchemy.engine import Connection

    from websauna_migrate.database.errors import FirstSchemaMissing
    from websauna_migrate.packages.package import History
    from websauna_migrate.revisions.plan import HistoryState, PlanStep
    from websauna_migrate.web.ahead import Newer

REGISTRY_KEY = "websauna_migrate.application"

_lock = threading.Lock()


@dataclass(frozen=True)
class Standing:
    """An application, and the rows of its history tables by the package of the history.

    ``ahead`` are the histories that newer code has upgraded, by their package; this code runs with their tables, so
    nothing is wrong with them. ``misplaced`` is the error of a ``search_path`` whose first schema is missing.
    """

    app: Application
    rows: Mapping[str, tuple[str, ...]]
    ahead: Mapping[str, Newer] = field(default_factory=dict)
    misplaced: FirstSchemaMissing | None = None

    def states(self) -> dict[str, HistoryState]:
        """Return the state of each history."""
        return history_states(self.app.graph(), self.app.histories, self.rows)

    def is_fine(self) -> bool:
        """Tell whether nothing is to be done, as ``status --check --expand`` finds out; being ahead is fine too.

        The code runs before contract revisions are applied.
        """
        states = {name: state for name, state in self.states().items() if name not in self.ahead}
        is_there = self.misplaced is None and are_fine(states.values(), expand=True)
        return is_there and not without_revisions(self._not_ahead(), states, self.app.owned)

    def problems(self, *, pending: bool = True) -> list[MigrateError]:
        """Return an error for each history that is not at its heads; without ``pending``, those an upgrade leaves."""
        found = problems_of(self.app.graph(), self._not_ahead(), self.rows, self.app.owned, pending=pending)
        return [*([self.misplaced] if self.misplaced is not None else []), *found]

    def _not_ahead(self) -> list[History]:
        return [history for history in self.app.histories if history.package not in self.ahead]

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
    return _read(app, pooled=pooled)


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


def _read(app: Application, *, pooled: bool) -> Standing:
    if is_missing_file(app.url):
        return Standing(app, {history.package: () for history in app.histories})
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
            rows, misplaced = _rows_and_place(app, connection)
            return Standing(app, rows, histories_ahead(app, rows, connection), misplaced)
        except SQLAlchemyError as error:
            raise _unreadable(app, error) from error


def _rows_and_place(
    app: Application, connection: Connection
) -> tuple[Mapping[str, tuple[str, ...]], FirstSchemaMissing | None]:
    """Return the rows of the history tables, and whether new tables would be made elsewhere: in two queries, mostly."""
    if connection.dialect.name != "postgresql":
        return read_heads(connection, app.histories), None
    rows, (path, schema) = read_heads_and_values(connection, app.histories, (SEARCH_PATH, CURRENT_SCHEMA))
    if schema is not None and schema != connection.dialect.default_schema_name:  # made since the engine first connected
        rows, _ = read_heads_and_values(connection, app.histories, (), schema)
    return rows, first_schema_missing(connection) if may_be_missing(path, schema) else None


def _is_in_memory(connection: Connection) -> bool:
    """Tell whether the database is gone when its connection is closed."""
    return connection.dialect.name == "sqlite" and sqlite_path(connection.engine.url) is None


def _unreadable(app: Application, error: SQLAlchemyError) -> RunError:
    what = f"{app.database.shown}: the history tables cannot be read: {reason_of(error)}"
    return RunError(what, "check the privileges of this user, and the server's log")
