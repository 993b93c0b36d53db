"""The lanes of the drawing of revisions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from websauna_migrate.drawing.lanes import rows


def drawn(nodes, parents):
    return [f"{row.cells} {row.node}" if row.node else row.cells for row in rows(nodes, parents)]


@pytest.mark.parametrize(
    ("nodes", "parents", "expected"),
    [
        ("cba", {"c": "b", "b": "a"}, ["* c", "* b", "* a"]),
        ("ab", {}, ["* a", "* b"]),
        ("mxyr", {"m": "xy", "x": "r", "y": "r"}, ["* m", "|\\", "* | x", "| * y", "|/", "* r"]),
        (
            "smxyr",
            {"s": "r", "m": "xy", "x": "r", "y": "r"},
            ["* s", "| * m", "| |\\", "| * | x", "| | * y", "|_|/", "|/", "* r"],
        ),
        (
            "oabcd",
            {"o": "abc", "a": "d", "b": "d", "c": "d"},
            ["* o", "|\\", "|\\ \\", "* | | a", "| * | b", "| | * c", "|_|/", "|/", "* d"],
        ),
    ],
    ids=["line", "separate", "merge", "far", "octopus"],
)
def test_lanes_are_drawn_as_git_draws_them(nodes, parents, expected):
    assert drawn(nodes, parents) == expected


@given(st.lists(st.sets(st.integers(1, 4), max_size=3), max_size=12))
def test_each_node_is_drawn_once_and_a_lane_for_each_that_is_awaited(steps):
    """``steps`` are the distances from each node to its parents."""
    nodes = list(range(1, len(steps) + 1))
    parents = {node: [node + step for step in steps[node - 1] if node + step in nodes] for node in nodes}
    found = [row for row in rows(nodes, parents) if row.node is not None]
    assert [row.node for row in found] == nodes
    for row in found:
        awaited = {parent for node in nodes if node < row.node for parent in parents[node] if parent > row.node}
        assert {lane for lane in row.lanes if lane is not None} == awaited | {row.node}
        assert row.cells.count("*") == 1
        assert row.cells.count("|") == sum(lane is not None for lane in row.lanes) - 1
        assert row.cells.index("*") == 2 * row.lanes.index(row.node)
