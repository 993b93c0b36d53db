"""Runs a plan: revision by revision, over all histories, on one connection.

Floor 4. Each package's ``env.py`` is run once and hands over its ``MigrationContext``; the loop over the steps is
ours, because Alembic's runs one history to its end, and reads all scripts of a history for the steps of some.
Alembic is imported when a step is to be run, so that a run that finds nothing to do never waits for it.
"""

from __future__ import annotations

import math
import re
import time
import traceback
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import event
from sqlalchemy.exc import SQLAlchemyError

from websauna_migrate.database.connection import ATTRIBUTE, canceller
from websauna_migrate.database.errors import LockError
from websauna_migrate.database.history_table import (
    _differing_rows,
    _row_changes,
    create_missing,
    history_table,
    read_heads,
)
from websauna_migrate.database.sqlite_keys import _sqlite_keys_unenforced
from websauna_migrate.exceptions import (
    ConnectionLost,
    EnvDidNotRun,
    EnvFailed,
    FailedAfterCommit,
    HeadsDiffer,
    HistoryRowGone,
    MigrateError,
    NotInOneTransaction,
    NoTransactionalDdl,
    OfflineStepFailed,
    OpenTransaction,
    RunInterrupted,
    RunStopped,
    StepFailed,
    TransactionEndedInside,
    WrongCombination,
)
from websauna_migrate.packages.histories import make_config
from websauna_migrate.revisions.contents import uses_autocommit_block
from websauna_migrate.revisions.errors import RevisionScriptFailed
from websauna_migrate.revisions.history import applied
from websauna_migrate.revisions.plan import packages_meant, plan_stamp
from websauna_migrate.revisions.scripts import load_script
from websauna_migrate.revisions.symbols import parse_symbol, resolve

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import ModuleType
    from typing import TextIO

    from alembic.runtime.environment import EnvironmentContext
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory
    from sqlalchemy import Table
    from sqlalchemy.engine import Connection

    from websauna_migrate.bootstrap import Application
    from websauna_migrate.database.lock import LockHolder, RunLock
    from websauna_migrate.packages.package import History
    from websauna_migrate.revisions.graph import Graph
    from websauna_migrate.revisions.plan import Plan, PlanStep
    from websauna_migrate.revisions.scripts import Direction

_COMMIT = re.compile(r"\s*(COMMIT|END)\b", re.IGNORECASE)
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


@dataclass(slots=True)
class _Account:
    """How far a run is: the steps that are ``done``, and whether the script under way committed by itself."""

    done: list[PlanStep] = field(default_factory=list)
    in_script: bool = False
    script_committed: bool = False

    def note_commit(self, _connection: Connection) -> None:
        self.script_committed = self.script_committed or self.in_script

    @contextmanager
    def of_script(self) -> Iterator[None]:
        self.in_script, self.script_committed = True, False
        try:
            yield
        finally:
            self.in_script = False


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
    with _alone(app, on_wait) as (connection, lock):
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
def _alone(
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
    with _alone(app, on_wait) as (connection, _):
        rows = read_heads(connection, app.histories)
        heads = plan_stamp(app.graph(), rows, app.selected(packages), targets, purge=purge)
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
    ``before_step`` may raise to stop; it is called before each step, and before each commit that would still undo one.

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
        _refuse_what_needs_no_transaction(plan, connection.dialect.name)
    account = _Account()
    explained = partial(_explained, app, plan, account, connection.dialect.name, together=one_transaction)
    try:
        environments = _open_all(app, plan, connection, None, cmd_opts)
        try:
            _run_steps(environments, plan, connection, account, one_transaction, before_step, on_progress)
        except (SystemExit, Exception) as error:
            raise explained(error) from error
        _verify(app, plan, connection)
    except KeyboardInterrupt as error:
        raise explained(error) from error


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
    account = _Account()
    try:
        with transaction():
            for step in plan.steps:
                _run_step(environments[step.package], step, connection, account, inside=True)
                after_step(step)
                account.done.append(step)
    except (KeyboardInterrupt, SystemExit, Exception) as error:
        raise _explained(app, plan, account, connection.dialect.name, error, together=True) from error


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
    if direction == "down" and ":" not in target:
        raise WrongCombination("downgrade --sql needs to know where it starts", "say FROM:TO, as in head:base")
    graph = app.graph()
    rows, target = _offline_rows(graph, app.selected(packages), target)
    plan = app.plan(rows, packages, target, direction=direction, cascade=cascade, graph=graph)
    if one_transaction:
        _refuse_what_needs_no_transaction(plan, app.url.get_backend_name())
    environments = _open_all(app, plan, None, output, cmd_opts)
    if one_transaction and plan.steps:
        environments[plan.steps[0].package].migration.impl.emit_begin()
    for step in plan.steps:
        _write_step(environments[step.package], step, inside=one_transaction)
    if one_transaction and plan.steps:
        environments[plan.steps[-1].package].migration.impl.emit_commit()


def write_stamp_sql(app: Application, packages: Sequence[str], targets: Sequence[str], output: TextIO) -> None:
    """Write the SQL that stamps the histories of ``packages`` with ``targets``; needs no database.

    The history tables count as missing, unless a target is a range ``from:to`` of one history.

    :raises WrongCombination: a range over several histories
    """
    graph, selected = app.graph(), app.selected(packages)
    rows: dict[str, tuple[str, ...]] = {}
    ends = []
    for target in targets:
        before, end = _offline_rows(graph, selected, target)
        rows |= before
        ends.append(end)
    _write_heads_sql(app, plan_stamp(graph, rows, selected, ends), rows, output)


def ensure_version(
    app: Application,
    packages: Sequence[str],
    *,
    on_wait: Callable[[LockHolder | None, float], None] | None = None,
) -> None:
    """Make the history tables of ``packages`` that do not exist yet."""
    with _alone(app, on_wait) as (connection, _):
        rows = read_heads(connection, map(app.history, app.selected(packages)))
        _write_heads(app, rows, rows, connection)


def write_ensure_version_sql(app: Application, packages: Sequence[str], output: TextIO) -> None:
    """Write the SQL that makes the history tables of ``packages``; needs no database."""
    _write_heads_sql(app, dict.fromkeys(app.selected(packages), ()), {}, output)


def _offline_rows(graph: Graph, selected: Sequence[str], target: str) -> tuple[dict[str, tuple[str, ...]], str]:
    """Return what the history tables hold before SQL is run that nobody can look at them for, and the target."""
    start, colon, end = target.partition(":")
    if not colon:
        return {}, target
    symbol = parse_symbol(start)
    if symbol.name == "current" or symbol.is_relative:
        raise WrongCombination(
            f"the range {target} starts where the database is, which --sql does not ask", "name the revision"
        )
    meant = packages_meant(graph, selected, start or "base")
    meant = packages_meant(graph, meant, end or "heads")
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
    with connection.begin():
        for package, wanted in heads.items():
            table = history_table(app.history(package).history_table)
            create_missing(table, connection)
            for change in _differing_rows(table, rows.get(package, ()), wanted):
                connection.execute(change)


def _write_heads_sql(
    app: Application, heads: Mapping[str, Sequence[str]], rows: Mapping[str, Sequence[str]], output: TextIO
) -> None:
    from alembic.runtime.migration import MigrationContext

    url = app.url
    undoes = url.get_backend_name() in _UNDOES_DDL
    options = {"as_sql": True, "literal_binds": True, "output_buffer": output, "transactional_ddl": undoes}
    migration = MigrationContext.configure(url=url, dialect_opts={"paramstyle": "named"}, opts=options)
    with migration.begin_transaction():
        for package, wanted in heads.items():
            table = history_table(app.history(package).history_table)
            migration.impl.static_output(f"-- {package}: {', '.join(wanted) or 'base'}")
            if not rows.get(package) and migration.bind is not None:
                table.create(migration.bind)
            for change in _differing_rows(table, rows.get(package, ()), wanted):
                migration.execute(change)


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

    run = app.run_context(history, connect, on_configured=configured.append, only_configures=True)
    config = make_config(
        history, app.ini, section=app.section, cmd_opts=cmd_opts, stdout=output, attributes={ATTRIBUTE: run}
    )
    scripts = ScriptDirectory.from_config(config)
    tag = getattr(cmd_opts, "tag", None)
    options = {"as_sql": connection is None, "destination_rev": "heads", "starting_rev": None, "tag": tag}
    context = EnvironmentContext(config, scripts, fn=lambda heads, migration: [], **options)
    steps = [step for step in plan.steps if step.package == history.package]
    with context:
        try:
            scripts.run_env()
        except MigrateError:
            raise
        except (SystemExit, Exception) as error:  # whatever the env.py raises
            raise EnvFailed(scripts.env_py_location, history.package, error) from error
        if not configured:
            raise EnvDidNotRun(scripts.env_py_location, history.package)
        # All of them before the first is run: one that is broken stops the run while there is nothing to undo.
        modules = {step.revision.id: _loaded(step) for step in steps}
    if connection is not None and connection.in_transaction():
        raise OpenTransaction(history.package)
    rows = plan.heads_before[history.package]
    return _Environment(history_table(history.history_table), rows, steps, scripts, context, configured[0], modules)


def _loaded(step: PlanStep) -> ModuleType:
    module = load_script(step.revision.path)
    name = "upgrade" if step.direction == "up" else "downgrade"
    if not callable(getattr(module, name, None)):
        raise RevisionScriptFailed(step.revision.path, AttributeError(f"it has no function {name}()"))
    return module


def _run_steps(
    environments: Mapping[str, _Environment],
    plan: Plan,
    connection: Connection,
    account: _Account,
    one_transaction: bool,
    before_step: Callable[[], None],
    on_progress: Callable[[Progress], None],
) -> None:
    total = len(plan.steps)
    together = _begin_together if one_transaction else nullcontext
    # Where DDL cannot be undone, what was done is better written down than not.
    may_still_stop = before_step if connection.dialect.name in _UNDOES_DDL else lambda: None
    with _heard(connection, account), _sqlite_keys_unenforced(connection) as check_keys, together(connection):
        for number, step in enumerate(plan.steps, 1):
            on_progress(Progress(step, number, total, "begins"))
            started = time.monotonic()
            before_step()
            checks = (check_keys, may_still_stop)
            _run_step(environments[step.package], step, connection, account, checks, inside=one_transaction)
            account.done.append(step)
            on_progress(Progress(step, number, total, "done", time.monotonic() - started))


@contextmanager
def _heard(connection: Connection, account: _Account) -> Iterator[None]:
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


def _run_step(
    environment: _Environment,
    step: PlanStep,
    connection: Connection,
    account: _Account,
    checks: Sequence[Callable[[], None]] = (),
    *,
    inside: bool,
) -> None:
    """Run one step in a transaction of its own, or ``inside`` the one that is open; ``checks`` come before its end."""
    if not inside and connection.in_transaction():
        raise OpenTransaction(step.package)
    outer = connection.get_transaction() if inside else None
    with nullcontext() if inside else _begin_step(environment.migration, connection):
        if environment.begins_with(step):
            create_missing(environment.table, connection)
        with account.of_script():
            _migrate(environment, step)
        if inside and connection.get_transaction() is not outer:
            raise TransactionEndedInside
        for check in checks:
            check()
    if not inside and connection.in_transaction():
        # What was begun is over, and the row in the history table stands in a transaction that nobody commits.
        connection.rollback()
        raise TransactionEndedInside


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
    app: Application, plan: Plan, account: _Account, dialect: str, error: BaseException, *, together: bool
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
    if committed or isinstance(error, LockError):
        return RunStopped(error, ran, left)
    if _is_refused_block(error):
        return NotInOneTransaction(step.package, step.revision.id, str(step.revision.path))
    where = (step.package, step.revision.id, step.direction, str(step.revision.path))
    return StepFailed(*where, error, applied=ran, left=left, stays=stays)


def _what_stays(step: PlanStep, dialect: str, account: _Account) -> str | None:
    """Return why the database keeps what a step did before it broke, None where it does not."""
    if dialect not in _UNDOES_DDL:
        return "this database cannot undo DDL"
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


def _names(steps: Sequence[PlanStep]) -> tuple[str, ...]:
    return tuple(f"{step.package} {step.revision.id}" for step in steps)


def _verify(app: Application, plan: Plan, connection: Connection) -> None:
    touched = [history for history in app.histories if history.package in plan.heads_after]
    found = read_heads(connection, touched)
    for history in touched:
        expected = plan.heads_after[history.package]
        if set(found[history.package]) != set(expected):
            raise HeadsDiffer(history.package, history.history_table, tuple(expected), found[history.package])


def _refuse_what_needs_no_transaction(plan: Plan, dialect: str) -> None:
    if dialect not in _UNDOES_DDL:
        raise NoTransactionalDdl(dialect)
    for step in plan.steps:
        if uses_autocommit_block(step.revision, step.direction):
            raise NotInOneTransaction(step.package, step.revision.id, str(step.revision.path))
