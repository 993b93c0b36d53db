"""The whole of ``lint``: from what is pending to what is found there."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy.engine import Connection

from websauna_migrate.database.errors import DatabaseUnreachable
from websauna_migrate.database.history_table import read_heads
from websauna_migrate.database.table_sizes import Size
from websauna_migrate.exceptions import MigrateError, RevisionError, RunError
from websauna_migrate.lint.facts import NOTHING, read_facts
from websauna_migrate.lint.findings import Finding
from websauna_migrate.lint.ignoring import SQUAWK, ignored_by_script, ignored_by_settings
from websauna_migrate.lint.recording import record
from websauna_migrate.lint.rules import RULES, Problem, Schema, problems, problems_of_session
from websauna_migrate.lint.squawk import MISSING, program, remarks
from websauna_migrate.packages.selection import histories_of
from websauna_migrate.run.lock_wait import read_patience
from websauna_migrate.run.offline import offline_rows

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    from sqlalchemy.engine import Dialect

    from websauna_migrate.bootstrap import Application
    from websauna_migrate.lint.facts import Facts
    from websauna_migrate.lint.statements import Statement
    from websauna_migrate.packages.selection import Selected
    from websauna_migrate.revisions.plan import Plan, PlanStep

# Of two rules that one statement breaks, the one that says it all.
_SAID_BY = {"new-not-null": "not-null-without-default"}

_KINDS_OF_COLUMNS = ("change type", "set not null")
_KINDS_OF_ROWS = ("update rows", "delete rows")


@dataclass(frozen=True, slots=True)
class Linted:
    """What was found. Where squawk is ``missing``, it would have found more."""

    findings: tuple[Finding, ...]
    missing: MigrateError | None = None


@dataclass(frozen=True, slots=True)
class _Found:
    """A problem of the statement at a place among all."""

    place: int
    statement: Statement
    problem: Problem


def lint(
    app: Application,
    selected: Sequence[Selected],
    target: str,
    on_warning: Callable[[MigrateError], None],
    cmd_opts: Namespace | None = None,
) -> Linted:
    """Look at the SQL of what is pending up to ``target``, or of a range ``from:to`` of one history.

    Changes nothing. Where the database cannot be asked, a warning says so, and the SQL alone is looked at: that of all
    revisions where ``target`` is no range. A script that cannot be written as SQL gets a warning too.

    :raises RevisionError: a script cannot be loaded, or what it ignores is not valid
    :raises ClientError: squawk fails
    """
    has_start = ":" in target
    with _connection(app) as (connection, error):
        plan = _plan(app, selected, target, connection)
        ignored = {step.revision.path: ignored_by_script(step.revision) for step in plan.steps}
        recording = record(app, plan, cmd_opts)
        longest = read_patience(app.ini).limits.lock_wait or math.inf
        schema = Schema(_facts(connection, recording.statements), _dialect(app, connection), longest)
    if error is not None:
        on_warning(_without_database(error, has_start=has_start))
    for step, failed in recording.errors:
        on_warning(RevisionError(f"{failed.what}; the rest of it was left out", f"see {step.revision.path}"))
    used, found = _looked_at(recording.statements, schema, has_start=has_start or connection is not None)
    everywhere = ignored_by_settings(app.ini.settings)
    asks_squawk = schema.is_postgresql and SQUAWK not in everywhere
    squawk = program() if asks_squawk else None
    if squawk is not None:
        found += _remarks(squawk, recording.statements, used, schema)
        for warning in _ignored_in_vain(plan.steps, ignored, found):
            on_warning(warning)
    missing = MISSING if asks_squawk and squawk is None else None
    kept = [one for one in found if one.problem.rule not in {*everywhere, *ignored[one.statement.step.revision.path]}]
    return Linted(tuple(_findings(kept, schema)), missing)


@contextmanager
def _connection(app: Application) -> Iterator[tuple[Connection | None, DatabaseUnreachable | None]]:
    """Yield a connection, or why there is none."""
    with ExitStack() as stack:
        try:
            connection = stack.enter_context(app.connected(writes=False))
        except DatabaseUnreachable as error:
            yield None, error
        else:
            yield connection, None


def _plan(app: Application, selected: Sequence[Selected], target: str, connection: Connection | None) -> Plan:
    if ":" in target:
        rows, target = offline_rows(app.graph(), histories_of(selected), target)
        return app.plan_selected(rows, selected, target)
    return app.plan_selected(read_heads(connection, app.histories) if connection else {}, selected, target)


def _dialect(app: Application, connection: Connection | None) -> Dialect:
    return connection.dialect if connection is not None else app.url.get_dialect()()


def _facts(connection: Connection | None, statements: Sequence[Statement]) -> Facts:
    if connection is None:
        return NOTHING
    of_tables = [action for statement in statements for action in statement.actions]
    redefined = [action.table for action in of_tables if action.kind in _KINDS_OF_COLUMNS]
    changed = [action.table for action in of_tables if action.kind in _KINDS_OF_ROWS]
    return read_facts(connection, (action.table for action in of_tables), redefined, changed)


def _without_database(error: DatabaseUnreachable, *, has_start: bool) -> MigrateError:
    what = "what is pending and how large the tables are is not known: all revisions are looked at, each by itself"
    if has_start:
        what = "how large the tables are is not known: the SQL alone is looked at"
    return RunError(f"{error.what}; {what}", error.remedy)


def _looked_at(
    statements: Sequence[Statement], schema: Schema, *, has_start: bool
) -> tuple[frozenset[int], list[_Found]]:
    """Return the places of the statements about tables that are in use, and what our rules find in all.

    Without a start all revisions count as pending, but each finds the tables that others make in use.
    """
    used: set[int] = set()
    found: list[_Found] = []
    step = None
    for place, statement in enumerate(statements):
        if statement.step is not step or statement.sql.upper().startswith("COMMIT"):
            schema.commit()
        if statement.step is not step and not has_start:
            schema.made.clear()
        step = statement.step
        if any(action.table not in schema.made for action in statement.actions) or not statement.actions:
            used.add(place)
        found += (_Found(place, statement, one) for one in problems_of_session(statement.sql, schema))
        for action in statement.actions:
            contract = step.revision.contract
            found += (_Found(place, statement, one) for one in problems(action, schema, in_contract=contract))
            schema.after(action)
    return frozenset(used), found


def _remarks(squawk: str, statements: Sequence[Statement], used: Collection[int], schema: Schema) -> Iterator[_Found]:
    places = {id(statement): place for place, statement in enumerate(statements)}
    version = getattr(schema.dialect, "server_version_info", None)
    for one in remarks(squawk, statements, version):
        place = places[id(one.statement)]
        if place in used:
            yield _Found(place, one.statement, Problem(one.rule, one.why, one.remedy))


def _findings(found: Sequence[_Found], schema: Schema) -> Iterator[Finding]:
    """Yield what is to be reported, in the order of the statements."""
    rules = {(one.place, one.problem.rule) for one in found}
    for one in sorted(found, key=lambda one: one.place):
        if (one.place, _SAID_BY.get(one.problem.rule)) not in rules:
            yield _finding(one.statement, one.problem, schema)


def _finding(statement: Statement, problem: Problem, schema: Schema) -> Finding:
    step, table = statement.step, statement.table
    size = schema.size(table) if table is not None else Size(None, None)
    return Finding(
        step.package,
        step.revision.id,
        problem.rule,
        step.revision.path,
        statement.line or 1,
        statement.shown,
        problem.why,
        problem.remedy,
        table,
        size.rows,
        size.bytes,
    )


def _ignored_in_vain(
    steps: Iterable[PlanStep], ignored: Mapping[Path, Collection[str]], found: Iterable[_Found]
) -> Iterator[MigrateError]:
    """Yield a warning for each rule that a script ignores, that is none of ours, and that finds nothing there."""
    rules = {(one.statement.step.revision.path, one.problem.rule) for one in found}
    for step in steps:
        path = step.revision.path
        for rule in ignored[path]:
            if rule not in RULES and (path, rule) not in rules:
                what = f"{step.package} {step.revision.id}: lint_ignore names {rule!r}, which finds nothing there"
                yield RevisionError(what, f"correct or remove it in {path}")
