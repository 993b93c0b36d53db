"""The revisions that are drawn, and which of them are applied. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from websauna_migrate.revisions.graph import Node, cycle_edges, order
from websauna_migrate.revisions.history import applied

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from websauna_migrate.revisions.graph import Graph

Kind = Literal["applied", "pending", "unknown"]

_WAITS = {"requires": "requires", "run_before": "after", "depends_on": "depends on"}


@dataclass(frozen=True, slots=True)
class GraphState:
    """The revisions ``nodes``, newest first, and which are ``applied``, where that ``is_known``."""

    graph: Graph
    nodes: Sequence[Node]
    applied: Collection[Node]
    is_known: bool

    def parents(self) -> dict[Node, list[Node]]:
        """Return the down revisions of each node; they are in the same history, and so drawn too."""
        return {
            node: [edge.before for edge in self.graph.before[node] if edge.reason == "down_revision"]
            for node in self.nodes
        }

    def packages(self) -> tuple[str, ...]:
        """Return the packages of the revisions, the one with the oldest first."""
        return tuple(dict.fromkeys(node.package for node in reversed(self.nodes)))

    def kind(self, node: Node) -> Kind:
        """Return whether ``node`` is applied."""
        return "unknown" if not self.is_known else "applied" if node in self.applied else "pending"

    def is_head(self, node: Node) -> bool:
        """Tell whether nothing follows ``node`` in its history."""
        return not self.graph.histories[node.package].after[node.revision]

    def waits(self, node: Node) -> list[str]:
        """Return what comes before ``node`` beside its down revisions: ``requires acme.user u1``."""
        edges = self.graph.before[node]
        return [f"{_WAITS[edge.reason]} {edge.before}" for edge in edges if edge.reason != "down_revision"]


def graph_state(graph: Graph, packages: Sequence[str], rows: Mapping[str, Sequence[str]] | None) -> GraphState:
    """Return the revisions of the histories of ``packages``; their tables hold ``rows``, None where nobody knows."""
    nodes = [Node(package, id_) for package in packages for id_ in graph.histories[package].revisions]
    done = {
        Node(package, id_)
        for package in packages
        for id_ in (applied(graph.histories[package], rows[package]) if rows is not None else ())
    }
    newest_first = order(graph, nodes, packages, cycle_edges(graph, set(nodes)))[::-1]
    return GraphState(graph, newest_first, frozenset(done), is_known=rows is not None)
