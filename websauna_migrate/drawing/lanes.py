"""Revisions as ``git log --graph`` draws commits: newest first, with a lane for each branch. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

NodeT = TypeVar("NodeT")
MARK = "*"


@dataclass(frozen=True)
class Row(Generic[NodeT]):
    """One line of the drawing: ``node`` is None where it only joins or splits lanes.

    ``cells`` are characters, two for each lane; ``lanes`` are the nodes that the lanes lead to, None for a gap.
    """

    cells: str
    lanes: tuple[NodeT | None, ...]
    node: NodeT | None = None


def rows(nodes: Sequence[NodeT], parents: Mapping[NodeT, Sequence[NodeT]]) -> Iterator[Row[NodeT]]:
    """Yield the lines that draw ``nodes``, each of which comes before its ``parents``."""
    lanes: list[NodeT | None] = []
    for node in nodes:
        expecting = [index for index, lane in enumerate(lanes) if lane == node]
        column = expecting[0] if expecting else _free(lanes)
        for index in reversed(expecting[1:]):
            yield _joined(lanes, column, index)
            lanes[index] = None
        lanes[column] = node
        while lanes[-1] is None:
            lanes.pop()
        yield Row(_cells(lanes, column), tuple(lanes), node)
        first, *others = parents.get(node) or (None,)
        lanes[column] = first
        for other in reversed(others):
            yield _split(lanes, column, other)
            lanes.insert(column + 1, other)


def _free(lanes: list[NodeT | None]) -> int:
    """Return the first lane that leads to nothing, a new one where there is none."""
    if None not in lanes:
        lanes.append(None)
    return lanes.index(None)


def _cells(lanes: Sequence[object], marked: int | None = None) -> str:
    marks = {marked: MARK}
    return " ".join(marks.get(index, " " if lane is None else "|") for index, lane in enumerate(lanes))


def _joined(lanes: Sequence[NodeT | None], column: int, index: int) -> Row[NodeT]:
    """Return the line on which the lane ``index`` runs into ``column``, to its left; lanes between them stay."""
    cells = list(_cells([None if place == index else lane for place, lane in enumerate(lanes)]))
    for place in range(2 * column + 1, 2 * index - 1):
        cells[place] = "_" if cells[place] == " " else cells[place]
    cells[2 * index - 1] = "/"
    return Row("".join(cells).rstrip(), tuple(lanes))


def _split(lanes: Sequence[NodeT | None], column: int, other: NodeT | None) -> Row[NodeT]:
    """Return the line on which a lane to ``other`` begins to the right of ``column`` and shifts those beside it."""
    right = "".join(" " + (" " if lane is None else "\\") for lane in lanes[column + 1 :])
    cells = f"{_cells(lanes[: column + 1])}\\{right}"
    return Row(cells.rstrip(), (*lanes[: column + 1], other, *lanes[column + 1 :]))
