"""Waiting for tables: how long a statement of a revision may wait for one, and how often the revision is tried.

A statement that waits for a table holds up all that come after it, so a long wait stops an application. Here it ends
soon, the revision is rolled back, and it is tried again after a pause in which the others get through.
"""

from __future__ import annotations

import random
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from sqlalchemy import event
from sqlalchemy.exc import DBAPIError

from websauna_migrate.database.table_holders import HolderWatch, watched
from websauna_migrate.database.time_limits import TimeLimits, limited, lost_against_another, waited_too_long
from websauna_migrate.revisions.errors import RevisionScriptFailed
from websauna_migrate.run.errors import TableInUse
from websauna_migrate.run.failures import UNDOES_DDL
from websauna_migrate.run.observer import TableWait
from websauna_migrate.settings.numbers import is_duration, read_count, read_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path
    from types import ModuleType

    from sqlalchemy.engine import Connection

    from websauna_migrate.database.time_limits import LimitedConnection
    from websauna_migrate.revisions.plan import PlanStep
    from websauna_migrate.run.failures import Account
    from websauna_migrate.run.observer import Observer
    from websauna_migrate.settings.app import AppSettings

_LOCK_WAIT, _TRIES, _STATEMENT = (
    f"websauna_migrate.{name}" for name in ("lock_wait", "lock_wait_tries", "statement_timeout")
)
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0  # seconds


@dataclass(frozen=True, slots=True)
class Patience:
    """The limits of a run, but for scripts with their own, and how often a revision is tried."""

    limits: TimeLimits
    tries: int


def read_patience(ini: AppSettings) -> Patience:
    """Return what the settings of the application say.

    :raises SettingsError: one of them is no number
    """
    limits = TimeLimits(read_seconds(ini, _LOCK_WAIT, 5), read_seconds(ini, _STATEMENT, 0))
    return Patience(limits, read_count(ini, _TRIES, 20))


def limits_of(module: ModuleType, path: Path, usual: TimeLimits) -> TimeLimits:
    """Return the limits of the script ``path``: ``lock_wait`` and ``statement_timeout`` in it, else the ``usual`` ones.

    :raises RevisionScriptFailed: one of them is no number
    """
    found = {"lock_wait": usual.lock_wait, "statement_timeout": usual.statement}
    for name, default in found.items():
        value = getattr(module, name, default)
        if not is_duration(value):
            raise RevisionScriptFailed(path, ValueError(f"{name} = {value!r} is not a number of seconds, 0 or more"))
        found[name] = float(value)
    return TimeLimits(*found.values())


def pause_after(number: int, chance: float) -> float:
    """Return the seconds to pause after try ``number``: twice as many each time, less by up to half by ``chance``."""
    return min(_FIRST_PAUSE * 2.0 ** min(number - 1, 16), _LONGEST_PAUSE) * (1 - chance / 2)


@contextmanager
def waiting_for_tables(
    connection: Connection, account: Account, observer: Observer, limits: Mapping[str, TimeLimits], tries: int
) -> Iterator[TableTries]:
    """Yield what runs the steps of ``account`` on ``connection``; ``limits`` are those of each path of a script."""
    watch = HolderWatch()
    longest = max((one.lock_wait for one in limits.values()), default=0)
    shortest = min((one.lock_wait for one in limits.values() if one.lock_wait), default=0)
    with ExitStack() as stack:
        limiter = stack.enter_context(limited(connection))
        steps = TableTries(account, observer, limits, 1 if account.together else tries, limiter, watch)
        if limiter is not None:
            stack.enter_context(_statements_heard(connection, steps, limiter))
            if longest and limiter.waits_for_tables:
                stack.enter_context(watched(connection.engine, watch, shortest))
        yield steps


@contextmanager
def _statements_heard(connection: Connection, tries: TableTries, limiter: LimitedConnection) -> Iterator[None]:
    def before(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        limiter.hear(statement)
        if limiter.waits_for_tables:
            tries.begin_statement(statement)

    def after(*_: object) -> None:
        tries.end_statement()

    event.listen(connection, "before_cursor_execute", before)
    event.listen(connection, "after_cursor_execute", after)
    try:
        yield
    finally:
        event.remove(connection, "before_cursor_execute", before)
        event.remove(connection, "after_cursor_execute", after)


class TableTries:
    """Runs steps, each again where it waited too long for a table and nothing of it stays."""

    def __init__(
        self,
        account: Account,
        observer: Observer,
        limits: Mapping[str, TimeLimits],
        tries: int,
        limiter: LimitedConnection | None,
        watch: HolderWatch,
    ) -> None:
        self._account = account
        self._observer = observer
        self._limits = limits
        self._tries = tries
        self._limiter = limiter
        self._watch = watch

    def run(self, step: PlanStep, attempt: Callable[[], None]) -> None:
        """Call ``attempt``, which runs ``step``, until it gets its tables.

        :raises TableInUse: it did not, or what it did before cannot be undone
        """
        if self._limiter is not None:
            self._limiter.use(self._limits_of(step))

        def from_the_start() -> None:
            if self._limiter is not None:
                self._limiter.begin_step()
            attempt()

        self._repeat(step, from_the_start, self._waited_too_long, self._why_not_again)

    def run_batch(self, step: PlanStep, attempt: Callable[[], None]) -> None:
        """Call ``attempt``, a transaction of ``step`` that is rolled back when it fails, until it succeeds.

        :raises TableInUse: it did not get its rows
        """

        def lost(step: PlanStep, error: DBAPIError) -> bool:
            return self._waited_too_long(step, error) or lost_against_another(error)

        self._repeat(step, attempt, lost, lambda: None)

    def _repeat(
        self,
        step: PlanStep,
        attempt: Callable[[], None],
        may_succeed: Callable[[PlanStep, DBAPIError], bool],
        why_not_again: Callable[[], str | None],
    ) -> None:
        started = time.monotonic()
        for number in count(1):
            try:
                self._attempt(attempt)
            except DBAPIError as error:
                if self._limiter is None or not may_succeed(step, error):
                    raise
                self._go_on(step, number, time.monotonic() - started, error, why_not_again())
            else:
                return

    def _limits_of(self, step: PlanStep) -> TimeLimits:
        return self._limits[str(step.revision.path)]

    def _waited_too_long(self, step: PlanStep, error: DBAPIError) -> bool:
        return bool(self._limits_of(step).lock_wait) and waited_too_long(error)

    def end_step(self) -> None:
        """Take the limits back that the script has set, in its transaction."""
        if self._limiter is not None:
            self._limiter.end_step()

    def begin_statement(self, statement: str) -> None:
        """A statement begins on the connection."""
        self._watch.begin(statement, self._limiter.session if self._limiter else None)

    def end_statement(self) -> None:
        """A statement succeeded."""
        self._watch.end()

    def _attempt(self, attempt: Callable[[], None]) -> None:
        try:
            attempt()
        finally:
            self._watch.end()

    def _go_on(self, step: PlanStep, number: int, seconds: float, error: DBAPIError, reason: str | None) -> None:
        """Pause before the next try, or raise where there is none, maybe for a ``reason``."""
        if reason or number >= self._tries:
            raise TableInUse(self._watch.table, self._watch.found, number, seconds, reason, error) from error
        pause = pause_after(number, random.random())
        self._observer.on_table_wait(
            TableWait(step, self._watch.table, self._watch.found, number, self._tries, seconds, pause)
        )
        time.sleep(pause)

    def _why_not_again(self) -> str | None:
        if self._account.together:
            return "all revisions run in one transaction"
        if self._account.script_committed:
            return "the revision leaves its transaction"
        if self._account.script_wrote and self._account.dialect not in UNDOES_DDL:
            return "what the revision had done before cannot be rolled back"
        return None
