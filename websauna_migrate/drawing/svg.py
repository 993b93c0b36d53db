"""The revisions as SVG for an HTML page, which colours it by the classes in :data:`STYLE`.

It is complete in itself: nothing is loaded, no program is run. The text is monospaced, so that its width is known
without a browser.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, NamedTuple

from websauna_migrate.drawing.layout import layout
from websauna_migrate.exceptions import escaped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from websauna_migrate.drawing.layout import Layout, Line, Place
    from websauna_migrate.drawing.state import GraphState
    from websauna_migrate.revisions.graph import Node

#: Pixels.
_ROW, _LANE, _DOT, _LETTER, _EDGE = 24, 16, 5, 7.25, 12
_ARC = 56  # of an arc that is as wide as one can be
_COLOURS = 6
_LONGEST = 80  # letters of a message; the whole one is shown where the pointer is

STYLE = """\
.ws-graph { font: 12px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace }
.ws-graph text { fill: currentColor; white-space: pre }
.ws-graph .line { fill: none; stroke-width: 2 }
.ws-graph .arc { fill: none; opacity: .75; stroke: currentColor; stroke-dasharray: 4 3 }
.ws-graph .quiet { opacity: .7 }
.ws-graph .applied { fill: var(--applied); stroke: var(--applied); stroke-width: 2 }
.ws-graph .pending { fill: var(--paper); stroke: var(--pending); stroke-width: 2.5 }
.ws-graph .unknown { fill: var(--paper); stroke: currentColor; stroke-width: 2 }
""" + "".join(
    f".ws-graph .line.p{n} {{ stroke: var(--p{n}) }} .ws-graph text .p{n} {{ fill: var(--p{n}) }}\n"
    for n in range(_COLOURS)
)


def graph_svg(state: GraphState) -> str:
    """Return the picture: a dot for each revision, filled where it is applied, and lines to what it follows.

    Dashed arcs on the left lead to what else comes before, as what it requires of other packages.
    """
    drawn = layout(state.nodes, state.parents())
    picture = _Picture(state, drawn)
    return "\n".join(picture.lines()) + "\n"


class _Label(NamedTuple):
    """The text of a revision; ``marks`` are in brackets."""

    id: str
    package: str
    message: str
    marks: str


class _Picture:
    def __init__(self, state: GraphState, drawn: Layout[Node]) -> None:
        self._state = state
        self._drawn = drawn
        self._colours = {package: number % _COLOURS for number, package in enumerate(state.packages())}
        self._arcs = [e for node in state.nodes for e in state.graph.before[node] if e.reason != "down_revision"]
        self._arcs = [edge for edge in self._arcs if edge.before in drawn.places]
        distances = [abs(self._row(edge.before) - self._row(edge.after)) for edge in self._arcs]
        self._left = _EDGE + (_arc(max(distances)) if distances else 0)

    def lines(self) -> Iterator[str]:
        labels = [self._label(node) for node in self._state.nodes]
        columns, width = self._columns(labels)
        height = len(labels) * _ROW + _EDGE
        yield (
            f'<svg class="ws-graph" xmlns="http://www.w3.org/2000/svg" role="group" aria-label="Revisions" '
            f'width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
        )
        for edge in self._arcs:
            yield self._arc_of(edge.before, edge.after, edge.reason)
        for line in self._drawn.lines:
            yield self._path(line)
        for node, label in zip(self._state.nodes, labels, strict=True):
            yield self._revision(node, label, columns)
        yield "</svg>"

    def _columns(self, labels: list[_Label]) -> tuple[tuple[str, ...], int]:
        """Return where the columns of the text begin, and the width of the picture."""
        at = self._left + self._drawn.lanes * _LANE + _EDGE
        places = [float(at)]
        for texts in zip(*((one.id, one.package, one.message + one.marks) for one in labels), strict=True):
            places.append(places[-1] + (max(map(_letters, texts)) + 2) * _LETTER)
        return tuple(f"{place:g}" for place in places), round(places[-1])

    def _revision(self, node: Node, label: _Label, columns: tuple[str, ...]) -> str:
        x, y = self._at(self._drawn.places[node])
        kind = self._state.kind(node)
        title = f"{node}: {kind if self._state.is_known else 'the database cannot be asked'}"
        whole = "\n".join((title, self._state.graph.revision(node).message, *self._state.waits(node))).strip()
        colour = f"p{self._colours[node.package]}"
        return (
            f'<g><title>{_clean(whole)}</title><circle class="{kind}" cx="{x}" cy="{y}" r="{_DOT}"/>'
            f'<text y="{y + 4}"><tspan x="{columns[0]}">{_clean(label.id)}</tspan>'
            f'<tspan x="{columns[1]}" class="{colour}">{_clean(label.package)}</tspan>'
            f'<tspan x="{columns[2]}">{_clean(label.message)}</tspan>'
            f'<tspan class="quiet">{_clean(label.marks)}</tspan></text></g>'
        )

    def _label(self, node: Node) -> _Label:
        revision = self._state.graph.revision(node)
        marks = [
            *(["head"] if self._state.is_head(node) else []),
            *(["contract"] if revision.contract else []),
            *(f"branch {label}" for label in revision.branch_labels),
            *self._state.waits(node),
        ]
        message = revision.message if _letters(revision.message) <= _LONGEST else f"{revision.message[:_LONGEST]}…"
        return _Label(node.revision, node.package, message, "".join(f" [{mark}]" for mark in marks))

    def _path(self, line: Line[Node]) -> str:
        """Return the line from a child into its lane, down there, and to the parent."""
        (x1, y1), (x2, y2) = self._at(self._drawn.places[line.child]), self._at(self._drawn.places[line.parent])
        x = self._left + line.lane * _LANE
        if y2 - y1 == _ROW:
            path = f"M{x1} {y1}{_curve(x1, y1, x2, y2)}"
        else:
            there = _curve(x1, y1, x, y1 + _ROW) if x != x1 else ""
            back = f"V{y2 - _ROW}{_curve(x, y2 - _ROW, x2, y2)}" if x != x2 else f"V{y2}"
            path = f"M{x1} {y1}{there}{back}"
        return f'<path class="line p{self._colours[line.child.package]}" d="{path}"/>'

    def _arc_of(self, before: Node, after: Node, reason: str) -> str:
        (x1, y1), (x2, y2) = self._at(self._drawn.places[after]), self._at(self._drawn.places[before])
        # A cubic curve comes as far as three quarters of the way to its control points.
        far = self._left - _arc(abs(self._row(before) - self._row(after))) / 0.75
        path = f"M{x1} {y1}C{far:.0f} {y1} {far:.0f} {y2} {x2} {y2}"
        return f'<path class="arc" d="{path}"><title>{_clean(f"{after}: {reason} {before}")}</title></path>'

    def _at(self, place: Place) -> tuple[int, int]:
        return self._left + place.lane * _LANE, _EDGE + place.row * _ROW

    def _row(self, node: Node) -> int:
        return self._drawn.places[node].row


def _curve(x1: int, y1: int, x2: int, y2: int) -> str:
    if x1 == x2:
        return f"V{y2}"
    middle = (y1 + y2) // 2
    return f"C{x1} {middle} {x2} {middle} {x2} {y2}"


def _arc(rows: int) -> int:
    """Return how far an arc over that many rows reaches to the left."""
    return min(8 + 4 * rows, _ARC)


def _letters(text: str) -> int:
    from rich.cells import cell_len

    return cell_len(escaped(text))


def _clean(text: str) -> str:
    return escape("\n".join(map(escaped, text.split("\n"))))
