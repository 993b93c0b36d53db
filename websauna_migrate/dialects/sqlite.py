"""Keeps what belongs to a SQLite table while Alembic's batch mode recreates it.

Batch mode reflects a table, creates it under another name, copies the rows and renames it. What SQLAlchemy
does not reflect is lost silently: triggers, indexes over expressions, the order and collation of an index,
CHECK constraints without a name, AUTOINCREMENT, collations. Here it is taken from the SQL that SQLite keeps of each
object; what cannot be kept stops the revision.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic.ddl.sqlite import SQLiteImpl
from sqlalchemy.schema import CreateTable

from websauna_migrate.database.connection import connection_of
from websauna_migrate.database.sql import escape_colons
from websauna_migrate.dialects.errors import LostInBatch
from websauna_migrate.dialects.indexes import ComparingIndexes
from websauna_migrate.dialects.sqlite_sql import (
    computed_expressions,
    declared_collations,
    lost_in_batch,
    names_in,
    naming,
    table_options,
    unnamed_checks,
)
from websauna_migrate.packages.package import constraint_name, referred_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Set

    from alembic.operations.batch import ApplyBatchImpl, BatchOperationsImpl
    from sqlalchemy import Column, Index, Table
    from sqlalchemy.engine import Connection


def _unique_name(constraint: sa.UniqueConstraint, table: Table) -> str:
    return constraint_name("uq", table.name, constraint.columns.keys())


def _key_name(constraint: sa.ForeignKeyConstraint, table: Table) -> str:
    return constraint_name("fk", table.name, constraint.column_keys, referred_name(constraint.elements[0]).name)


# The names that autogenerate gives constraints without one.
_NAMES = {"uq": "%(unique)s", "fk": "%(key)s", "unique": _unique_name, "key": _key_name}


@dataclass(frozen=True, slots=True)
class _Stored:
    """The SQL that SQLite keeps of the table ``name``, of its triggers, and of its indexes by name."""

    name: str
    table: str
    triggers: tuple[str, ...]
    indexes: Mapping[str, str]
    expression_indexes: Mapping[str, str]


class KeepingSQLiteImpl(ComparingIndexes, SQLiteImpl):
    """Alembic's operations on SQLite, with a batch mode that loses nothing."""

    _prepared: BatchOperationsImpl | None = None
    _put_aside: Mapping[str, str] = {}
    _new_table: Table | None = None
    _as_they_were: Mapping[str, str] = {}
    _afterwards: tuple[str, ...] = ()

    def requires_recreate_in_batch(self, batch_op: BatchOperationsImpl) -> bool:
        """Tell whether the table is recreated, and prepare that."""
        recreates = super().requires_recreate_in_batch(batch_op)
        if recreates and not self.as_sql and batch_op.copy_from is None and batch_op.schema is None:
            if self._prepared is not batch_op:
                self._prepare(batch_op, _read(connection_of(self), batch_op.table_name))
            self._prepared = batch_op
        return recreates

    def prep_table_for_batch(self, batch_impl: ApplyBatchImpl, table: Table) -> None:
        """Complete the new table just before it is created, and refuse it where something would be lost."""
        self._new_table = new = batch_impl.new_table
        if new is None or self.connection is None or self.as_sql or table.schema is not None:
            return
        stored = _read(self.connection, table.name)
        _restore_columns(batch_impl, table, new, stored.table)
        _let_checks_go(new, table.c.keys() - batch_impl.columns.keys())
        expressions, self._put_aside = {**stored.expression_indexes, **self._put_aside}, {}
        self._afterwards = (*expressions.values(), *stored.triggers, *_counter(self.connection, table.name))
        gone = {column.name for column in table.c} - {column.name for column in new.c}  # or have another name
        self._refuse_loss(stored, new, gone, _dropped_constraints(batch_impl, table))
        self._as_they_were = {
            name: sql for name, sql in stored.indexes.items() if name in batch_impl.indexes and not naming((sql,), gone)
        }

    def _refuse_loss(self, stored: _Stored, new: Table, gone: Set[str], dropped: Mapping[str, sa.Constraint]) -> None:
        new_sql = str(CreateTable(new).compile(dialect=self.dialect))
        lost = lost_in_batch(stored.table, new_sql, gone, dropped) + naming(self._afterwards, gone)
        if lost:
            raise LostInBatch(stored.name, tuple(lost))

    def rename_table(self, old_table_name: str, new_table_name: Any, schema: Any = None) -> None:
        """Rename a table; the new one of a batch gets back what was dropped with the old one."""
        if self._new_table is None or old_table_name != self._new_table.name:
            super().rename_table(old_table_name, new_table_name, schema)
            return
        self._run("PRAGMA legacy_alter_table = ON")  # or a view on the table, which is not there now, is an error
        super().rename_table(old_table_name, new_table_name, schema)
        self._run("PRAGMA legacy_alter_table = OFF")
        for sql in self._afterwards:
            self._run(sql)

    def correct_for_autogen_constraints(
        self,
        conn_unique_constraints: set[sa.UniqueConstraint],
        conn_indexes: set[Index],
        metadata_unique_constraints: set[sa.UniqueConstraint],
        metadata_indexes: set[Index],
    ) -> None:
        """Name the unique constraints in the database that have no name: Alembic never misses one of those."""
        found = (conn_unique_constraints, conn_indexes, metadata_unique_constraints, metadata_indexes)
        super().correct_for_autogen_constraints(*found)  # type: ignore[no-untyped-call]
        for constraint in conn_unique_constraints:
            if constraint.name is None:
                constraint.name = _unique_name(constraint, constraint.table)

    def create_index(self, index: Index, **options: Any) -> None:
        """Create an index; one that a batch found is created from its own SQL."""
        if index.table is self._new_table and str(index.name) in self._as_they_were:
            self._run(self._as_they_were[str(index.name)])
        else:
            super().create_index(index, **options)

    def _prepare(self, batch_op: BatchOperationsImpl, stored: _Stored) -> None:
        dropped = {str(arguments[0].name) for name, arguments, _ in batch_op.batch if name == "drop_constraint"}
        if not dropped <= names_in(stored.table) and not batch_op.naming_convention:
            batch_op.naming_convention = _NAMES  # the table was created without naming it
        gone = {arguments[1].name for name, arguments, _ in batch_op.batch if name == "drop_column"}
        checks = [check for check in unnamed_checks(stored.table) if not naming((check,), gone)]
        batch_op.table_args = (*batch_op.table_args, *(sa.CheckConstraint(escape_colons(check)) for check in checks))
        batch_op.table_kwargs.update(table_options(stored.table))
        for name in stored.expression_indexes:  # SQLAlchemy warns of those that it cannot reflect
            self._run(f"DROP INDEX {self.dialect.identifier_preparer.quote(name)}")
        self._put_aside = stored.expression_indexes

    def _run(self, sql: str) -> None:
        connection_of(self).exec_driver_sql(sql)


def _read(connection: Connection, table: str) -> _Stored:
    query = sa.text(
        "SELECT type, name, sql, type = 'index' AND EXISTS (SELECT 1 FROM pragma_index_xinfo(m.name) WHERE cid = -2)"
        " FROM sqlite_master AS m WHERE tbl_name = :table AND sql IS NOT NULL"
    )
    rows = connection.execute(query, {"table": table}).all()
    return _Stored(
        table,
        next((sql for type_, _, sql, _ in rows if type_ == "table"), ""),
        tuple(sql for type_, _, sql, _ in rows if type_ == "trigger"),
        {name: sql for type_, name, sql, expression in rows if type_ == "index" and not expression},
        {name: sql for type_, name, sql, expression in rows if type_ == "index" and expression},
    )


def _counter(connection: Connection, table: str) -> tuple[str, ...]:
    """Return the statements that make AUTOINCREMENT go on where it is: dropping a table forgets it."""
    if not connection.exec_driver_sql("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'").first():
        return ()
    query = sa.text("SELECT seq FROM sqlite_sequence WHERE name = :table")
    name = "'" + table.replace("'", "''") + "'"
    last = connection.execute(query, {"table": table}).scalar()
    if last is None:
        return ()
    forget = f"DELETE FROM sqlite_sequence WHERE name = {name}"
    return forget, f"INSERT INTO sqlite_sequence (name, seq) VALUES ({name}, {last})"


# --- reading the SQL of a table --------------------------------------------------------------------------------


def _restore_columns(batch_impl: ApplyBatchImpl, table: Table, new: Table, sql: str) -> None:
    """Give the columns of the ``new`` table the expressions and collations that ``sql`` has for the old one."""
    _restore_computed(batch_impl, table, computed_expressions(sql))
    collations = declared_collations(sql)
    for column in new.c:
        if column.computed is not None:  # SQLite computes it again
            batch_impl.column_transfers.get(column.name, {}).pop("expr", None)
        elif column.name in collations:
            _keep_collation(column, collations[column.name])


def _restore_computed(batch_impl: ApplyBatchImpl, table: Table, expressions: Mapping[str, str]) -> None:
    """Give computed columns that stay their own expressions.

    What SQLAlchemy reflects may be that of a column whose name ends alike, or nothing where the type has a comma.
    """
    for name, column in batch_impl.columns.items():
        reflected = table.c[name].computed if name in table.c else None
        if column.computed is None or reflected is None or name not in expressions:
            continue
        if str(column.computed.sqltext) == str(reflected.sqltext):  # else the revision changes the expression
            column.computed.sqltext = sa.text(escape_colons(expressions[name]))


def _let_checks_go(new: Table, dropped: Set[str]) -> None:
    """Take the checks out of the ``new`` table that name a ``dropped`` column: they go with it, as on PostgreSQL."""
    for check in [constraint for constraint in new.constraints if isinstance(constraint, sa.CheckConstraint)]:
        if naming((str(check.sqltext),), dropped):
            new.constraints.discard(check)


def _dropped_constraints(batch_impl: ApplyBatchImpl, table: Table) -> dict[str, sa.Constraint]:
    kept = batch_impl.named_constraints
    return {str(c.name): c for c in table.constraints if c.name and kept.get(str(c.name)) is not c}


def _keep_collation(column: Column[Any], collation: str) -> None:
    if isinstance(column.type, sa.String) and column.type.collation is None:
        column.type = collated = copy.copy(column.type)
        collated.collation = collation
