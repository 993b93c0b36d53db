"""Which differences between the models and the database are real.

Alembic compares the text of a type or a default with what the database shows of it, and a database writes many
of them differently. Here a text that differs is given to the database in a temporary table, and what the database shows
of that is compared.

The comparators are a plugin of Alembic, which replaces what it does for types and defaults and adds what it lacks.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic.operations.ops import CreateIndexOp, CreateUniqueConstraintOp, DropConstraintOp
from alembic.util import DispatchPriority, PriorityDispatchResult
from sqlalchemy.schema import CreateIndex

from websauna_migrate.autogenerate.columns.computed import compare_computed
from websauna_migrate.autogenerate.columns.identities import compare_identity
from websauna_migrate.autogenerate.columns.retyped import note_what_is_over
from websauna_migrate.autogenerate.constraints.checks import compare_check_constraints, compare_exclude_constraints
from websauna_migrate.autogenerate.constraints.invalid_indexes import compare_invalid_indexes
from websauna_migrate.autogenerate.constraints.keys import (
    compare_foreign_keys,
    compare_primary_keys,
    compare_unique_constraints,
)
from websauna_migrate.autogenerate.constraints.stored_indexes import compare_special_indexes
from websauna_migrate.autogenerate.script_ops import Sql
from websauna_migrate.autogenerate.tables.options import compare_table_options
from websauna_migrate.autogenerate.tables.partitions import keep_partitions
from websauna_migrate.database.connection import connection_of
from websauna_migrate.database.sql import escape_colons
from websauna_migrate.dialects.indexes import RENAMES, is_expression_index, spelled
from websauna_migrate.dialects.mysql_charset import has_charset, implies_charset, keeping_charset, without_charset
from websauna_migrate.dialects.mysql_on_update import on_update, without_on_update
from websauna_migrate.dialects.spelling import (
    as_stored,
    default_text,
    type_text,
)
from websauna_migrate.dialects.temporary import makes_temporary_tables
from websauna_migrate.packages.package import TableName

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alembic.autogenerate.api import AutogenContext
    from alembic.operations.ops import AlterColumnOp, ModifyTableOps
    from alembic.runtime.plugins import Plugin
    from sqlalchemy import Column, Index, Table
    from sqlalchemy.types import TypeEngine

    from websauna_migrate.autogenerate.tables.renamed import Renames

PLUGIN = "websauna_migrate.autogenerate.comparators"


def plugins(user: Mapping[str, Any]) -> list[str]:
    """Return the comparators that Alembic is to use: those that the ``user`` of the options asked for, and ours."""
    return [*user.get("autogenerate_plugins", ["alembic.autogenerate.*"]), PLUGIN]


def compare_type(
    context: AutogenContext,
    alter: AlterColumnOp,
    schema: str | None,
    table: str,
    name: str,
    found: Column[Any],
    wanted: Column[Any],
) -> PriorityDispatchResult:
    """Decide whether the type of a column changed."""
    if isinstance(found.type, sa.types.NullType) or isinstance(wanted.type, sa.types.NullType):
        return PriorityDispatchResult.STOP
    connection = connection_of(context)
    dialect = connection.dialect
    with_charset = implies_charset(wanted.type, dialect)

    def text(type_: TypeEngine[Any]) -> str | None:
        return type_text(type_ if with_charset else without_charset(type_, dialect), dialect)

    if text(found.type) != text(wanted.type):
        stored = as_stored(context, wanted, with_default=False)
        if stored is None and not makes_temporary_tables(connection):
            return PriorityDispatchResult.CONTINUE  # Alembic compares the names
        if stored is None or text(stored.type) != text(found.type):
            alter.modify_type = keeping_charset(wanted.type, found.type, dialect)
    if alter.modify_type is None and not has_charset(found, wanted, dialect):
        alter.modify_type = wanted.type
    return PriorityDispatchResult.STOP


def compare_server_default(
    context: AutogenContext,
    alter: AlterColumnOp,
    schema: str | None,
    table: str,
    name: str,
    found: Column[Any],
    wanted: Column[Any],
) -> PriorityDispatchResult:
    """Decide whether the default of a column changed. Computed and identity columns are left to Alembic."""
    defaults = (found.server_default, wanted.server_default)
    if not all(default is None or isinstance(default, sa.DefaultClause) for default in defaults):
        return PriorityDispatchResult.CONTINUE
    dialect = connection_of(context).dialect
    before, after = default_text(found, dialect), default_text(wanted, dialect)
    if before and wanted.server_onupdate is not None and not on_update(after or ""):
        before = without_on_update(before)  # the models say that the server does something on an update
    if before != after and not (after is None and wanted.table.autoincrement_column is wanted):
        if after is not None and _is_stored_as(context, wanted, before):
            return PriorityDispatchResult.STOP
        # False stands for "no change", None for "drop it"
        alter.modify_server_default = wanted.server_default
        if after is None and on_update(before or ""):
            _state_whole_column(alter, found, wanted)
    return PriorityDispatchResult.STOP


def _state_whole_column(alter: AlterColumnOp, found: Column[Any], wanted: Column[Any]) -> None:
    """Let a script of MySQL write the column anew: ``DROP DEFAULT`` alone leaves ``ON UPDATE`` behind."""
    if wanted.nullable:
        alter.modify_server_default = sa.DefaultClause(sa.text("NULL"))
    else:
        alter.modify_type = alter.modify_type or found.type


def pass_over_identity(
    context: AutogenContext,
    alter: AlterColumnOp,
    schema: str | None,
    table: str,
    name: str,
    found: Column[Any],
    wanted: Column[Any],
) -> PriorityDispatchResult:
    """Stop the comparison of an identity where the database has none: it made an ordinary column of it."""
    if not isinstance(wanted.server_default, sa.Identity):
        return PriorityDispatchResult.CONTINUE
    if wanted.table.autoincrement_column is wanted:
        alter.kw["autoincrement"] = True
    return PriorityDispatchResult.STOP


def compare_expression_indexes(
    context: AutogenContext,
    modify: ModifyTableOps,
    schema: str | None,
    name: str,
    found: Table | None,
    wanted: Table | None,
) -> PriorityDispatchResult:
    """Compare indexes over expressions on SQLite by their SQL: SQLAlchemy does not reflect them, Alembic skips them."""
    stored = _stored_expression_indexes(context, name) if found is not None and schema is None else {}
    indexes = _expression_indexes_of_model(wanted, found)
    dialect = connection_of(context).dialect
    wanted_sql = {key: spelled(str(CreateIndex(index).compile(dialect=dialect))) for key, index in indexes.items()}
    same = {key for key, sql in stored.items() if wanted_sql.get(key) == spelled(sql)}
    for key in sorted(stored.keys() - same):
        modify.ops.append(Sql(f"DROP INDEX {dialect.identifier_preparer.quote(key)}", escape_colons(stored[key])))
    modify.ops.extend(CreateIndexOp.from_index(indexes[key]) for key in sorted(indexes.keys() - same))
    return PriorityDispatchResult.CONTINUE


def _expression_indexes_of_model(wanted: Table | None, found: Table | None) -> dict[str, Index]:
    """Return the indexes over expressions by name, without those that SQLAlchemy reflects: Alembic compares them."""
    indexes = wanted.indexes if wanted is not None else ()
    reflected = {str(index.name) for index in found.indexes} if found is not None else set()
    named = {str(index.name): index for index in indexes if is_expression_index(index)}
    return {name: index for name, index in named.items() if name not in reflected}


def pass_over_equal_uniques(
    context: AutogenContext,
    modify: ModifyTableOps,
    schema: str | None,
    name: str,
    found: Table | None,
    wanted: Table | None,
) -> PriorityDispatchResult:
    """Miss none of several constraints over the same columns: PostgreSQL makes one of those of a new table."""
    if found is not None and wanted is not None and connection_of(context).dialect.name == "postgresql":
        gone = {op.constraint_name for op in modify.ops if isinstance(op, DropConstraintOp)}
        there = {_columns(one) for one in _uniques(found) if one.name not in gone}
        several = Counter(map(_columns, _uniques(wanted)))
        modify.ops = [
            op
            for op in modify.ops
            if not (
                isinstance(op, CreateUniqueConstraintOp)
                and several[tuple(op.columns)] > 1
                and tuple(op.columns) in there
            )
        ]
    return PriorityDispatchResult.CONTINUE


def _uniques(table: Table) -> list[sa.PrimaryKeyConstraint | sa.UniqueConstraint]:
    kinds = (sa.PrimaryKeyConstraint, sa.UniqueConstraint)
    return [constraint for constraint in table.constraints if isinstance(constraint, kinds)]


def _columns(constraint: sa.PrimaryKeyConstraint | sa.UniqueConstraint) -> tuple[str, ...]:
    return tuple(column.name for column in constraint.columns)


def _is_stored_as(context: AutogenContext, wanted: Column[Any], before: str | None) -> bool:
    """Tell whether the database, asked for the default of ``wanted``, shows ``before``."""
    connection = connection_of(context)
    stored = as_stored(context, wanted, with_default=True)
    if stored is None:  # where it cannot be asked, defaults are not compared
        return not makes_temporary_tables(connection)
    return default_text(stored, connection.dialect) == before


def _stored_expression_indexes(context: AutogenContext, table: str) -> dict[str, str]:
    # The number of a column that is an expression is -2: https://www.sqlite.org/pragma.html#pragma_index_xinfo
    query = (
        "SELECT name, sql FROM sqlite_master AS m WHERE type = 'index' AND tbl_name = :table AND sql IS NOT NULL"
        " AND EXISTS (SELECT 1 FROM pragma_index_xinfo(m.name) WHERE cid = -2)"
    )
    connection = connection_of(context)
    renames: Renames | None = context.opts.get(RENAMES)
    stored = renames.stored(TableName(None, table)) if renames is not None else TableName(None, table)
    rows = connection.execute(sa.text(query), {"table": stored.name})
    dialect = connection.dialect
    return {row.name: renames.sql(stored, row.sql, dialect) if renames else row.sql for row in rows}


def setup(plugin: Plugin) -> None:
    """Register the comparators with ``plugin``, the one of the name :data:`PLUGIN`."""
    plugin.add_autogenerate_comparator(compare_type, "column", "types")
    defaults = ("column", "server_default")
    plugin.add_autogenerate_comparator(compare_server_default, *defaults)
    first = DispatchPriority.FIRST
    plugin.add_autogenerate_comparator(compare_computed, *defaults, priority=first)
    plugin.add_autogenerate_comparator(keep_partitions, "table", "partitions", qualifier="postgresql")
    for dialect in ("mysql", "mariadb"):
        plugin.add_autogenerate_comparator(compare_table_options, "table", "table_options", qualifier=dialect)
    for dialect in ("sqlite", "mysql", "mariadb"):
        plugin.add_autogenerate_comparator(pass_over_identity, *defaults, qualifier=dialect, priority=first)
    plugin.add_autogenerate_comparator(compare_identity, *defaults, qualifier="postgresql", priority=first)
    plugin.add_autogenerate_comparator(compare_primary_keys, "table", "primary_keys")
    plugin.add_autogenerate_comparator(pass_over_equal_uniques, "table", "equal_uniques")
    plugin.add_autogenerate_comparator(compare_unique_constraints, "table", "unique_constraints")
    plugin.add_autogenerate_comparator(compare_foreign_keys, "table", "foreign_keys")
    plugin.add_autogenerate_comparator(compare_check_constraints, "table", "check_constraints")
    exclusions = ("table", "exclude_constraints")
    plugin.add_autogenerate_comparator(compare_exclude_constraints, *exclusions, qualifier="postgresql")
    plugin.add_autogenerate_comparator(compare_expression_indexes, "table", "expression_indexes", qualifier="sqlite")
    plugin.add_autogenerate_comparator(compare_special_indexes, "table", "special_indexes")
    last = DispatchPriority.LAST  # when Alembic has compared the indexes
    invalid = ("table", "invalid_indexes")
    plugin.add_autogenerate_comparator(compare_invalid_indexes, *invalid, qualifier="postgresql", priority=last)
    plugin.add_autogenerate_comparator(note_what_is_over, "table", "what_is_over", qualifier="postgresql")
