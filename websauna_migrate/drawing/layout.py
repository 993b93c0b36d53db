"""Where revisions stand in a picture: a row for each, newest first, in lanes that never shift. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NodeT = TypeVar("NodeT")


@dataclass(frozen=True, slots=True)
class Place:
    """A row and a lane, both from 0."""

    row: int
    lane: int


@dataclass(frozen=True)
class Line(Generic[NodeT]):
    """What connects ``child`` to its ``parent`` below it: it runs in ``lane`` between their rows."""

    child: NodeT
    parent: NodeT
    lane: int


@dataclass(frozen=True)
class Layout(Generic[NodeT]):
    """The place of each node, and the lines between them; ``lanes`` is their number."""

    places: Mapping[NodeT, Place]
    lines: Sequence[Line[NodeT]]
    lanes: int


def layout(nodes: Sequence[NodeT], parents: Mapping[NodeT, Sequence[NodeT]]) -> Layout[NodeT]:
    """Return the layout of ``nodes``, each of which comes before its ``parents``.

    The first parent of a node goes on in its lane, the others get one that is free. A lane is free again below the
    parent that it leads to.
    """
    places: dict[NodeT, Place] = {}
    lines: list[Line[NodeT]] = []
    running: list[Line[NodeT] | None] = []
    for row, node in enumerate(nodes):
        arriving = [line for line in running if line is not None and line.parent == node]
        lane = arriving[0].lane if arriving else _free(running)
        places[node] = Place(row, lane)
        lines += arriving
        for line in arriving:
            running[line.lane] = None
        for number, parent in enumerate(parents.get(node, ())):
            own = lane if number == 0 else _free(running)
            running[own] = Line(node, parent, own)
    return Layout(places, lines, len(running))


def _free(running: list[Line[NodeT] | None]) -> int:
    """Return the first lane in which nothing runs, a new one where there is none."""
    if None not in running:
        running.append(None)
    return running.index(None)
