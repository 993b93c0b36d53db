"""Revisions and tables as Mermaid and DOT."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Column, ForeignKey, Integer, MetaData, Table

from websauna_migrate.drawing.diagrams import dot, is_too_large, mermaid, revisions_diagram, tables_diagram, tables_text
from websauna_migrate.drawing.state import GraphState
from websauna_migrate.packages.ownership import find_owners
from websauna_migrate.packages.package import MigrationPackage
from websauna_migrate.revisions.graph import Node, build_graph
from websauna_migrate.revisions.scripts import Requirement, Revision


def revision(id_, *down, message="", requires=()):
    return Revision(id_, down, (), (), tuple(requires), (), message, None, Path(f"{id_}.py"))


GRAPH = build_graph(
    {
        "user": [revision("u1", message='A "first" [one]')],
        "shop": [revision("s1"), revision("s2", "s1", requires=[Requirement("user", "u1")])],
    }
)
NODES = [Node("shop", "s1"), Node("shop", "s2")]
STATE = GraphState(GRAPH, NODES, {NODES[0]}, is_known=True)


def ownership():
    metadata = MetaData()
    Table("users", metadata, Column("id", Integer, primary_key=True), info={"package": "user"})
    Table(
        "orders",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("user_id", ForeignKey("users.id")),
        Column("next", ForeignKey("orders.id")),
        info={"package": "shop"},
    )
    return find_owners([MigrationPackage("user", (metadata,)), MigrationPackage("shop", (metadata,))])


def test_mermaid_has_a_group_for_each_package_and_says_what_is_applied():
    assert mermaid(revisions_diagram(STATE)).splitlines() == [
        "flowchart TB",
        '  subgraph p0["shop"]',
        '    n0["s1"]:::applied',
        '    n1["s2"]:::pending',
        "  end",
        '  subgraph p1["user"]',
        '    n2["u1<br/>A #34;first#34; #91;one#93;"]:::outside',
        "  end",
        "  n0 --> n1",
        '  n2 -.->|"requires"| n1',
        "  classDef applied fill:#d1fae5,stroke:#059669,color:#064e3b",
        "  classDef pending fill:#fef3c7,stroke:#d97706,color:#78350f",
        "  classDef outside stroke-dasharray:4 4",
    ]


def test_where_it_is_not_known_what_is_applied_nothing_looks_pending():
    drawn = mermaid(revisions_diagram(GraphState(GRAPH, NODES, (), is_known=False)))
    assert "applied" not in drawn
    assert "pending" not in drawn


@pytest.mark.parametrize(("links", "message", "expected"), [(500, "", False), (501, "", True), (10, "x" * 5000, True)])
def test_a_chart_that_mermaid_refuses_is_too_large(links, message, expected):
    revisions = [revision("r0"), *(revision(f"r{n}", f"r{n - 1}", message=message) for n in range(1, links + 1))]
    graph = build_graph({"shop": revisions})
    nodes = [Node("shop", one.id) for one in revisions]
    assert is_too_large(mermaid(revisions_diagram(GraphState(graph, nodes, (), is_known=False)))) is expected


def test_dot_has_the_same():
    drawn = dot(revisions_diagram(STATE))
    assert '    n0 [label="s1", style="rounded,filled", fillcolor="#d1fae5", color="#059669"];' in drawn
    assert '    n1 [label="s2", style="rounded,filled", fillcolor="#fef3c7", color="#d97706"];' in drawn
    assert r'n2 [label="u1\nA \"first\" [one]", style="rounded,dashed"];' in drawn
    assert '  n2 -> n1 [label="requires", style=dashed];' in drawn


def test_tables_stand_under_their_owner_with_their_keys():
    diagram = tables_diagram(ownership(), ["shop"])
    assert tables_text(diagram) == "shop\n  orders\n    next -> orders\n    user_id -> user: users\n"
    drawn = mermaid(diagram)
    assert '    n0["orders<br/>id PK<br/>user_id FK<br/>next FK"]' in drawn
    assert '  n0 -->|"user_id"| n1' in drawn
    assert tables_text(tables_diagram(ownership(), ["shop", "user"])).splitlines()[:2] == ["user", "  users"]


def test_a_table_that_nobody_owns_is_shown_where_one_refers_to_it():
    metadata = MetaData()
    Table("a", metadata, Column("id", Integer, ForeignKey("elsewhere.id"), primary_key=True), info={"package": "shop"})
    found = find_owners([MigrationPackage("shop", (metadata,))])
    assert tables_text(tables_diagram(found, ["shop"])) == "shop\n  a\n    id -> no package: elsewhere\n"
