"""Runs a plan: revision by revision, over all histories, on one connection.

Each package's ``env.py`` is run once and hands over its ``MigrationContext``; the loop over the steps is
ours, because Alembic's runs one history to its end, and reads all scripts of a history for the steps of some.
Alembic is imported when a step is to be run, so that a run that finds nothing to do never waits for it.
"""

from __future__ import annotations

import math
import time
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from websauna_migrate.database.connection import canceller
from websauna_migrate.database.search_path import require_first_schema
from websauna_migrate.packages.selection import histories_of, select
from websauna_migrate.run.half_done import read_standing, refuse_half_done
from websauna_migrate.run.observer import observer_of

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Sequence
    from typing import Protocol

    from sqlalchemy.engine import Connection
    from typing_extensions import Unpack

    from websauna_migrate.bootstrap import Application
    from websauna_migrate.packages.selection import Selected
    from websauna_migrate.revisions.plan import Plan
    from websauna_migrate.revisions.scripts import Direction
    from websauna_migrate.run.observer import Callbacks, Observer

    class Runner(Protocol):
        """Runs a plan on a connection that is alone on its database."""

        def __call__(
            self,
            app: Application,
            plan: Plan,
            connection: Connection,
            observer: Observer,
            *,
            one_transaction: bool,
            cmd_opts: Namespace | None,
        ) -> None:
            """Run ``plan``, or raise what says how far it came."""


def migrate(
    app: Application,
    packages: Sequence[str],
    target: str = "heads",
    *,
    direction: Direction = "up",
    cascade: bool = False,
    expand: bool = False,
    one_transaction: bool = False,
    observer: Observer | None = None,
    cmd_opts: Namespace | None = None,
    **callbacks: Unpack[Callbacks],
) -> Plan:
    """Take the histories of ``packages`` up or down to ``target``, alone on the database, and return what was done.

    The lock comes first, then the heads are read, then the plan is made, then it is run. Where there is nothing to
    do, nothing waits for the lock. With ``expand`` contract revisions are left, and what comes after one.
    ``observer`` follows the run; its methods can be given as keyword arguments too:
    ``on_wait``, ``on_plan``, ``before_step``, ``on_progress``, ``on_revision_done``, ``on_table_wait`` and
    ``interruptible``. The subscribers of the application get the events of :mod:`websauna_migrate.events`.

    :raises MigrateError: the plan cannot be made or run; the error says what was applied and what was not
    """
    return migrate_selected(
        app,
        select(app.histories, packages),
        target,
        observer_of(callbacks, observer),
        direction=direction,
        cascade=cascade,
        expand=expand,
        one_transaction=one_transaction,
        cmd_opts=cmd_opts,
    )


def migrate_selected(
    app: Application,
    selected: Sequence[Selected],
    target: str,
    told: Observer,
    *,
    direction: Direction = "up",
    cascade: bool = False,
    expand: bool = False,
    one_transaction: bool = False,
    cmd_opts: Namespace | None = None,
    run: Runner | None = None,
) -> Plan:
    """Do what :func:`migrate` does, for histories that are selected already; ``run`` is what runs the plan."""
    planned = partial(
        app.plan_selected, selected=selected, target=target, direction=direction, cascade=cascade, expand=expand
    )
    with ExitStack() as stack:
        # One that writes would create a file of SQLite and wait for its lock; on a server the run goes on with it.
        is_file = app.url.get_backend_name() == "sqlite"
        first = stack.enter_context(app.connected(writes=not is_file))
        require_first_schema(first)
        found, stopped = read_standing(first, app.histories)
        plan = planned(found)
        if is_file or not plan.steps:
            stack.close()
        if not plan.steps:
            refuse_half_done(app, plan, histories_of(selected), found, stopped)
            told.on_plan(plan)
            return plan
        app.models.import_all()  # what is wrong with them is told before anything waits for the lock
        # Where there is nothing to do, none of these is loaded.
        from websauna_migrate.run.alone import alone
        from websauna_migrate.run.telling import run_and_tell
        from websauna_migrate.run.unadopted import refuse_unadopted

        connection, lock = stack.enter_context(alone(app, told, None if is_file else first))
        now, stopped = read_standing(connection, app.histories)
        if now != found:  # another run came first
            plan = planned(now)
        refuse_half_done(app, plan, histories_of(selected), now, stopped)
        if plan.direction == "up":
            refuse_unadopted(app, [package for package, rows in plan.heads_before.items() if not rows], connection)
        told.on_plan(plan)
        check = _at_most_each_second(lock.check)

        def before_step() -> None:
            check()
            told.before_step()

        watched = observer_of({"before_step": before_step}, told)
        with told.interruptible(canceller(connection)):
            (run or run_and_tell)(app, plan, connection, watched, one_transaction=one_transaction, cmd_opts=cmd_opts)
    return plan


def _at_most_each_second(check: Callable[[], None]) -> Callable[[], None]:
    """Return ``check`` for many small steps in a row: it asks the server, and a step may take less than the answer."""
    last = -math.inf

    def checked() -> None:
        nonlocal last
        if time.monotonic() - last >= 1:
            check()
            last = time.monotonic()

    return checked
