"""Find revisions whose changes are in the database but not in the history table, or the other way round."""

from __future__ import annotations

from typing import TYPE_CHECKING

from websauna_migrate.database.reflection import row_count
from websauna_migrate.repair.findings import outcome
from websauna_migrate.repair.misrecorded import AlreadyApplied, HalfApplied, Inserted
from websauna_migrate.repair.traces import is_behind, lost_parts, match_ahead, tables_ahead, traces_ahead
from websauna_migrate.revisions.history import applied
from websauna_migrate.revisions.plan import wrong_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from websauna_migrate.packages.package import History
    from websauna_migrate.repair.case import Case
    from websauna_migrate.repair.findings import Finding
    from websauna_migrate.repair.replay import Replay
    from websauna_migrate.repair.traces import Trace


def find_misrecorded(case: Case, history: History) -> Iterator[Finding]:
    """Compare the database with the revisions before and after the one that the history table says it is at."""
    graph, rows = case.graph.histories[history.package], case.rows[history.package]
    behind = is_behind(graph, rows)
    if not rows or wrong_rows(graph, rows) or not (behind or case.lacks_something(history)):
        return
    replay = case.replayer.find_matches(history, case.connection)
    match = match_ahead(graph, rows, replay) if behind else None
    traces = _traces(case, history, replay) if behind else ()
    if match is not None:
        why = f"the tables match revision {match}{replay.limits}"
        yield AlreadyApplied(history.package, history.history_table, rows, tuple(traces), match.revisions, (), why)
        return
    yield from _ahead(case, history, traces, replay)
    gone = {part for trace in traces for part in trace.gone}
    for id_, missing in lost_parts(graph, rows, replay).items():
        if not missing <= gone:
            yield Inserted(history.package, history.history_table, rows, graph.revisions[id_], missing)


def _traces(case: Case, history: History, replay: Replay) -> Sequence[Trace]:
    graph, rows = case.graph.histories[history.package], case.rows[history.package]
    traces = traces_ahead(graph, rows, replay)
    return tables_ahead(case.graph, case.rows, history.package, case.tables) if traces is None else traces


def _ahead(case: Case, history: History, traces: Sequence[Trace], replay: Replay) -> Iterator[Finding]:
    graph, rows = case.graph.histories[history.package], case.rows[history.package]
    done = applied(graph, rows)
    for trace in traces:
        if not trace.is_complete:
            yield _half_applied(case, history, trace, replay, is_alone=len(traces) == 1)
            continue
        before = tuple(id_ for id_ in graph.before[trace.revision] if id_ not in done)
        target, why = (trace.revision,), outcome(replay)
        yield AlreadyApplied(history.package, history.history_table, rows, (trace,), target, before, why)
        done |= applied(graph, target)


def _half_applied(case: Case, history: History, trace: Trace, replay: Replay, *, is_alone: bool) -> HalfApplied:
    revision = case.graph.histories[history.package].revisions[trace.revision]
    tables = sorted({part.table for part in trace.there if not part.text}, key=str)
    only_tables = {part.table for part in trace.there} == set(tables) and not trace.gone
    counted = tuple((name, row_count(case.connection, name)) for name in tables if only_tables)
    drop: Sequence[str] = case.drop(*tables) if counted else ()
    return HalfApplied(history.package, revision, trace, counted, tuple(drop), replay, is_alone)
