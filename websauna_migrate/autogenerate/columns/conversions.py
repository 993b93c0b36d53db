"""Types of columns on PostgreSQL that change into one without an implicit conversion.

The server is asked: an empty column of the old type is converted in a temporary table, as the script will do it. Where
it refuses, the values are cast with ``USING``; a default that stands in the way is dropped and set again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa
from alembic.operations import ops
from alembic.util import warn
from sqlalchemy.exc import SQLAlchemyError

from websauna_migrate.autogenerate.script_ops import Comment, ConvertColumn, table_of
from websauna_migrate.database.remedies import codes_of
from websauna_migrate.database.sql import escape_colons, quoted_table
from websauna_migrate.dialects.spelling import default_text, type_text
from websauna_migrate.dialects.temporary import TEMPORARY, makes_temporary_tables, undone
from websauna_migrate.packages.package import ColumnName, TableName

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from alembic.operations.ops import AlterColumnOp, MigrateOperation
    from sqlalchemy.engine import Connection, Dialect

_DEFAULTS = sa.text(
    f"SELECT DISTINCT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = '{TEMPORARY}'::regclass"
)
_NO_CAST = "42846"  # cannot_coerce


@dataclass(frozen=True, slots=True)
class Conversion:
    """How a column gets another type: with ``USING``, and with its ``default`` put aside in the meantime."""

    using: str | None
    default: str | None


def convert_types(script: ops.MigrationScript, connection: Connection) -> None:
    """Let ``script`` convert the columns whose type changes, both ways. Where no cast does it, a comment says so."""
    for upgrade, downgrade in zip(script.upgrade_ops_list, script.downgrade_ops_list, strict=True):
        for container in (upgrade, downgrade):
            for modify in [op for op in container.ops if isinstance(op, ops.ModifyTableOps)]:
                modify.ops = list(_converted(modify.ops, connection, warns=container is upgrade))


def _converted(
    operations: Sequence[MigrateOperation], connection: Connection, *, warns: bool
) -> Iterator[MigrateOperation]:
    for op in operations:
        if not isinstance(op, ops.AlterColumnOp) or not _changes_type(op):
            yield op
            continue
        try:
            found = _conversion(op, connection)
        except SQLAlchemyError:
            text = f"PostgreSQL cannot cast {_change(op, connection.dialect)}; pass postgresql_using with an expression"
            if warns:
                warn(text)
            yield from (Comment(text), op)
        else:
            yield from _with(op, found)


def _changes_type(op: AlterColumnOp) -> bool:
    kinds = (sa.Computed, sa.Identity)
    has_values = not isinstance(op.existing_server_default, kinds)
    return op.modify_type is not None and op.existing_type is not None and has_values


def _with(op: AlterColumnOp, conversion: Conversion) -> Iterator[MigrateOperation]:
    if conversion.default is not None:
        yield ops.AlterColumnOp(
            op.table_name,
            op.column_name,
            schema=op.schema,
            existing_type=op.existing_type,
            existing_server_default=op.existing_server_default,
            modify_server_default=None,
        )
        if op.modify_server_default is False:
            op.modify_server_default = sa.DefaultClause(sa.text(escape_colons(conversion.default)))
        op.existing_server_default = None
        if op.modify_server_default is None:
            op.modify_server_default = False
    yield op if conversion.using is None else ConvertColumn.of(op, conversion.using)


def _conversion(op: AlterColumnOp, connection: Connection) -> Conversion:
    """Return the first way to convert the column that does it, the plain one where that is not known.

    :raises SQLAlchemyError: the server has no cast
    """
    dialect = connection.dialect
    new, default = type_text(op.modify_type, dialect) if op.modify_type is not None else None, _default(op, dialect)
    old = type_text(op.existing_type, dialect) if op.existing_type is not None else None
    if old is None or new is None or not makes_temporary_tables(connection):
        return Conversion(None, None)
    using = f"{quoted_table(TableName(None, op.column_name), dialect)}::{new.partition(' COLLATE ')[0]}"
    refused: SQLAlchemyError | None = None
    for aside in dict.fromkeys((None, default)):
        for way in (None, using):
            try:
                if _is_done(op.column_name, (old, new), None if aside else default, way, connection):
                    return Conversion(way, aside)
            except SQLAlchemyError as error:
                refused = error
    if refused is not None and _NO_CAST in codes_of(refused):
        raise refused
    return Conversion(None, None)  # a type that is still to be made, or one that needs a privilege


def _default(op: AlterColumnOp, dialect: Dialect) -> str | None:
    default = op.existing_server_default or None
    return default_text(sa.Column("c", op.existing_type, server_default=default), dialect)


def _is_done(name: str, types: tuple[str, str], default: str | None, using: str | None, connection: Connection) -> bool:
    """Tell whether an empty column is converted, and its default is then as if it had been made of the new type.

    :raises SQLAlchemyError: the server refuses the conversion
    """
    column = quoted_table(TableName(None, name), connection.dialect)
    old, new = types
    create = f"CREATE TEMPORARY TABLE {TEMPORARY} ({column} {old}{f' DEFAULT {default}' if default else ''})"
    alter = f"ALTER TABLE {TEMPORARY} ALTER COLUMN {column} TYPE {new}{f' USING {using}' if using else ''}"
    with undone(connection):
        for sql in (create, alter):
            connection.execute(sa.text(escape_colons(sql)))
        if default is None:
            return True
        add = f"ALTER TABLE {TEMPORARY} ADD COLUMN {TEMPORARY} {new} DEFAULT {default}"
        try:
            with connection.begin_nested():
                connection.execute(sa.text(escape_colons(add)))
                return len(connection.execute(_DEFAULTS).all()) == 1
        except SQLAlchemyError:  # a default that is none of the new type: the models have another one
            return True


def _change(op: AlterColumnOp, dialect: Dialect) -> str:
    types = (type_text(type_, dialect) for type_ in (op.existing_type, op.modify_type) if type_ is not None)
    return f"{ColumnName(table_of(op), op.column_name)} from {' to '.join(str(text) for text in types)}"
