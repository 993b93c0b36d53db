"""The words and the remedies for revisions that count as something else than they are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from websauna_migrate.exceptions import remedy_text
from websauna_migrate.packages.package import TableName
from websauna_migrate.repair.misrecorded import AlreadyApplied, HalfApplied, Inserted
from websauna_migrate.repair.replay import Replay
from websauna_migrate.repair.traces import Part, Trace
from websauna_migrate.revisions.scripts import Revision

NOTE = TableName(None, "note")
B2 = Revision("b2", ("a1",), (), (), (), (), "", None, Path("b2.py"))
TABLE, COLUMN = Part(NOTE), Part(NOTE, "column text")


@pytest.mark.parametrize(
    ("before", "remedy"),
    [
        ((), "ws-alembic -x packages=shop stamp c3"),
        (("b2",), "Run ws-alembic -x packages=shop upgrade b2, then ws-alembic -x packages=shop stamp c3"),
    ],
)
def test_what_comes_before_a_revision_that_was_applied_is_run_first(before, remedy):
    found = AlreadyApplied("shop", "alembic_history_shop", ("a1",), (), ("c3",), before, "why")
    assert remedy_text(found.remedy) == remedy


@pytest.mark.parametrize(
    ("trace", "said"),
    [
        (Trace("b2", there=frozenset([TABLE])), "the database has table note, as after b2; why"),
        (Trace("b2", gone=frozenset([COLUMN])), "the database lacks note: column text, as after b2; why"),
        (Trace("b2"), "the database is as after b2; why"),
    ],
)
def test_what_was_created_and_dropped_before_is_told(trace, said):
    found = AlreadyApplied("shop", "alembic_history_shop", ("a1",), (trace,), ("b2",), (), "why")
    assert found.detail.endswith(said)


def half(trace, *counted):
    return HalfApplied("shop", B2, trace, counted, ("DROP TABLE note;",), Replay((), "no script was run"))


def test_only_empty_tables_are_dropped():
    trace = Trace("b2", there=frozenset([TABLE]), missing=None)
    empty, full, column = half(trace, (NOTE, 0)), half(trace, (NOTE, 3)), half(trace)

    undo = ", undo what else of b2.py was run"
    assert remedy_text(empty.remedy) == (
        f"The tables are empty. Drop them{undo}, then upgrade; run this SQL: DROP TABLE note;"
    )
    compared = half(replace(trace, missing=frozenset([COLUMN])), (NOTE, 0))
    assert undo not in remedy_text(compared.remedy)
    assert "note has 3 row(s); it was not determined" in full.detail
    for found in (full, column):
        remedy = remedy_text(found.remedy)
        assert "DROP" not in remedy
        assert "packages=shop upgrade --sql a1:b2; then run ws-alembic -x packages=shop stamp b2" in remedy


def test_what_is_missing_and_what_is_left_of_a_revision_is_told():
    trace = Trace("b2", frozenset([TABLE]), frozenset([COLUMN]), left=frozenset([Part(NOTE, "index (id)")]))
    assert half(trace).detail.endswith("; it lacks note: column text; it has note: index (id) still")


def test_the_statements_of_an_inserted_revision_are_printed_by_the_remedy():
    found = Inserted("shop", "alembic_history_shop", ("c3",), B2, frozenset([TABLE]))
    assert "b2 (b2.py), but the database lacks table note" in found.detail
    assert remedy_text(found.remedy).endswith("packages=shop upgrade --sql a1:b2")
