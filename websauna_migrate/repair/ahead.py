"""What pending revisions create and is in the database already, so that an upgrade would fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from websauna_migrate.revisions.contents import created_tables
from websauna_migrate.revisions.history import applied
from websauna_migrate.revisions.plan import wrong_rows

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from websauna_migrate.packages.package import TableName
    from websauna_migrate.repair.replay import Match, Replay
    from websauna_migrate.revisions.graph import Graph
    from websauna_migrate.revisions.history import HistoryGraph
    from websauna_migrate.revisions.scripts import Revision


def created_ahead(
    graph: Graph, rows: Mapping[str, Sequence[str]], package: str, tables: Collection[TableName]
) -> dict[TableName, Revision]:
    """Return those of ``tables`` that a pending revision of ``package`` creates and no applied one, of any package.

    Nothing where it cannot be told what is applied, or nothing is.
    """
    history = graph.histories[package]
    if not rows[package] or wrong_rows(history, rows[package]):
        return {}
    done = applied(history, rows[package])
    pending = [revision for id_, revision in history.revisions.items() if id_ not in done]
    there = {name: revision for name, revision in created_tables(pending).items() if name in tables}
    for other in graph.histories.values() if there else ():
        for name in created_tables([other.revisions[id_] for id_ in applied(other, rows[other.package])]):
            there.pop(name, None)
    return there


def match_ahead(history: HistoryGraph, rows: Sequence[str], replay: Replay) -> Match | None:
    """Return the first revision after ``rows`` that the tables match; revisions that change no table come after it."""
    done = applied(history, rows)
    return next((match for match in reversed(replay.exact) if applied(history, match.revisions) > done), None)
