"""Where all histories stand, and what is wrong there: the same for ``status`` and for a running application."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from websauna_migrate.exceptions import RevisionError, command, listed
from websauna_migrate.revisions.contract import contract_left
from websauna_migrate.revisions.plan import history_state, wrong_rows
from websauna_migrate.revisions.reports import several_heads

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from websauna_migrate.packages.package import History, TableName
    from websauna_migrate.revisions.graph import Graph
    from websauna_migrate.revisions.history import HistoryGraph
    from websauna_migrate.revisions.plan import HistoryState

Owned: TypeAlias = "Callable[[Collection[str]], Collection[TableName]]"

_FINE = ("up to date", "no revisions")


def history_states(
    graph: Graph, histories: Iterable[History], rows: Mapping[str, Sequence[str]]
) -> dict[str, HistoryState]:
    """Return the state of each of ``histories`` by its package, where the history tables hold ``rows``."""
    names = [history.package for history in histories]
    left = contract_left(graph, rows)
    return {name: history_state(graph.histories[name], rows[name], only_contract=name in left) for name in names}


def status_json(histories: Iterable[History], states: Mapping[str, HistoryState]) -> list[dict[str, object]]:
    """Return the state of each history as plain values."""
    return [
        {
            "package": history.package,
            "packages": list(history.packages),
            "history_table": history.history_table,
            "current": list(states[history.package].current),
            "heads": list(states[history.package].heads),
            "pending": states[history.package].pending,
            "state": states[history.package].state,
        }
        for history in histories
    ]


def are_fine(states: Iterable[HistoryState], *, expand: bool = False) -> bool:
    """Tell whether nothing is to be done according to ``states``; see :func:`without_revisions` too.

    With ``expand`` contract revisions need not be applied.
    """
    return all(state.state in _FINE or (expand and state.state == "pending (contract)") for state in states)


def without_revisions(
    histories: Iterable[History], states: Mapping[str, HistoryState], owned: Owned
) -> dict[str, RevisionError]:
    """Return an error for each history without revisions whose packages have tables: no upgrade creates these.

    ``owned`` returns the tables of packages; it is called for those without revisions only.
    """
    missing = [history for history in histories if states[history.package].state == "no revisions"]
    return {history.package: _no_revisions(history) for history in missing if owned(history.packages)}


def problems_of(
    graph: Graph,
    histories: Sequence[History],
    rows: Mapping[str, Sequence[str]],
    owned: Owned,
    *,
    pending: bool = True,
) -> list[RevisionError]:
    """Return an error for each history that is not at its heads, in the order of ``histories``; none if all is well.

    Without ``pending``, those are left out that an upgrade takes to their heads.
    """
    states = history_states(graph, histories, rows)
    missing = without_revisions(histories, states, owned)
    found: list[RevisionError] = []
    for history in histories:
        name = history.package
        if not pending and states[name].state == "pending":
            continue
        found += [missing[name]] if name in missing else _problems(graph.histories[name], states[name], rows[name])
    return found


def _problems(history: HistoryGraph, state: HistoryState, rows: Sequence[str]) -> Iterator[RevisionError]:
    if state.state == "unknown revision":
        yield from wrong_rows(history, rows)
    elif state.state == "several heads":
        yield from (RevisionError(report.detail, report.remedy) for report in several_heads(history))
    elif state.state == "pending":
        counted = "1 revision is pending" if state.pending == 1 else f"{state.pending} revisions are pending"
        yield RevisionError(f"{history.package}: {counted}", command(history.package, "upgrade"))


def _no_revisions(history: History) -> RevisionError:
    folders = listed(tuple(map(str, history.version_locations)))
    return RevisionError(
        f"{history.package} has tables and no revisions in {folders}, so no upgrade creates its tables",
        "write the first revision with 'revision --autogenerate', or install the package with its scripts",
    )
