"""The steps of a run, decided before anything is done.

Pure: what is applied comes in as the rows of the history tables, and a :class:`Plan` goes out, the same on
every machine. Nothing here reads a file or a database; :mod:`websauna_migrate.run.executor` runs what is decided here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Literal

from websauna_migrate.exceptions import RevisionError, UsageError, command, listed
from websauna_migrate.ordering import closure
from websauna_migrate.packages.package import history_table_name
from websauna_migrate.revisions.contract import held_back
from websauna_migrate.revisions.errors import (
    AmbiguousRevision,
    DowngradeBreaksOthers,
    OverlappingRevisions,
    UnknownAppliedRevision,
    UnknownRevision,
)
from websauna_migrate.revisions.graph import Graph, Node, cycle_edges, order
from websauna_migrate.revisions.history import HistoryGraph, applied, heads_of
from websauna_migrate.revisions.reports import Report, late_branch, several_heads
from websauna_migrate.revisions.symbols import find, parse_symbol, resolve, undone_by

if TYPE_CHECKING:
    from websauna_migrate.revisions.scripts import Direction, Revision

State = Literal["up to date", "pending", "pending (contract)", "unknown revision", "several heads", "no revisions"]


@dataclass(frozen=True, slots=True)
class PlanStep:
    """One revision of one history, up or down: ``old_rows`` of its history table become ``new_rows``."""

    package: str
    revision: Revision
    direction: Direction
    old_rows: tuple[str, ...]
    new_rows: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run does, in order.

    ``heads_before`` are the rows of each history table touched, ``heads_after`` those that it must hold when all steps
    are done. ``elsewhere`` is how many revisions are pending then in each history that is not selected. ``held_back``
    are the revisions that ``expand`` leaves.
    """

    direction: Direction
    steps: tuple[PlanStep, ...]
    reports: tuple[Report, ...]
    heads_before: Mapping[str, tuple[str, ...]]
    heads_after: Mapping[str, tuple[str, ...]]
    elsewhere: Mapping[str, int] = field(default_factory=dict)
    held_back: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True)
class HistoryState:
    """Where one history stands: the rows of its table, the heads of its scripts, how many are still to be run."""

    package: str
    current: tuple[str, ...]
    heads: tuple[str, ...]
    pending: int
    state: State


def make_plan(
    graph: Graph,
    rows: Mapping[str, Sequence[str]],
    selected: Sequence[str],
    target: str = "heads",
    *,
    direction: Direction = "up",
    ties: Callable[[], Sequence[Sequence[str]]] = tuple,
    cascade: bool = False,
    expand: bool = False,
) -> Plan:
    """Return the steps that take the ``selected`` histories up or down to ``target``.

    ``graph`` holds all registered histories, ``rows`` what their history tables hold, by package. ``ties`` returns
    groups of packages, those whose tables are referred to first; it decides where nothing else does, and is not called
    where the steps are of one package. The packages of a group refer to each other, so that only their order in the
    group is left to decide.

    An upgrade takes along what its revisions require of others. A downgrade that would undo what an applied revision
    of another package requires is refused, unless ``cascade`` undoes that too. With ``expand`` an upgrade leaves the
    pending contract revisions, and what comes after one. Raises a
    :class:`~websauna_migrate.exceptions.RevisionError`, :class:`~websauna_migrate.exceptions.PlanError` or
    :class:`~websauna_migrate.exceptions.UsageError`.
    """
    now = _Database(graph, rows, _applied_nodes(graph, rows))
    packages = packages_meant(graph, selected, target)
    _check_rows(now, packages)
    nodes = _to_run(now, packages, target) if direction == "up" else _to_undo(now, packages, target, cascade)
    _check_rows(now, sorted({node.package for node in nodes}))
    held = held_back(graph, nodes) if expand and direction == "up" else set()
    sequence = _sequence(graph, nodes, direction, ties)
    sequence, nodes = tuple(node for node in sequence if node not in held), nodes - held
    heads_after = _heads_after(graph, nodes, now.done | nodes if direction == "up" else now.done - nodes)
    return Plan(
        direction,
        tuple(_steps(now, sequence, direction)),
        (*_reports(now), *(_reports_of_upgrade(now, packages, sequence) if direction == "up" else ())),
        {package: tuple(rows.get(package, ())) for package in sorted({node.package for node in nodes})},
        heads_after,
        pending_elsewhere(graph, {**rows, **heads_after}, selected),
        tuple(sorted(held)),
    )


def plan_stamp(
    graph: Graph,
    rows: Mapping[str, Sequence[str]],
    selected: Sequence[str],
    targets: Iterable[str],
    *,
    purge: bool = False,
) -> dict[str, tuple[str, ...]]:
    """Return the rows that the history tables hold after they are stamped with ``targets``, one after the other.

    As in Alembic a revision takes the place of the rows on its own line, other branches stay, and ``purge`` forgets
    all rows first. Nothing of another package is stamped along.
    """
    stamped: dict[str, tuple[str, ...]] = {}
    for target in targets:
        for package in packages_meant(graph, selected, target):
            history = graph.histories[package]
            if package not in stamped:
                stamped[package] = () if purge else known_rows(history, rows.get(package, ()))
            stamped[package] = _stamped(history, stamped[package], target)
    return stamped


def history_state(history: HistoryGraph, rows: Iterable[str], *, only_contract: bool = False) -> HistoryState:
    """Return where ``history`` stands when its table holds ``rows``; ``only_contract`` where ``--expand`` is done."""
    current = tuple(sorted(rows))
    pending = len(history.revisions) - len(applied(history, current))
    state: State = "up to date"
    if wrong_rows(history, current):
        state = "unknown revision"
    elif len(history.heads) > 1:
        state = "several heads"
    elif pending:
        state = "pending (contract)" if only_contract else "pending"
    elif not history.revisions:
        state = "no revisions"
    return HistoryState(history.package, current, history.heads, pending, state)


def pending_elsewhere(graph: Graph, rows: Mapping[str, Sequence[str]], selected: Collection[str]) -> dict[str, int]:
    """Return how many revisions are pending in each history that is not ``selected``, without those that have none."""
    others = [
        history
        for package, history in graph.histories.items()
        if package not in selected and set(rows.get(package, ())) != set(history.heads)
    ]
    states = [history_state(history, rows.get(history.package, ())) for history in others]
    return {state.package: state.pending for state in states if state.pending and state.state != "unknown revision"}


def packages_meant(graph: Graph, selected: Sequence[str], target: str) -> tuple[str, ...]:
    """Return the packages of ``selected`` that ``target`` is about: all of them, or the one that has the revision."""
    if ":" in target:
        raise UsageError(f"the range {target} is for --sql", "name one revision")
    symbol = parse_symbol(target)
    if symbol.is_relative and len(selected) > 1:
        raise UsageError(
            f"the relative step {target!r} is for one history, not for {listed(tuple(selected))}",
            f"select one with -x packages={selected[0]}",
        )
    if not symbol.anchors:
        return tuple(selected)
    having = _having(graph, selected, symbol.anchors)
    if not having:
        others = [package for package in graph.histories if package not in selected]
        raise UnknownRevision(target, tuple(selected), _having(graph, others, symbol.anchors))
    if len(having) > 1:
        raise AmbiguousRevision(
            target, ", several histories have it", having, f"select one with -x packages={having[0]}"
        )
    return having


@dataclass(frozen=True, slots=True)
class _Database:
    """All histories with the rows of their tables, and what is applied according to these."""

    graph: Graph
    rows: Mapping[str, Sequence[str]]
    done: AbstractSet[Node]

    def of(self, package: str) -> tuple[HistoryGraph, Sequence[str]]:
        return self.graph.histories[package], self.rows.get(package, ())

    def waiting_for(self, node: Node) -> list[Node]:
        """Return what is applied and cannot be without ``node``."""
        edges = self.graph.after[node]
        return [edge.after for edge in edges if edge.reason != "run_before" and edge.after in self.done]

    def missing_for(self, node: Node) -> list[Node]:
        """Return what is not applied and has to be before ``node``."""
        edges = self.graph.before[node]
        return [edge.before for edge in edges if edge.reason != "run_before" and edge.before not in self.done]


def _applied_nodes(graph: Graph, rows: Mapping[str, Sequence[str]]) -> frozenset[Node]:
    return frozenset(
        Node(package, id_)
        for package, history in graph.histories.items()
        for id_ in applied(history, rows.get(package, ()))
    )


def _having(graph: Graph, packages: Iterable[str], names: Sequence[str]) -> tuple[str, ...]:
    """Return the packages that know all ``names``; who knows them in full goes before who has to complete them."""
    histories = [graph.histories[package] for package in packages]
    exact = [history for history in histories if all(name in history.names for name in names)]
    begun = [history for history in histories if all(find(history, name) for name in names)]
    return tuple(history.package for history in exact or begun)


def _check_rows(now: _Database, packages: Iterable[str]) -> None:
    for history, rows in map(now.of, packages):
        for error in wrong_rows(history, rows):
            raise error


def wrong_rows(history: HistoryGraph, rows: Sequence[str]) -> Sequence[RevisionError]:
    """Return the errors because of which ``rows`` of the history table do not say what is applied; none if they do."""
    heads = heads_of(history, applied(history, rows))
    unknown = unknown_rows(history, rows)
    if unknown or len(heads) == len(set(rows)):
        return unknown
    return [OverlappingRevisions(history.package, tuple(rows), heads)]


def known_rows(history: HistoryGraph, rows: Sequence[str]) -> tuple[str, ...]:
    """Return ``rows``; raises :class:`UnknownAppliedRevision` when no script has one of them."""
    for error in unknown_rows(history, rows):
        raise error
    return tuple(rows)


def unknown_rows(history: HistoryGraph, rows: Sequence[str]) -> list[UnknownAppliedRevision]:
    """Return the error for each of ``rows`` that no script has."""
    table = history_table_name(history.package)
    unknown = sorted(set(rows) - history.revisions.keys())
    return [UnknownAppliedRevision(history.package, row, table) for row in unknown]


def _every(target: str) -> str:
    """Return what ``target`` means where several histories may be selected: there ``head`` is no promise of one."""
    return "heads" if target == "head" else target


def _to_run(now: _Database, packages: Iterable[str], target: str) -> set[Node]:
    wanted = {
        Node(history.package, id_)
        for history, rows in map(now.of, packages)
        for id_ in resolve(history, _every(target), rows)
    }
    nodes = closure(wanted - now.done, now.missing_for)
    for node in sorted(nodes & now.graph.broken.keys()):
        raise now.graph.broken[node][0]
    return nodes


def _to_undo(now: _Database, packages: Iterable[str], target: str, cascade: bool) -> set[Node]:
    named = {
        Node(history.package, id_)
        for history, rows in map(now.of, packages)
        for id_ in undone_by(history, _every(target), rows)
    }
    own = closure(named, lambda node: [other for other in now.waiting_for(node) if other.package == node.package])
    everything = closure(own, now.waiting_for)
    if everything != own and not cascade:
        raise DowngradeBreaksOthers(_broken(now.graph, own, everything))
    return everything


def _broken(graph: Graph, own: AbstractSet[Node], everything: AbstractSet[Node]) -> tuple[tuple[str, str], ...]:
    edges = chain.from_iterable(graph.after[node] for node in sorted(everything))
    others = everything - own
    return tuple(
        (str(edge.after), str(edge.before)) for edge in edges if edge.reason == "requires" and edge.after in others
    )


def _sequence(
    graph: Graph, nodes: AbstractSet[Node], direction: Direction, ties: Callable[[], Sequence[Sequence[str]]]
) -> tuple[Node, ...]:
    packages = tuple(chain.from_iterable(ties())) if len({node.package for node in nodes}) > 1 else ()
    if direction == "up":
        return order(graph, nodes, packages)
    # What was applied in a circle has to come down all the same.
    return order(graph, nodes, packages, cycle_edges(graph, nodes))[::-1]


def _steps(now: _Database, sequence: Sequence[Node], direction: Direction) -> Iterator[PlanStep]:
    applied_of = {package: applied(*now.of(package)) for package in {node.package for node in sequence}}
    for package, id_ in sequence:
        history, done = now.graph.histories[package], applied_of[package]
        done.discard(id_)
        below = tuple(before for before in history.before[id_] if done.isdisjoint(history.after[before]))
        old, new = (below, (id_,)) if direction == "up" else ((id_,), below)
        yield PlanStep(package, history.revisions[id_], direction, old, new)
        if direction == "up":
            done.add(id_)


def _heads_after(graph: Graph, touched: Iterable[Node], done: Iterable[Node]) -> dict[str, tuple[str, ...]]:
    ids: dict[str, set[str]] = {package: set() for package in sorted({node.package for node in touched})}
    for package, id_ in done:
        if package in ids:
            ids[package].add(id_)
    return {package: heads_of(graph.histories[package], ids[package]) for package in ids}


def _reports(now: _Database) -> Iterator[Report]:
    unknown = [error for package in now.graph.histories for error in unknown_rows(*now.of(package))]
    for error in unknown:
        yield Report("unknown-revision", error.package, error.revision, error.what, error.remedy)
    # It is unknown what is applied of a history with an unknown revision.
    yield from _unmet_requirements(now, {error.package for error in unknown})
    for edge in sorted(cycle_edges(now.graph, now.done)):
        detail = (
            f"{edge.after} waits for {edge.before} ({edge.reason}) in a circle; both are applied, "
            f"so it does not stop the run"
        )
        yield Report("requirement-cycle", *edge.after, detail)


def _unmet_requirements(now: _Database, unclear: AbstractSet[str]) -> Iterator[Report]:
    for node in sorted(now.done):
        for error in now.graph.broken.get(node, ()):
            yield Report("unmet-requirement", *node, f"already applied: {error.what}", error.remedy)
        for other in now.missing_for(node):
            if other.package not in unclear:
                detail = f"{node} is applied, but {other}, which it requires, is not"
                yield Report(
                    "unmet-requirement", *node, detail, command(other.package, "upgrade", other.revision), other
                )


def _reports_of_upgrade(now: _Database, packages: Iterable[str], sequence: Sequence[Node]) -> Iterator[Report]:
    for package in sorted(packages):
        yield from several_heads(now.graph.histories[package])
    for package in dict.fromkeys(node.package for node in sequence):
        yield from late_branch(*now.of(package), {id_ for owner, id_ in sequence if owner == package})
    yield from _late(now, sequence)


def _late(now: _Database, sequence: Iterable[Node]) -> Iterator[Report]:
    for edge in chain.from_iterable(now.graph.after[node] for node in sequence):
        if edge.reason == "run_before" and edge.after in now.done:
            detail = f"{edge.before} was to run before {edge.after}, which is already applied; it runs now"
            yield Report("run-before-too-late", *edge.before, detail)


def _stamped(history: HistoryGraph, rows: tuple[str, ...], target: str) -> tuple[str, ...]:
    symbol = parse_symbol(target)
    if symbol.name == "base" and not symbol.step:
        ids = find(history, symbol.branch) if symbol.branch else rows
        return tuple(row for row in rows if row not in _line(history, ids))
    for id_ in resolve(history, _every(target), rows):
        rows = (*(row for row in rows if row not in _line(history, [id_])), id_)
    return heads_of(history, applied(history, rows))


def _line(history: HistoryGraph, ids: Sequence[str]) -> set[str]:
    return closure(ids, history.before.__getitem__) | closure(ids, history.after.__getitem__)
