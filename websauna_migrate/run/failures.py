"""How far a run came when it failed, and the error that says so."""

from __future__ import annotations

import re
import traceback
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import event
from sqlalchemy.exc import SQLAlchemyError

from websauna_migrate.database.history_table import read_heads
from websauna_migrate.database.remedies import codes_of
from websauna_migrate.exceptions import LockError, MigrateError, cause_of
from websauna_migrate.revisions.contents import commits_by_itself, uses_autocommit_block, works_in_batches
from websauna_migrate.revisions.history import applied
from websauna_migrate.run.errors import (
    ALL,
    BATCHES,
    DRY_RUN,
    ConnectionLost,
    FailedAfterCommit,
    NotInOneTransaction,
    ObserverFailed,
    RunInterrupted,
    RunStopped,
    StepFailed,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy.engine import Connection

    from websauna_migrate.bootstrap import Application
    from websauna_migrate.revisions.plan import Plan, PlanStep


_READS = re.compile(r"\s*(SELECT|SHOW|DESC|DESCRIBE|EXPLAIN|SET|BEGIN)\b", re.IGNORECASE)
# Where it fails, a part of it may be done: also on a database that undoes one statement.
_MANY_IN_ONE = re.compile(r"\s*(CALL|EXECUTE|BEGIN\s+NOT|DROP\s+TABLE\b[^,]*,|.*;\s*\S)", re.IGNORECASE | re.DOTALL)
_COMMIT = re.compile(r"\s*(COMMIT|END)\b", re.IGNORECASE)

_UNCOMMITTED_VALUE = frozenset({"55P04"})  # unsafe_new_enum_value_usage of PostgreSQL

UNDOES_DDL = ("postgresql", "sqlite", "mssql")


@dataclass(slots=True)
class Account:
    """How far a run of ``plan`` is: the steps that are ``done``, and whether the script under way committed by itself.

    ``script_asked`` tells whether it has begun to change anything, ``script_wrote`` whether it has changed it. A script
    that leaves its transaction for an ``autocommit_block()`` committed; one that did so by its own statement
    ``said_commit`` too. ``together`` means that all steps are one transaction; that of a trial is rolled back. Of the
    steps that are done the last ``lost`` were not committed any more.
    """

    plan: Plan
    dialect: str
    together: bool
    is_trial: bool = False
    done: list[PlanStep] = field(default_factory=list)
    lost: int = 0
    in_script: bool = False
    script_asked: bool = False
    script_wrote: bool = False
    script_committed: bool = False
    script_said_commit: bool = False

    @property
    def option(self) -> str:
        """The option that makes one transaction of all steps."""
        return DRY_RUN if self.is_trial else ALL

    @property
    def under_way(self) -> PlanStep:
        """The step that was not done yet, the last one where all are."""
        return self.plan.steps[min(len(self.done), len(self.plan.steps) - 1)]

    def note_commit(self, _connection: Connection) -> None:
        """Record that a transaction was committed: by the script, if one is running."""
        self.script_committed = self.script_committed or self.in_script

    def note_begin(self, statement: str) -> None:
        """Record that a statement begins: of the script, if one is running."""
        self.script_asked = self.script_asked or (self.in_script and _READS.match(statement) is None)
        if self.in_script and self.dialect not in UNDOES_DDL and _MANY_IN_ONE.match(statement):
            self.script_asked = self.script_wrote = True

    def note_statement(self, statement: str) -> None:
        """Record that a statement succeeded: of the script, if one is running."""
        self.script_wrote = self.script_wrote or (self.in_script and _READS.match(statement) is None)

    def forget_writes(self) -> None:
        """Record that what the script has changed is committed, or rolled back."""
        self.script_asked = self.script_wrote = False

    def finish(self, step: PlanStep) -> None:
        """Record that a step is done."""
        self.done.append(step)
        self.forget_writes()

    @contextmanager
    def of_script(self) -> Iterator[None]:
        """Return a context in which a script runs."""
        self.in_script, self.script_committed, self.script_said_commit = True, False, False
        self.forget_writes()
        try:
            yield
        finally:
            self.in_script = False


@contextmanager
def commits_heard(connection: Connection, account: Account) -> Iterator[None]:
    """Record in ``account`` what is changed on ``connection``, and each commit, also one in the SQL of a script."""

    def heard(_connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        account.note_begin(statement)
        if _COMMIT.match(statement):
            account.note_commit(connection)
            account.script_said_commit = account.script_committed

    def succeeded(_connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        account.note_statement(statement)

    listeners: dict[str, Callable[..., None]] = {
        "commit": account.note_commit,
        "before_cursor_execute": heard,
        "after_cursor_execute": succeeded,
    }
    for name, listener in listeners.items():
        event.listen(connection, name, listener)
    try:
        yield
    finally:
        for name, listener in listeners.items():
            event.remove(connection, name, listener)


@dataclass(frozen=True, slots=True)
class Reached:
    """How far a run came: the steps that the database keeps, and those that are ``left``.

    ``stays`` is the reason why the database keeps statements of the first step left, or None.
    """

    applied: tuple[PlanStep, ...]
    left: tuple[PlanStep, ...]
    stays: str | None


def explained(app: Application, account: Account, error: BaseException) -> MigrateError:
    """Return the error that says what was applied and what was not when ``error`` was raised."""
    reached = find_out(app, account, error)
    applied, left, stays = names(reached.applied), names(reached.left), reached.stays
    step = account.under_way
    if isinstance(error, KeyboardInterrupt):
        return RunInterrupted(applied, left, stays=stays)
    if _is_lost(error):
        return ConnectionLost(error, applied, left, stays=stays)
    if isinstance(error, (FailedAfterCommit, LockError, ObserverFailed)):
        return RunStopped(error, applied, left)
    if isinstance(error, NotInOneTransaction):
        return error
    if _is_refused_block(error):
        return NotInOneTransaction(_leaves(step), account.option)
    if account.together and not _UNCOMMITTED_VALUE.isdisjoint(codes_of(error)):
        return NotInOneTransaction(_uses_new_value(step, error), account.option)
    where = (step.package, step.revision.id, step.direction, str(step.revision.path))
    return StepFailed(*where, error, applied=applied, left=left, stays=stays)


def find_out(app: Application, account: Account, error: BaseException) -> Reached:
    """Return how far the run of ``account`` came when ``error`` ended it; asks the database where only it knows."""
    steps, done = account.plan.steps, len(account.done) - account.lost
    if _is_committed(app, account, error):
        done = len(steps) if account.together else steps.index(account.under_way) + 1
        return Reached(steps[:done], steps[done:], None)
    if account.together:
        done = _applied_of(app, steps) if account.script_committed else 0
    return Reached(steps[:done], steps[done:], _what_stays(account, error))


def _is_committed(app: Application, account: Account, error: BaseException) -> bool:
    """Return whether the last transaction was committed: ``error`` may have been raised before that was recorded."""
    if isinstance(error, FailedAfterCommit):
        return True
    if not (isinstance(error, KeyboardInterrupt) or _is_lost(error)):
        return False
    last = account.plan.steps[-1] if account.together else account.under_way
    return _applied_of(app, [last]) == 1


def _is_lost(error: BaseException) -> bool:
    return bool(getattr(error, "connection_invalidated", False))


def _what_stays(account: Account, error: BaseException) -> str | None:
    """Return why the database keeps what a step did before ``error`` ended it, None where it does not."""
    step, undoes = account.under_way, account.dialect in UNDOES_DDL
    in_batches = account.script_committed and works_in_batches(step.revision, step.direction)
    if in_batches and (undoes or not account.script_asked):
        return BATCHES
    if not undoes:
        # When the run was interrupted, the server may have done the statement that it had begun.
        is_cut_off = isinstance(error, KeyboardInterrupt) or _is_lost(error)
        wrote = account.script_asked if is_cut_off else account.script_wrote
        return "this database cannot roll back DDL" if wrote else None
    left = account.script_committed or uses_autocommit_block(step.revision, step.direction)
    return "it leaves its transaction" if left else None


def _is_refused_block(error: BaseException) -> bool:
    """Return whether ``error`` is the bare assertion of an ``autocommit_block()`` in the transaction of others."""
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


def _uses_new_value(step: PlanStep, error: BaseException) -> str:
    return f"{step.package} {step.revision.id} uses a value that an earlier revision adds to an enum: {cause_of(error)}"


def names(steps: Sequence[PlanStep]) -> tuple[str, ...]:
    """Return ``steps`` as errors name them."""
    return tuple(f"{step.package} {step.revision.id}" for step in steps)


def refuse_own_transactions(plan: Plan, dialect: str, option: str = ALL) -> None:
    """Raise where a step of ``plan`` cannot run in one transaction with the others, as ``option`` asks for."""
    if dialect not in UNDOES_DDL:
        raise NotInOneTransaction(f"{dialect} commits each DDL statement by itself", option)
    for step in plan.steps:
        if uses_autocommit_block(step.revision, step.direction):
            raise NotInOneTransaction(_leaves(step), option)
        if works_in_batches(step.revision, step.direction):
            named = f"{step.package} {step.revision.id}"
            raise NotInOneTransaction(f"{named} works in batches ({step.revision.path})", option)
        if commits_by_itself(step.revision, step.direction):
            named = f"{step.package} {step.revision.id}"
            raise NotInOneTransaction(f"{named} commits by itself ({step.revision.path})", option)
