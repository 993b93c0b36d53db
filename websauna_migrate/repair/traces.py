"""What a database has of revisions that are not applied, and lacks of those that are.

Decided from the snapshots of a replay alone. Only that counts which a revision creates as a whole: tables, columns,
indexes and unique constraints. How a column is spelled may differ from server to server.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from websauna_migrate.packages.package import TableName
from websauna_migrate.revisions.contents import created_tables
from websauna_migrate.revisions.history import applied
from websauna_migrate.revisions.plan import wrong_rows

if TYPE_CHECKING:
    from websauna_migrate.repair.facts import Facts
    from websauna_migrate.repair.replay import Match, Replay, Snapshot
    from websauna_migrate.revisions.graph import Graph
    from websauna_migrate.revisions.history import HistoryGraph

_CREATED = ("index ", "unique ")


class Part(NamedTuple):
    """Something that a revision creates: a column or an index of ``table``, or the table where ``text`` is empty."""

    table: TableName
    text: str = ""

    def __str__(self) -> str:
        return f"{self.table}: {self.text}" if self.text else f"table {self.table}"


@dataclass(frozen=True, slots=True)
class Trace:
    """What ``revision`` creates, as far as the database has it and as far as it lacks it; None where not known.

    ``gone`` and ``left`` are what it drops, as far as the database lacks it and as far as it has it.
    """

    revision: str
    there: frozenset[Part] = frozenset()
    missing: frozenset[Part] | None = frozenset()
    gone: frozenset[Part] = frozenset()
    left: frozenset[Part] = frozenset()

    @property
    def is_complete(self) -> bool:
        """Whether all that the revision creates and drops was created and dropped."""
        return self.missing is not None and not self.missing and not self.left


def is_behind(history: HistoryGraph, rows: Sequence[str]) -> bool:
    """Tell whether ``rows`` say what is applied, and that something is and something is not."""
    return bool(rows) and not wrong_rows(history, rows) and len(applied(history, rows)) < len(history.revisions)


def match_ahead(history: HistoryGraph, rows: Sequence[str], replay: Replay) -> Match | None:
    """Return the first revision after ``rows`` that the tables match, None where they match that of ``rows`` too.

    Revisions that change no table come after it. The tables may match one because a script of another package creates
    a table later in a replay than it did here: without a trace of the revisions, it is none.
    """
    done = applied(history, rows)
    exact = [(applied(history, match.revisions), match) for match in reversed(replay.exact)]
    if any(state == done for state, _ in exact) or traces_ahead(history, rows, replay) == ():
        return None
    return next((match for state, match in exact if state > done), None)


def traces_ahead(history: HistoryGraph, rows: Sequence[str], replay: Replay) -> tuple[Trace, ...] | None:
    """Return what the database has of the revisions after ``rows``; None where they were not compared."""
    start = _place(history, rows, replay.snapshots)
    if start is None:
        return None
    here, base = parts_of(replay.here), parts_of(replay.snapshots[start].facts)
    traces = (
        Trace(
            id_,
            there=frozenset((after - before) & here - base),
            missing=frozenset(after - before - here),
            gone=frozenset((before - after) & base - here),
            left=frozenset((before - after) & here),
        )
        for id_, before, after in _steps(history, replay.snapshots[start:])
    )
    return tuple(trace for trace in traces if trace.there or trace.gone)


def lost_parts(history: HistoryGraph, rows: Sequence[str], replay: Replay) -> dict[str, frozenset[Part]]:
    """Return what the revisions up to ``rows`` create, of those that nothing is left of.

    What a later one of them drops does not count.
    """
    start = _place(history, rows, replay.snapshots)
    if start is None:
        return {}
    here, base = parts_of(replay.here), parts_of(replay.snapshots[start].facts)
    steps = _steps(history, replay.snapshots[: start + 1])
    made = {id_: frozenset((after - before) & base) for id_, before, after in steps}
    return {id_: parts for id_, parts in made.items() if parts and not parts & here}


def tables_ahead(
    graph: Graph, rows: Mapping[str, Sequence[str]], package: str, tables: Collection[TableName]
) -> tuple[Trace, ...]:
    """Return which of ``tables`` the scripts of pending revisions create and those of no applied one, of any package.

    That is what can be told without running a script.
    """
    history = graph.histories[package]
    done = applied(history, rows[package])
    pending = [revision for id_, revision in history.revisions.items() if id_ not in done]
    there = {name: revision.id for name, revision in created_tables(pending).items() if name in tables}
    for other in graph.histories.values() if there else ():
        for name in created_tables([other.revisions[id_] for id_ in applied(other, rows[other.package])]):
            there.pop(name, None)
    by_id = {id_: frozenset(Part(name) for name, maker in there.items() if maker == id_) for id_ in there.values()}
    return tuple(Trace(id_, parts, None) for id_, parts in by_id.items())


def parts_of(facts: Mapping[TableName, Facts]) -> set[Part]:
    """Return what can be created of ``facts``: a column counts by its name alone."""
    parts = set(map(Part, facts))
    for table, texts in facts.items():
        for text in texts:
            if text.startswith("column "):
                parts.add(Part(table, " ".join(text.split()[:2])))
            elif text.startswith(_CREATED):
                parts.add(Part(table, text))
    return parts


def shown(parts: Collection[Part]) -> str:
    """Return ``parts`` for a person: of a table that is among them, only the table."""
    whole = {part.table for part in parts if not part.text}
    return ", ".join(str(part) for part in sorted(parts, key=str) if not part.text or part.table not in whole)


def _place(history: HistoryGraph, rows: Sequence[str], snapshots: Sequence[Snapshot]) -> int | None:
    """Return the number of the last snapshot where exactly that is applied which ``rows`` say."""
    done = applied(history, rows)
    places = (n for n, snapshot in enumerate(snapshots) if applied(history, snapshot.revisions) == done)
    return max(places, default=None)


def _steps(history: HistoryGraph, snapshots: Sequence[Snapshot]) -> Iterator[tuple[str, set[Part], set[Part]]]:
    """Yield each revision of ``history`` with what there is before and after it."""
    states = ((applied(history, snapshot.revisions), parts_of(snapshot.facts)) for snapshot in snapshots)
    for (done, before), (done_after, after) in pairwise(states):
        for id_ in done_after - done:
            yield id_, before, after
