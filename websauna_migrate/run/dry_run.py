"""A dry run: the steps of a plan run in one transaction that is rolled back, with the time and the locks of each."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from websauna_migrate.database.connection import is_missing_file
from websauna_migrate.database.deferred import check_deferred
from websauna_migrate.database.sqlite import sqlite_path
from websauna_migrate.database.table_locks import Clock, LockWatch, Taken
from websauna_migrate.database.uncommitted import never_committed
from websauna_migrate.exceptions import MigrateError
from websauna_migrate.run.errors import DRY_RUN, NotInOneTransaction
from websauna_migrate.run.executor import migrate_selected
from websauna_migrate.run.observer import observer_of
from websauna_migrate.run.steps import run_plan

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Sequence

    from sqlalchemy.engine import Connection

    from websauna_migrate.bootstrap import Application
    from websauna_migrate.database.table_locks import TableLock
    from websauna_migrate.packages.selection import Selected
    from websauna_migrate.revisions.plan import Plan, PlanStep
    from websauna_migrate.run.observer import Observer, Progress

_CAN = ("postgresql", "sqlite")


@dataclass(frozen=True, slots=True)
class Measured:
    """A step of a dry run: the seconds that it took, and the locks of tables that it would hold in a real run.

    One that ``failed`` took them until then.
    """

    step: PlanStep
    seconds: float
    locks: tuple[TableLock, ...]
    failed: bool = False


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a dry run of ``plan`` measured; ``has_locks`` tells whether the database has locks of tables."""

    plan: Plan
    steps: tuple[Measured, ...]
    has_locks: bool


def dry_run(
    app: Application,
    selected: Sequence[Selected],
    target: str,
    observer: Observer,
    *,
    on_failure: Callable[[DryRun], None],
    one_transaction: bool = False,
    cmd_opts: Namespace | None = None,
    **options: Any,
) -> DryRun:
    """Upgrade the histories of ``selected`` to ``target``, alone on the database, and roll all of it back.

    Subscribers are not called, because what they do may not be undone. ``options`` are those of
    :func:`~websauna_migrate.run.executor.migrate_selected`. With ``one_transaction`` the locks count as held until the
    last step is done. Where a step fails, ``on_failure`` gets what was measured until then.

    :raises NotInOneTransaction: the database or a revision cannot be rolled back; nothing was run
    :raises MigrateError: as an upgrade
    """
    dialect = app.url.get_backend_name()
    if dialect not in _CAN:
        raise NotInOneTransaction(f"{dialect} commits each DDL statement by itself", DRY_RUN)
    measuring = _Measuring(has_locks=dialect == "postgresql")
    file = sqlite_path(app.url) if is_missing_file(app.url) else None

    def run(
        app: Application,
        plan: Plan,
        connection: Connection,
        observer: Observer,
        *,
        one_transaction: bool,
        cmd_opts: Namespace | None,
    ) -> None:
        try:
            measuring.run(app, plan, connection, observer, cmd_opts)
        except MigrateError:
            result = measuring.result(plan, together=one_transaction)
            if result.steps:
                on_failure(result)
            raise
        finally:
            if file is not None and file.stat().st_size == 0:
                file.unlink()

    plan = migrate_selected(app, selected, target, observer, cmd_opts=cmd_opts, run=run, **options)
    return measuring.result(plan, together=one_transaction)


@dataclass(slots=True)
class _Step:
    step: PlanStep
    began: float
    taken: Taken
    ended: float | None = None


class _Measuring:
    """Runs a plan without keeping anything, and measures its steps."""

    def __init__(self, *, has_locks: bool) -> None:
        self._has_locks = has_locks
        self._clock = Clock()
        self._steps: list[_Step] = []

    def run(
        self, app: Application, plan: Plan, connection: Connection, observer: Observer, cmd_opts: Namespace | None
    ) -> None:
        with ExitStack() as stack:

            @cache
            def watch() -> LockWatch | None:
                """Return what looks for locks, from the first step on: before it no transaction is open."""
                if not self._has_locks:
                    return None
                histories = {history.history_table for history in app.histories}
                made = LockWatch(connection, self._clock, histories)
                stack.enter_context(made.listening())
                return made

            def on_progress(progress: Progress) -> None:
                observer.on_progress(progress)
                if progress.state == "begins":
                    looks = watch()
                    taken = looks.begin_revision() if looks else Taken({})
                    self._steps.append(_Step(progress.step, self._clock.now(), taken))
                else:
                    self._steps[-1].ended = self._clock.now()

            told = observer_of({"on_progress": on_progress, "on_revision_done": self._check}, observer)
            stack.enter_context(never_committed(connection, self._refusal))
            run_plan(app, plan, connection, told, one_transaction=True, cmd_opts=cmd_opts, is_trial=True)

    def result(self, plan: Plan, *, together: bool) -> DryRun:
        """Return what was measured; the locks are held until the end of each step, or of all steps ``together``."""
        now = self._clock.now()
        ends = [now if one.ended is None else one.ended for one in self._steps]
        steps = tuple(
            Measured(one.step, end - one.began, one.taken.until(ends[-1] if together else end), one.ended is None)
            for one, end in zip(self._steps, ends, strict=True)
        )
        return DryRun(plan, steps, self._has_locks)

    def _check(self, _step: PlanStep, connection: Connection) -> None:
        check_deferred(connection)

    def _refusal(self, reason: str) -> NotInOneTransaction:
        what = "env.py"
        if self._steps:
            step = self._steps[-1].step
            what = f"{step.package} {step.revision.id} ({step.revision.path})"
        return NotInOneTransaction(f"{what} {reason}", DRY_RUN)
