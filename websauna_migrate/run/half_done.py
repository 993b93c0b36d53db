"""Revisions that were stopped in their batches, and runs that would leave them half done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from websauna_migrate.database.batch_places import PLACES, stopped_revisions
from websauna_migrate.database.connection import reading
from websauna_migrate.database.history_table import read_heads_and_tables
from websauna_migrate.exceptions import command
from websauna_migrate.revisions.history import applied
from websauna_migrate.run.errors import HalfDone

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from sqlalchemy.engine import Connection

    from websauna_migrate.bootstrap import Application
    from websauna_migrate.database.batch_places import Stopped
    from websauna_migrate.exceptions import Command
    from websauna_migrate.packages.package import History
    from websauna_migrate.revisions.graph import Graph
    from websauna_migrate.revisions.plan import Plan


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A revision of ``package`` that was stopped in its batches; ``finish`` runs the rest, ``forget`` gives it up."""

    package: str
    stopped: Stopped
    finish: Command
    forget: Command


def read_standing(
    connection: Connection, histories: Iterable[History]
) -> tuple[dict[str, tuple[str, ...]], tuple[Stopped, ...]]:
    """Return the rows of the history tables, and what was stopped in its batches: one more query where something was.

    :raises RunError: as :func:`~websauna_migrate.database.history_table.read_heads`
    """
    heads, tables = read_heads_and_tables(connection, histories)
    if PLACES not in tables:
        return heads, ()
    with reading(connection):
        return heads, stopped_revisions(connection)


def unfinished(
    graph: Graph, histories: Iterable[History], rows: Mapping[str, tuple[str, ...]], stopped: Iterable[Stopped]
) -> Iterator[Unfinished]:
    """Yield what of ``stopped`` can be finished; what does not agree with the ``rows`` was finished by another tool."""
    packages = {history.history_table: history.package for history in histories}
    for one in stopped:
        package = packages.get(one.history_table)
        history = graph.histories[package] if package else None
        if package is None or history is None or one.revision not in history.revisions:
            continue
        if (one.direction == "down") == (one.revision in applied(history, rows[package])):
            below = history.parents[one.revision] or ("base",)
            target = ("upgrade", one.revision) if one.direction == "up" else ("downgrade", *below[:1])
            forget = command(package, "stamp", *(rows[package] or ("base",)))
            yield Unfinished(package, one, command(package, *target), forget)


def refuse_half_done(
    app: Application,
    plan: Plan,
    selected: Collection[str],
    rows: Mapping[str, tuple[str, ...]],
    stopped: Collection[Stopped],
) -> None:
    """Raise where ``plan``, for the packages ``selected``, goes the other way than a revision that is half done.

    Its place would stay, while the run changes or drops its rows: the next run would go on at the wrong one.

    :raises HalfDone: there is such a revision; nothing was run
    """
    if not stopped:
        return
    touched = {*selected, *plan.heads_before}
    for one in unfinished(app.graph(), app.histories, rows, stopped):
        if one.package in touched and one.stopped.direction != plan.direction:
            raise HalfDone(one.package, one.stopped, one.finish, one.forget)
