"""How revisions follow each other, inside a history and across histories.

Floor 2. Pure values and functions about them: a :class:`HistoryGraph` is one history and knows what the names of
revisions mean there, a :class:`Graph` is all of them with what they require of each other. The meaning of names and
relative steps is Alembic's (``alembic/script/revision.py``). What is to be run is the business of
:mod:`websauna_migrate.plan`.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Literal, NamedTuple

from websauna_migrate.exceptions import (
    AmbiguousRequirement,
    AmbiguousRevision,
    AmbiguousStep,
    RequirementCycle,
    RequirementError,
    RevisionNotApplied,
    RevisionNotOnBranch,
    SeveralHeads,
    StepTooFar,
    UnknownRequirement,
    UnknownRevision,
    UnregisteredRequirement,
)
from websauna_migrate.ordering import CycleFound, closure, ordered
from websauna_migrate.revisions import identifiers, in_order, predecessors

if TYPE_CHECKING:
    from websauna_migrate.revisions import Requirement, Revision


Reason = Literal["down_revision", "depends_on", "requires", "run_before"]

SYMBOLS = frozenset({"head", "heads", "base", "current"})

_RELATIVE = re.compile(r"(?:(.+?)@)?(\w+)?([+-]\d+)")


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


class Symbol(NamedTuple):
    """A revision as a person names it, taken apart: ``branch@name+step``."""

    branch: str | None
    name: str | None
    step: int

    @property
    def is_relative(self) -> bool:
        """Whether it counts from where a history stands, so that it means something else in each."""
        return self.step != 0 and not self.anchors

    @property
    def anchors(self) -> tuple[str, ...]:
        """The names in it that belong to one history: a branch, a revision."""
        return tuple(name for name in (self.branch, self.name) if name is not None and name not in SYMBOLS)


@dataclass(frozen=True, slots=True)
class HistoryGraph:
    """The revisions of one history, and what lies next to each.

    ``revisions`` has each after those that it follows. ``names`` are the ids and branch labels in full, with their
    ids. ``parents`` and ``children`` go by ``down_revision`` alone, ``before`` and ``after`` by ``depends_on`` too.
    """

    package: str
    revisions: Mapping[str, Revision]
    names: Mapping[str, str]
    sorted_names: Sequence[str]
    parents: Mapping[str, tuple[str, ...]]
    children: Mapping[str, tuple[str, ...]]
    before: Mapping[str, tuple[str, ...]]
    after: Mapping[str, tuple[str, ...]]

    @property
    def heads(self) -> tuple[str, ...]:
        """The heads that the history table holds when all is applied: no revision follows or depends on them."""
        return tuple(id_ for id_ in self.revisions if not self.after[id_])

    @property
    def branch_heads(self) -> tuple[str, ...]:
        """The heads of the branches: another branch may depend on them."""
        return tuple(id_ for id_ in self.revisions if not self.children[id_])

    @property
    def bases(self) -> tuple[str, ...]:
        """The revisions that follow none."""
        return tuple(id_ for id_ in self.revisions if not self.parents[id_])


@dataclass(frozen=True, slots=True)
class Graph:
    """All histories, and what comes before what over all of them.

    ``before`` and ``after`` hold each node's edges from and to others. ``broken`` are the requirements that lead
    nowhere, by the node that asks: they are errors only where that node is to be run.
    """

    histories: Mapping[str, HistoryGraph]
    before: Mapping[Node, tuple[Edge, ...]]
    after: Mapping[Node, tuple[Edge, ...]]
    broken: Mapping[Node, tuple[RequirementError, ...]]

    def revision(self, node: Node) -> Revision:
        """Return the script of ``node``."""
        return self.histories[node.package].revisions[node.revision]


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
    return Graph(histories, before, after, broken)


def build_history(package: str, revisions: Iterable[Revision]) -> HistoryGraph:
    """Return the graph of one history, of revisions as :func:`~websauna_migrate.revisions.read_revisions` gives."""
    by_id = {revision.id: revision for revision in in_order(revisions)}
    names = identifiers(by_id.values())
    parents = {id_: revision.down for id_, revision in by_id.items()}
    before = predecessors(by_id.values())
    return HistoryGraph(package, by_id, names, sorted(names), parents, _turned(parents), before, _turned(before))


def order(
    graph: Graph, nodes: Collection[Node], packages: Sequence[str], ignored: AbstractSet[Edge] = frozenset()
) -> tuple[Node, ...]:
    """Return ``nodes`` in an order that respects every edge between them but those ``ignored``.

    It goes package by package in the order ``packages``; one that waits for another comes after it. Only where
    packages wait for each other they alternate, each revision pulled forward to where the first one waits for it.
    Raises :class:`~websauna_migrate.exceptions.RequirementCycle`.
    """
    wanted = set(nodes)
    edges = {
        node: [edge for edge in graph.before[node] if edge.before in wanted and edge not in ignored] for node in wanted
    }
    line = _package_by_package(graph, wanted, edges, packages)
    place = {node: index for index, node in enumerate(line)}
    try:
        return ordered(line, lambda node: sorted((edge.before for edge in edges[node]), key=place.__getitem__))
    except CycleFound as found:
        raise _cycle(graph, found) from None


def cycle_edges(graph: Graph, nodes: AbstractSet[Node]) -> frozenset[Edge]:
    """Return edges to ignore so that ``nodes`` have an order; none where they have one already."""
    ignored: frozenset[Edge] = frozenset()
    while cycle := _find_cycle(graph, nodes, ignored):
        ignored |= {edge for edge in cycle if edge.reason in ("requires", "run_before")}
    return ignored


def applied(history: HistoryGraph, rows: Iterable[str]) -> set[str]:
    """Return the revisions that are applied where the history table holds ``rows``; unknown rows count for nothing."""
    return closure((row for row in rows if row in history.revisions), history.before.__getitem__)


def heads_of(history: HistoryGraph, ids: AbstractSet[str]) -> tuple[str, ...]:
    """Return the rows that a history table holds when exactly ``ids`` are applied."""
    return tuple(id_ for id_ in history.revisions if id_ in ids and ids.isdisjoint(history.after[id_]))


def parse_symbol(text: str) -> Symbol:
    """Take ``branch@name+step`` apart; each part but one may be missing."""
    if match := _RELATIVE.fullmatch(text):
        return Symbol(match[1], match[2], int(match[3]))
    branch, _, name = text.rpartition("@")
    return Symbol(branch or None, name, 0)


def find(history: HistoryGraph, text: str) -> tuple[str, ...]:
    """Return the revisions that ``text`` may stand for: an id or a branch label, else the start of some."""
    if text in history.names:
        return (history.names[text],)
    names = history.sorted_names
    starting = takewhile(lambda name: name.startswith(text), names[bisect_left(names, text) :]) if text else ()
    return tuple(dict.fromkeys(history.names[name] for name in starting))


def resolve(history: HistoryGraph, text: str, rows: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the revisions that ``text`` asks to upgrade to, ``()`` for base, where the database is at ``rows``."""
    symbol = parse_symbol(text)
    branch, name, step = symbol
    if name is None:
        if step < 0:
            raise StepTooFar(text, history.package)
        start = _one(history, text, _standing(history, text, symbol, rows), AmbiguousStep)
    elif step == 0:
        return _named(history, text, name, branch, rows)
    else:
        start = _one(history, text, _named(history, text, name, branch if step < 0 else None, rows), SeveralHeads)
    end = _walk(history, text, start, symbol)
    return () if end is None else (end,)


def undone_by(history: HistoryGraph, text: str, rows: Sequence[str]) -> set[str]:
    """Return the applied revisions that a downgrade to ``text`` undoes in this history."""
    now = applied(history, rows)
    targets, branch = _downgrade_target(history, text, rows)
    if not now.issuperset(targets):
        raise RevisionNotApplied(history.package, text)
    roots = {child for target in targets for child in history.children[target]} if targets else set(history.bases)
    if branch is not None and len(roots) > 1:
        line = closure([_branch(history, text, branch)], history.parents.__getitem__)
        roots &= line
        if not roots:
            raise RevisionNotApplied(history.package, text)
    return closure(roots, history.after.__getitem__) & now


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
    if package not in histories:
        raise UnregisteredRequirement(node, header, requirement, revision.path)
    found = find(histories[package], text)
    if not found:
        raise UnknownRequirement(node, header, requirement, revision.path)
    if len(found) > 1:
        raise AmbiguousRequirement(node, header, requirement, revision.path)
    return Node(package, found[0])


def _grouped(nodes: Iterable[Node], edges: Iterable[tuple[Node, Edge]]) -> dict[Node, tuple[Edge, ...]]:
    lists: dict[Node, list[Edge]] = {node: [] for node in nodes}
    for node, edge in edges:
        lists[node].append(edge)
    return {node: tuple(edges) for node, edges in lists.items()}


def _turned(links: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    lists: dict[str, list[str]] = {id_: [] for id_ in links}
    for id_, ids in links.items():
        for other in ids:
            lists[other].append(id_)
    return {id_: tuple(ids) for id_, ids in lists.items()}


def _package_by_package(
    graph: Graph, nodes: AbstractSet[Node], edges: Mapping[Node, Sequence[Edge]], packages: Sequence[str]
) -> list[Node]:
    rank = {package: index for index, package in enumerate(packages)}
    needs: dict[str, set[str]] = {}
    for node in nodes:
        needs.setdefault(node.package, set()).update(edge.before.package for edge in edges[node])
    present = sorted(needs, key=lambda package: (rank.get(package, len(rank)), package))
    return [
        node
        for package in _package_order(present, needs)
        for node in (Node(package, id_) for id_ in graph.histories[package].revisions)
        if node in nodes
    ]


def _package_order(packages: Sequence[str], needs: Mapping[str, AbstractSet[str]]) -> list[str]:
    """Return each package after those that it needs; packages that need each other side by side, as they are given."""
    reach = {package: closure(needs[package], needs.__getitem__) for package in packages}
    first = {
        package: next(
            other for other in packages if other == package or (other in reach[package] and package in reach[other])
        )
        for package in packages
    }
    circles = ordered(
        first.values(),
        lambda package: sorted({first[other] for other in reach[package]} - {package}, key=packages.index),
    )
    return [package for circle in circles for package in packages if first[package] == circle]


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


def _lineage(history: HistoryGraph, id_: str) -> set[str]:
    return closure([id_], history.parents.__getitem__) | closure([id_], history.children.__getitem__)


def _branch(history: HistoryGraph, text: str, branch: str) -> str:
    return _only(history, text, find(history, branch))


def _only(history: HistoryGraph, text: str, found: tuple[str, ...]) -> str:
    if not found:
        raise UnknownRevision(text, (history.package,))
    if len(found) > 1:
        raise AmbiguousRevision(text, history.package, found)
    return found[0]


def _one(
    history: HistoryGraph, text: str, ids: tuple[str, ...], error: type[AmbiguousStep | SeveralHeads]
) -> str | None:
    if len(ids) > 1:
        raise error(text, history.package, ids)
    return ids[0] if ids else None


def _named(history: HistoryGraph, text: str, name: str, branch: str | None, rows: Sequence[str]) -> tuple[str, ...]:
    line = set(history.revisions) if branch is None else _lineage(history, _branch(history, text, branch))
    match name:
        case "base":
            return ()
        case "current":
            here = tuple(row for row in rows if row in line)
            if branch is not None and not here:
                raise UnknownRevision(text, (history.package,))
            return here
        case "heads":
            # A branch that another depends on is no head of the whole, yet the head of itself.
            return tuple(id_ for id_ in (history.branch_heads if branch else history.heads) if id_ in line)
        case "head":
            head = _one(history, text, tuple(id_ for id_ in history.branch_heads if id_ in line), SeveralHeads)
            return () if head is None else (head,)
    found = find(history, name)
    if branch is not None and found and line.isdisjoint(found):
        raise RevisionNotOnBranch(text, history.package, name, branch)
    return (_only(history, text, tuple(id_ for id_ in found if id_ in line)),)


def _standing(history: HistoryGraph, text: str, symbol: Symbol, rows: Sequence[str]) -> tuple[str, ...]:
    """Return where the database stands, on the branch where one is named."""
    known = tuple(row for row in rows if row in history.revisions)
    if symbol.branch is None:
        return known
    line = _lineage(history, _branch(history, text, symbol.branch))
    if here := tuple(row for row in known if row in line):
        return here
    # Up a branch not begun starts where it forks off; down it there is nothing, and the trunk is not to be undone.
    active = applied(history, known) & line if symbol.step > 0 else applied(history, known)
    tips = (id_ for id_ in history.revisions if id_ in active and active.isdisjoint(history.children[id_]))
    return tuple(id_ for id_ in tips if id_ in line)


def _walk(history: HistoryGraph, text: str, start: str | None, symbol: Symbol) -> str | None:
    line = None if symbol.branch is None else _lineage(history, _branch(history, text, symbol.branch))
    here = start
    for _ in range(abs(symbol.step)):
        ways: tuple[str | None, ...]
        if symbol.step > 0:
            further = history.bases if here is None else history.children[here]
            ways = tuple(id_ for id_ in further if line is None or id_ in line)
        else:
            ways = () if here is None else history.parents[here] or (None,)
        if not ways:
            raise StepTooFar(text, history.package)
        if len(ways) > 1:
            raise AmbiguousStep(text, history.package, tuple(id_ or "base" for id_ in ways))
        here = ways[0]
    return here


def _downgrade_target(history: HistoryGraph, text: str, rows: Sequence[str]) -> tuple[tuple[str, ...], str | None]:
    """Return the revisions that stay on top, and the branch that the downgrade keeps to."""
    symbol = parse_symbol(text)
    branch, name, step = symbol
    if name is None:
        start = _one(history, text, _standing(history, text, symbol, rows), AmbiguousStep)
        if start is None or step >= 0:
            raise StepTooFar(text, history.package)
        branch = branch or start
    else:
        # Alembic asks whether the revision is on the branch only where it counts down from it.
        targets = _named(history, text, name, branch if step < 0 or name in SYMBOLS else None, rows)
        if step == 0:
            return targets, branch
        start = _one(history, text, targets, SeveralHeads)
    end = _walk(history, text, start, symbol)
    return () if end is None else (end,), branch
