"""Keeps what belongs to a SQLite table while Alembic's batch mode recreates it.

Batch mode reflects a table, creates it under another name, copies the rows and renames it. What SQLAlchemy
does not reflect is lost silently: triggers, indexes over expressions, the order and collation of an index,
CHECK constraints without a name, AUTOINCREMENT, collations. Here it is taken from the SQL that SQLite keeps of each
object; what cannot be kept stops the revision.

Two cases do not read the table. Where ``copy_from`` describes it, the description counts: what it leaves out goes, as
with plain Alembic, but triggers, indexes over expressions and the counter come back. With ``--sql`` there is no
database, and the SQL is that of plain Alembic.
"""

from __future__ import annotations

import warnings
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic.ddl.sqlite import SQLiteImpl
from alembic.operations import batch
from sqlalchemy.schema import CreateTable

from websauna_migrate.database.connection import connection_of
from websauna_migrate.database.reflection import UNREAD_INDEX
from websauna_migrate.database.sql import escape_colons, without_parameters
from websauna_migrate.dialects.collations import add_collation, collated, uncollated
from websauna_migrate.dialects.constraints import check_name
from websauna_migrate.dialects.errors import LostInBatch
from websauna_migrate.dialects.indexes import RENAMES, ComparingIndexes
from websauna_migrate.dialects.sqlite_indexes import as_stored_index, read_indexes
from websauna_migrate.dialects.sqlite_sql import (
    checks_in,
    computed_expressions,
    declared_collations,
    lost_in_batch,
    names_in,
    naming,
    renamed_columns,
    table_options,
    unnamed_checks,
)
from websauna_migrate.packages.package import constraint_name, referred_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Set
    from contextlib import AbstractContextManager

    from alembic.operations.batch import ApplyBatchImpl
    from sqlalchemy import Column, Index, Table
    from sqlalchemy.engine import Connection, Inspector


def _unique_name(constraint: sa.UniqueConstraint, table: Table) -> str:
    return constraint_name("uq", table.name, constraint.columns.keys())


def _key_name(constraint: sa.ForeignKeyConstraint, table: Table) -> str:
    return constraint_name("fk", table.name, constraint.column_keys, referred_name(constraint.elements[0]).name)


_TABLE = sa.text("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = :table")

# The names that autogenerate gives constraints without one.
_NAMES = {"uq": "%(unique)s", "fk": "%(key)s", "unique": _unique_name, "key": _key_name}


@dataclass(frozen=True, slots=True)
class _Stored:
    """The SQL that SQLite keeps of a table, of its triggers, and of its indexes by name."""

    table: str
    triggers: tuple[str, ...]
    indexes: Mapping[str, str]
    expression_indexes: Mapping[str, str]


class KeepingSQLiteImpl(ComparingIndexes, SQLiteImpl):
    """Alembic's operations on SQLite, with a batch mode that loses nothing."""

    _new_table: Table | None = None
    _as_they_were: Mapping[str, str] = {}
    _afterwards: tuple[str, ...] = ()
    _uncollated: frozenset[str] = frozenset()
    _unnamed: Mapping[str, sa.Constraint] = {}

    @property
    def database(self) -> Connection | None:
        """The connection that the operations are executed on; None where they become SQL."""
        return None if self.as_sql else self.connection

    def prepare_batch(self, batch_op: KeepingBatch) -> None:
        """Read the table of a batch, and add to the batch what Alembic does not read of it."""
        stored = _read(connection_of(self), batch_op.table_name)
        dropped = {str(arguments[0].name) for name, arguments, _ in batch_op.batch if name == "drop_constraint"}
        if not dropped <= names_in(stored.table) and not batch_op.naming_convention:
            # The table was created without naming it. A primary key that stays keeps no name.
            primary = {"pk": "pk_%(table_name)s"} if f"pk_{batch_op.table_name}" in dropped else {}
            batch_op.naming_convention = {**_NAMES, **primary}
        self._unnamed = _take_unnamed_checks(batch_op, stored.table)
        batch_op.table_args = (*batch_op.table_args, *_checks_to_add(batch_op, stored.table, self._unnamed.keys()))
        batch_op.table_kwargs.update(table_options(stored.table))
        self._uncollated = uncollated(batch_op.batch)

    def autogen_column_reflect(self, inspector: Inspector, table: Table, column_info: Any) -> None:
        """Complete a column that was read: SQLAlchemy reads no collation, and of an expression one line."""
        add_collation(column_info, table.name, inspector, connection_of(self))
        if column_info.get("computed") and table.schema is None:
            sql = connection_of(self).scalar(_TABLE, {"table": table.name}) or ""
            expression = computed_expressions(sql).get(column_info["name"])
            if expression is not None:
                column_info["computed"] = {**column_info["computed"], "sqltext": escape_colons(expression)}

    def prep_table_for_batch(self, batch_impl: ApplyBatchImpl, table: Table) -> None:
        """Complete the new table just before it is created, and refuse it where something would be lost."""
        new = batch_impl.new_table
        if new is None or self.database is None or table.schema is not None:
            self._new_table = None
            return
        self._new_table = new
        stored = _read(self.database, table.name)
        dropped = {column.name for column in table.c if not batch_impl.column_transfers.get(column.name)}
        _restore_columns(batch_impl, stored.table, self._uncollated)
        _let_checks_follow(batch_impl, new, stored.table)
        counter = _counter(self.database, table.name)
        self._afterwards = (*stored.expression_indexes.values(), *stored.triggers, *counter)
        gone = {column.name for column in table.c} - {column.name for column in new.c}  # or have another name
        if lost := (*self._lost_of_table(batch_impl, stored, gone | dropped), *naming(self._afterwards, gone)):
            raise LostInBatch(table.name, lost)
        unchanged = batch_impl.indexes.keys() if batch_impl.reflected else set()
        self._as_they_were = {
            name: sql for name, sql in stored.indexes.items() if name in unchanged and not naming((sql,), gone)
        }

    def _lost_of_table(self, batch_impl: ApplyBatchImpl, stored: _Stored, gone: Set[str]) -> list[str]:
        if not batch_impl.reflected:  # what a description leaves out is meant to go
            return []
        assert batch_impl.new_table is not None
        new_sql = str(CreateTable(batch_impl.new_table).compile(dialect=self.dialect))
        lost = lost_in_batch(stored.table, new_sql, gone, {**_dropped_constraints(batch_impl), **self._unnamed})
        return [feature for feature in lost if feature != "COLLATE" or not self._uncollated]

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
        """Complete what SQLAlchemy reads: a name for unique constraints without one, and the order of indexes.

        Alembic never misses a constraint without a name.
        """
        found = (conn_unique_constraints, conn_indexes, metadata_unique_constraints, metadata_indexes)
        super().correct_for_autogen_constraints(*found)  # type: ignore[no-untyped-call]
        for constraint in conn_unique_constraints:
            if constraint.name is None:
                constraint.name = _unique_name(constraint, constraint.table)
        table = next((index.table for index in conn_indexes), None)
        stored = read_indexes(connection_of(self), table, self.context_opts.get(RENAMES)) if table is not None else {}
        for index in [index for index in conn_indexes if index.name in stored]:
            conn_indexes.remove(index)
            conn_indexes.add(as_stored_index(index, stored[str(index.name)]))

    def create_index(self, index: Index, **options: object) -> None:
        """Create an index; one that a batch found is created from its own SQL."""
        if index.table is self._new_table and str(index.name) in self._as_they_were:
            self._run(self._as_they_were[str(index.name)])
        else:
            super().create_index(index, **options)

    def _run(self, sql: str) -> None:
        connection_of(self).exec_driver_sql(sql)


class KeepingBatch(batch.BatchOperationsImpl):
    """The operations of a batch, which has a table of SQLite read before it is built anew."""

    @property
    def renamed(self) -> dict[str, str]:
        """The new name of each column that gets one."""
        changes = [(arguments[1], options) for name, arguments, options in self.batch if name == "alter_column"]
        return {column: options["name"] for column, options in changes if options.get("name")}

    def flush(self) -> None:
        """Carry out the operations, all in one transaction."""
        impl = self.impl
        if not isinstance(impl, KeepingSQLiteImpl) or impl.database is None:
            super().flush()
            return
        with _transaction(impl.database), warnings.catch_warnings():
            # They are kept; and it says so of the tables too that the foreign keys of this one refer to.
            warnings.filterwarnings("ignore", UNREAD_INDEX)
            if self._is_read() and self._recreates(impl):
                impl.prepare_batch(self)
            super().flush()

    def _is_read(self) -> bool:
        return self.copy_from is None and self.schema is None

    def _recreates(self, impl: KeepingSQLiteImpl) -> bool:
        return self.recreate == "always" or (self.recreate == "auto" and impl.requires_recreate_in_batch(self))


def _transaction(connection: Connection) -> AbstractContextManager[object]:
    """Return a transaction, unless there is one: reading the table would begin one that nobody commits."""
    return nullcontext() if connection.in_transaction() else connection.begin()


def _read(connection: Connection, table: str) -> _Stored:
    query = sa.text(
        "SELECT type, name, sql, type = 'index' AND EXISTS (SELECT 1 FROM pragma_index_xinfo(m.name) WHERE cid = -2)"
        " FROM sqlite_master AS m WHERE tbl_name = :table AND sql IS NOT NULL"
    )
    rows = connection.execute(query, {"table": table}).all()
    return _Stored(
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


def _take_unnamed_checks(batch_op: KeepingBatch, stored: str) -> dict[str, sa.Constraint]:
    """Return the CHECK constraints without a name that the batch drops, by the names that autogenerate gives them.

    Alembic finds no such constraint in the table: what drops it is taken out of the batch.
    """
    unnamed = {check_name(batch_op.table_name, check, "sqlite"): check for check in unnamed_checks(stored)}
    drops = {arguments[0].name for name, arguments, _ in batch_op.batch if name == "drop_constraint"} & unnamed.keys()
    batch_op.batch = [
        change for change in batch_op.batch if change[0] != "drop_constraint" or change[1][0].name not in drops
    ]
    return {name: sa.CheckConstraint(escape_colons(unnamed[name])) for name in drops}


def _checks_to_add(batch_op: KeepingBatch, stored: str, dropped: Set[str]) -> Iterator[sa.CheckConstraint]:
    """Yield the CHECK constraints without a name that Alembic would leave out, but not those ``dropped``."""
    convention = batch_op.naming_convention or {}
    restated = any(isinstance(arg, sa.CheckConstraint) for arg in batch_op.table_args)
    if restated or "ck" in convention or sa.CheckConstraint in convention:
        return
    gone = {arguments[1].name for name, arguments, _ in batch_op.batch if name == "drop_column"}
    for check in unnamed_checks(stored):
        if not naming((check,), gone) and check_name(batch_op.table_name, check, "sqlite") not in dropped:
            yield sa.CheckConstraint(escape_colons(renamed_columns(check, batch_op.renamed)))


# --- the new table ---------------------------------------------------------------------------------------------


def _restore_columns(batch_impl: ApplyBatchImpl, sql: str, uncollated: Set[str]) -> None:
    """Give the columns of the new table the defaults, expressions and collations that ``sql`` has for the old one.

    Those that are ``uncollated`` get another type on purpose.
    """
    _restore_defaults(batch_impl.columns, batch_impl.table)
    collations = declared_collations(sql) if batch_impl.reflected else {}
    if batch_impl.reflected:
        _restore_computed(batch_impl, batch_impl.table, computed_expressions(sql))
    for old_name, column in batch_impl.columns.items():
        if column.computed is not None:  # SQLite computes it again
            batch_impl.column_transfers.get(old_name, {}).pop("expr", None)
        elif old_name in collations.keys() - uncollated and batch_impl.column_transfers[old_name]:
            column.type = collated(column.type, collations[old_name])


def _restore_defaults(columns: Mapping[str, Column[Any]], table: Table) -> None:
    """Give columns that stay their own defaults, which SQLAlchemy reads as texts with parameters."""
    for name, column in columns.items():
        old = table.c[name].server_default if name in table.c else None
        if isinstance(old, sa.DefaultClause) and getattr(column.server_default, "arg", None) is old.arg:
            column.server_default = sa.DefaultClause(without_parameters(old.arg))


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


def _let_checks_follow(batch_impl: ApplyBatchImpl, new: Table, sql: str) -> None:
    """Let the checks of the ``new`` table follow their columns, as on PostgreSQL: to another name, or out of it.

    Those that stay say what they say in ``sql``: SQLAlchemy reads a colon in it as a parameter.
    """
    stored = {name: condition for name, condition in checks_in(sql) if name} if batch_impl.reflected else {}
    table, columns = batch_impl.table, batch_impl.columns
    dropped = table.c.keys() - columns.keys()
    renamed = {name: column.name for name, column in columns.items() if column.name != name}
    kept = {str(constraint.name) for constraint in table.constraints} - _dropped_constraints(batch_impl).keys()
    for check in [constraint for constraint in new.constraints if isinstance(constraint, sa.CheckConstraint)]:
        if naming((str(check.sqltext),), dropped):
            new.constraints.discard(check)
        elif check.name in kept and (renamed or check.name in stored):
            condition = stored.get(str(check.name), str(check.sqltext))
            check.sqltext = sa.text(escape_colons(renamed_columns(condition, renamed)))


def _dropped_constraints(batch_impl: ApplyBatchImpl) -> dict[str, sa.Constraint]:
    kept = batch_impl.named_constraints
    return {str(c.name): c for c in batch_impl.table.constraints if c.name and kept.get(str(c.name)) is not c}
