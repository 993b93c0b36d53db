"""The revisions as text: lanes with the id, the package, the marks and the message of each."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from websauna_migrate.drawing.lanes import MARK, rows
from websauna_migrate.exceptions import escaped

if TYPE_CHECKING:
    from rich.text import Text

    from websauna_migrate.drawing.lanes import Row
    from websauna_migrate.drawing.state import GraphState
    from websauna_migrate.revisions.graph import Node

_LANES = ("cyan", "magenta", "blue", "yellow", "green", "red")
_WIDTH = 1_000_000  # rich never wraps a line


def graph_text(state: GraphState, *, colour: bool) -> str:
    """Return the drawing: ``*`` for what is applied, ``o`` for what is pending."""
    from rich.console import Console

    packages = state.packages()
    colours = {package: _LANES[index % len(_LANES)] for index, package in enumerate(packages)}
    # Lanes are drawn for down revisions; what else has to come first stands beside them.
    drawn = [_line(state, row, colours, with_package=len(packages) > 1) for row in rows(state.nodes, state.parents())]
    output = io.StringIO()
    console = Console(file=output, force_terminal=colour, no_color=not colour, width=_WIDTH, highlight=False)
    for line in drawn:
        console.print(line, soft_wrap=True)
    return output.getvalue() or "There are no revisions.\n"


def _line(state: GraphState, row: Row[Node], colours: dict[str, str], *, with_package: bool) -> Text:
    from rich.text import Text

    line = Text()
    for place, character in enumerate(row.cells):
        lane = row.lanes[min(place // 2, len(row.lanes) - 1)]
        line.append(_mark(state, row.node) if character == MARK else character, colours[lane.package] if lane else "")
    if row.node is not None:
        _describe(line, state, row.node, colours, with_package=with_package)
    return line


def _mark(state: GraphState, node: Node | None) -> str:
    return "*" if node in state.applied or not state.is_known else "o"


def _describe(line: Text, state: GraphState, node: Node, colours: dict[str, str], *, with_package: bool) -> None:
    revision = state.graph.revision(node)
    line.append(f"  {escaped(node.revision)}", "bold" if node in state.applied else "")
    marks = [(node.package, colours[node.package])] if with_package else []
    if state.is_head(node):
        marks.append(("head", "bold green"))
    if revision.contract:
        marks.append(("contract", "bold yellow"))
    marks += [(f"branch {label}", "") for label in revision.branch_labels]
    if marks:
        line.append(" (")
        for number, (mark, style) in enumerate(marks):
            line.append(", " if number else "")
            line.append(escaped(mark), style)
        line.append(")")
    line.append(f" {escaped(revision.message)}" if revision.message else "")
    for waits in state.waits(node):
        line.append(f"  [{escaped(waits)}]", "dim")
