"""Revisions and tables as nodes and links in groups, and that as Mermaid and as Graphviz's DOT. Pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from websauna_migrate.exceptions import one_line
from websauna_migrate.packages.package import referred_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import Table

    from websauna_migrate.drawing.state import GraphState
    from websauna_migrate.packages.ownership import Ownership
    from websauna_migrate.revisions.graph import Edge

_APPLIED, _PENDING, _OUTSIDE = "applied", "pending", "outside"
_MERMAID_STYLES = {
    _APPLIED: "fill:#d1fae5,stroke:#059669,color:#064e3b",
    _PENDING: "fill:#fef3c7,stroke:#d97706,color:#78350f",
    _OUTSIDE: "stroke-dasharray:4 4",
}
_MERMAID_LINKS, _MERMAID_CHARACTERS = 500, 50_000
_MERMAID_LINK = re.compile(r"^  n\d+ -\.?->", re.MULTILINE)
_DOT_STYLES = {
    _APPLIED: ', style="rounded,filled", fillcolor="#d1fae5", color="#059669"',
    _PENDING: ', style="rounded,filled", fillcolor="#fef3c7", color="#d97706"',
    _OUTSIDE: ', style="rounded,dashed"',
}
_DOT_FONTS = tuple(f'  {part} [fontname="Helvetica"];' for part in ("graph", "edge"))


@dataclass(frozen=True, slots=True)
class Item:
    """A node: ``lines`` is its text; ``kind`` is ``applied``, ``pending``, ``outside`` of the selection, or empty."""

    group: str
    lines: tuple[str, ...]
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Link:
    """A line between two items, by their keys. One that is ``loose`` is dashed."""

    start: object
    end: object
    label: str = ""
    loose: bool = False


@dataclass(frozen=True, slots=True)
class Diagram:
    """Items by their keys, and the links between them."""

    items: Mapping[object, Item]
    links: Sequence[Link]


def revisions_diagram(state: GraphState) -> Diagram:
    """Return a diagram of revisions, and of those of other packages that they wait for."""
    edges = [edge for node in state.nodes for edge in state.graph.before[node]]
    inside = set(state.nodes)
    shown = dict.fromkeys((*state.nodes, *(edge.before for edge in edges)))
    items: dict[object, Item] = {}
    for node in shown:
        kind = _OUTSIDE if node not in inside else state.kind(node) if state.is_known else ""
        message = state.graph.revision(node).message
        items[node] = Item(node.package, (node.revision, message) if message else (node.revision,), kind)
    links = [_of_edge(edge) for edge in edges]
    return Diagram(items, links)


def tables_diagram(ownership: Ownership, packages: Collection[str]) -> Diagram:
    """Return a diagram of the tables of ``packages`` by their owner, and of those that they refer to."""
    shown = {name: table for name, table in ownership.tables.items() if ownership.owners[name] in packages}
    items: dict[object, Item] = {
        name: Item(ownership.owners[name], (str(name), *_key_columns(table))) for name, table in shown.items()
    }
    links: list[Link] = []
    for name, table in shown.items():
        for key in sorted(table.foreign_keys, key=lambda key: str(key.parent.name)):
            other = referred_name(key)
            items.setdefault(other, Item(ownership.owners.get(other, "no package"), (str(other),), _OUTSIDE))
            links.append(Link(name, other, str(key.parent.name)))
    return Diagram(items, links)


def _key_columns(table: Table) -> list[str]:
    """Return the columns of the primary key and of foreign keys: ``user_id FK``."""
    marks = {column: [*["PK"] * column.primary_key, *["FK"] * bool(column.foreign_keys)] for column in table.columns}
    return [f"{column.name} {', '.join(keys)}" for column, keys in marks.items() if keys]


def tables_text(diagram: Diagram) -> str:
    """Return the tables of a diagram as lines, by owner, with the keys of each."""
    lines: list[str] = []
    for package, keys in _grouped(diagram):
        inside = [key for key in keys if diagram.items[key].kind != _OUTSIDE]
        lines += [package] if inside else []
        for key in inside:
            lines.append(f"  {diagram.items[key].lines[0]}")
            lines += [f"    {link.label} -> {_referred(diagram, package, link)}" for link in _of(diagram, key)]
    return "".join(f"{_clean(line)}\n" for line in lines)


def mermaid(diagram: Diagram) -> str:
    """Return ``diagram`` as a flowchart of Mermaid, which GitHub shows."""
    ids = {key: f"n{number}" for number, key in enumerate(diagram.items)}
    lines = ["flowchart TB"]
    for number, (group, keys) in enumerate(_grouped(diagram)):
        lines.append(f'  subgraph p{number}["{_mermaid_text(group)}"]')
        for key in keys:
            item = diagram.items[key]
            label = "<br/>".join(map(_mermaid_text, item.lines))
            lines.append(f'    {ids[key]}["{label}"]{f":::{item.kind}" if item.kind else ""}')
        lines.append("  end")
    for link in diagram.links:
        arrow = "-.->" if link.loose else "-->"
        label = f'|"{_mermaid_text(link.label)}"|' if link.label else ""
        lines.append(f"  {ids[link.start]} {arrow}{label} {ids[link.end]}")
    used = {item.kind for item in diagram.items.values()}
    lines += [f"  classDef {kind} {style}" for kind, style in _MERMAID_STYLES.items() if kind in used]
    return "\n".join(lines) + "\n"


def is_too_large(chart: str) -> bool:
    """Tell whether Mermaid refuses a flowchart, by its default ``maxEdges`` and ``maxTextSize``."""
    return len(chart) > _MERMAID_CHARACTERS or len(_MERMAID_LINK.findall(chart)) > _MERMAID_LINKS


def dot(diagram: Diagram) -> str:
    """Return ``diagram`` in the language of Graphviz."""
    ids = {key: f"n{number}" for number, key in enumerate(diagram.items)}
    lines = ["digraph {", '  node [shape=box, style=rounded, fontname="Helvetica"];', *_DOT_FONTS]
    for number, (group, keys) in enumerate(_grouped(diagram)):
        lines.append(f"  subgraph cluster_{number} {{ label={_dot_text(group)};")
        for key in keys:
            item = diagram.items[key]
            lines.append(f"    {ids[key]} [label={_dot_text(*item.lines)}{_DOT_STYLES.get(item.kind, '')}];")
        lines.append("  }")
    for link in diagram.links:
        style = ", style=dashed" if link.loose else ""
        lines.append(f"  {ids[link.start]} -> {ids[link.end]} [label={_dot_text(link.label)}{style}];")
    return "\n".join((*lines, "}")) + "\n"


def _grouped(diagram: Diagram) -> Iterable[tuple[str, list[object]]]:
    groups: dict[str, list[object]] = {}
    for key, item in diagram.items.items():
        groups.setdefault(item.group, []).append(key)
    return groups.items()


def _of(diagram: Diagram, key: object) -> Iterator[Link]:
    return (link for link in diagram.links if link.start == key)


def _referred(diagram: Diagram, package: str, link: Link) -> str:
    target = diagram.items[link.end]
    return target.lines[0] if target.group == package else f"{target.group}: {target.lines[0]}"


def _of_edge(edge: Edge) -> Link:
    is_down = edge.reason == "down_revision"
    return Link(edge.before, edge.after, "" if is_down else edge.reason, loose=not is_down)


def _clean(line: str) -> str:
    """Return ``line`` without the control characters that a name of the models may hold."""
    text = line.lstrip(" ")
    return " " * (len(line) - len(text)) + one_line(text)


def _mermaid_text(value: str) -> str:
    """Return ``value`` with the entities of Mermaid for what would end a label."""
    kept = set(" .,:;_-+/()'=!?")
    return "".join(c if c.isalnum() or c in kept else f"#{ord(c)};" for c in one_line(value))


def _dot_text(*lines: str) -> str:
    return json.dumps("\n".join(map(one_line, lines)), ensure_ascii=False)
