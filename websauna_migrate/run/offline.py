"""A plan as SQL: nothing connects, and the history tables are part of what is written."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

from websauna_migrate.database.history_table import differing_rows, history_table, require_room_in_new
from websauna_migrate.exceptions import MigrateError, Remedy, RunError, UsageError, cause_of, escaped
from websauna_migrate.packages.selection import histories_of
from websauna_migrate.private import begin_transaction
from websauna_migrate.revisions.plan import packages_meant, plan_stamp
from websauna_migrate.revisions.symbols import parse_symbol, resolve
from websauna_migrate.run.environment import open_all
from websauna_migrate.run.failures import UNDOES_DDL, refuse_own_transactions
from websauna_migrate.run.parameters import keep_parameters
from websauna_migrate.run.steps import run_script

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import TextIO

    from alembic.runtime.migration import MigrationContext

    from websauna_migrate.bootstrap import Application
    from websauna_migrate.packages.selection import Selected
    from websauna_migrate.revisions.graph import Graph
    from websauna_migrate.revisions.plan import Plan, PlanStep
    from websauna_migrate.revisions.scripts import Direction
    from websauna_migrate.run.environment import Environment


# What stands in the place of an answer and of the connection.
_NO_ANSWER = ("NoneType", "MockConnection")


def write_sql(
    app: Application,
    selected: Sequence[Selected],
    target: str,
    output: TextIO,
    *,
    direction: Direction = "up",
    cascade: bool = False,
    expand: bool = False,
    one_transaction: bool = False,
    cmd_opts: Namespace | None = None,
) -> None:
    """Write the SQL that takes the histories of ``selected`` to ``target``; needs no database.

    It starts from an empty database. ``target`` may be a range ``from:to`` of one history, for which all others count
    as up to date; a downgrade has to be one.

    :raises UsageError: a downgrade without a range, or a range over several histories
    """
    if direction == "down" and ":" not in target:
        raise UsageError("downgrade --sql needs to know where it starts", "write FROM:TO, as in head:base")
    graph = app.graph()
    rows, target = offline_rows(graph, histories_of(selected), target)
    plan = app.plan_selected(rows, selected, target, direction=direction, cascade=cascade, expand=expand)
    if one_transaction:
        refuse_own_transactions(plan, app.url.get_backend_name())
    environments = open_all(app, plan, None, output, cmd_opts)
    for environment in environments.values():
        keep_parameters(environment.migration)
        if not environment.rows:  # the table is made here; of one that exists nobody can look at the width
            require_room_in_new(environment.table, [id_ for step in environment.steps for id_ in step.new_rows])
    if one_transaction and plan.steps:
        environments[plan.steps[0].package].migration.impl.emit_begin()
    for step in plan.steps:
        _write_step(environments[step.package], step, inside=one_transaction)
    if one_transaction and plan.steps:
        environments[plan.steps[-1].package].migration.impl.emit_commit()


def write_stamp_sql(app: Application, selected: Sequence[Selected], targets: Sequence[str], output: TextIO) -> None:
    """Write the SQL that stamps the histories of ``selected`` with ``targets``; needs no database.

    The history tables count as missing, unless a target is a range ``from:to`` of one history.

    :raises UsageError: a range over several histories
    """
    graph, histories = app.graph(), histories_of(selected)
    rows: dict[str, tuple[str, ...]] = {}
    ends = []
    for target in targets:
        before, end = offline_rows(graph, histories, target)
        rows |= before
        ends.append(end)
    _write_heads_sql(app, plan_stamp(graph, rows, histories, ends), rows, output)


def write_ensure_version_sql(app: Application, selected: Sequence[Selected], output: TextIO) -> None:
    """Write the SQL that makes the history tables of ``selected``; needs no database."""
    _write_heads_sql(app, dict.fromkeys(histories_of(selected), ()), {}, output)


def rendered(
    app: Application,
    plan: Plan,
    output: TextIO,
    cmd_opts: Namespace | None,
    prepare: Callable[[MigrationContext], None],
) -> Iterator[tuple[PlanStep, RunError | None]]:
    """Write the SQL of each step of ``plan``, and yield it then, with the error where it cannot be written as a whole.

    A step begins to be written when it is asked for. ``prepare`` is called with the context of each history first.
    """
    environments = open_all(app, plan, None, output, cmd_opts)
    for environment in environments.values():
        keep_parameters(environment.migration)
        prepare(environment.migration)
    for step in plan.steps:
        try:
            _write_step(environments[step.package], step, inside=False)
        except RunError as error:
            yield step, error
        else:
            yield step, None


def offline_rows(graph: Graph, selected: Sequence[str], target: str) -> tuple[dict[str, tuple[str, ...]], str]:
    """Return the rows that the history tables count as having, because nothing connects, and the target."""
    start, colon, end = target.partition(":")
    if not colon:
        return {}, target
    symbol = parse_symbol(start)
    if symbol.name == "current" or symbol.is_relative:
        raise UsageError(
            f"the range {target} starts where the database is, which --sql does not read", "name the revision"
        )
    meant = packages_meant(graph, selected, start or "base")
    meant = packages_meant(graph, meant, end or "heads")
    if len(meant) != 1:
        raise UsageError(f"the range {target} is for one history", f"select one with -x packages={meant[0]}")
    rows = {name: history.heads for name, history in graph.histories.items()}
    rows[meant[0]] = tuple(resolve(graph.histories[meant[0]], start, ())) if start else ()
    return rows, end or "heads"


def _write_step(environment: Environment, step: PlanStep, *, inside: bool) -> None:
    migration = environment.migration
    with nullcontext() if inside else begin_transaction(migration):
        if environment.begins_with(step) and migration.bind is not None:
            environment.table.create(migration.bind)
        migration.impl.static_output(
            _comment(f"{step.package} {step.revision.id} {step.direction}: {step.revision.message}")
        )
        try:
            run_script(environment, step)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # whatever the script raises
            raise _not_as_sql(step, error) from error


def _not_as_sql(step: PlanStep, error: BaseException) -> RunError:
    said, remedy = cause_of(error), _remedy(step, error)
    if isinstance(error, MigrateError):
        said, remedy = error.what, error.remedy
    return RunError(f"{step.package} {step.revision.id} ({step.direction}) cannot be written as SQL: {said}", remedy)


def _remedy(step: PlanStep, error: BaseException) -> Remedy:
    path = step.revision.path
    if not any(name in str(error) for name in _NO_ANSWER):
        return f"see {path}"
    return (
        f"the script reads from the database, and --sql has none: put what reads in {path} under 'if not "
        f"context.is_offline_mode():', with 'from alembic import context', or run this revision without --sql"
    )


def _write_heads_sql(
    app: Application, heads: Mapping[str, Sequence[str]], rows: Mapping[str, Sequence[str]], output: TextIO
) -> None:
    from alembic.runtime.migration import MigrationContext

    tables = {package: history_table(app.history(package).history_table) for package in heads}
    for package in heads:
        if not rows.get(package):
            require_room_in_new(tables[package], heads[package])
    url = app.url
    undoes = url.get_backend_name() in UNDOES_DDL
    options = {"as_sql": True, "literal_binds": True, "output_buffer": output, "transactional_ddl": undoes}
    migration = MigrationContext.configure(url=url, dialect_opts={"paramstyle": "named"}, opts=options)
    with migration.begin_transaction():
        for package, wanted in heads.items():
            table = tables[package]
            migration.impl.static_output(_comment(f"{package}: {', '.join(wanted) or 'base'}"))
            if not rows.get(package) and migration.bind is not None:
                table.create(migration.bind)
            for change in differing_rows(table, rows.get(package, ()), wanted, migration.dialect):
                migration.execute(change)


def _comment(text: str) -> str:
    """Return ``text`` as a comment of SQL; it stays in its line, whatever an id contains."""
    return f"-- {escaped(text)}"
