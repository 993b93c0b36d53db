"""The graph of one history: its revisions, what follows them, and what is applied when the table holds some rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TYPE_CHECKING

from websauna_migrate.ordering import closure
from websauna_migrate.revisions.scripts import identifiers, in_order, predecessors

if TYPE_CHECKING:
    from websauna_migrate.revisions.scripts import Revision


@dataclass(frozen=True, slots=True)
class HistoryGraph:
    """The revisions of one history, and the neighbours of each.

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


def build_history(package: str, revisions: Iterable[Revision]) -> HistoryGraph:
    """Return the graph of one history, made of what ``read_revisions()`` returned."""
    by_id = {revision.id: revision for revision in in_order(revisions)}
    names = identifiers(by_id.values())
    parents = {id_: revision.down for id_, revision in by_id.items()}
    before = predecessors(by_id.values())
    return HistoryGraph(package, by_id, names, sorted(names), parents, _turned(parents), before, _turned(before))


def applied(history: HistoryGraph, rows: Iterable[str]) -> set[str]:
    """Return the revisions that are applied where the history table holds ``rows``; unknown rows are ignored."""
    return closure((row for row in rows if row in history.revisions), history.before.__getitem__)


def heads_of(history: HistoryGraph, ids: AbstractSet[str]) -> tuple[str, ...]:
    """Return the rows that a history table holds when exactly ``ids`` are applied."""
    return tuple(id_ for id_ in history.revisions if id_ in ids and ids.isdisjoint(history.after[id_]))


def _turned(links: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    lists: dict[str, list[str]] = {id_: [] for id_ in links}
    for id_, ids in links.items():
        for other in ids:
            lists[other].append(id_)
    return {id_: tuple(ids) for id_, ids in lists.items()}
