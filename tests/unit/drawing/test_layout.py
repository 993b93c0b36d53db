"""Where revisions stand in a picture."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from websauna_migrate.drawing.layout import layout


def lanes(nodes, parents):
    return "".join(str(layout(nodes, parents).places[node].lane) for node in nodes)


@pytest.mark.parametrize(
    ("nodes", "parents", "expected"),
    [
        ("cba", {"c": "b", "b": "a"}, "000"),
        ("ab", {}, "00"),
        ("mxyr", {"m": "xy", "x": "r", "y": "r"}, "0010"),
        ("smxyr", {"s": "r", "m": "xy", "x": "r", "y": "r"}, "01120"),
        ("oabcd", {"o": "abc", "a": "d", "b": "d", "c": "d"}, "00120"),
        ("xyrzw", {"x": "r", "y": "z", "z": "w"}, "01011"),
        ("mxyruvt", {"m": "xy", "x": "r", "y": "r", "r": "uv", "u": "t", "v": "t"}, "0010010"),
    ],
    ids=["line", "separate", "merge", "far", "octopus", "straight beside a free lane", "used again"],
)
def test_a_branch_has_a_lane_of_its_own_until_it_ends(nodes, parents, expected):
    assert lanes(nodes, parents) == expected


@given(st.lists(st.sets(st.integers(1, 4), max_size=3), max_size=12))
def test_no_line_runs_through_another_one_or_through_a_node(steps):
    """``steps`` are the distances from each node to its parents."""
    nodes = list(range(1, len(steps) + 1))
    parents = {node: [node + step for step in steps[node - 1] if node + step in nodes] for node in nodes}
    drawn = layout(nodes, parents)
    assert [drawn.places[node].row for node in nodes] == list(range(len(nodes)))
    assert {(line.child, line.parent) for line in drawn.lines} == {
        (c, p) for c, found in parents.items() for p in found
    }
    taken = [(place.lane, place.row) for place in drawn.places.values()]
    for line in drawn.lines:
        rows = range(drawn.places[line.child].row + 1, drawn.places[line.parent].row)
        taken += [(line.lane, row) for row in rows]
    assert len(taken) == len(set(taken))
    assert all(lane < drawn.lanes for lane, _ in taken)
