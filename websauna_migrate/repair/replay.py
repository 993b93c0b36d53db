"""Which revision a database looks like: the scripts are run in a scratch place, and compared after each revision.

The database itself is only read. The scratch place is gone afterwards:

* SQLite: a database in memory.
* PostgreSQL: a schema made in a transaction that is rolled back, so that nobody sees it and a killed process leaves
  nothing. A history that leaves its transaction, or names schemas, is run in a scratch database.
* MySQL and MariaDB: a scratch database. Only a killed process leaves one behind.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import CreateSchema

from websauna_migrate.database.connection import reading
from websauna_migrate.database.reflection import table_names
from websauna_migrate.exceptions import MigrateError, reason_of
from websauna_migrate.packages.package import TableName
from websauna_migrate.repair.errors import ReplayImpossible
from websauna_migrate.repair.facts import Facts, Watch, differences, read_facts
from websauna_migrate.revisions.contents import created_tables, uses_autocommit_block
from websauna_migrate.revisions.history import HistoryGraph, heads_of
from websauna_migrate.run.errors import RunInterrupted, StepFailed
from websauna_migrate.run.steps import execute, rehearse

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from websauna_migrate.bootstrap import Application
    from websauna_migrate.packages.package import History
    from websauna_migrate.revisions.plan import Plan, PlanStep
    from websauna_migrate.run.observer import Progress

SCRATCH = "websauna_migrate_scratch_"
_LOCK_SECONDS = 2  # a replay waits for nobody


@dataclass(frozen=True, slots=True)
class Match:
    """How much a database looks like one at ``revisions``, () for base.

    ``differences`` say what the database has besides and what it lacks; without any the two are equal.
    """

    revisions: tuple[str, ...]
    differences: tuple[str, ...]
    distance: int

    def __str__(self) -> str:
        return ", ".join(self.revisions) or "base"


@dataclass(frozen=True, slots=True)
class Replay:
    """The ``matches``, the best first and of equal ones the latest, and why the scripts did not run to their end.

    ``found`` are the tables of the history that the database has.
    """

    matches: tuple[Match, ...]
    stopped: str | None = None
    found: frozenset[TableName] = frozenset()

    @property
    def exact(self) -> tuple[Match, ...]:
        """The matches that differ in nothing."""
        return tuple(match for match in self.matches if not match.distance)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The tables of a history right after one of its revisions was run."""

    revisions: tuple[str, ...]
    facts: Mapping[TableName, Facts]


@dataclass(slots=True)
class _Recorder:
    """Takes a snapshot after each revision of one history. Tables that the others make are left out."""

    history: HistoryGraph
    watch: Watch
    foreign: set[TableName] = field(default_factory=set)
    done: set[str] = field(default_factory=set)
    snapshots: list[Snapshot] = field(default_factory=lambda: [Snapshot((), {})])

    def take(self, connection: Connection, step: PlanStep) -> None:
        if step.package != self.history.package:
            self.foreign |= self.watch.names(connection) - self.snapshots[-1].facts.keys()
            return
        self.done.add(step.revision.id)
        facts = self.watch.read(connection, self.foreign)
        self.snapshots.append(Snapshot(heads_of(self.history, self.done), facts))


def find_matches(app: Application, history: History, connection: Connection) -> Replay:
    """Return which revisions the tables of ``history`` look like in the database of ``connection``.

    They are compared with what its scripts make of an empty database.
    """
    owned = app.ownership.of(history.packages)
    stopped = None
    graph = app.graph().histories[history.package]
    recorder = _Recorder(graph, Watch(frozenset({None, *(table.schema for table in owned)})))
    try:
        _replay(app, app.plan({}, (history.package,)), connection.dialect.name, recorder)
    except RunInterrupted:
        raise
    except StepFailed as error:
        stopped = _why(error)
    except MigrateError as error:
        stopped = error.what
    tables = {table for snapshot in recorder.snapshots for table in snapshot.facts} | owned
    with reading(connection):
        here = read_facts(connection, tables)
    return Replay(ranked(here, recorder.snapshots), stopped, frozenset(here))


def ranked(here: Mapping[TableName, Facts], snapshots: Sequence[Snapshot]) -> tuple[Match, ...]:
    """Return how much ``here`` looks like each of ``snapshots``, the best first and of equal ones the latest."""
    matches = (Match(snapshot.revisions, *differences(here, snapshot.facts)) for snapshot in reversed(snapshots))
    return tuple(sorted(matches, key=lambda match: match.distance))


def _why(error: StepFailed) -> str:
    if isinstance(error.error, MigrateError):
        return error.error.what
    return f"{error.package} {error.revision} fails on an empty database: {reason_of(error.error)}"


def _replay(app: Application, plan: Plan, dialect: str, recorder: _Recorder) -> None:
    if not plan.steps:
        return
    if dialect == "sqlite":
        _in_memory(app, plan, recorder)
    elif dialect == "postgresql" and recorder.watch.schemas == {None} and _fits_into_one_schema(plan):
        _in_scratch_schema(app, plan, recorder)
    elif dialect in ("postgresql", "mysql", "mariadb"):
        _in_scratch_database(app, plan, recorder)
    else:
        raise ReplayImpossible(f"no scratch place is known for {dialect}")


def _fits_into_one_schema(plan: Plan) -> bool:
    revisions = [step.revision for step in plan.steps]
    schemas = {table.schema for table in created_tables(revisions)}
    return schemas <= {None} and not any(uses_autocommit_block(revision, "up") for revision in revisions)


def _in_memory(app: Application, plan: Plan, recorder: _Recorder) -> None:
    with _elsewhere(app, database=":memory:", query={}).connected(writes=True) as scratch:
        _run(app, plan, scratch, recorder)


def _in_scratch_database(app: Application, plan: Plan, recorder: _Recorder) -> None:
    with scratch_database(app) as moved, moved.connected(writes=True) as scratch:
        recorder.watch.schemas |= {table.schema for table in created_tables(step.revision for step in plan.steps)}
        create_schemas(scratch, recorder.watch.schemas, plan)
        _run(app, plan, scratch, recorder)


def _run(app: Application, plan: Plan, scratch: Connection, recorder: _Recorder) -> None:
    def take(progress: Progress) -> None:
        if progress.state == "done":
            with reading(scratch):
                recorder.take(scratch, progress.step)

    # The settings may say twice which database is meant, and what runs here is committed.
    with reading(scratch):
        if table_names(scratch):
            raise ReplayImpossible("the scratch database is not empty")
    execute(app, plan, scratch, on_progress=take)


def _in_scratch_schema(app: Application, plan: Plan, recorder: _Recorder) -> None:
    name = SCRATCH + secrets.token_hex(4)

    def take(step: PlanStep) -> None:
        _refuse_other_tables(scratch, name, step)
        recorder.take(scratch, step)

    with app.connected(writes=True) as scratch:
        scratch.dialect.default_schema_name = name
        rehearse(app, plan, scratch, partial(_scratch_schema, scratch, name), take)


@contextmanager
def _scratch_schema(scratch: Connection, name: str) -> Iterator[None]:
    with scratch.begin() as transaction:
        scratch.execute(text(f"SET LOCAL lock_timeout = '{_LOCK_SECONDS}s'"))
        try:
            scratch.execute(CreateSchema(name))
        except SQLAlchemyError as error:
            raise ReplayImpossible(f"no scratch schema can be made: {reason_of(error)}") from error
        scratch.execute(text(f"SET LOCAL search_path TO {name}"))
        yield
        transaction.rollback()


def _refuse_other_tables(scratch: Connection, schema: str, step: PlanStep) -> None:
    """Stop a script that names tables of the real schemas: its locks would keep others waiting until the end."""
    found = scratch.scalar(_OTHER_TABLES, {"schema": schema})
    if found is not None:
        raise ReplayImpossible(f"{step.revision.id} names the table {found} with its schema")


_OTHER_TABLES = text(
    "SELECT nspname || '.' || relname FROM pg_locks JOIN pg_class ON pg_class.oid = relation"
    " JOIN pg_namespace ON pg_namespace.oid = relnamespace"
    " WHERE pid = pg_backend_pid() AND locktype = 'relation' AND mode <> 'AccessShareLock' AND relkind IN ('r', 'p')"
    " AND nspname NOT IN ('pg_catalog', 'pg_toast', :schema) LIMIT 1"
)


@contextmanager
def scratch_database(app: Application) -> Iterator[Application]:
    """Yield the same application with an empty database of its own, which is gone afterwards.

    :raises ReplayImpossible: the user of the settings may not create a database
    """
    if app.url.get_backend_name() == "sqlite":
        with TemporaryDirectory(prefix=SCRATCH) as folder:
            yield _elsewhere(app, database=str(Path(folder, "scratch.sqlite")), query={})
        return
    name = SCRATCH + secrets.token_hex(4)
    with app.connected(writes=True) as connection:
        connection = connection.execution_options(isolation_level="AUTOCOMMIT")
        try:
            connection.execute(text(f"CREATE DATABASE {name}"))
        except SQLAlchemyError as error:
            raise ReplayImpossible(f"no scratch database can be made: {reason_of(error)}") from error
        moved = _elsewhere(app, database=name)
        try:
            if connection.dialect.name == "postgresql":
                _create_default_schema(moved, connection.dialect.default_schema_name)
            yield moved
        finally:
            connection.execute(text(f"DROP DATABASE {name}"))


def _create_default_schema(app: Application, schema: str | None) -> None:
    """Create the schema that new tables go to, where the settings name one in their ``search_path``."""
    if schema not in (None, "public"):
        with app.connected(writes=True) as scratch, scratch.begin():
            scratch.execute(CreateSchema(schema, if_not_exists=True))


def create_schemas(scratch: Connection, schemas: Iterable[str | None], plan: Plan) -> None:
    """Create the ``schemas``, which are usually made by hand, unless the scripts of ``plan`` do."""
    if scratch.dialect.name != "postgresql" or any(
        b"create schema" in step.revision.source.lower() for step in plan.steps
    ):
        return
    with scratch.begin():
        for schema in sorted(schema for schema in schemas if schema):
            scratch.execute(CreateSchema(schema, if_not_exists=True))


def _elsewhere(app: Application, **place: Any) -> Application:
    """Return ``app`` with other parts of its database URL."""
    database = app.database
    return replace(app, moved_to=replace(database, url=database.url.set(**place)))
