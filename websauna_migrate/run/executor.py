"""Runs a plan: revision by revision, over all histories, on one connection.

Each package's ``env.py`` is run once and hands over its ``MigrationContext``; the loop over the steps is
ours, because Alembic's runs one history to its end, and reads all scripts of a history for the steps of some.
Alembic is imported when a step is to be run, so that a run that finds nothing to do never waits for it.
"""

from __future__ import annotations

import math
import time
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING

from websauna_migrate.database.connection import canceller
from websauna_migrate.database.history_table import (
    read_heads,
)
from websauna_migrate.run.steps import execute

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy.engine import Connection

    from websauna_migrate.bootstrap import Application
    from websauna_migrate.database.lock import LockHolder, RunLock
    from websauna_migrate.revisions.plan import Plan
    from websauna_migrate.revisions.scripts import Direction
    from websauna_migrate.run.steps import Progress


def migrate(
    app: Application,
    packages: Sequence[str],
    target: str = "heads",
    *,
    direction: Direction = "up",
    cascade: bool = False,
    one_transaction: bool = False,
    on_wait: Callable[[LockHolder | None, float], None] | None = None,
    on_plan: Callable[[Plan], None] = lambda plan: None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    interruptible: Callable[[Callable[[], None]], AbstractContextManager[object]] = nullcontext,
    cmd_opts: Namespace | None = None,
) -> Plan:
    """Take the histories of ``packages`` up or down to ``target``, alone on the database, and return what was done.

    The lock comes first, then the heads are read, then the plan is made, then it is run. Where there is nothing to
    do, nothing waits for the lock. ``interruptible`` is entered around the run with a function that ends the
    statement under way, to be called in another thread when the run is to stop.

    :raises MigrateError: the plan cannot be made or run; the error tells what was applied and what was not
    """
    planned = partial(app.plan, direction=direction, cascade=cascade, graph=app.graph())
    with app.connected(writes=False) as connection:
        plan = planned(read_heads(connection, app.histories), packages, target)
    if not plan.steps:
        on_plan(plan)
        return plan
    with alone(app, on_wait) as (connection, lock):
        plan = planned(read_heads(connection, app.histories), packages, target)
        on_plan(plan)
        with interruptible(canceller(connection)):
            execute(
                app,
                plan,
                connection,
                one_transaction=one_transaction,
                before_step=_at_most_each_second(lock.check),
                on_progress=on_progress,
                cmd_opts=cmd_opts,
            )
    return plan


@contextmanager
def alone(
    app: Application, on_wait: Callable[[LockHolder | None, float], None] | None
) -> Iterator[tuple[Connection, RunLock]]:
    """Yield a connection for a run, and the lock that it holds meanwhile."""
    waits: list[float] = []

    def waiting(holder: LockHolder | None, seconds: float) -> None:
        waits.append(seconds)
        if on_wait is not None:
            on_wait(holder, seconds)

    with app.connected(writes=True) as connection, app.lock(connection, waiting) as lock:
        if waits:
            connection.invalidate()  # servers and poolers end what was idle for so long; it connects again
        yield connection, lock


def _at_most_each_second(check: Callable[[], None]) -> Callable[[], None]:
    """Return ``check`` for many small steps in a row: it asks the server, and a step may take less than the answer."""
    last = -math.inf

    def checked() -> None:
        nonlocal last
        if time.monotonic() - last >= 1:
            check()
            last = time.monotonic()

    return checked
