"""How far a run came: what a script committed by itself, and what cannot be in one transaction."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from websauna_migrate.revisions.plan import Plan, PlanStep
from websauna_migrate.revisions.scripts import Revision
from websauna_migrate.run.errors import NotInOneTransaction
from websauna_migrate.run.failures import Account, commits_heard, names, refuse_own_transactions


def plan(*bodies):
    revisions = [
        Revision(f"s{number}", (), (), (), (), (), "", None, Path("s.py"), f"def upgrade():\n    {body}\n".encode())
        for number, body in enumerate(bodies, 1)
    ]
    return Plan("up", tuple(PlanStep("shop", revision, "up", (), ()) for revision in revisions), (), {}, {})


def test_steps_are_named_by_package_and_revision():
    assert names(plan("pass", "pass").steps) == ("shop s1", "shop s2")


def test_the_step_under_way_is_the_first_that_is_not_done():
    account = Account(plan("pass", "pass"), "sqlite", together=False)
    assert account.under_way.revision.id == "s1"
    account.done += account.plan.steps
    assert account.under_way.revision.id == "s2"


@pytest.mark.parametrize(
    ("sql", "committed", "said"), [("SELECT 1", False, False), (" commit", True, True), ("END", True, True)]
)
def test_a_commit_in_the_sql_of_a_script_is_heard(sql, committed, said):
    account = Account(plan("pass"), "sqlite", together=False)
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection, commits_heard(connection, account), account.of_script():
        connection.exec_driver_sql("BEGIN")
        connection.exec_driver_sql(sql)
        assert (account.script_committed, account.script_said_commit) == (committed, said)
    engine.dispose()


def test_a_script_that_only_reads_has_written_nothing():
    account = Account(plan("pass"), "sqlite", together=False)
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection, commits_heard(connection, account):
        connection.exec_driver_sql("CREATE TABLE a (id INTEGER)")
        with account.of_script():
            connection.exec_driver_sql("SELECT 1 FROM a")
            assert not account.script_wrote
            connection.exec_driver_sql("INSERT INTO a VALUES (1)")
            assert account.script_wrote
    engine.dispose()


def test_a_commit_outside_of_a_script_is_not_that_of_the_script():
    account = Account(plan("pass"), "sqlite", together=False)
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection, commits_heard(connection, account):
        connection.exec_driver_sql("SELECT 1")
        connection.commit()
        assert not account.script_committed
    engine.dispose()


@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        ("mysql", "pass"),
        ("postgresql", "op.get_context().autocommit_block()"),
        ("postgresql", "op.get_bind().commit()"),
        ("postgresql", "data.in_batches('a', 'b')"),
    ],
)
def test_what_commits_by_itself_is_refused_in_one_transaction(dialect, body):
    with pytest.raises(NotInOneTransaction, match="transaction=all"):
        refuse_own_transactions(plan(body), dialect)
    refuse_own_transactions(plan("pass"), "sqlite")
