"""What a database has of pending revisions and lacks of applied ones, decided from snapshots alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from websauna_migrate.packages.package import TableName
from websauna_migrate.repair.replay import Replay, Snapshot, ranked
from websauna_migrate.repair.traces import (
    Part,
    Trace,
    is_behind,
    lost_parts,
    match_ahead,
    parts_of,
    shown,
    traces_ahead,
)
from websauna_migrate.revisions.history import build_history
from websauna_migrate.revisions.scripts import Revision

THING, NOTE = TableName(None, "thing"), TableName(None, "note")
HISTORY = build_history(
    "shop",
    [
        Revision(id_, down, (), (), (), (), "", None, Path(f"{id_}.py"))
        for id_, down in (("a1", ()), ("b2", ("a1",)), ("c3", ("b2",)))
    ],
)
A1 = {THING: frozenset(["column id INTEGER"])}
B2 = {**A1, NOTE: frozenset(["column id INTEGER", "index (id)"])}
C3 = {**B2, THING: frozenset(["column id INTEGER", "column name VARCHAR(20)"])}
SNAPSHOTS = (Snapshot((), {}), Snapshot(("a1",), A1), Snapshot(("b2",), B2), Snapshot(("c3",), C3))


def replay(here, snapshots=SNAPSHOTS):
    return Replay(ranked(here, snapshots), here=here, snapshots=snapshots)


@pytest.mark.parametrize(("rows", "behind"), [((), False), (("b2",), True), (("c3",), False), (("zz",), False)])
def test_a_history_is_behind_where_something_is_applied_and_something_is_not(rows, behind):
    assert is_behind(HISTORY, rows) is behind


def test_a_column_counts_by_its_name():
    assert parts_of(C3) - parts_of(B2) == {Part(THING, "column name")}
    other = {**C3, THING: frozenset(["column id INTEGER", "column name TEXT NOT NULL"])}
    assert parts_of(other) == parts_of(C3)


def test_of_a_table_that_is_new_only_the_table_is_shown():
    assert shown(parts_of(B2) - parts_of(A1)) == "table note"
    assert shown({Part(THING, "column name"), Part(NOTE)}) == "table note, thing: column name"


def test_what_a_pending_revision_creates_is_found_in_the_database():
    half = {**A1, NOTE: frozenset(["column id INTEGER"])}
    (trace,) = traces_ahead(HISTORY, ["a1"], replay(half))
    assert (trace.revision, trace.missing) == ("b2", {Part(NOTE, "index (id)")})
    assert all(trace.is_complete for trace in traces_ahead(HISTORY, ["a1"], replay(C3)))
    assert traces_ahead(HISTORY, ["a1"], replay(A1)) == ()


def test_it_is_not_known_where_the_scripts_did_not_come_that_far():
    assert traces_ahead(HISTORY, ["b2"], replay(C3, SNAPSHOTS[:2])) is None


def test_the_tables_may_match_a_later_revision():
    assert str(match_ahead(HISTORY, ["a1"], replay(C3))) == "c3"
    assert match_ahead(HISTORY, ["a1"], replay(A1)) is None
    same = (*SNAPSHOTS[:3], Snapshot(("c3",), B2))
    assert match_ahead(HISTORY, ["b2"], replay(B2, same)) is None


def test_a_table_that_another_package_creates_after_a_revision_is_no_trace_of_that():
    only_data = (*SNAPSHOTS[:2], Snapshot(("b2",), A1), Snapshot(("b2",), B2))
    assert [str(match) for match in replay(B2, only_data).exact] == ["b2"]
    assert match_ahead(HISTORY, ["a1"], replay(B2, only_data)) is None


def test_a_revision_of_which_nothing_is_there_is_lost():
    without = {THING: C3[THING]}
    assert lost_parts(HISTORY, ["c3"], replay(without)) == {"b2": parts_of(B2) - parts_of(A1)}
    assert lost_parts(HISTORY, ["c3"], replay(C3)) == {}
    dropped_later = (*SNAPSHOTS[:3], Snapshot(("c3",), A1))
    assert lost_parts(HISTORY, ["c3"], replay(A1, dropped_later)) == {}


def test_what_a_pending_revision_drops_may_be_gone_in_part():
    less = {THING: frozenset()}
    snapshots = (*SNAPSHOTS[:3], Snapshot(("c3",), less))
    (trace,) = traces_ahead(HISTORY, ["b2"], replay(A1, snapshots))
    assert trace == Trace("c3", gone=frozenset(parts_of(B2) - parts_of(A1)), left=frozenset([Part(THING, "column id")]))
    (trace,) = traces_ahead(HISTORY, ["b2"], replay(less, snapshots))
    assert trace.is_complete
