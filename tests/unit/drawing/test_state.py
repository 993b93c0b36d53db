"""The revisions that are drawn."""

from __future__ import annotations

from pathlib import Path

from websauna_migrate.drawing.state import graph_state
from websauna_migrate.revisions.graph import Node, build_graph
from websauna_migrate.revisions.scripts import Requirement, Revision


def revision(id_, *down, depends_on=(), requires=(), run_before=()):
    return Revision(id_, down, depends_on, (), tuple(requires), tuple(run_before), "", None, Path(f"{id_}.py"))


GRAPH = build_graph(
    {
        "user": [revision("u1"), revision("u2", "u1")],
        "shop": [
            revision("s1", requires=[Requirement("user", "u1")], run_before=[Requirement("user", "u2")]),
            revision("s2", "s1", depends_on=("s1",)),
        ],
    }
)
U1, U2, S1, S2 = Node("user", "u1"), Node("user", "u2"), Node("shop", "s1"), Node("shop", "s2")


def test_the_newest_comes_first_and_what_is_required_comes_later():
    nodes = graph_state(GRAPH, ["user", "shop"], None).nodes
    assert sorted(nodes) == sorted((U1, U2, S1, S2))
    assert nodes.index(U2) < nodes.index(S1) < nodes.index(U1)


def test_what_is_applied_follows_from_the_rows_and_unknown_ones_count_for_nothing():
    state = graph_state(GRAPH, ["user", "shop"], {"user": ["u2"], "shop": ["zz"]})
    assert (set(state.applied), state.is_known) == ({U1, U2}, True)
    assert not graph_state(GRAPH, ["user"], None).is_known


def test_parents_are_the_down_revisions():
    assert graph_state(GRAPH, ["shop"], None).parents() == {S2: [S1], S1: []}


def test_what_else_comes_before_is_said():
    state = graph_state(GRAPH, ["user", "shop"], None)
    assert state.waits(S1) == ["requires user u1"]
    assert state.waits(U2) == ["after shop s1"]
    assert state.is_head(S2)
    assert not state.is_head(S1)


def test_requirements_in_a_circle_are_drawn_too():
    graph = build_graph(
        {
            "a": [revision("a1", requires=[Requirement("b", "b1")])],
            "b": [revision("b1", requires=[Requirement("a", "a1")])],
        }
    )
    assert len(graph_state(graph, ["a", "b"], None).nodes) == 2
