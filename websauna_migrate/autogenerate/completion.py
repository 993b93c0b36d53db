"""What a generated revision needs in addition to what Alembic found.

Works on the operations of a script before they are written: schemas, types and sequences that have to be
there first and to go last, and types that cannot be written at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from sqlalchemy.schema import CreateSchema, CreateSequence, DropSequence

from websauna_migrate.autogenerate.columns.sequences import used_sequences
from websauna_migrate.autogenerate.comparison import Given
from websauna_migrate.autogenerate.constraints.key_order import with_keys_in_order
from websauna_migrate.autogenerate.constraints.mysql_indexes import keep_keys
from websauna_migrate.autogenerate.constraints.primary_keys import change_keys_at_once
from websauna_migrate.autogenerate.constraints.type_indexes import leave_out_indexes_of_types
from websauna_migrate.autogenerate.errors import UnrenderableType
from websauna_migrate.autogenerate.rendering import CannotBeWritten, render_sql_as_meant
from websauna_migrate.autogenerate.rewrites import rewritten
from websauna_migrate.autogenerate.script_ops import Refusal, Sql, alterations, made_columns, table_of
from websauna_migrate.autogenerate.tables.inherited import in_order_of_inheritance
from websauna_migrate.database.sql import escape_colons, named_types, plain_dialect
from websauna_migrate.exceptions import reason_of
from websauna_migrate.packages.package import TableName

if TYPE_CHECKING:
    from collections.abc import Collection

    from alembic.runtime.migration import MigrationContext
    from sqlalchemy.engine import Connection
    from sqlalchemy.types import TypeEngine

    from websauna_migrate.autogenerate.comparison import Comparison


@dataclass(frozen=True, slots=True)
class _Place:
    """A column that an operation makes or changes, and the type that it gets."""

    table: TableName
    column: str
    type: TypeEngine[Any]


def complete(script: ops.MigrationScript, migration: MigrationContext, comparison: Comparison) -> None:
    """Make the operations of ``script``, which ``comparison`` found, run as they are, both ways, on its database.

    :raises UnrenderableType: the type of a column cannot be written, or the database has no such type
    """
    connection = migration.bind
    for upgrade, downgrade in zip(script.upgrade_ops_list, script.downgrade_ops_list, strict=True):
        if upgrade.is_empty() or connection is None:
            continue
        first, last = _additions(upgrade, downgrade, comparison.tables, connection)
        for container in (upgrade, downgrade):
            leave_out_indexes_of_types(container)
            container.ops[:] = rewritten(container.ops, migration, names_altered=comparison.names_altered)
            if connection.dialect.name == "postgresql":
                container.ops[:] = in_order_of_inheritance(container.ops, _tables(comparison), migration.dialect)
                container.ops[:] = with_keys_in_order(container.ops, migration.dialect.default_schema_name)
        if connection.dialect.name in ("mysql", "mariadb") and comparison.writing is not None:
            before = comparison.writing.before if isinstance(comparison.writing, Given) else ()
            keep_keys(upgrade, downgrade, migration, comparison.tables, before)
            for container in (upgrade, downgrade):
                change_keys_at_once(container, migration.dialect)
        upgrade.ops[:] = [*first, *upgrade.ops, *last]
        downgrade.ops[:] = [op.reverse() for op in reversed(last)] + downgrade.ops
        downgrade.ops += [op.reverse() for op in reversed(first) if op.undo]
        _require_types(upgrade, downgrade, migration)
    render_sql_as_meant(migration)


def _tables(comparison: Comparison) -> list[sa.Table]:
    return [table for metadata in comparison.metadata for table in metadata.tables.values()]


# --- what has to be there first, and to go last ----------------------------------------------------------------


def _additions(
    upgrade: ops.OpContainer, downgrade: ops.OpContainer, tables: Collection[TableName], connection: Connection
) -> tuple[list[Sql], list[Sql]]:
    """Return what ``upgrade`` has to begin and to end with; on the way back it is undone in reverse."""
    first = _schemas(upgrade, tables, connection) + _sequences(upgrade, connection)
    last: list[Sql] = []
    if connection.dialect.name == "postgresql":
        existing = _existing_types(connection)
        made, gone = list(_places(upgrade)), list(_places(downgrade))
        for key, type_ in _named(made, connection).items():
            if key not in existing:
                first.append(Sql(*_type_sql(type_, connection)))
        for key, type_ in _named(gone, connection).items():
            if key in existing and not _users_left(key, {(p.table, p.column) for p in gone}, connection):
                last.append(Sql(*reversed(_type_sql(type_, connection))))
    return first, last


def _schemas(upgrade: ops.OpContainer, tables: Collection[TableName], connection: Connection) -> list[Sql]:
    """Return ``CREATE SCHEMA`` for the schemas that this revision puts the first of the ``tables`` into.

    The way back leaves a schema: it may hold what others put there.
    """
    if connection.dialect.name != "postgresql":
        return []
    needed = dict.fromkeys(op.schema for op in upgrade.ops if isinstance(op, ops.CreateTableOp) and op.schema)
    created = []
    for schema in needed:
        there = sa.inspect(connection).get_table_names(schema)
        if not any(TableName(schema, name) in tables for name in there):
            created.append(Sql(_sql(CreateSchema(schema, if_not_exists=True), connection), ""))
    return created


def _sequences(upgrade: ops.OpContainer, connection: Connection) -> list[Sql]:
    if not connection.dialect.supports_sequences:
        return []
    found: dict[TableName, Sql] = {}
    for sequence in used_sequences(upgrade):
        if not sa.inspect(connection).has_sequence(sequence.name, schema=sequence.schema):
            create = _sql(CreateSequence(sequence), connection)
            name = TableName(sequence.schema, sequence.name)
            found.setdefault(name, Sql(create, _sql(DropSequence(sequence), connection)))
    return list(found.values())


def _named(places: list[_Place], connection: Connection) -> dict[TableName, object]:
    named: dict[TableName, object] = {}
    for place in places:
        for type_ in named_types(place.type, connection.dialect):
            if isinstance(type_, sa.Enum):  # change_enums() makes and drops it
                continue
            name = TableName(type_.schema, type_.name).shown(connection.dialect.default_schema_name)
            named.setdefault(name, type_)
    return named


def _existing_types(connection: Connection) -> set[TableName]:
    inspector: Any = sa.inspect(connection)
    default = connection.dialect.default_schema_name
    found = inspector.get_domains(schema="*")
    return {TableName(t["schema"], t["name"]).shown(default) for t in found}


def _users_left(type_: TableName, gone: set[tuple[TableName, str]], connection: Connection) -> bool:
    """Tell whether a column that is not in ``gone`` has ``type_``, or an array of it."""
    default = connection.dialect.default_schema_name
    query = sa.text(
        "SELECT tn.nspname, c.relname, a.attname FROM pg_type AS t JOIN pg_namespace AS n ON n.oid = t.typnamespace"
        " JOIN pg_attribute AS a ON a.atttypid IN (t.oid, t.typarray) AND NOT a.attisdropped"
        " JOIN pg_class AS c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p', 'v', 'm', 'f')"
        " JOIN pg_namespace AS tn ON tn.oid = c.relnamespace WHERE t.typname = :name AND n.nspname = :schema"
    )
    rows = connection.execute(query, {"name": type_.name, "schema": type_.schema or default})
    users = {(TableName(schema, table).shown(default), column) for schema, table, column in rows}
    return not users <= gone


def _type_sql(type_: object, connection: Connection) -> tuple[str, str]:
    """Return the SQL that creates a domain of PostgreSQL, and the SQL that drops it."""
    from sqlalchemy.dialects.postgresql import CreateDomainType, DropDomainType

    return _sql(CreateDomainType(type_), connection), _sql(DropDomainType(type_), connection)


def _sql(statement: sa.ClauseElement, connection: Connection) -> str:
    return escape_colons(" ".join(str(statement.compile(dialect=plain_dialect(connection.dialect))).split()))


# --- types that cannot be written ------------------------------------------------------------------------------


def _require_types(upgrade: ops.OpContainer, downgrade: ops.OpContainer, migration: MigrationContext) -> None:
    for place in _places(upgrade):
        _require_written(place, migration)
        try:
            place.type.compile(migration.dialect)
        except Exception as error:  # SQLAlchemy breaks in many ways over a type of another database
            raise _unrenderable(place, reason_of(error)) from error
    unknown = []
    for place in _places(downgrade):
        text = _require_written(place, migration)
        if isinstance(place.type, sa.types.NullType) and text.endswith("NullType()"):
            unknown.append(f"{place.table}.{place.column}")
    if unknown:
        downgrade.ops.insert(0, Refusal(unknown))


def _require_written(place: _Place, migration: MigrationContext) -> str:
    """Return the type of ``place`` as code."""
    render_item = migration.opts["render_item"]
    try:
        return str(render_item("type", place.type, AutogenContext(migration, autogenerate=False)))
    except CannotBeWritten as error:
        raise _unrenderable(place, str(error)) from error


def _unrenderable(place: _Place, reason: str) -> UnrenderableType:
    kind = type(place.type)
    return UnrenderableType(str(place.table), place.column, f"{kind.__module__}.{kind.__qualname__}", reason)


def _places(operations: ops.OpContainer) -> Iterator[_Place]:
    """Yield each column that ``operations`` make or change, with the type that it gets."""
    for table, column in made_columns(operations):
        yield _Place(table, column.name, column.type)
    for op in alterations(operations):
        if op.modify_type is not None:
            yield _Place(table_of(op), op.column_name, op.modify_type)
