"""The revisions as SVG."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from websauna_migrate.drawing.state import GraphState, graph_state
from websauna_migrate.drawing.svg import STYLE, graph_svg
from websauna_migrate.revisions.graph import Node, build_graph
from websauna_migrate.revisions.scripts import Requirement, Revision

SVG = "{http://www.w3.org/2000/svg}"


def revision(id_, *down, message="", requires=(), contract=False, labels=()):
    return Revision(id_, down, (), labels, tuple(requires), (), message, None, Path(f"{id_}.py"), contract=contract)


GRAPH = build_graph(
    {
        "user": [revision("u1", message='Create <b>"users"</b>\x1b[31m'), revision("u2", "u1")],
        "shop": [
            revision("s1", requires=[Requirement("user", "u1")]),
            revision("s2", "s1", message="x" * 200),
            revision("s3", "s1", labels=("fast",)),
            revision("s4", "s2", "s3", contract=True),
        ],
    }
)


def drawn(rows=None, packages=("user", "shop")):
    return ElementTree.fromstring(graph_svg(graph_state(GRAPH, packages, rows)))


def dots(svg):
    """Return the class, the place and the text of each revision, by its id."""
    found = {}
    for group in svg.iter(f"{SVG}g"):
        circle, spans = group.find(f"{SVG}circle"), [span.text or "" for span in group.iter(f"{SVG}tspan")]
        found[spans[0]] = (circle.get("class"), (circle.get("cx"), circle.get("cy")), spans[1:])
    return found


def test_each_revision_has_a_row_with_its_package_its_message_and_what_it_requires():
    found = dots(drawn())
    assert list(found) == ["s4", "s3", "s2", "s1", "u2", "u1"]
    assert found["s4"][2] == ["shop", "", " [head] [contract]"]
    assert found["s3"][2] == ["shop", "", " [branch fast]"]
    assert found["s1"][2] == ["shop", "", " [requires user u1]"]
    assert found["u1"][2] == ["user", 'Create <b>"users"</b>\\x1b[31m', ""]
    rows = [int(y) for _, (_, y), _ in found.values()]
    assert rows == sorted(set(rows))


def test_the_dot_says_what_is_applied():
    assert {kind for kind, _, _ in dots(drawn()).values()} == {"unknown"}
    found = dots(drawn({"user": ["u1"], "shop": ["s2"]}))
    kinds = {id_: kind for id_, (kind, _, _) in found.items()}
    assert kinds == dict.fromkeys(("s4", "s3", "u2"), "pending") | dict.fromkeys(("s1", "s2", "u1"), "applied")


def test_lines_lead_from_dot_to_dot():
    svg = drawn()
    places = {place for _, place, _ in dots(svg).values()}
    lines = [path.get("d") for path in svg.iter(f"{SVG}path")]
    assert len(lines) == 6  # five of a down revision, and the arc of what s1 requires
    for line in lines:
        numbers = re.findall(r"[\d.]+", line)
        assert (numbers[0], numbers[1]) in places
        ends = line.rpartition("V")[2] if line.rfind("V") > line.rfind("C") else " ".join(numbers[-2:])
        assert ends.split()[-1] in {y for _, y in places}


def test_no_line_goes_up():
    graph = build_graph({"shop": [revision("p"), revision("q"), revision("a", "p"), revision("b", "q", "p")]})
    nodes = [Node("shop", id_) for id_ in ("a", "b", "p", "q")]  # b is right above p, and its line is beside both
    svg = ElementTree.fromstring(graph_svg(GraphState(graph, nodes, (), is_known=True)))
    for path in svg.iter(f"{SVG}path"):
        rows = [int(pair[1]) for pair in re.findall(r"(-?\d+) (\d+)", path.get("d").replace("V", " 0 "))]
        assert rows == sorted(rows)


def test_an_arc_says_why_it_is_there_and_stays_in_the_picture():
    (arc,) = (path for path in drawn().iter(f"{SVG}path") if path.get("class") == "arc")
    assert arc.find(f"{SVG}title").text == "shop s1: requires user u1"
    x1, _, far, *_ = map(float, re.findall(r"-?[\d.]+", arc.get("d")))
    assert 0 < x1 - 0.75 * (x1 - far) < x1


def test_a_long_message_is_cut_and_shown_whole_where_the_pointer_is():
    svg = drawn()
    assert dots(svg)["s2"][2][1] == "x" * 80 + "…"
    assert any("x" * 200 in title.text for title in svg.iter(f"{SVG}title"))


def test_the_picture_is_wide_enough_for_its_text():
    svg = drawn()
    width = float(svg.get("width"))
    message = max(float(span.get("x")) for span in svg.iter(f"{SVG}tspan") if span.get("x"))
    assert width - message == pytest.approx(83 * 7.25, abs=1)


def test_what_is_required_of_a_package_that_is_not_drawn_has_no_arc_and_is_said():
    svg = drawn(packages=("shop",))
    assert dots(svg)["s1"][2][2] == " [requires user u1]"
    assert not [path for path in svg.iter(f"{SVG}path") if path.get("class") == "arc"]


def test_each_class_has_a_style():
    states = (graph_state(GRAPH, ("user", "shop"), rows) for rows in (None, {"user": ["u1"], "shop": ()}))
    used = [found for state in states for found in re.findall(r'class="([^"]+)"', graph_svg(state))]
    names = {name for classes in used for name in classes.split()}
    assert {"applied", "pending", "unknown", "p0", "p1", "arc"} <= names
    assert names - set(re.findall(r"\.([\w-]+)", STYLE)) == set()
