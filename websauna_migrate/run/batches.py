"""Rows of a large table changed in short transactions of their own, by ranges of the key."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.sql.dml import Delete, Update

from websauna_migrate.database.batch_places import Call, Place, begin_call, move
from websauna_migrate.database.key_ranges import (
    KeyedTable,
    in_range,
    next_keys,
    place_as_text,
    place_from_text,
    read_keyed_table,
)
from websauna_migrate.database.lag import lag_of
from websauna_migrate.database.table_sizes import estimated_rows
from websauna_migrate.exceptions import RunError
from websauna_migrate.packages.package import TableName
from websauna_migrate.run.data import connection_of_revision, has_data_session
from websauna_migrate.run.errors import NotInOneTransaction
from websauna_migrate.run.observer import BatchProgress
from websauna_migrate.run.under_way import UnderWay, step_under_way

if TYPE_CHECKING:
    from sqlalchemy import Executable, TableClause, TextClause
    from sqlalchemy.engine import Connection

_LOOK_SECONDS = 1.0
_SQLITE_SECONDS = 0.15  # those who wait for the file of SQLite look at it each 0.1 seconds
_LEFT_OUT: ContextVar[bool] = ContextVar("batches_left_out", default=False)


@contextmanager
def batches_left_out() -> Iterator[None]:
    """Return a context in which :func:`in_batches` does nothing, for who looks at the rest of a script."""
    token = _LEFT_OUT.set(True)
    try:
        yield
    finally:
        _LEFT_OUT.reset(token)


def in_batches(
    table: str | TableClause,
    statement: str | TextClause | Update | Delete,
    *,
    size: int = 1000,
    key: str | Sequence[str] = (),
    schema: str | None = None,
    max_lag: float = 10,
    max_age: float = 600,
) -> int:
    """Run ``statement`` for all rows of ``table``, ``size`` rows at a time; return the number of rows visited.

    Each batch is a transaction of its own, so that no row is locked for long. The place after it is written in the same
    transaction: a run that was stopped, or killed, goes on there the next time, and each row is changed once. To be
    called in ``upgrade()`` or ``downgrade()`` before anything else is changed, best in a revision of its own.

    :param table: the name of the table, or a ``Table`` or ``sa.table()``
    :param statement: an ``update()`` or ``delete()`` of the table, which gets the range of the batch as a condition, or
        SQL that compares the key with ``:low`` and ``:high``, both included
    :param size: the rows of a batch
    :param key: unique ``NOT NULL`` columns in whose order the rows are taken; the primary key by default. They are
        numbers, texts, UUIDs, dates, times or bytes. SQL needs a key of one column
    :param schema: the schema of a table that is given by its name
    :param max_lag: pause while a replica of PostgreSQL is more seconds behind; 0 does not look
    :param max_age: pause while another transaction on PostgreSQL, MariaDB or MySQL is open for more seconds; 0 does not
        look
    :raises RunError: it is called where it cannot work, or with what it cannot use; nothing was changed
    :raises NotInOneTransaction: all revisions run in one transaction
    """
    if _LEFT_OUT.get():
        return 0
    connection = connection_of_revision("websauna_migrate.data.in_batches()")
    under_way = _require_step(connection)
    if size < 1:
        raise RunError(f"in_batches(): size={size} is not a number of rows", "pass 1 or more")
    name, schema = (table, schema) if isinstance(table, str) else (table.name, table.schema)
    keyed = read_keyed_table(connection, name, schema, (key,) if isinstance(key, str) else tuple(key))
    prepared = _prepared(keyed, statement)
    estimate = estimated_rows(connection, TableName(schema, name))
    under_way.batched += 1
    step = under_way.step
    call = Call(under_way.history_table, step.revision.id, step.direction, under_way.batched)
    batches = _Batches(connection, under_way, call, keyed, prepared, size, estimate)
    return batches.run(max_lag, max_age)


def _require_step(connection: Connection) -> UnderWay:
    under_way = step_under_way(connection)
    if under_way is None:
        raise RunError(
            "websauna_migrate.data.in_batches() needs the run of ws-alembic, which keeps other runs away and knows "
            "where a run was stopped",
            "run this revision with ws-alembic upgrade, or websauna_migrate.migrate()",
        )
    account, step = under_way.account, under_way.step
    if account.together:
        raise NotInOneTransaction(f"{step.package} {step.revision.id} works in batches", account.option)
    if has_data_session(connection) or account.script_wrote:
        raise RunError(
            "in_batches() commits, and the revision has changed something before it, which would be done again when a "
            "run was stopped",
            "move what comes before in_batches() into a revision of its own",
        )
    return under_way


def _prepared(table: KeyedTable, statement: str | TextClause | Update | Delete) -> TextClause | Update | Delete:
    """Return ``statement`` if it is one that can be run for a range of ``table``."""
    if isinstance(statement, (Update, Delete)):
        other: Any = statement.table
        if getattr(getattr(other, "element", other), "name", None) != table.table.name:
            raise RunError(
                f"in_batches(): the statement does not change {table.name}", "pass that table to in_batches()"
            )
        return statement
    prepared = sa.text(statement) if isinstance(statement, str) else statement
    if not {"low", "high"} <= prepared.compile().params.keys():
        raise RunError(
            "in_batches(): the SQL has no :low and :high, so each batch would change all rows",
            f"add WHERE {table.key[0]} BETWEEN :low AND :high to it",
        )
    if len(table.key) > 1:
        raise RunError(
            f"in_batches(): the key of {table.name} has {len(table.key)} columns, and SQL can name only one",
            "pass an update() or delete() of SQLAlchemy, or a unique column with key=",
        )
    type_ = table.columns()[0].type
    return prepared.bindparams(sa.bindparam("low", type_=type_), sa.bindparam("high", type_=type_))


@dataclass(slots=True)
class _Batches:
    connection: Connection
    under_way: UnderWay
    call: Call
    table: KeyedTable
    statement: TextClause | Update | Delete
    size: int
    estimate: int | None

    def run(self, max_lag: float, max_age: float) -> int:
        self.connection.commit()  # that of the revision holds nothing but what it has read
        place = self._in_transaction(self._begin)
        looked = 0.0
        while not place.is_done:
            if time.monotonic() - looked >= _LOOK_SECONDS:
                self._give_way(place, max_lag, max_age)
                looked = time.monotonic()
            place = self._in_transaction(lambda place=place: self._batch(place))
            self._tell(place)
        return place.rows

    def _in_transaction(self, work: Any) -> Place:
        done: list[Place] = []

        def attempt() -> None:
            try:
                with self.connection.begin():
                    done.append(work())
                    for check in self.under_way.checks:
                        check()
            finally:  # it is committed with its place, or rolled back
                self.under_way.account.forget_writes()

        self.under_way.tries.run_batch(self.under_way.step, attempt)
        return done[-1]

    def _begin(self) -> Place:
        place = begin_call(self.connection, self.call, self.table.name)
        if place.table != self.table.name:
            raise RunError(
                f"in_batches(): call {self.call.number} of the revision was stopped in the table {place.table}, and is "
                f"for {self.table.name} now",
                f"bring the calls into their former order, or delete the rows of {self.call.revision} in the table "
                "alembic_batches to begin again",
            )
        return place

    def _batch(self, place: Place) -> Place:
        start = None if place.key is None else place_from_text(place.key)
        keys = next_keys(self.connection, self.table, start, self.size)
        if not keys:
            place = replace(place, is_done=True)
        else:
            self.connection.execute(*self._for_range(start, keys))
            place = replace(place, key=place_as_text(keys[-1]), rows=place.rows + len(keys))
        move(self.connection, self.call, place)
        return place

    def _for_range(
        self, start: Sequence[Any] | None, keys: Sequence[Sequence[Any]]
    ) -> tuple[Executable, dict[str, Any]]:
        statement = self.statement
        if isinstance(statement, (Update, Delete)):
            columns = self.table.columns(statement.table)
            return statement.where(in_range(columns, start, keys[-1], self.connection.dialect.name)), {}
        return statement, {"low": keys[0][0], "high": keys[-1][0]}

    def _give_way(self, place: Place, max_lag: float, max_age: float) -> None:
        if self.connection.dialect.name == "sqlite":
            time.sleep(_SQLITE_SECONDS)
        while reason := lag_of(self.connection, max_lag, max_age):
            self._tell(place, reason)
            self.under_way.observer.before_step()
            time.sleep(_LOOK_SECONDS)

    def _tell(self, place: Place, reason: str | None = None) -> None:
        step = self.under_way.step
        self.under_way.observer.on_batch(BatchProgress(step, self.table.name, place.rows, self.estimate, reason))
