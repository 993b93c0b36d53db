"""The revisions as text."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from websauna_migrate.drawing.graph_text import graph_text
from websauna_migrate.drawing.state import GraphState
from websauna_migrate.revisions.graph import Node, build_graph
from websauna_migrate.revisions.scripts import Requirement, Revision


def revision(id_, *down, message="", labels=(), **how):
    made = {"depends_on": (), "requires": (), "run_before": (), **how}
    return Revision(
        id_, down, made["depends_on"], labels, made["requires"], made["run_before"], message, None, Path(f"{id_}.py")
    )


GRAPH = build_graph(
    {
        "user": [revision("u1", message="Create \x1b[31m users"), revision("u2", "u1", labels=("mail",))],
        "shop": [revision("s1", requires=(Requirement("user", "u1"),)), revision("s2", "s1", depends_on=("s1",))],
    }
)
NODES = [Node("shop", "s2"), Node("shop", "s1"), Node("user", "u2"), Node("user", "u1")]


def text(nodes=NODES, applied=(), is_known=True, colour=False):
    return graph_text(GraphState(GRAPH, nodes, applied, is_known), colour=colour)


def test_each_revision_has_a_line_with_its_package_its_marks_and_what_it_requires():
    assert text(applied={Node("user", "u1")}).splitlines() == [
        "o  s2 (shop, head)",
        "o  s1 (shop)  [requires user u1]",
        "o  u2 (user, head, branch mail)",
        "*  u1 (user) Create \\x1b[31m users",
    ]


def test_of_one_package_the_name_is_left_out():
    assert text(NODES[:2]).splitlines() == ["o  s2 (head)", "o  s1  [requires user u1]"]


def test_a_contract_revision_is_marked():
    graph = build_graph({"shop": [replace(revision("s1"), contract=True)]})
    assert graph_text(GraphState(graph, [Node("shop", "s1")], (), True), colour=False) == "o  s1 (head, contract)\n"


def test_where_it_is_not_known_what_is_applied_nothing_looks_pending():
    assert {line[0] for line in text(is_known=False).splitlines()} == {"*"}


def test_colours_are_for_terminals_only():
    assert "\x1b[" in text(colour=True)
    assert "\x1b[" not in text()


def test_without_revisions_it_says_so():
    assert text(()) == "There are no revisions.\n"
