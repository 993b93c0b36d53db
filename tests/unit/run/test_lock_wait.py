"""How long a revision waits for tables, and how often it is tried."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
from sqlalchemy.exc import OperationalError

from websauna_migrate.database.table_holders import HolderWatch
from websauna_migrate.database.time_limits import TimeLimits
from websauna_migrate.revisions.errors import RevisionScriptFailed
from websauna_migrate.revisions.plan import Plan, PlanStep
from websauna_migrate.revisions.scripts import Revision
from websauna_migrate.run.errors import TableInUse
from websauna_migrate.run.failures import Account
from websauna_migrate.run.lock_wait import TableTries, limits_of, pause_after, read_patience
from websauna_migrate.run.observer import Observer
from websauna_migrate.settings.app import AppSettings

STEP = PlanStep("shop", Revision("s1", (), (), (), (), (), "", None, Path("s1.py")), "up", (), ())
BUSY = OperationalError("DROP TABLE thing", {}, Exception(1205, "Lock wait timeout exceeded"))


def module(**values):
    script = ModuleType("s1")
    vars(script).update(values)
    return script


def test_a_statement_waits_for_five_seconds_and_a_revision_is_tried_twenty_times():
    patience = read_patience(AppSettings("app.ini", Path("app.ini"), "main", {}, {}, {}))
    assert (patience.limits, patience.tries) == (TimeLimits(5, 0), 20)


def test_a_script_has_limits_of_its_own():
    usual = TimeLimits(5, 60)
    assert limits_of(module(), Path("s1.py"), usual) == usual
    assert limits_of(module(lock_wait=0, statement_timeout=9), Path("s1.py"), usual) == TimeLimits(0, 9)


def test_a_limit_of_a_script_that_is_no_number_is_refused():
    with pytest.raises(RevisionScriptFailed, match="lock_wait = 'long' is not a number of seconds"):
        limits_of(module(lock_wait="long"), Path("s1.py"), TimeLimits())


def test_pauses_double_to_half_a_minute_and_differ():
    assert [pause_after(number, 0) for number in (1, 2, 3, 6, 7, 8, 5000)] == [0.5, 1, 2, 16, 30, 30, 30]
    assert pause_after(7, 1) == 15


class Limiter:
    """The limits of a connection without one."""

    session = None

    begun = 0

    def use(self, limits):
        self.limits = limits

    def begin_step(self):
        self.begun += 1


class Told(Observer):
    def __init__(self):
        self.waits = []

    def on_table_wait(self, wait):
        self.waits.append(wait.number)


def tries(monkeypatch, dialect="postgresql", lock_wait=5.0, count=3, limiter=None):
    monkeypatch.setattr("websauna_migrate.run.lock_wait.time.sleep", lambda seconds: None)
    account = Account(Plan("up", (STEP,), (), {}, {}), dialect, together=False)
    told = Told()
    limits = {"s1.py": TimeLimits(lock_wait)}
    return TableTries(account, told, limits, count, limiter or Limiter(), HolderWatch()), account, told


def busy(times):
    left = iter([BUSY] * times)

    def attempt():
        for error in left:
            raise error

    return attempt


def test_a_step_is_tried_until_it_gets_its_table(monkeypatch):
    limiter = Limiter()
    steps, _, told = tries(monkeypatch, limiter=limiter)
    steps.run(STEP, busy(2))
    assert told.waits == [1, 2]
    assert limiter.begun == 3  # each time without what the script had set


def test_after_the_last_try_the_error_tells_their_number(monkeypatch):
    steps, _, told = tries(monkeypatch)
    steps.begin_statement("DROP TABLE thing")
    with pytest.raises(TableInUse, match=r"the table thing is in use by an unknown session .*; 3 tries in ") as caught:
        steps.run(STEP, busy(3))
    assert told.waits == [1, 2]
    assert caught.value.error is BUSY


def test_other_errors_and_a_wait_without_a_limit_are_not_tried_again(monkeypatch):
    steps, _, told = tries(monkeypatch, lock_wait=0)
    with pytest.raises(OperationalError):
        steps.run(STEP, busy(1))
    steps, _, told = tries(monkeypatch)
    with pytest.raises(ZeroDivisionError):
        steps.run(STEP, lambda: 1 / 0)
    assert told.waits == []


DEADLOCK = OperationalError("UPDATE thing", {}, Exception(1213, "Deadlock found"))


def test_a_batch_is_tried_again_also_when_it_lost_against_another_transaction(monkeypatch):
    steps, account, told = tries(monkeypatch, "mysql")
    account.script_wrote = account.script_committed = True
    left = iter([DEADLOCK, BUSY])

    def attempt():
        for error in left:
            raise error

    steps.run_batch(STEP, attempt)
    assert told.waits == [1, 2]


def test_a_step_that_lost_against_another_transaction_is_not_tried_again(monkeypatch):
    steps, _, told = tries(monkeypatch)

    def attempt():
        raise DEADLOCK

    with pytest.raises(OperationalError):
        steps.run(STEP, attempt)
    assert told.waits == []


@pytest.mark.parametrize(
    ("dialect", "statement", "again"),
    [
        ("mariadb", "CREATE TABLE early (id INTEGER)", False),
        ("mariadb", "SELECT 1", True),
        ("mariadb", "show create table thing", True),
        ("postgresql", "CREATE TABLE early (id INTEGER)", True),
    ],
)
def test_where_ddl_cannot_be_undone_only_the_first_statement_is_tried_again(monkeypatch, dialect, statement, again):
    steps, account, told = tries(monkeypatch, dialect)
    fails = busy(1)

    def attempt():
        with account.of_script():
            steps.begin_statement(statement)
            account.note_statement(statement)
            steps.end_statement()
            fails()

    if again:
        steps.run(STEP, attempt)
    else:
        with pytest.raises(TableInUse, match="cannot be rolled back"):
            steps.run(STEP, attempt)
    assert told.waits == [1] * again
