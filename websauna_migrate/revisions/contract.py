"""Expand and contract: revisions for after the new code runs everywhere, and what has to wait for them.

A revision that says ``contract = True`` takes away what the old code needs. ``upgrade --expand`` leaves it, and all
that comes after it, to an ``upgrade`` after the deployment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from websauna_migrate.ordering import closure
from websauna_migrate.revisions.graph import Node
from websauna_migrate.revisions.history import applied

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from websauna_migrate.revisions.graph import Graph


def held_back(graph: Graph, pending: AbstractSet[Node]) -> set[Node]:
    """Return those of the ``pending`` revisions that ``--expand`` leaves: contract revisions and what waits for one.

    What a contract revision is to run before waits too: else it would come too late.
    """
    contract = (node for node in pending if graph.revision(node).contract)
    return closure(contract, lambda node: [edge.after for edge in graph.after[node] if edge.after in pending])


def contract_left(graph: Graph, rows: Mapping[str, Sequence[str]]) -> frozenset[str]:
    """Return the histories of ``rows`` in which only revisions are pending that ``--expand`` leaves.

    ``rows`` are those of the history tables, by package. A history that is not among them counts as up to date.
    """
    histories = [graph.histories[package] for package in rows if package in graph.histories]
    if not any(revision.contract for history in histories for revision in history.revisions.values()):
        return frozenset()
    pending = {
        Node(history.package, id_)
        for history in histories
        for id_ in history.revisions.keys() - applied(history, rows[history.package])
    }
    left = pending - held_back(graph, pending)
    return frozenset(node.package for node in pending) - {node.package for node in left}
