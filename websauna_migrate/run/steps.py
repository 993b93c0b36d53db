"""The loop over the steps of a plan: each script with its row in the history table, in one transaction."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError

from websauna_migrate.database.batch_places import forget_calls
from websauna_migrate.database.connection import commits_by_itself, connection_of
from websauna_migrate.database.history_table import create_missing, read_heads, require_room, row_changes
from websauna_migrate.database.sqlite import keys_unenforced, real_transactions
from websauna_migrate.exceptions import MigrateError, RunError, listed
from websauna_migrate.run.environment import open_all
from websauna_migrate.run.errors import (
    HeadsDiffer,
    ObserverFailed,
    PlanOutdated,
    TransactionEndedInside,
    UnusableConnection,
    transaction_left_open,
)
from websauna_migrate.run.failures import UNDOES_DDL, Account, commits_heard, explained, refuse_own_transactions
from websauna_migrate.run.grouping import grouped
from websauna_migrate.run.half_done import read_standing, refuse_half_done
from websauna_migrate.run.lock_wait import limits_of, read_patience, waiting_for_tables
from websauna_migrate.run.observer import Progress, observer_of
from websauna_migrate.run.transactions import begin_step, begin_together, rolled_back
from websauna_migrate.run.under_way import UnderWay, running

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from sqlalchemy.engine import Connection
    from typing_extensions import Unpack

    from websauna_migrate.bootstrap import Application
    from websauna_migrate.database.time_limits import TimeLimits
    from websauna_migrate.revisions.plan import Plan, PlanStep
    from websauna_migrate.run.environment import Environment
    from websauna_migrate.run.grouping import Group
    from websauna_migrate.run.lock_wait import Patience, TableTries
    from websauna_migrate.run.observer import Callbacks, Observer

log = logging.getLogger(__name__)


def execute(
    app: Application,
    plan: Plan,
    connection: Connection,
    *,
    one_transaction: bool = False,
    observer: Observer | None = None,
    cmd_opts: Namespace | None = None,
    **callbacks: Unpack[Callbacks],
) -> None:
    """Run the steps of ``plan`` on ``connection`` and check that the history tables hold what the plan says.

    Each step commits together with its row in the history table; with ``one_transaction`` all steps commit together.
    ``observer`` follows the run; its methods can be given as keyword arguments too. ``before_step`` may raise to
    stop; it is called before each step, and before each commit that would still undo one.

    ``connection`` may be any connection to the database of the plan that has no transaction open and is not in
    AUTOCOMMIT. On SQLite its transactions cover DDL while the steps run, whatever its driver does by itself.

    :raises UnusableConnection: a transaction is open on ``connection``, or it is in AUTOCOMMIT; nothing was run
    :raises PlanOutdated: the history tables hold something else than when the plan was made; nothing was run
    :raises HalfDone: a revision of these histories was stopped in its batches, and is to go on the other way; nothing
        was run
    :raises RevisionScriptFailed: a script cannot be loaded; nothing was run
    :raises SettingsError: a time limit is no number; nothing was run
    :raises StepFailed: a revision raised; it is undone where the database can, and the error tells what was applied
    :raises RunStopped: ``before_step`` found that the lock is lost
    :raises RunInterrupted: on KeyboardInterrupt
    :raises ConnectionLost: the server went away
    :raises NotInOneTransaction: a step cannot run inside a transaction
    :raises IdTooLong: an id does not fit into its history table; nothing was run
    :raises HeadsDiffer: the history tables do not hold what the plan says
    """
    _refuse_unusable(connection)
    found, stopped = read_standing(connection, app.histories)
    _refuse_outdated(plan, found)
    refuse_half_done(app, plan, (), found, stopped)
    real = real_transactions(connection) if connection.dialect.name == "sqlite" else nullcontext()
    with real:
        told = observer_of(callbacks, observer)
        run_plan(app, plan, connection, told, one_transaction=one_transaction, cmd_opts=cmd_opts)


def run_plan(
    app: Application,
    plan: Plan,
    connection: Connection,
    observer: Observer,
    *,
    one_transaction: bool,
    cmd_opts: Namespace | None,
    is_trial: bool = False,
) -> None:
    """Do what :func:`execute` does, on a connection of our own; a trial rolls everything back at the end."""
    if not plan.steps:
        return
    account = Account(plan, connection.dialect.name, together=one_transaction or is_trial, is_trial=is_trial)
    if account.together:
        refuse_own_transactions(plan, account.dialect, account.option)
    patience = read_patience(app.ini)
    require_room(connection, _new_ids(app, plan))
    try:
        environments = open_all(app, plan, connection, None, cmd_opts)
        limits = _time_limits(environments, plan, patience)
        tries = waiting_for_tables(connection, account, observer, limits, patience.tries)
        try:
            _run_steps(environments, connection, account, observer, tries)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise explained(app, account, error) from error
        if not is_trial:
            _verify(app, plan, connection)
    except KeyboardInterrupt as error:
        raise explained(app, account, error) from error


def _time_limits(environments: Mapping[str, Environment], plan: Plan, patience: Patience) -> dict[str, TimeLimits]:
    """Return the limits of each step of ``plan``, by the path of its script."""
    modules = {str(step.revision.path): environments[step.package].modules[step.revision.id] for step in plan.steps}
    return {path: limits_of(module, Path(path), patience.limits) for path, module in modules.items()}


def _new_ids(app: Application, plan: Plan) -> dict[str, list[str]]:
    """Return the ids that ``plan`` writes, by the history table that gets them."""
    ids: dict[str, list[str]] = {}
    for step in plan.steps:
        ids.setdefault(app.history(step.package).history_table, []).extend(step.new_rows)
    return ids


def _refuse_outdated(plan: Plan, found: Mapping[str, tuple[str, ...]]) -> None:
    """Raise where the history tables hold something else than when ``plan`` was made."""
    for package, rows in plan.heads_before.items():
        if set(found.get(package, ())) != set(rows):
            raise PlanOutdated(package, rows, found.get(package, ()))


def _refuse_unusable(connection: Connection) -> None:
    """Raise where steps on a connection of the caller's own would not commit, or could not be rolled back."""
    if connection.in_transaction():
        raise UnusableConnection("a transaction is open on it", "commit or roll back before execute() is called")
    if commits_by_itself(connection):
        reason = "it is in AUTOCOMMIT, so a revision that fails could not be rolled back"
        raise UnusableConnection(reason, "pass one without that isolation level")


def _run_steps(
    environments: Mapping[str, Environment],
    connection: Connection,
    account: Account,
    observer: Observer,
    waiting: AbstractContextManager[TableTries],
) -> None:
    steps = account.plan.steps
    together = rolled_back if account.is_trial else begin_together if account.together else nullcontext
    heard, unenforced = commits_heard(connection, account), keys_unenforced(connection)
    commits = grouped(connection, account)
    with heard, unenforced as check_keys, waiting as tries, together(connection), commits as group:
        for number, step in enumerate(steps, 1):
            with _told():
                observer.on_progress(Progress(step, number, len(steps), "begins"))
                started = time.monotonic()
                observer.before_step()
            environment, checks = environments[step.package], (check_keys, observer.before_step)
            under_way = UnderWay(step, environment.table.name, account, observer, tries, checks)
            attempt = partial(_run_step, environment, connection, under_way, group)
            tries.run(step, attempt)
            account.finish(step)
            with _told():
                observer.on_progress(Progress(step, number, len(steps), "done", time.monotonic() - started))


@contextmanager
def _told() -> Iterator[None]:
    """Return a context in which the observer is called: an error there is not one of the script."""
    try:
        yield
    except (MigrateError, DBAPIError):
        raise
    except Exception as error:
        raise ObserverFailed(error) from error


def _run_step(environment: Environment, connection: Connection, under_way: UnderWay, group: Group) -> None:
    """Run one step in a transaction of its own, or in that of all steps."""
    step, account = under_way.step, under_way.account
    inside = account.together
    if not inside and connection.in_transaction():
        raise transaction_left_open(step.package)
    outer = connection.get_transaction() if inside else None
    with nullcontext() if inside else begin_step(environment.migration, connection, group):
        if environment.begins_with(step):
            create_missing(environment.table, connection)
        with account.of_script(), running(connection, under_way):
            run_script(environment, step)
            under_way.observer.on_revision_done(step, connection)
        under_way.tries.end_step()
        if under_way.batched:
            forget_calls(connection, [under_way.history_table], step.revision.id)
        if inside and connection.get_transaction() is not outer:
            raise TransactionEndedInside
        # Where DDL cannot be undone, what was done is better written down than not.
        for check in under_way.checks if account.dialect in UNDOES_DDL else under_way.checks[:1]:
            check()
    if not inside and connection.in_transaction():
        _end_rest(connection, account)
    if account.script_said_commit and not under_way.batched:
        log.warning("%s %s commits by itself, so it is not atomic", step.package, step.revision.id)


def _end_rest(connection: Connection, account: Account) -> None:
    """End the transaction that began when the script had ended that of its step; it holds the row of the step."""
    if not account.script_committed:
        connection.rollback()
        raise TransactionEndedInside
    connection.commit()
    account.script_said_commit = True


def run_script(environment: Environment, step: PlanStep) -> None:
    """Call the script's ``upgrade`` or ``downgrade`` and write down in the history table that it ran."""
    from alembic.operations import Operations

    from websauna_migrate.run.data import end_revision

    migration = environment.migration
    with environment.context, Operations.context(migration):
        module = environment.modules[step.revision.id]
        run: Callable[[], object] = module.upgrade if step.direction == "up" else module.downgrade
        run()
        connection = connection_of(migration)  # offline it is one that writes SQL
        end_revision(connection)
        if migration.as_sql:
            for change in row_changes(environment.table, step.old_rows, step.new_rows, migration.dialect):
                migration.execute(change)
        elif not environment.statements.execute(step.old_rows, step.new_rows, connection):
            raise RunError(
                f"the table {environment.table.name} no longer holds {listed(step.old_rows)}",
                "check whether another program writes to it",
            )
        if migration.on_version_apply_callbacks:
            _tell_callbacks(environment, step)


def _tell_callbacks(environment: Environment, step: PlanStep) -> None:
    """Call the hooks ``on_version_apply``. Only for them does Alembic read the scripts of the whole history."""
    from alembic.runtime.migration import MigrationStep

    make = MigrationStep.upgrade_from_script if step.direction == "up" else MigrationStep.downgrade_from_script
    alembic_step = make(environment.scripts.revision_map, environment.scripts.get_revision(step.revision.id))
    for callback in environment.migration.on_version_apply_callbacks:
        heads = environment.rows_after(step)
        callback(ctx=environment.migration, step=alembic_step.info, heads=heads, run_args={})


def _verify(app: Application, plan: Plan, connection: Connection) -> None:
    touched = [history for history in app.histories if history.package in plan.heads_after]
    found = read_heads(connection, touched)
    for history in touched:
        expected = plan.heads_after[history.package]
        if set(found[history.package]) != set(expected):
            raise HeadsDiffer(history.package, history.history_table, tuple(expected), found[history.package])
