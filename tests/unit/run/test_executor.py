"""What the executor decides without a database: what its errors say, and how often it asks for the lock."""

from __future__ import annotations

from pathlib import Path

import pytest

from websauna_migrate.revisions.plan import Plan, PlanStep
from websauna_migrate.revisions.scripts import Revision
from websauna_migrate.run import executor, failures
from websauna_migrate.run.errors import ConnectionLost, FailedAfterCommit, RunInterrupted, StepFailed

NO_APP = None  # for what needs not ask the database
NAMES = tuple(f"shop s{number}" for number in range(1, 401))


def plan(*ids: str) -> Plan:
    revisions = [Revision(id_, (), (), (), (), (), "", None, Path(f"{id_}.pyc")) for id_ in ids]
    return Plan("up", tuple(PlanStep("shop", revision, "up", (), ()) for revision in revisions), (), {}, {})


def failed(applied=(), left=("shop s1",), stays=None) -> StepFailed:
    return StepFailed("shop", "s1", "up", "s1.py", ValueError("two\nlines"), applied=applied, left=left, stays=stays)


def test_an_error_is_one_line_and_ends_with_what_to_do():
    assert str(failed()) == (
        "upgrade to shop s1 failed: ValueError: two lines; s1 was rolled back; applied in this run: none; "
        "not applied: shop s1; fix s1.py and run the command again"
    )


def test_many_revisions_are_summed_up_in_the_message_and_kept_whole_as_a_fact():
    error = failed(applied=NAMES[:7], left=NAMES)

    assert error.left == NAMES
    assert "applied in this run: shop s1, shop s2, shop s3, shop s4, shop s5, shop s6, shop s7; " in str(error)
    assert "not applied: shop s1, shop s2, shop s3, ..., shop s400 (400 in all); " in str(error)


def test_what_stays_is_told_only_where_a_revision_was_under_way():
    why = "this database cannot undo DDL"

    assert "the earlier statements of shop s1 were not rolled back, because this" in str(
        RunInterrupted((), NAMES[:2], stays=why)
    )
    assert "rolled back" not in str(RunInterrupted(NAMES[:2], (), stays=why))
    assert "rolled back" not in str(ConnectionLost(OSError("gone"), (), NAMES[:2], stays=None))


def test_the_lock_is_asked_for_before_the_first_step_and_then_once_a_second(monkeypatch):
    now = 10.0
    monkeypatch.setattr(executor.time, "monotonic", lambda: now)
    asked = []
    check = executor._at_most_each_second(lambda: asked.append(now))
    for now in (10.0, 10.4, 10.9, 11.1, 11.2, 15.0):  # noqa: B007 - the clock reads it
        check()

    assert asked == [10.0, 11.1, 15.0]


@pytest.mark.parametrize(("dialect", "stays"), [("postgresql", False), ("sqlite", False), ("mariadb", True)])
def test_only_a_database_that_cannot_undo_ddl_keeps_what_a_revision_did(dialect, stays):
    account = failures.Account(plan("s1", "s2"), dialect, together=False, script_wrote=True)

    assert (failures.find_out(NO_APP, account, ValueError()).stays is not None) == stays


def test_a_revision_that_changed_nothing_before_it_failed_leaves_nothing():
    account = failures.Account(plan("s1", "s2"), "mariadb", together=False)

    def stays():
        return [failures._what_stays(account, error) is not None for error in (ValueError(), KeyboardInterrupt())]

    with account.of_script():
        account.note_begin("SELECT 1")
        assert stays() == [False, False]
        account.note_begin("CREATE TABLE a (id INTEGER)")
        assert stays() == [False, True]  # it failed; or the server goes on with it
        account.note_statement("CREATE TABLE a (id INTEGER)")
        assert stays() == [True, True]
    account.finish(account.plan.steps[0])
    assert stays() == [False, False]


@pytest.mark.parametrize(
    ("statement", "stays"),
    [
        ("DROP TABLE a", False),
        ("DROP TABLE a, b", True),
        ("CALL migrate()", True),
        ("begin not atomic drop table a; end", True),
        ("DELETE FROM a; DELETE FROM b", True),
        ("DELETE FROM a;", False),
    ],
)
def test_a_statement_of_several_parts_may_have_done_one_of_them(statement, stays):
    account = failures.Account(plan("s1"), "mariadb", together=False)
    with account.of_script():
        account.note_begin(statement)

    assert (failures.find_out(NO_APP, account, ValueError()).stays is not None) == stays


def test_a_run_came_as_far_as_its_last_commit():
    account = failures.Account(plan("s1", "s2", "s3"), "postgresql", together=False)
    account.done.append(account.plan.steps[0])

    failed, committed = (
        failures.find_out(NO_APP, account, error) for error in (ValueError(), FailedAfterCommit(ValueError()))
    )

    assert (failures.names(failed.applied), failures.names(failed.left)) == (("shop s1",), ("shop s2", "shop s3"))
    assert (failures.names(committed.applied), failures.names(committed.left)) == (("shop s1", "shop s2"), ("shop s3",))


def test_of_one_transaction_all_is_applied_or_nothing():
    account = failures.Account(plan("s1", "s2"), "postgresql", together=True)
    account.done.append(account.plan.steps[0])

    assert failures.find_out(NO_APP, account, ValueError()).applied == ()
    assert failures.find_out(NO_APP, account, FailedAfterCommit(ValueError())).applied == account.plan.steps


def test_a_script_that_committed_by_itself_leaves_what_it_did():
    account = failures.Account(plan("s1"), "postgresql", together=False)
    with account.of_script():
        account.note_commit(None)

    assert failures.find_out(NO_APP, account, ValueError()).stays
