"""How far a run came when it failed, and the error that tells it."""

from __future__ import annotations

import re
import traceback
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import event
from sqlalchemy.exc import SQLAlchemyError

from websauna_migrate.database.history_table import read_heads
from websauna_migrate.exceptions import LockError, MigrateError
from websauna_migrate.revisions.contents import uses_autocommit_block
from websauna_migrate.revisions.history import applied
from websauna_migrate.run.errors import (
    ConnectionLost,
    FailedAfterCommit,
    NotInOneTransaction,
    RunInterrupted,
    RunStopped,
    StepFailed,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy.engine import Connection

    from websauna_migrate.bootstrap import Application
    from websauna_migrate.revisions.plan import Plan, PlanStep


_COMMIT = re.compile(r"\s*(COMMIT|END)\b", re.IGNORECASE)

UNDOES_DDL = ("postgresql", "sqlite", "mssql")


@dataclass(slots=True)
class Account:
    """How far a run is: the steps that are ``done``, and whether the script under way committed by itself."""

    done: list[PlanStep] = field(default_factory=list)
    in_script: bool = False
    script_committed: bool = False

    def note_commit(self, _connection: Connection) -> None:
        """Take note that a transaction was committed: by the script, if one is running."""
        self.script_committed = self.script_committed or self.in_script

    @contextmanager
    def of_script(self) -> Iterator[None]:
        """Return a context in which a script runs."""
        self.in_script, self.script_committed = True, False
        try:
            yield
        finally:
            self.in_script = False


@contextmanager
def commits_heard(connection: Connection, account: Account) -> Iterator[None]:
    """Tell ``account`` of each commit on ``connection``, that of a script's own SQL too."""

    def heard(_connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        if _COMMIT.match(statement):
            account.note_commit(connection)

    listeners: dict[str, Callable[..., None]] = {"commit": account.note_commit, "before_cursor_execute": heard}
    for name, listener in listeners.items():
        event.listen(connection, name, listener)
    try:
        yield
    finally:
        for name, listener in listeners.items():
            event.remove(connection, name, listener)


def explained(
    app: Application, plan: Plan, account: Account, dialect: str, error: BaseException, *, together: bool
) -> MigrateError:
    """Return the error that tells what was applied and what was not when ``error`` came."""
    done = len(account.done)
    step = plan.steps[min(done, len(plan.steps) - 1)]
    stays = _what_stays(step, dialect, account)
    interrupted, lost = isinstance(error, KeyboardInterrupt), getattr(error, "connection_invalidated", False)
    # Either may have come between the server's commit and our taking note of it.
    committed = isinstance(error, FailedAfterCommit)
    if committed or ((interrupted or lost) and _applied_of(app, plan.steps[-1:] if together else [step])):
        done, stays = len(plan.steps) if together else plan.steps.index(step) + 1, None
    elif together:
        done = _applied_of(app, plan.steps) if account.script_committed else 0
    ran, left = _names(plan.steps[:done]), _names(plan.steps[done:])
    if interrupted:
        return RunInterrupted(ran, left, stays=stays)
    if lost:
        return ConnectionLost(error, ran, left, stays=stays)
    if isinstance(error, FailedAfterCommit | LockError):
        return RunStopped(error, ran, left)
    if _is_refused_block(error):
        return NotInOneTransaction(_leaves(step))
    where = (step.package, step.revision.id, step.direction, str(step.revision.path))
    return StepFailed(*where, error, applied=ran, left=left, stays=stays)


def _what_stays(step: PlanStep, dialect: str, account: Account) -> str | None:
    """Return why the database keeps what a step did before it broke, None where it does not."""
    if dialect not in UNDOES_DDL:
        return "this database cannot roll back DDL"
    left = account.script_committed or uses_autocommit_block(step.revision, step.direction)
    return "it leaves its transaction" if left else None


def _is_refused_block(error: BaseException) -> bool:
    """Tell whether ``error`` is the bare assertion of an ``autocommit_block()`` in the transaction of others."""
    frames = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    return isinstance(error, AssertionError) and frames[-1:] == ["autocommit_block"]


def _applied_of(app: Application, steps: Sequence[PlanStep]) -> int:
    """Ask the database, on a connection of its own, how many of ``steps`` are committed; 0 where it does not answer."""
    with suppress(MigrateError, SQLAlchemyError):
        with app.connected(writes=False) as connection:
            rows = read_heads(connection, app.histories)
        histories = app.graph().histories
        done = {package: applied(histories[package], rows[package]) for package in {step.package for step in steps}}
        return sum((step.revision.id in done[step.package]) == (step.direction == "up") for step in steps)
    return 0


def _leaves(step: PlanStep) -> str:
    return f"{step.package} {step.revision.id} uses autocommit_block() ({step.revision.path})"


def _names(steps: Sequence[PlanStep]) -> tuple[str, ...]:
    return tuple(f"{step.package} {step.revision.id}" for step in steps)


def refuse_own_transactions(plan: Plan, dialect: str) -> None:
    """Raise where a step of ``plan`` cannot run in one transaction with the others."""
    if dialect not in UNDOES_DDL:
        raise NotInOneTransaction(f"{dialect} commits each DDL statement by itself")
    for step in plan.steps:
        if uses_autocommit_block(step.revision, step.direction):
            raise NotInOneTransaction(_leaves(step))
