"""Adopt an existing database: decide what its history table has to hold, and write it.

:func:`propose` only reads and returns an :class:`Adoption`, which can be shown before :func:`carry_out`
writes it, all of it or nothing. Tables with data are never touched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Table, inspect
from sqlalchemy.schema import DropTable

from websauna_migrate.database.history_table import history_table, read_heads, replace_rows
from websauna_migrate.database.version_tables import read_version_table
from websauna_migrate.exceptions import RunError, command, listed, summed
from websauna_migrate.packages.package import TableName, named_table
from websauna_migrate.repair.traces import is_behind, match_ahead
from websauna_migrate.revisions.history import HistoryGraph, applied, heads_of
from websauna_migrate.revisions.symbols import resolve
from websauna_migrate.run.alone import alone
from websauna_migrate.run.errors import NO_TABLE, PLAIN
from websauna_migrate.run.unadopted import is_left_over

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from websauna_migrate.bootstrap import Application
    from websauna_migrate.database.version_tables import VersionTable
    from websauna_migrate.packages.package import History
    from websauna_migrate.repair.replay import Match, Replay, Replayer
    from websauna_migrate.revisions.graph import Graph
    from websauna_migrate.run.observer import Observer


@dataclass(frozen=True, slots=True)
class Adoption:
    """What to write: ``rows`` in place of ``before`` into the history table of ``history``, and ``why``.

    ``drop`` is the old table that goes with it. ``is_left_over`` says that the database has none of the tables of the
    revisions in ``source``.
    """

    history: History
    source: VersionTable | None
    before: tuple[str, ...]
    rows: tuple[str, ...]
    why: str
    drop: TableName | None = None
    is_left_over: bool = False

    @property
    def changes(self) -> tuple[str, ...]:
        """What is changed in the database, one line each; nothing where all is as it should be."""
        written = f"{self.history.history_table}: {', '.join(self.before) or 'empty'} -> {', '.join(self.rows)}"
        changed = () if set(self.before) == set(self.rows) else (written,)
        return changed if self.drop is None else (*changed, f"{self.drop}: dropped")


def propose(
    app: Application,
    history: History,
    replayer: Replayer,
    *,
    source: str | None = None,
    revision: str | None = None,
    drop_old: bool = False,
) -> Adoption:
    """Return what to write so that the history table of ``history`` holds the revision of the database.

    That is what ``revision`` names, else what the version table ``source`` says, plain Alembic's where None, else the
    revision whose schema the database has, as ``replayer`` finds out. A history whose table holds revisions already is
    only taken on, to the later revision that the tables match. With ``drop_old``, nothing is written of a version
    table that is left over.

    :raises RunError: there is no table ``source``, or with ``drop_old`` it is not of Alembic's form; no revision has
        the schema of the database, or no script could be run to find out; the history table holds something else
    """
    graph = app.graph().histories[history.package]
    with app.connected(writes=False) as connection:
        heads = read_heads(connection, app.histories)
        before, old = heads[history.package], _old_table(connection, source)
        if drop_old and old is not None:
            _require_droppable(app.graph(), heads, history, old, source)
        ahead = None if source or revision or drop_old else _match_ahead(app, history, heads, connection, replayer)
        if ahead is not None:
            return Adoption(history, None, before, ahead.revisions, f"the tables in the database match {ahead}")
        stands = bool(before) and graph.revisions.keys() >= set(before)
        share = share_of(app.graph(), history.package, (old.rows if old is not None else None) or ())
        models = app.ownership.of(history.packages)
        left_over = not before and revision is None and bool(share) and is_left_over(graph, share, models, connection)
        if left_over and drop_old and old is not None:
            return Adoption(history, old, before, before, NO_TABLE, old.name, left_over)
        known = _known(history, graph, old, share, revision, before if stands and not source else ())
        rows, why = known or _matching(history, old, replayer.find_matches(history, connection))
    if stands and set(rows) != set(before):
        raise RunError(
            f"{history.package}: the table {history.history_table} is at {listed(before)}, "
            f"not at {', '.join(rows) or 'base'}",
            ("to overwrite it, run: ", command(history.package, "stamp", "--purge", *(rows or ("base",)))),
        )
    return Adoption(history, old, before, rows, why, old.name if drop_old and old else None, left_over)


def carry_out(app: Application, adoption: Adoption, observer: Observer) -> None:
    """Write ``adoption``, all of it or nothing, alone on the database.

    :raises RunError: a table holds other revisions than when it was proposed
    """
    with alone(app, observer) as (connection, _):
        _refuse_what_changed(adoption, connection)
        with connection.begin():
            rows = _table(adoption, connection)
            if adoption.rows != adoption.before:
                replace_rows(rows, adoption.before, adoption.rows, connection)
            if adoption.drop is not None:
                connection.execute(DropTable(Table(adoption.drop.name, rows.metadata, schema=adoption.drop.schema)))


def share_of(graph: Graph, package: str, rows: Sequence[str]) -> tuple[str, ...]:
    """Return those of the ``rows`` of one version table that are revisions of ``package``.

    Alembic keeps the rows of several bases in one table. Where no history has one of them, the table is of another
    program, and nothing of it is of ``package``.
    """
    known = {id_ for history in graph.histories.values() for id_ in history.revisions}
    return tuple(row for row in rows if row in graph.histories[package].revisions) if known >= set(rows) else ()


def _old_table(connection: Connection, source: str | None) -> VersionTable | None:
    """Return the version table to adopt; only that of plain Alembic, where none is named, may be missing."""
    old = read_version_table(connection, named_table(source or PLAIN))
    if old is None and source is not None:
        raise RunError(f"adopt --from: the database has no table {source}", "check which table the other tool uses")
    return old


def _require_droppable(
    graph: Graph, heads: Mapping[str, Sequence[str]], history: History, old: VersionTable, source: str | None
) -> None:
    """Refuse to drop a version table with more than revisions, or with those that another history has yet to adopt."""
    if not old.only_rows:
        raise RunError(
            f"adopt --drop-old: the table {old.name} holds more than the column version_num, and is not dropped",
            "run without --drop-old",
        )
    for package, other in graph.histories.items():
        share = share_of(graph, package, old.rows or ())
        if package != history.package and not applied(other, share) <= applied(other, heads[package]):
            raise RunError(
                f"adopt --drop-old: {old.name} also holds {listed(share)} of {package}, which has not adopted it",
                command(package, "adopt", *(("--from", source) if source else ())),
            )


def _known(
    history: History,
    graph: HistoryGraph,
    old: VersionTable | None,
    share: Sequence[str],
    revision: str | None,
    stands: Sequence[str],
) -> tuple[tuple[str, ...], str] | None:
    """Return the rows to write, and why these, where nothing has to be compared; ``share`` is of ``old``."""
    if revision is not None:
        return resolve(graph, revision), f"{revision} was named"
    if stands:
        return tuple(stands), f"{history.history_table} says so already"
    if old is not None and share:
        return heads_of(graph, applied(graph, share)), f"{old.name} says so"
    return None


def _match_ahead(
    app: Application,
    history: History,
    heads: Mapping[str, Sequence[str]],
    connection: Connection,
    replayer: Replayer,
) -> Match | None:
    """Return the revision that the tables match where what is pending after ``heads`` is in the database already."""
    graph, rows = app.graph().histories[history.package], heads[history.package]
    if not is_behind(graph, rows):
        return None
    return match_ahead(graph, rows, replayer.find_matches(history, connection))


def _matching(history: History, old: VersionTable | None, replay: Replay) -> tuple[tuple[str, ...], str]:
    """Return the rows of the revision that the tables match, and why these."""
    if not replay.exact:
        raise _nothing_matches(history, replay)
    said = f"{old.name} is at {', '.join(old.rows)}, which no script has; " if old and old.rows else ""
    return replay.exact[0].revisions, f"{said}the tables in the database match {replay.exact[0]}"


def _nothing_matches(history: History, replay: Replay) -> RunError:
    """Return the error that says what comes closest."""
    if not replay.matches:
        return RunError(
            f"{history.package}: it was not determined which revision the tables match: {replay.stopped}",
            "or pass --revision with the revision",
        )
    closest = replay.matches[0]
    near = f". Closest: {closest}; differences: {summed(closest.differences)}"
    broken = f"; {replay.stopped}" if replay.stopped else ""
    limits = f"; the scratch database lacks {listed(replay.lacks)}" if replay.lacks else ""
    return RunError(
        f"{history.package}: the tables match no revision{near}{broken}{limits}",
        "change them, or pass --revision with the revision",
    )


def _table(adoption: Adoption, connection: Connection) -> Table:
    """Return the history table to write to; its primary key goes unnamed where a renamed old table has the name."""
    rows = history_table(adoption.history.history_table)
    if adoption.source is not None:
        old = inspect(connection).get_pk_constraint(adoption.source.name.name, adoption.source.name.schema)
        if old["name"] == rows.primary_key.name:
            rows.primary_key.name = None
    return rows


def _refuse_what_changed(adoption: Adoption, connection: Connection) -> None:
    history, source = adoption.history, adoption.source
    if read_heads(connection, [history])[history.package] != adoption.before:
        raise _changed(history.history_table)
    if source is not None and read_version_table(connection, source.name) != source:
        raise _changed(str(source.name))


def _changed(table: str) -> RunError:
    what = f"another program wrote to {table} in the meantime, so nothing was changed"
    return RunError(what, "run the command again")
