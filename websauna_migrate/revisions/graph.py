"""How revisions follow each other, inside a history and across histories.

Pure values and functions about them: a :class:`HistoryGraph` is one history and knows what the names of
revisions mean there, a :class:`Graph` is all of them with what they require of each other. The meaning of names and
relative steps is Alembic's (``alembic/script/revision.py``). What is to be run is the business of
:mod:`websauna_migrate.revisions.plan`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Literal, NamedTuple

from websauna_migrate.ordering import CycleFound, circles, ordered, ordered_from_end, reach
from websauna_migrate.revisions.errors import RequirementCycle, RequirementError
from websauna_migrate.revisions.history import build_history
from websauna_migrate.revisions.scripts import read_revisions
from websauna_migrate.revisions.symbols import find

if TYPE_CHECKING:
    from websauna_migrate.packages.package import History
    from websauna_migrate.revisions.history import HistoryGraph
    from websauna_migrate.revisions.scripts import Requirement, Revision


Reason = Literal["down_revision", "depends_on", "requires", "run_before"]


class Node(NamedTuple):
    """A revision of a history, by the package whose history it is."""

    package: str
    revision: str

    def __str__(self) -> str:
        return f"{self.package} {self.revision}"


class Edge(NamedTuple):
    """``before`` comes before ``after``, because of what ``reason`` says in one of the two scripts."""

    before: Node
    after: Node
    reason: Reason


@dataclass(frozen=True, slots=True)
class Graph:
    """All histories, and what comes before what over all of them.

    ``before`` and ``after`` hold each node's edges from and to others. ``broken`` are the requirements that lead
    nowhere, by the node that asks: they are errors only where that node is to be run. ``needs`` are the packages that
    a package waits for somewhere.
    """

    histories: Mapping[str, HistoryGraph]
    before: Mapping[Node, tuple[Edge, ...]]
    after: Mapping[Node, tuple[Edge, ...]]
    broken: Mapping[Node, tuple[RequirementError, ...]]
    needs: Mapping[str, AbstractSet[str]]

    def revision(self, node: Node) -> Revision:
        """Return the script of ``node``."""
        return self.histories[node.package].revisions[node.revision]


@dataclass(frozen=True)
class Scripts:
    """The revision scripts of ``histories``, read when they are first needed, and once."""

    histories: tuple[History, ...]

    @cached_property
    def graph(self) -> Graph:
        """What follows what over all histories.

        :raises RevisionError: a script is broken, or a history is inconsistent
        """
        return build_graph({history.package: read_revisions(history) for history in self.histories})


def build_graph(revisions: Mapping[str, Iterable[Revision]]) -> Graph:
    """Return the graph over the revisions of all histories, given by the package whose history it is."""
    histories = {package: build_history(package, revisions[package]) for package in sorted(revisions)}
    edges: list[Edge] = []
    broken: dict[Node, tuple[RequirementError, ...]] = {}
    for history in histories.values():
        edges += _inner_edges(history)
        for revision in history.revisions.values():
            links, errors = _requirement_edges(histories, history.package, revision)
            edges += links
            if errors:
                broken[Node(history.package, revision.id)] = errors
    nodes = [Node(history.package, id_) for history in histories.values() for id_ in history.revisions]
    before = _grouped(nodes, ((edge.after, edge) for edge in edges))
    after = _grouped(nodes, ((edge.before, edge) for edge in edges))
    needs: dict[str, set[str]] = {package: set() for package in histories}
    for edge in edges:
        needs[edge.after.package].add(edge.before.package)
    return Graph(histories, before, after, broken, needs)


def order(
    graph: Graph, nodes: Collection[Node], packages: Sequence[str], ignored: AbstractSet[Edge] = frozenset()
) -> tuple[Node, ...]:
    """Return ``nodes`` in an order that respects every edge between them but those ``ignored``.

    It goes package by package in the order ``packages``; one that waits for another, in these nodes or elsewhere, comes
    after it. Only where packages wait for each other they alternate, each revision right before the first one that
    waits for it. What is left of ``nodes`` after some of a run keeps its order.
    Raises :class:`~websauna_migrate.revisions.errors.RequirementCycle`.
    """
    wanted = set(nodes)
    before = {
        node: [edge.before for edge in graph.before[node] if edge.before in wanted and edge not in ignored]
        for node in wanted
    }
    try:
        return ordered_from_end(_package_by_package(graph, wanted, packages), before)
    except CycleFound as found:
        raise _cycle(graph, found) from None


def required_packages(graph: Graph) -> dict[str, set[str]]:
    """Return for each package the other packages whose revisions its scripts require."""
    needs: dict[str, set[str]] = {}
    for edge in chain.from_iterable(graph.before.values()):
        if edge.reason == "requires":
            needs.setdefault(edge.after.package, set()).add(edge.before.package)
    return needs


def cycle_edges(graph: Graph, nodes: AbstractSet[Node]) -> frozenset[Edge]:
    """Return edges to ignore so that ``nodes`` have an order; none where they have one already."""
    ignored: frozenset[Edge] = frozenset()
    while cycle := _find_cycle(graph, nodes, ignored):
        ignored |= {edge for edge in cycle if edge.reason in ("requires", "run_before")}
    return ignored


def _inner_edges(history: HistoryGraph) -> Iterator[Edge]:
    for id_, ids in history.before.items():
        for before in ids:
            reason: Reason = "down_revision" if before in history.parents[id_] else "depends_on"
            yield Edge(Node(history.package, before), Node(history.package, id_), reason)


def _requirement_edges(
    histories: Mapping[str, HistoryGraph], package: str, revision: Revision
) -> tuple[list[Edge], tuple[RequirementError, ...]]:
    node = Node(package, revision.id)
    edges: list[Edge] = []
    errors: list[RequirementError] = []
    for header, asked in (("requires", revision.requires), ("run_before", revision.run_before)):
        for requirement in asked:
            try:
                other = _required(histories, node, header, requirement, revision)
            except RequirementError as error:
                errors.append(error)
            else:
                edges.append(Edge(other, node, "requires") if header == "requires" else Edge(node, other, "run_before"))
    return edges, tuple(errors)


def _required(
    histories: Mapping[str, HistoryGraph], node: Node, header: str, requirement: Requirement, revision: Revision
) -> Node:
    package, text = requirement
    where = (node, header, requirement, revision.path)
    if package not in histories:
        raise RequirementError(
            *where, reason="that package is not registered with revisions of its own", remedy="register the package"
        )
    found = find(histories[package], text)
    if not found:
        remedy = "install the version of the package that has it"
        raise RequirementError(*where, reason="that package does not have this revision", remedy=remedy)
    if len(found) > 1:
        raise RequirementError(*where, reason="several revisions there begin with this id", remedy="write the whole id")
    return Node(package, found[0])


def _grouped(nodes: Iterable[Node], edges: Iterable[tuple[Node, Edge]]) -> dict[Node, tuple[Edge, ...]]:
    lists: dict[Node, list[Edge]] = {node: [] for node in nodes}
    for node, edge in edges:
        lists[node].append(edge)
    return {node: tuple(edges) for node, edges in lists.items()}


def _package_by_package(graph: Graph, nodes: AbstractSet[Node], packages: Sequence[str]) -> list[Node]:
    rank = {package: index for index, package in enumerate(packages)}
    names = sorted(graph.histories, key=lambda package: (rank.get(package, len(rank)), package))
    present = {node.package for node in nodes}
    return [
        node
        for package in _package_order(names, graph.needs)
        if package in present
        for node in (Node(package, id_) for id_ in graph.histories[package].revisions)
        if node in nodes
    ]


def _package_order(packages: Sequence[str], needs: Mapping[str, AbstractSet[str]]) -> list[str]:
    """Return each package after those that it needs; packages that need each other side by side, as they are given."""
    reached = reach(packages, needs)
    circle = circles(packages, reached)

    def before(group: tuple[str, ...]) -> list[tuple[str, ...]]:
        others = {circle[package] for package in reached[group[0]]} - {group}
        return sorted(others, key=lambda other: packages.index(other[0]))

    return [package for group in ordered(circle.values(), before) for package in group]


def _find_cycle(graph: Graph, nodes: AbstractSet[Node], ignored: AbstractSet[Edge]) -> list[Edge]:
    def before(node: Node) -> list[Node]:
        return [edge.before for edge in graph.before[node] if edge.before in nodes and edge not in ignored]

    try:
        ordered(sorted(nodes), before)
    except CycleFound as found:
        return _path_edges(graph, found)
    return []


def _path_edges(graph: Graph, found: CycleFound) -> list[Edge]:
    pairs = zip(found.path, found.path[1:], strict=False)
    return [next(edge for edge in graph.before[node] if edge.before == other) for node, other in pairs]


def _cycle(graph: Graph, found: CycleFound) -> RequirementCycle:
    return RequirementCycle(
        tuple(str(node) for node in found.path), tuple(edge.reason for edge in _path_edges(graph, found))
    )
