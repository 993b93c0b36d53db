"""The states of all histories, and the errors of those that are not at their heads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from websauna_migrate.packages.ownership import Ownership
from websauna_migrate.packages.package import History, TableName
from websauna_migrate.revisions.graph import build_graph
from websauna_migrate.revisions.plan import HistoryState
from websauna_migrate.revisions.scripts import Revision
from websauna_migrate.revisions.states import are_fine, history_states, problems_of, status_json, without_revisions


def revision(id_, *down):
    return Revision(id_, down, (), (), (), (), "", None, Path(f"{id_}.py"))


SHOP = History("shop", ("shop", "tags"), Path("/shop"), (Path("/shop/versions"),), "alembic_history_shop")
NOTES = History("notes", ("notes",), Path("/notes"), (Path("/notes/versions"),), "alembic_history_notes")
STATES = {
    "shop": HistoryState("shop", ("a1",), ("b2", "c3"), 2, "several heads"),
    "notes": HistoryState("notes", (), (), 0, "no revisions"),
}
NOBODYS = Ownership({}, {}).of
OF_NOTES = Ownership({}, {TableName(None, "note"): "notes"}).of


def problems(revisions, rows, owned=NOBODYS):
    graph = build_graph({"notes": (), "shop": revisions})
    return [str(error) for error in problems_of(graph, [NOTES, SHOP], {"notes": (), "shop": rows}, owned)]


def test_json_of_the_status_has_the_keys_of_the_contract():
    assert status_json([NOTES, SHOP], STATES) == [
        {
            "package": "notes",
            "packages": ["notes"],
            "history_table": "alembic_history_notes",
            "current": [],
            "heads": [],
            "pending": 0,
            "state": "no revisions",
        },
        {
            "package": "shop",
            "packages": ["shop", "tags"],
            "history_table": "alembic_history_shop",
            "current": ["a1"],
            "heads": ["b2", "c3"],
            "pending": 2,
            "state": "several heads",
        },
    ]


def test_each_history_has_its_state():
    graph = build_graph({"notes": (), "shop": [revision("a1")]})
    states = history_states(graph, [NOTES, SHOP], {"notes": (), "shop": ()})
    assert {name: state.state for name, state in states.items()} == {"notes": "no revisions", "shop": "pending"}


def test_only_what_is_up_to_date_or_has_nothing_to_run_is_fine():
    assert are_fine([STATES["notes"], HistoryState("shop", ("a1",), ("a1",), 0, "up to date")])
    assert not are_fine(STATES.values())


def test_a_history_without_revisions_is_an_error_only_where_its_packages_have_tables():
    assert without_revisions([NOTES, SHOP], STATES, NOBODYS) == {}
    (error,) = without_revisions([NOTES, SHOP], STATES, OF_NOTES).values()
    assert "notes has tables and no revisions in /notes/versions" in str(error)


def test_where_all_is_applied_there_is_no_problem():
    assert problems([revision("a1")], ("a1",)) == []


def test_each_problem_is_one_line_with_the_command_that_ends_it():
    upgrade = "run: ws-alembic -x packages=shop upgrade"
    assert problems([revision("a1"), revision("b2", "a1")], ()) == [f"shop: 2 revisions are pending; {upgrade}"]
    assert problems([revision("a1"), revision("b2", "a1")], ("a1",)) == [f"shop: 1 revision is pending; {upgrade}"]
    (heads,) = problems([revision("a1"), revision("b2")], ("a1",))
    assert heads.startswith("shop has 2 heads: a1, b2; join them with: ws-alembic -x packages=shop merge")
    (unknown,) = problems([revision("a1")], ("gone",))
    assert "gone" in unknown
    (missing,) = problems([revision("a1")], ("a1",), OF_NOTES)
    assert missing.startswith("notes has tables and no revisions")


def test_contract_revisions_may_be_pending_where_only_those_are_left():
    contract = replace(revision("b2", "a1"), contract=True)
    graph = build_graph({"notes": (), "shop": [revision("a1"), contract, revision("c3", "b2")]})
    rows = {"notes": (), "shop": ("a1",)}
    [state] = history_states(graph, [SHOP], rows).values()
    assert (state.state, state.pending) == ("pending (contract)", 2)
    assert not are_fine([state])
    assert are_fine([state], expand=True)
    assert problems_of(graph, [SHOP], rows, NOBODYS) == []
    [state] = history_states(graph, [SHOP], {"shop": ()}).values()
    assert state.state == "pending"
