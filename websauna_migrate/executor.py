"""Runs a plan: revision by revision, over all histories, on one connection.

Floor 4. Each package's ``env.py`` is run once and hands over its ``MigrationContext``; the loop over the steps is
ours, because Alembic's runs one history to its end, and reads all scripts of a history for the steps of some.
Alembic is imported when a step is to be run, so that a run that finds nothing to do never waits for it.
"""

from __future__ import annotations

import math
import time
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy.exc import SQLAlchemyError

from websauna_migrate.alembic_config import make_config
from websauna_migrate.exceptions import (
    BrokenForeignKeys,
    ConnectionLost,
    EnvDidNotRun,
    FailedAfterCommit,
    HeadsDiffer,
    HistoryRowGone,
    LockError,
    MigrateError,
    NotInOneTransaction,
    NoTransactionalDdl,
    OfflineStepFailed,
    OpenTransaction,
    RunInterrupted,
    RunStopped,
    StepFailed,
    WrongCombination,
)
from websauna_migrate.graph import SYMBOLS, applied, resolve
from websauna_migrate.plan import packages_meant, plan_stamp
from websauna_migrate.revisions import load_script, uses_autocommit_block
from websauna_migrate.run_context import ATTRIBUTE, RunContext, canceller, database_url, history_table, read_heads
from websauna_migrate.selection import select

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import ModuleType
    from typing import TextIO

    from alembic.runtime.environment import EnvironmentContext
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory
    from sqlalchemy import Delete, Insert, Table, Update
    from sqlalchemy.engine import Connection

    from websauna_migrate.bootstrap import Application
    from websauna_migrate.lock import LockHolder
    from websauna_migrate.package import History
    from websauna_migrate.plan import Plan, PlanStep
    from websauna_migrate.revisions import Direction

_UNDOES_DDL = ("postgresql", "sqlite", "mssql")


@dataclass(frozen=True, slots=True)
class Progress:
    """A step that begins or is done: ``number`` of ``total``, counted from 1, and the seconds that it took."""

    step: PlanStep
    number: int
    total: int
    state: Literal["begins", "done"]
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class _Environment:
    """One history, set up by its ``env.py``.

    ``rows`` are those of its ``table`` before the first of its ``steps``. ``modules`` are the loaded scripts of these,
    by revision.
    """

    table: Table
    rows: Sequence[str]
    steps: Sequence[PlanStep]
    scripts: ScriptDirectory
    context: EnvironmentContext
    migration: MigrationContext
    modules: Mapping[str, ModuleType]

    def begins_with(self, step: PlanStep) -> bool:
        """Tell whether ``step`` is the first of the whole history, so that its table may be missing."""
        return not self.rows and step is self.steps[0]

    def rows_after(self, step: PlanStep) -> set[str]:
        """Return what the table holds when ``step`` is done."""
        rows = set(self.rows)
        for done in self.steps[: self.steps.index(step) + 1]:
            rows = rows.difference(done.old_rows).union(done.new_rows)
        return rows


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
    with app.connected(writes=True) as connection, app.lock(connection, on_wait) as lock:
        rows = read_heads(connection, app.histories)
        plan = planned(rows, packages, target)
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


def _at_most_each_second(check: Callable[[], None]) -> Callable[[], None]:
    """Return ``check`` for many small steps in a row: it asks the server, and a step may take less than the answer."""
    last = -math.inf

    def checked() -> None:
        nonlocal last
        if time.monotonic() - last >= 1:
            check()
            last = time.monotonic()

    return checked


def stamp(
    app: Application,
    packages: Sequence[str],
    targets: Sequence[str],
    *,
    purge: bool = False,
    on_wait: Callable[[LockHolder | None, float], None] | None = None,
) -> dict[str, tuple[str, ...]]:
    """Write ``targets`` into the history tables of ``packages`` and return their rows; runs no revision.

    ``purge`` forgets what the tables hold first.
    """
    with app.connected(writes=True) as connection, app.lock(connection, on_wait):
        rows = read_heads(connection, app.histories)
        selected = [one.history.package for one in select(app.histories, packages)]
        heads = plan_stamp(app.graph(), rows, selected, targets, purge=purge)
        _write_heads(app, heads, rows, connection)
    return heads


def execute(
    app: Application,
    plan: Plan,
    connection: Connection,
    *,
    one_transaction: bool = False,
    before_step: Callable[[], None] = lambda: None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    cmd_opts: Namespace | None = None,
) -> None:
    """Run the steps of ``plan`` on ``connection`` and check that the history tables hold what the plan says.

    Each step commits together with its row in the history table; with ``one_transaction`` all steps commit together.
    ``before_step`` may raise to stop.

    :raises RevisionScriptFailed: a script cannot be loaded; nothing was run
    :raises StepFailed: a revision raised; it is undone where the database can, and the error tells what was applied
    :raises RunStopped: ``before_step`` found that the lock is lost
    :raises RunInterrupted: on KeyboardInterrupt
    :raises ConnectionLost: the server went away
    :raises NotInOneTransaction: a step cannot run inside a transaction
    :raises HeadsDiffer: the history tables do not hold what the plan says
    """
    if not plan.steps:
        return
    if one_transaction:
        _refuse_what_needs_no_transaction(plan, connection)
    environments = _open_all(app, plan, connection, None, cmd_opts)
    together = _begin_together if one_transaction else nullcontext
    done = 0
    try:
        with _sqlite_keys_unenforced(connection) as check_keys, together(connection):
            for step in plan.steps:
                on_progress(Progress(step, done + 1, len(plan.steps), "begins"))
                started = time.monotonic()
                before_step()
                _run_step(environments[step.package], step, connection, check_keys, inside=one_transaction)
                done += 1
                on_progress(Progress(step, done, len(plan.steps), "done", time.monotonic() - started))
    except (KeyboardInterrupt, Exception) as error:
        raise _explained(app, plan, done, error, connection.dialect.name, together=one_transaction) from error
    _verify(app, plan, connection)


def rehearse(
    app: Application,
    plan: Plan,
    connection: Connection,
    transaction: Callable[[], AbstractContextManager[object]],
    after_step: Callable[[PlanStep], None],
) -> None:
    """Run the steps of ``plan`` in an empty place inside ``transaction``, which its caller ends as it likes.

    ``after_step`` is called inside it.

    :raises StepFailed: a revision raised
    :raises RunInterrupted: on KeyboardInterrupt
    """
    environments = _open_all(app, plan, connection, None, None)
    done = 0
    try:
        with transaction():
            for step in plan.steps:
                _run_step(environments[step.package], step, connection, lambda: None, inside=True)
                after_step(step)
                done += 1
    except (KeyboardInterrupt, Exception) as error:
        raise _explained(app, plan, done, error, connection.dialect.name, together=True) from error


def write_sql(
    app: Application,
    packages: Sequence[str],
    target: str,
    output: TextIO,
    *,
    direction: Direction = "up",
    cascade: bool = False,
    one_transaction: bool = False,
    cmd_opts: Namespace | None = None,
) -> None:
    """Write the SQL that takes the histories of ``packages`` to ``target``; needs no database.

    It starts from an empty database. ``target`` may be a range ``from:to`` of one history, for which all others count
    as up to date; a downgrade has to be one.

    :raises WrongCombination: a downgrade without a range, or a range over several histories
    """
    rows, target = _offline_rows(app, packages, target, direction)
    plan = app.plan(rows, packages, target, direction=direction, cascade=cascade)
    environments = _open_all(app, plan, None, output, cmd_opts)
    if one_transaction and plan.steps:
        environments[plan.steps[0].package].migration.impl.emit_begin()
    for step in plan.steps:
        _write_step(environments[step.package], step, inside=one_transaction)
    if one_transaction and plan.steps:
        environments[plan.steps[-1].package].migration.impl.emit_commit()


def _offline_rows(
    app: Application, packages: Sequence[str], target: str, direction: Direction
) -> tuple[dict[str, tuple[str, ...]], str]:
    """Return what the history tables hold before SQL is run that nobody can look at them for, and the target."""
    start, colon, end = target.partition(":")
    if not colon:
        if direction == "down":
            raise WrongCombination("downgrade --sql needs to know where it starts", "say FROM:TO, as in head:base")
        return {}, target
    graph = app.graph()
    selected = tuple(one.history.package for one in select(app.histories, packages))
    meant = packages_meant(graph, selected, start) if start not in SYMBOLS else packages_meant(graph, selected, end)
    if len(meant) != 1:
        raise WrongCombination(f"the range {target} is for one history", f"say which with -x packages={meant[0]}")
    rows = {name: history.heads for name, history in graph.histories.items()}
    rows[meant[0]] = tuple(resolve(graph.histories[meant[0]], start, ())) if start else ()
    return rows, end or "heads"


def _write_step(environment: _Environment, step: PlanStep, *, inside: bool) -> None:
    migration = environment.migration
    with nullcontext() if inside else _begin(migration):
        if environment.begins_with(step) and migration.bind is not None:
            environment.table.create(migration.bind)
        migration.impl.static_output(f"-- {step.package} {step.revision.id} {step.direction}: {step.revision.message}")
        try:
            _migrate(environment, step)
        except Exception as error:  # whatever the script raises
            where = (step.package, step.revision.id, step.direction, str(step.revision.path))
            raise OfflineStepFailed(*where, error) from error


def _write_heads(
    app: Application, heads: Mapping[str, Sequence[str]], rows: Mapping[str, Sequence[str]], connection: Connection
) -> None:
    """Make the history tables hold ``heads``, all of them or none where the database can."""
    histories = {history.package: history for history in app.histories}
    with connection.begin():
        for package, wanted in heads.items():
            table = history_table(histories[package].history_table)
            table.create(connection, checkfirst=True)
            before = set(rows.get(package, ()))
            for change in _row_changes(table, sorted(before - set(wanted)), sorted(set(wanted) - before)):
                connection.execute(change)


def _row_changes(table: Table, old: Sequence[str], new: Sequence[str]) -> Iterator[Update | Delete | Insert]:
    """Yield the statements, one a row, that put the rows ``new`` in the place of the rows ``old``."""
    for before, after in zip_longest(old, new):
        if before is None:
            yield table.insert().values(version_num=after)
        elif after is None:
            yield table.delete().where(table.c.version_num == before)
        else:
            yield table.update().where(table.c.version_num == before).values(version_num=after)


def _open_all(
    app: Application, plan: Plan, connection: Connection | None, output: TextIO | None, cmd_opts: Namespace | None
) -> dict[str, _Environment]:
    packages = dict.fromkeys(step.package for step in plan.steps)
    return {package: _open(app, app.history(package), plan, connection, output, cmd_opts) for package in packages}


def _open(
    app: Application,
    history: History,
    plan: Plan,
    connection: Connection | None,
    output: TextIO | None,
    cmd_opts: Namespace | None,
) -> _Environment:
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    configured: list[MigrationContext] = []

    def connect() -> Connection:
        if connection is None:
            raise OpenTransaction(history.package)
        return connection

    run = RunContext(
        history=history,
        url=database_url(app.ini.settings, str(app.ini.path)),
        metadata=app.metadata(history.packages),
        connect=connect,
        on_configured=configured.append,
        only_configures=True,
    )
    config = make_config(
        history, app.ini, section=app.section, cmd_opts=cmd_opts, stdout=output, attributes={ATTRIBUTE: run}
    )
    scripts = ScriptDirectory.from_config(config)
    tag = getattr(cmd_opts, "tag", None)
    options = {"as_sql": connection is None, "destination_rev": "heads", "starting_rev": None, "tag": tag}
    context = EnvironmentContext(config, scripts, fn=lambda heads, migration: [], **options)
    with context:
        scripts.run_env()
        if not configured:
            raise EnvDidNotRun(scripts.env_py_location, history.package)
        steps = [step for step in plan.steps if step.package == history.package]
        # All of them before the first is run: one that is broken stops the run while there is nothing to undo.
        modules = {step.revision.id: load_script(step.revision.path) for step in steps}
    if connection is not None and connection.in_transaction():
        raise OpenTransaction(history.package)
    rows = plan.heads_before[history.package]
    return _Environment(history_table(history.history_table), rows, steps, scripts, context, configured[0], modules)


def _run_step(
    environment: _Environment, step: PlanStep, connection: Connection, check_keys: Callable[[], None], *, inside: bool
) -> None:
    """Run one step in a transaction of its own, or ``inside`` the one that is open."""
    if not inside and connection.in_transaction():
        raise OpenTransaction(step.package)
    with nullcontext() if inside else _begin_step(environment.migration, connection):
        if environment.begins_with(step):
            environment.table.create(connection, checkfirst=True)
        _migrate(environment, step)
        check_keys()


def _migrate(environment: _Environment, step: PlanStep) -> None:
    """Call the script's ``upgrade`` or ``downgrade`` and write down in the history table that it ran."""
    from alembic.operations import Operations

    from websauna_migrate.data import end_revision

    migration = environment.migration
    with environment.context, Operations.context(migration):
        module = environment.modules[step.revision.id]
        run: Callable[[], object] = module.upgrade if step.direction == "up" else module.downgrade
        run()
        assert migration.connection is not None  # offline it is one that writes SQL
        end_revision(migration.connection)
        for change in _row_changes(environment.table, step.old_rows, step.new_rows):
            if migration.as_sql:
                migration.execute(change)
            elif migration.connection.execute(change).rowcount == 0:
                raise HistoryRowGone(environment.table.name, step.old_rows)
        if migration.on_version_apply_callbacks:
            _tell_callbacks(environment, step)


def _tell_callbacks(environment: _Environment, step: PlanStep) -> None:
    """Call the hooks ``on_version_apply``. Only for them does Alembic read the scripts of the whole history."""
    from alembic.runtime.migration import MigrationStep

    make = MigrationStep.upgrade_from_script if step.direction == "up" else MigrationStep.downgrade_from_script
    alembic_step = make(environment.scripts.revision_map, environment.scripts.get_revision(step.revision.id))
    for callback in environment.migration.on_version_apply_callbacks:
        heads = environment.rows_after(step)
        callback(ctx=environment.migration, step=alembic_step.info, heads=heads, run_args={})


@contextmanager
def _begin_step(migration: MigrationContext, connection: Connection) -> Iterator[None]:
    from websauna_migrate.data import joined_transaction

    with _begin(migration), joined_transaction(connection):
        yield


@contextmanager
def _begin_together(connection: Connection) -> Iterator[None]:
    from websauna_migrate.data import joined_transaction

    with connection.begin(), joined_transaction(connection):
        yield


def _begin(migration: MigrationContext) -> AbstractContextManager[Any]:
    """Begin the transaction of one step as Alembic does for itself, so that ``autocommit_block()`` can leave it.

    The argument is not public: the public call begins no transaction where DDL commits by itself.
    """
    return migration.begin_transaction(_per_migration=True)


def _explained(
    app: Application, plan: Plan, done: int, error: BaseException, dialect: str, *, together: bool
) -> MigrateError:
    """Return the error that tells what was applied and what was not when ``error`` came after ``done`` steps."""
    step = plan.steps[min(done, len(plan.steps) - 1)]
    stays = _what_stays(step, dialect)
    interrupted, lost = isinstance(error, KeyboardInterrupt), getattr(error, "connection_invalidated", False)
    # Either may have come between the server's commit and our taking note of it.
    committed = isinstance(error, FailedAfterCommit)
    if committed or ((interrupted or lost) and _is_applied(app, plan.steps[-1] if together else step)):
        done, stays = len(plan.steps) if together else plan.steps.index(step) + 1, None
    elif together:
        done = 0
    ran, left = _names(plan.steps[:done]), _names(plan.steps[done:])
    if interrupted:
        return RunInterrupted(ran, left, stays=stays)
    if lost:
        return ConnectionLost(error, ran, left, stays=stays)
    if committed or isinstance(error, LockError):
        return RunStopped(error, ran, left)
    where = (step.package, step.revision.id, step.direction, str(step.revision.path))
    return StepFailed(*where, error, applied=ran, left=left, stays=stays)


def _what_stays(step: PlanStep, dialect: str) -> str | None:
    """Return why the database keeps what a step did before it broke, None where it does not."""
    if dialect not in _UNDOES_DDL:
        return "this database cannot undo DDL"
    return "it leaves its transaction" if uses_autocommit_block(step.revision, step.direction) else None


def _is_applied(app: Application, step: PlanStep) -> bool:
    """Ask the database, on a connection of its own, whether ``step`` was committed; False where it does not answer."""
    with suppress(MigrateError, SQLAlchemyError):
        with app.connected(writes=False) as connection:
            rows = read_heads(connection, [app.history(step.package)])
        revisions = applied(app.graph().histories[step.package], rows[step.package])
        return (step.revision.id in revisions) == (step.direction == "up")
    return False


def _names(steps: Sequence[PlanStep]) -> tuple[str, ...]:
    return tuple(f"{step.package} {step.revision.id}" for step in steps)


def _verify(app: Application, plan: Plan, connection: Connection) -> None:
    touched = [history for history in app.histories if history.package in plan.heads_after]
    found = read_heads(connection, touched)
    for history in touched:
        expected = plan.heads_after[history.package]
        if set(found[history.package]) != set(expected):
            raise HeadsDiffer(history.package, history.history_table, tuple(expected), found[history.package])


def _refuse_what_needs_no_transaction(plan: Plan, connection: Connection) -> None:
    if connection.dialect.name not in _UNDOES_DDL:
        raise NoTransactionalDdl(connection.dialect.name)
    for step in plan.steps:
        if uses_autocommit_block(step.revision, step.direction):
            raise NotInOneTransaction(step.package, step.revision.id, str(step.revision.path))


@contextmanager
def _sqlite_keys_unenforced(connection: Connection) -> Iterator[Callable[[], None]]:
    """Switch the enforcement of foreign keys off on SQLite, and yield a check to be made before each commit.

    Batch mode drops the old table, and the rows that refer to it would go too. The pragma does nothing inside a
    transaction, so it stands around all of them; where keys are not enforced, there is nothing to check.
    """
    if connection.dialect.name != "sqlite" or not _sqlite(connection, "PRAGMA foreign_keys"):
        yield lambda: None
        return
    broken = set(_sqlite(connection, "PRAGMA foreign_key_check"))
    _sqlite(connection, "PRAGMA foreign_keys = OFF")

    def check_keys() -> None:
        new = sorted(set(_sqlite(connection, "PRAGMA foreign_key_check")) - broken, key=str)
        if new:
            raise BrokenForeignKeys(tuple(f"{table} row {row} to {target}" for table, row, target, _ in new))

    try:
        yield check_keys
    finally:
        connection.rollback()
        _sqlite(connection, "PRAGMA foreign_keys = ON")


def _sqlite(connection: Connection, statement: str) -> list[Any]:
    """Run ``statement`` on the driver's own connection: through SQLAlchemy it would begin a transaction."""
    rows: list[Any] = connection.connection.cursor().execute(statement).fetchall()
    return [] if rows == [(0,)] else rows
