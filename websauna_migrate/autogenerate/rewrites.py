"""Operations as the database accepts them: independent rewrites of what Alembic found, one after the other."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import sqlalchemy as sa
from alembic.ddl.base import IdentityColumnDefault
from alembic.operations import ops
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.sql.elements import conv

from websauna_migrate.autogenerate.columns.identities import change_identity
from websauna_migrate.autogenerate.columns.retyped import names
from websauna_migrate.autogenerate.constraints.key_ops import CreateKey, DropKey
from websauna_migrate.autogenerate.constraints.key_order import making
from websauna_migrate.autogenerate.script_ops import Sql, StatementsOp, table_of
from websauna_migrate.autogenerate.tables.drops import give_name, is_index_drop, is_taken, made_names, name_of_index
from websauna_migrate.autogenerate.tables.renamed import inspect_renamed
from websauna_migrate.database.sql import literal_sql, plain_dialect
from websauna_migrate.dialects.constraints import check_name, condition_sql
from websauna_migrate.dialects.indexes import RENAMES
from websauna_migrate.dialects.spelling import stored_name
from websauna_migrate.packages.ownership import table_name
from websauna_migrate.packages.package import TableName
from websauna_migrate.private import exclude_elements, is_of_type

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from alembic.operations.ops import MigrateOperation
    from alembic.runtime.migration import MigrationContext
    from sqlalchemy import Column, Table
    from sqlalchemy.engine import Dialect

    Operations: TypeAlias = Sequence[MigrateOperation]


@dataclass(frozen=True, slots=True)
class _Direction:
    """One direction of a script: the tables that it drops, and the tables that get each name from it.

    ``names_altered`` where the script runs with a naming convention that makes another name of one that is given.
    """

    migration: MigrationContext
    dropped: Collection[TableName]
    made: Mapping[TableName, Collection[TableName]]
    names_altered: bool

    @property
    def dialect(self) -> Dialect:
        """The dialect of the database."""
        return self.migration.dialect


def rewritten(operations: Operations, migration: MigrationContext, *, names_altered: bool) -> list[MigrateOperation]:
    """Return the ``operations`` of one direction of a script as the database of ``migration`` accepts them.

    With ``names_altered`` the naming convention of the script makes another name of one that is not marked as final.
    """
    dropped = {table_of(op) for op in operations if isinstance(op, ops.DropTableOp)}
    direction = _Direction(migration, dropped, made_names(operations, migration.dialect.name), names_altered)
    return [new for op in operations for new in _rewritten(op, direction)]


def _rewritten(op: MigrateOperation, direction: _Direction) -> Operations:
    if isinstance(op, ops.CreateTableOp):
        return [_table(op, direction)]
    if not isinstance(op, ops.ModifyTableOps):
        return [op]
    inner: Operations = op.ops
    for rewrite in _REWRITES:
        inner = rewrite(op, inner, direction)
    parts = _outside_of_batch(op, inner) if direction.dialect.name == "sqlite" else [_with_ops(op, inner)]
    return [part for part in parts if not isinstance(part, ops.ModifyTableOps) or part.ops]


# --- a table that is created -----------------------------------------------------------------------------------


def _table(op: ops.CreateTableOp, direction: _Direction) -> ops.CreateTableOp:
    op.info = {}  # what the models say to the application is nothing to a revision
    items = [_with_name_of_check(item, direction) if isinstance(item, sa.Column) else item for item in op.columns]
    op.columns = [
        _with_final_name(_with_operator_classes(item, direction.dialect), direction)
        for item in (*items, *_checks_of_columns(op))
    ]
    return op


def _with_operator_classes(item: sa.schema.SchemaItem, dialect: Dialect) -> sa.schema.SchemaItem:
    """Return ``item`` with the operator classes in its expressions: SQLAlchemy forgets those when it copies it."""
    if not isinstance(item, ExcludeConstraint) or not item.ops:
        return item
    quote = dialect.identifier_preparer.quote
    elements = []
    for one, operator in exclude_elements(item):
        sql = quote(one.name) if isinstance(one, sa.Column) else literal_sql(one, dialect)
        parts = (sql, item.ops.get(str(getattr(one, "key", ""))))
        elements.append((sa.text(" ".join(filter(None, parts))), operator))
    options = {name: getattr(item, name) for name in ("where", "using", "name", "deferrable", "initially")}
    return ExcludeConstraint(*elements, **options)


def _with_final_name(item: sa.schema.SchemaItem, direction: _Direction) -> sa.schema.SchemaItem:
    """Return ``item`` with a name that no naming convention alters when the script runs."""
    if not direction.names_altered or not isinstance(item, sa.Constraint) or not isinstance(item.name, str):
        return item
    final = copy.copy(item)  # it may be that of the models
    final.name = conv(item.name)
    return final


def _checks_of_columns(op: ops.CreateTableOp) -> list[sa.CheckConstraint]:
    """Return the CHECK constraints of the columns as those of the table: Alembic does not write them."""
    columns = [item for item in op.columns if isinstance(item, sa.Column)]
    found = [item for column in columns for item in column.constraints if isinstance(item, sa.CheckConstraint)]
    return [sa.CheckConstraint(check.sqltext, name=check.name) for check in found]


def _with_name_of_check(column: Column[Any], direction: _Direction) -> Column[Any]:
    """Return ``column`` with a type that names its CHECK as the naming convention of its own table does."""
    checks = getattr(column.table, "constraints", ())
    for check in checks:
        is_ours = isinstance(check, sa.CheckConstraint) and is_of_type(check) and column.name in check.columns
        if is_ours and isinstance(check.name, str):
            named: Any = copy.copy(column)
            named.type = copy.copy(column.type)
            name = stored_name(check, direction.dialect)
            is_final = direction.names_altered or isinstance(check.name, conv)
            named.type.name = conv(name) if is_final else name
            return named  # type: ignore[no-any-return]
    return column


# --- a table that is changed: each of these takes the operations inside, and returns what to do in place of them --


def _named(_modify: ops.ModifyTableOps, inner: Operations, direction: _Direction) -> Operations:
    for op in inner:
        give_name(op)
        _name_check(op, direction.dialect)
        for attribute in ("constraint_name", "index_name") if direction.names_altered else ():
            if isinstance(name := getattr(op, attribute, None), str):
                setattr(op, attribute, conv(name))
    return inner


def _name_check(op: MigrateOperation, dialect: Dialect) -> None:
    """Name a CHECK constraint without a name, so that the way back knows it."""
    if not isinstance(op, (ops.DropConstraintOp, ops.CreateCheckConstraintOp)) or op.constraint_name is not None:
        return
    made = op.reverse() if isinstance(op, ops.DropConstraintOp) else op
    if isinstance(made, ops.CreateCheckConstraintOp):
        condition = condition_sql(made.to_constraint().sqltext, dialect)
        op.constraint_name = check_name(made.table_name, condition, dialect.name)


def _without_indexes_that_go(modify: ops.ModifyTableOps, inner: Operations, direction: _Direction) -> Operations:
    """Leave out the indexes of a table that is dropped, unless another table needs the name before that."""
    table = table_of(modify)
    if table not in direction.dropped:
        return inner
    return [op for op in inner if not is_index_drop(op) or is_taken(table, name_of_index(op), direction.made)]


def _columns(_modify: ops.ModifyTableOps, inner: Operations, direction: _Direction) -> Operations:
    for op in inner:
        if isinstance(op, ops.AddColumnOp):
            op.column = _with_name_of_check(op.column, direction)
        elif isinstance(op, ops.AlterColumnOp):
            op.modify_type = _without_check(op.modify_type)
            op.existing_type = _without_check(op.existing_type)
            if direction.dialect.name not in ("mysql", "mariadb"):
                op.kw.pop("autoincrement", None)  # Alembic would warn when the script runs
    return inner


def _without_check(type_: Any) -> Any:
    """Return ``type_`` without its CHECK: that of a column that is there already has an operation of its own."""
    if not getattr(type_, "create_constraint", False):
        return type_
    bare = copy.copy(type_)
    bare.create_constraint = False
    return bare


def _identities_apart(_modify: ops.ModifyTableOps, inner: Operations, direction: _Direction) -> Operations:
    return [part for op in inner for part in _identity_apart(op, direction.migration)]


def _identity_apart(op: MigrateOperation, migration: MigrationContext) -> Operations:
    """Take a change of an identity out of ``op``: Alembic writes it as if there had been none."""
    if not isinstance(op, ops.AlterColumnOp) or op.modify_server_default is False:
        return [op]
    before, after = op.existing_server_default, op.modify_server_default
    becomes, was = isinstance(after, sa.Identity), isinstance(before, sa.Identity)
    if op.existing_nullable and becomes is not was:  # an identity is never NULL
        op.modify_nullable = was
    first: Sequence[MigrateOperation]
    if isinstance(before, sa.Identity):
        if isinstance(after, sa.Identity):
            first = [change_identity(op, before, after, migration.dialect)]
        else:
            first = [_drop_of_identity(op, migration)]
        if becomes or after is None:
            op.modify_server_default = False
    elif becomes and before:  # a column with a default gets no identity
        names = (op.table_name, op.column_name)
        drop = ops.AlterColumnOp(*names, schema=op.schema, existing_type=op.existing_type, modify_server_default=None)
        first = [drop]
    else:
        return [op]
    return [*first, op] if op.has_changes() else first


def _drop_of_identity(op: ops.AlterColumnOp, migration: MigrationContext) -> Sql:
    before: object = op.existing_server_default
    names = (op.table_name, op.column_name)
    change = IdentityColumnDefault(*names, None, migration.impl, schema=op.schema, existing_server_default=before)
    return Sql(" ".join(str(change.compile(dialect=plain_dialect(migration.dialect))).split()), "")


def _taken_names_first(_modify: ops.ModifyTableOps, inner: Operations, _direction: _Direction) -> Operations:
    """Drop a constraint or an index before another one gets its name."""
    drops = (ops.DropConstraintOp, ops.DropIndexOp)
    made = {_name(op) for op in inner if not isinstance(op, drops)} - {None}
    first = [op for op in inner if isinstance(op, drops) and _name(op) in made]
    return [*first, *(op for op in inner if op not in first)]


def _indexes_around_types(_modify: ops.ModifyTableOps, inner: Operations, direction: _Direction) -> Operations:
    """Drop an index before a column in it gets another type, and create one after that.

    MySQL and MariaDB have no index over the whole of a long text.
    """
    types = {op.column_name for op in inner if isinstance(op, ops.AlterColumnOp) and op.modify_type is not None}
    if not types or direction.dialect.name not in ("mysql", "mariadb"):
        return inner
    over = [op for op in inner if _is_over(op, types, direction.dialect)]
    first = [op for op in over if isinstance(op, (ops.DropIndexOp, ops.DropConstraintOp))]
    last = [op for op in over if op not in first]
    return [*first, *(op for op in inner if op not in over), *last]


def _is_over(op: MigrateOperation, columns: Collection[str], dialect: Dialect) -> bool:
    """Tell whether ``op`` makes or drops an index, or a unique constraint, over one of ``columns``."""
    made = making(op)
    if not isinstance(made, (ops.CreateIndexOp, ops.CreateUniqueConstraintOp)):
        return False
    return any(part in columns or names(str(part), columns, dialect) for part in made.columns)


def _name(op: MigrateOperation) -> str | None:
    name = getattr(op, "constraint_name", None) or getattr(op, "index_name", None)
    return None if name is None else str(name)


def _primary_key_last(_modify: ops.ModifyTableOps, inner: Operations, direction: _Direction) -> Operations:
    """Make a new primary key when its columns are there, and the old one is gone before one of its columns changes.

    MySQL changes it in one statement, in which a column that is not to be NULL is there and no other one has changed.
    """
    drops = [op for op in inner if isinstance(op, DropKey)]
    creates = [op for op in inner if isinstance(op, CreateKey)]
    if not drops and not creates:
        return inner
    rest = [op for op in inner if not isinstance(op, (CreateKey, DropKey))]
    if direction.dialect.name not in ("mysql", "mariadb"):
        keys = [op for op in rest if isinstance(op, ops.CreateForeignKeyOp)]
        return [*drops, *(op for op in rest if op not in keys), *creates, *keys]
    first = [op for op in rest if isinstance(op, ops.AddColumnOp) or getattr(op, "modify_nullable", None) is False]
    return [*first, *drops, *creates, *(op for op in rest if op not in first)]


def _keys_first(modify: ops.ModifyTableOps, inner: Operations, direction: _Direction) -> Operations:
    """Drop foreign keys before the indexes that they need, and the indexes that the server made for them after them.

    MySQL and MariaDB make a key after the indexes have changed: it would need one that goes.
    """
    keys = [op for op in inner if isinstance(op, ops.DropConstraintOp) and op.constraint_type == "foreignkey"]
    is_mysql = direction.dialect.name in ("mysql", "mariadb")
    last = [op for op in inner if is_mysql and isinstance(op, ops.CreateForeignKeyOp)]
    rest = [op for op in inner if op not in keys and op not in last]
    return [*keys, *_indexes_of_keys(modify, keys, direction.migration), *rest, *last]


def _indexes_of_keys(
    modify: ops.ModifyTableOps, keys: Sequence[ops.DropConstraintOp], migration: MigrationContext
) -> Iterable[ops.DropIndexOp]:
    """Return what drops the indexes that the server made for the foreign ``keys``, and keeps when they are dropped."""
    if not keys or migration.bind is None or migration.dialect.name not in ("mysql", "mariadb"):
        return []
    inspector = inspect_renamed(migration.bind, migration.opts.get(RENAMES))
    if not inspector.has_table(modify.table_name, modify.schema):
        return []  # it comes and goes in one revision, with all its indexes
    in_models = {index.name for table in _model_tables(migration, table_of(modify)) for index in table.indexes}
    gone = {str(key.constraint_name) for key in keys}
    there = inspector.get_foreign_keys(modify.table_name, modify.schema)
    first = {key["name"]: key["constrained_columns"][0] for key in there}
    needed = {column for name, column in first.items() if name not in gone}
    names = sorted(name for name in gone - in_models if first.get(name) not in needed)
    return [ops.DropIndexOp(name, modify.table_name, schema=modify.schema, if_exists=True) for name in names]


def _model_tables(migration: MigrationContext, name: TableName) -> list[Table]:
    default = migration.dialect.default_schema_name
    tables = [table for metadata in migration.opts["target_metadata"] for table in metadata.tables.values()]
    return [table for table in tables if table_name(table).shown(default) == name]


_Rewrite: TypeAlias = "Callable[[ops.ModifyTableOps, Operations, _Direction], Operations]"

_REWRITES: tuple[_Rewrite, ...] = (
    _named,  # first: all that follows, and the way back, say the names
    _without_indexes_that_go,
    _columns,
    _identities_apart,  # after the types of the columns: the operations that it makes have them
    _taken_names_first,
    _indexes_around_types,
    _primary_key_last,
    _keys_first,  # last: it puts all that is there now into an order
)


# --- batches ---------------------------------------------------------------------------------------------------


def _outside_of_batch(modify: ops.ModifyTableOps, inner: Operations) -> Operations:
    """Take the indexes out of a batch, which makes them over columns only, and forgets their order."""
    drops = [op for op in inner if is_index_drop(op)]
    creates = [op for op in inner if isinstance(op, (ops.CreateIndexOp, Sql, StatementsOp)) and op not in drops]
    rest = [op for op in inner if op not in drops and op not in creates]
    return [*drops, _with_ops(modify, rest), *creates]


def _with_ops(modify: ops.ModifyTableOps, inner: Operations) -> ops.ModifyTableOps:
    return ops.ModifyTableOps(modify.table_name, inner, schema=modify.schema)
