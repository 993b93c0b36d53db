"""Results as text and as JSON."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from websauna_migrate.packages.package import History
from websauna_migrate.repair.findings import Overlapping
from websauna_migrate.revisions.history import build_history
from websauna_migrate.revisions.plan import HistoryState, Plan, PlanStep
from websauna_migrate.revisions.scripts import Revision
from websauna_migrate.scripts.report import (
    as_json,
    current_lines,
    findings_json,
    findings_text,
    head_lines,
    plan_json,
    plan_text,
    status_text,
    summary_text,
    table,
)


def revision(id_, *down, message="", labels=()):
    return Revision(id_, down, (), labels, (), (), message, None, Path(f"{id_}.py"))


def plan(*messages):
    made = [revision(f"a{n}", message=text) for n, text in enumerate(messages)]
    steps = tuple(PlanStep("shop", one, "up", one.down, (one.id,)) for one in made)
    return Plan("up", steps, (), {"shop": ()}, {"shop": ("a1",)})


SHOP = History("shop", ("shop", "tags"), Path("/shop"), (), "alembic_history_shop")
NOTES = History("notes", ("notes",), Path("/notes"), (), "alembic_history_notes")
STATES = {
    "shop": HistoryState("shop", ("a1",), ("b2", "c3"), 2, "several heads"),
    "notes": HistoryState("notes", (), (), 0, "no revisions"),
}


def test_json_of_a_plan_has_the_keys_of_the_contract():
    assert plan_json(plan("first", "")) == [
        {"package": "shop", "revision": "a0", "direction": "up", "message": "first"},
        {"package": "shop", "revision": "a1", "direction": "up", "message": ""},
    ]


def test_json_of_findings_has_the_keys_of_the_contract():
    found = Overlapping("shop", "alembic_history_shop", ("a1", "b2"), ("b2",))
    remedy = "ws-alembic -x packages=shop stamp --purge b2"
    assert findings_json([found]) == [
        {"problem": "overlapping-revisions", "package": "shop", "detail": found.detail, "remedy": remedy}
    ]


def test_json_can_be_read_by_people_and_programs():
    text = as_json([{"message": "Größe"}])
    assert "Größe" in text
    assert text.endswith("]\n")
    assert json.loads(text) == [{"message": "Größe"}]


def test_a_plan_is_a_numbered_table():
    lines = plan_text(plan("first", "second"), colour=False).splitlines()
    assert lines[0].split() == ["package", "revision", "message"]
    assert [line.split() for line in lines[2:]] == [
        ["1", "up", "shop", "a0", "first"],
        ["2", "up", "shop", "a1", "second"],
    ]


def test_an_empty_plan_says_so():
    assert plan_text(plan(), colour=False) == "Nothing to do.\n"


@pytest.mark.parametrize("message", ["[red] alarm [/red]", "[/]", ":smile: [x] done", r"a \[b]", "ä" * 300])
def test_a_message_stands_as_it_was_written(message):
    assert message in plan_text(plan(message), colour=False)


def test_the_status_has_a_row_for_each_history():
    lines = status_text([NOTES, SHOP], STATES, colour=False).splitlines()
    assert [line.split("  ")[0] for line in lines[2:]] == ["notes", "shop"]
    assert lines[3].split() == ["shop", "several", "heads", "2", "a1", "b2,", "c3", "tags"]


def test_colours_are_for_terminals_only():
    assert "\x1b[" not in status_text([SHOP], STATES, colour=False)
    assert "\x1b[31m" in status_text([SHOP], STATES, colour=True)


def test_a_summary_has_a_row_for_each_history_touched():
    lines = summary_text(plan("first", "second"), {"shop": 0.126}, colour=False).splitlines()
    assert lines[-1].split() == ["shop", "base", "a1", "2", "0.13"]


def test_findings_tell_what_why_and_what_to_do():
    found = Overlapping("shop", "alembic_history_shop", ("a1", "b2"), ("b2",))
    assert findings_text([found]) == (
        f"overlapping-revisions in shop\n  what: {found.detail}\n  why:  {found.reason}\n"
        "  fix:  ws-alembic -x packages=shop stamp --purge b2\n"
    )
    assert findings_text([]) == "No problems found.\n"


def test_no_line_of_a_table_ends_with_spaces_or_is_wrapped():
    text = table(("a", "b"), [("x" * 400, ""), ("y", "z" * 400)], colour=False)
    assert len(text.splitlines()) == 4
    assert all(line == line.rstrip() for line in text.splitlines())


CELLS = st.text(st.characters(max_codepoint=126), max_size=8)


@given(
    st.integers(1, 4).flatmap(lambda columns: st.lists(st.lists(CELLS, min_size=columns, max_size=columns), min_size=1))
)
def test_a_table_without_colours_is_that_of_rich_without_its_codes(rows):
    headings = [f"h{number}" for number in range(len(rows[0]))]
    coloured = re.sub("\x1b[^m]*m", "", table(headings, rows, colour=True))
    assert table(headings, rows, colour=False) == "".join(f"{line.rstrip()}\n" for line in coloured.splitlines())


def history(*revisions):
    return build_history("shop", revisions)


def test_heads_have_the_labels_of_the_branches_that_end_in_them():
    graph = history(
        revision("a1", labels=("root",)),
        revision("b2", "a1", labels=("blue",)),
        revision("c3", "a1", labels=("red",)),
        revision("d4", "c3"),
    )
    assert list(head_lines(graph)) == ["b2 (blue, root) (head)", "d4 (red, root) (head)"]


def test_current_revisions_are_those_that_no_applied_one_follows():
    graph = history(revision("a1"), revision("b2", "a1"), revision("c3", "a1"), revision("d4", "b2", "c3"))
    assert list(current_lines(graph, set())) == []
    assert list(current_lines(graph, {"a1"})) == ["a1 (branchpoint)"]
    assert list(current_lines(graph, {"a1", "b2", "c3"})) == ["b2", "c3"]
    assert list(current_lines(graph, {"a1", "b2", "c3", "d4"})) == ["d4 (head) (mergepoint)"]


def test_control_characters_of_scripts_and_databases_are_shown_and_not_sent_to_the_terminal():
    assert table(("message",), [("red \x1b[31m",)], colour=False).splitlines()[-1] == r"red \x1b[31m"
    found = Overlapping("shop", "table \x9b2J", ("a1", "b2"), ("b2",))
    assert r"table \x9b2J" in findings_text([found])
