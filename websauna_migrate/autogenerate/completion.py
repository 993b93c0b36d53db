"""What a generated revision has to say besides what Alembic found.

Works on the operations of a script before they are written: schemas, types and sequences that have to be
there first and to go last, an order that the database accepts, and types that cannot be written at all.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic.autogenerate.api import AutogenContext
from alembic.ddl.base import IdentityColumnDefault
from alembic.operations import ops
from sqlalchemy.schema import CreateSchema, CreateSequence, DropSequence
from sqlalchemy.sql import visitors
from sqlalchemy.sql.functions import next_value

from websauna_migrate.autogenerate.drops import give_name, is_index_drop, is_taken, made_names, name_of_index
from websauna_migrate.autogenerate.errors import UnrenderableType
from websauna_migrate.autogenerate.renamed import inspect_renamed
from websauna_migrate.autogenerate.rendering import CannotBeWritten, render_sql_as_meant
from websauna_migrate.autogenerate.script_ops import Refusal, Sql
from websauna_migrate.database.sql import escape_colons, named_types, plain_dialect
from websauna_migrate.dialects.indexes import RENAMES
from websauna_migrate.dialects.spelling import stored_name
from websauna_migrate.exceptions import reason_of
from websauna_migrate.packages.ownership import table_name
from websauna_migrate.packages.package import TableName
from websauna_migrate.private import is_of_type

if TYPE_CHECKING:
    from collections.abc import Collection

    from alembic.runtime.migration import MigrationContext
    from sqlalchemy import Column, Table
    from sqlalchemy.engine import Connection, Dialect
    from sqlalchemy.types import TypeEngine


@dataclass(frozen=True, slots=True)
class _Place:
    """A column that an operation makes or changes, and the type that it gets."""

    table: TableName
    column: str
    type: TypeEngine[Any]


def complete(script: ops.MigrationScript, migration: MigrationContext, tables: Collection[TableName]) -> None:
    """Make the operations of ``script`` run as they are, both ways, on the database of ``migration``.

    ``tables`` are those that the comparison was about.

    :raises UnrenderableType: the type of a column cannot be written, or the database has no such type
    """
    connection = migration.bind
    for upgrade, downgrade in zip(script.upgrade_ops_list, script.downgrade_ops_list, strict=True):
        if upgrade.is_empty() or connection is None:
            continue
        first, last = _besides(upgrade, downgrade, tables, connection)
        for container in (upgrade, downgrade):
            container.ops[:] = _in_order(container.ops, migration)
        upgrade.ops[:] = [*first, *upgrade.ops, *last]
        downgrade.ops[:] = [op.reverse() for op in reversed(last)] + downgrade.ops
        downgrade.ops += [op.reverse() for op in reversed(first) if op.undo]
        _require_types(upgrade, downgrade, migration)
    render_sql_as_meant(migration)


def _in_order(operations: list[Any], migration: MigrationContext) -> list[Any]:
    """Return ``operations`` as the database of ``migration`` accepts them."""
    dropped = {_table(op) for op in operations if isinstance(op, ops.DropTableOp)}
    names = made_names(operations, migration.dialect.name)
    ordered: list[Any] = []
    for op in operations:
        if isinstance(op, ops.CreateTableOp):
            op.info = {}  # what the models say to the application is nothing to a revision
            items = [_with_name_of_check(i, migration.dialect) if isinstance(i, sa.Column) else i for i in op.columns]
            op.columns = [*items, *_checks_of_columns(op)]
        if not isinstance(op, ops.ModifyTableOps):
            ordered.append(op)
            continue
        for inner_op in op.ops:
            give_name(inner_op)
        # An index goes with its table, if none has its name before; MariaDB drops none that a foreign key needs.
        goes = _table(op) in dropped
        inner = [o for o in op.ops if not (goes and is_index_drop(o)) or is_taken(_table(op), name_of_index(o), names)]
        for added in inner:
            if isinstance(added, ops.AddColumnOp):
                added.column = _with_name_of_check(added.column, migration.dialect)
            elif isinstance(added, ops.AlterColumnOp):
                added.modify_type = _without_check(added.modify_type)
                added.existing_type = _without_check(added.existing_type)
                if migration.dialect.name not in ("mysql", "mariadb"):
                    added.kw.pop("autoincrement", None)  # or else Alembic warns when the script runs
        inner = [o for one in inner for o in _identity_by_itself(one, migration)]
        keys = [o for o in inner if isinstance(o, ops.DropConstraintOp) and o.constraint_type == "foreignkey"]
        inner = [*keys, *_indexes_of_keys(op, keys, migration), *(o for o in inner if o not in keys)]
        ordered += _out_of_batch(op, inner) if migration.dialect.name == "sqlite" else [_with_ops(op, inner)]
    return [op for op in ordered if not isinstance(op, ops.ModifyTableOps) or op.ops]


def _indexes_of_keys(modify: Any, keys: list[Any], migration: MigrationContext) -> list[Any]:
    """Return what drops the indexes that MariaDB made for the foreign ``keys``, and leaves when they are dropped."""
    if not keys or migration.bind is None or not getattr(migration.dialect, "is_mariadb", False):
        return []
    inspector = inspect_renamed(migration.bind, migration.opts.get(RENAMES))
    if not inspector.has_table(modify.table_name, modify.schema):
        return []  # it comes and goes in one revision, with all its indexes
    in_models = {index.name for table in _model_tables(migration, _table(modify)) for index in table.indexes}
    there = inspector.get_foreign_keys(modify.table_name, modify.schema)
    gone = {str(key.constraint_name) for key in keys}
    needed = {fk["constrained_columns"][0] for fk in there if fk["name"] not in gone}
    first = {fk["name"]: fk["constrained_columns"][0] for fk in there}
    names = sorted(name for name in gone - in_models if first.get(name) not in needed)
    return [ops.DropIndexOp(name, modify.table_name, schema=modify.schema, if_exists=True) for name in names]


def _model_tables(migration: MigrationContext, name: TableName) -> list[Table]:
    default = migration.dialect.default_schema_name
    tables = [table for metadata in migration.opts["target_metadata"] for table in metadata.tables.values()]
    return [table for table in tables if table_name(table).shown(default) == name]


def _identity_by_itself(op: Any, migration: MigrationContext) -> list[Any]:
    """Take a change of an identity out of ``op``: Alembic writes it as if there had been none."""
    if not isinstance(op, ops.AlterColumnOp) or op.modify_server_default is False:
        return [op]
    before, after = op.existing_server_default, op.modify_server_default
    becomes, was = (isinstance(default, sa.Identity) for default in (after, before))
    if op.existing_nullable and becomes is not was:  # an identity is never NULL
        op.modify_nullable = was
    if was:
        default = after if becomes else None
        given = (op.table_name, op.column_name, default, migration.impl)
        change = IdentityColumnDefault(*given, schema=op.schema, existing_server_default=before)
        first: Any = Sql(" ".join(str(change.compile(dialect=plain_dialect(migration.dialect))).split()), "")
        if after is default:
            op.modify_server_default = False
    elif becomes and before:  # a column with a default gets no identity
        names = (op.table_name, op.column_name)
        first = ops.AlterColumnOp(*names, schema=op.schema, existing_type=op.existing_type, modify_server_default=None)
    else:
        return [op]
    return [first, op] if op.has_changes() else [first]


def _with_name_of_check(column: Column[Any], dialect: Dialect) -> Column[Any]:
    """Return ``column`` with a type that names its CHECK as the naming convention of the models does.

    The script runs without the convention.
    """
    checks = getattr(column.table, "constraints", ())
    for check in checks:
        is_ours = isinstance(check, sa.CheckConstraint) and is_of_type(check) and column.name in check.columns
        if is_ours and isinstance(check.name, str):
            named: Any = copy.copy(column)
            named.type = copy.copy(column.type)
            named.type.name = stored_name(check, dialect)
            return named  # type: ignore[no-any-return]
    return column


def _without_check(type_: Any) -> Any:
    """Return ``type_`` without its CHECK: that of a column that is there already has an operation of its own."""
    if not getattr(type_, "create_constraint", False):
        return type_
    bare = copy.copy(type_)
    bare.create_constraint = False
    return bare


def _checks_of_columns(op: ops.CreateTableOp) -> list[sa.CheckConstraint]:
    """Return the CHECK constraints that stand in columns as those of the table: Alembic passes over them."""
    columns = [item for item in op.columns if isinstance(item, sa.Column)]
    found = [item for column in columns for item in column.constraints if isinstance(item, sa.CheckConstraint)]
    return [sa.CheckConstraint(check.sqltext, name=check.name) for check in found]


def _out_of_batch(modify: ops.ModifyTableOps, inner: list[Any]) -> list[Any]:
    """Take the indexes out of a batch, which makes them over columns only, and forgets their order."""
    drops = [op for op in inner if is_index_drop(op)]
    creates = [op for op in inner if isinstance(op, (ops.CreateIndexOp, Sql)) and op not in drops]
    rest = [op for op in inner if op not in drops and op not in creates]
    return [*drops, _with_ops(modify, rest), *creates]


def _with_ops(modify: ops.ModifyTableOps, inner: list[Any]) -> ops.ModifyTableOps:
    return ops.ModifyTableOps(modify.table_name, inner, schema=modify.schema)


def _table(op: Any) -> TableName:
    return TableName(op.schema, op.table_name)


# --- what has to be there first, and to go last ----------------------------------------------------------------


def _besides(
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
    for sequence in _used_sequences(upgrade):
        if not sa.inspect(connection).has_sequence(sequence.name, schema=sequence.schema):
            create = _sql(CreateSequence(sequence), connection)
            name = TableName(sequence.schema, sequence.name)
            found.setdefault(name, Sql(create, _sql(DropSequence(sequence), connection)))
    return list(found.values())


def _used_sequences(operations: Any) -> Iterator[sa.Sequence]:
    """Yield the sequences that columns which ``operations`` make or change take their numbers from."""
    for column in _new_columns(operations):
        if isinstance(column.default, sa.Sequence) and not column.default.optional:
            yield column.default
        yield from _sequences_in(column.server_default)
    for op in _walk(operations):
        if isinstance(op, ops.AlterColumnOp):
            yield from _sequences_in(op.modify_server_default)


def _sequences_in(default: Any) -> Iterator[sa.Sequence]:
    if isinstance(default, sa.DefaultClause) and isinstance(default.arg, sa.ClauseElement):
        parts = visitors.iterate(default.arg)
        yield from (part.sequence for part in parts if isinstance(part, next_value))


def _named(places: list[_Place], connection: Connection) -> dict[TableName, Any]:
    named: dict[TableName, Any] = {}
    for place in places:
        for type_ in named_types(place.type, connection.dialect):
            if isinstance(type_, sa.Enum):  # made and dropped by websauna_migrate.enums
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
    """Tell whether a column that does not go is of ``type_``, or of an array of it."""
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


def _type_sql(type_: Any, connection: Connection) -> tuple[str, str]:
    """Return the SQL that creates a domain of PostgreSQL, and the SQL that drops it."""
    from sqlalchemy.dialects.postgresql import CreateDomainType, DropDomainType

    return _sql(CreateDomainType(type_), connection), _sql(DropDomainType(type_), connection)


def _sql(statement: Any, connection: Connection) -> str:
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


def _places(operations: Any) -> Iterator[_Place]:
    """Yield each column that ``operations`` make or change, with the type that it gets."""
    for op in _walk(operations):
        if isinstance(op, ops.CreateTableOp):
            yield from (_Place(_table(op), c.name, c.type) for c in op.columns if isinstance(c, sa.Column))
        elif isinstance(op, ops.AddColumnOp):
            yield _Place(_table(op), op.column.name, op.column.type)
        elif isinstance(op, ops.AlterColumnOp) and op.modify_type is not None:
            yield _Place(_table(op), op.column_name, op.modify_type)


def _new_columns(operations: Any) -> Iterator[Column[Any]]:
    for op in _walk(operations):
        if isinstance(op, ops.CreateTableOp):
            yield from (item for item in op.columns if isinstance(item, sa.Column))
        elif isinstance(op, ops.AddColumnOp):
            yield op.column


def _walk(container: Any) -> Iterator[Any]:
    for op in container.ops:
        yield op
        if isinstance(op, ops.ModifyTableOps):
            yield from op.ops
