"""Which tables are as in their models, so that Alembic need not compare them.

A comparison spends most of its time on the ``Table`` that Alembic makes of each table in the database. Here
all that PostgreSQL shows is read in few queries, schema by schema, and compared with the models as it is. A table whose
every part is the same is left out of the comparison by its filters; what is not certain is compared by Alembic.

What counts as the same here must be the same for every comparator of Alembic and of
:mod:`websauna_migrate.autogenerate.comparators`; where somebody else's comparators or hooks are in use, nothing is
left out.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic.util import DispatchPriority, PriorityDispatchResult
from sqlalchemy.exc import SQLAlchemyError

from websauna_migrate.autogenerate.constraints.facts import constraint_changes, has_constraints, stored_constraints
from websauna_migrate.autogenerate.constraints.invalid_indexes import tables_with_invalid_indexes
from websauna_migrate.autogenerate.constraints.keys import Rules, rules_of
from websauna_migrate.autogenerate.constraints.stored_indexes import special_indexes
from websauna_migrate.database.connection import connection_of
from websauna_migrate.dialects.spelling import Texts, foreign_key_spec, key_rules
from websauna_migrate.packages.ownership import table_name
from websauna_migrate.packages.package import TableName
from websauna_migrate.private import has_loose_comparators

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext
    from alembic.operations.ops import UpgradeOps
    from alembic.runtime.plugins import Plugin
    from sqlalchemy import Column, Index, Table
    from sqlalchemy.engine import Dialect, Inspector
    from sqlalchemy.engine.interfaces import (
        ReflectedColumn,
        ReflectedForeignKeyConstraint,
        ReflectedIndex,
        ReflectedUniqueConstraint,
    )

PLUGIN = "websauna_migrate.autogenerate.unchanged"
OPTION = "websauna_migrate_unchanged"
_HOOKS = ("compare_type", "compare_server_default")


@dataclass(frozen=True, slots=True)
class Shown:
    """A table as the database shows it, in the terms of SQLAlchemy's ``Inspector``."""

    columns: Sequence[ReflectedColumn]
    primary_key: Sequence[str]
    indexes: Sequence[ReflectedIndex]
    unique_constraints: Sequence[ReflectedUniqueConstraint]
    foreign_keys: Sequence[ReflectedForeignKeyConstraint]
    comment: str | None


def may_leave_out(user: Mapping[str, object]) -> bool:
    """Tell whether only known comparators are at work, with the ``user`` of the options."""
    return (
        not has_loose_comparators()
        and "autogenerate_plugins" not in user
        and not any(callable(user.get(hook)) for hook in _HOOKS)
    )


def find_unchanged(context: AutogenContext, _upgrade: UpgradeOps, schemas: set[str | None]) -> PriorityDispatchResult:
    """Put the tables that need no comparison into the set that the option names, before Alembic looks at any.

    A schema with nothing left to compare is taken out of ``schemas``: asked for no table, SQLAlchemy reads all.
    """
    unchanged: set[TableName] | None = context.opts.get(OPTION)
    if unchanged is not None:
        texts = Texts(dialect := connection_of(context).dialect)
        default = dialect.default_schema_name
        wanted: defaultdict[str | None, dict[str, Table]] = defaultdict(dict)
        for table in context.sorted_tables:
            schema, name = table_name(table).shown(default)
            if context.run_name_filters(name, "table", {"schema_name": schema}):
                wanted[schema][name] = table
        for schema, tables in wanted.items():
            shown = read_tables(context.inspector, schema, tables)
            same = (TableName(schema, name) for name in shown if is_same(tables[name], shown[name], texts))
            found = {name for name in same if has_same_constraints(context, name, tables[name.name])}
            unchanged.update(found - tables_with_invalid_indexes(context).keys() - special_indexes(context).keys())
            there = context.inspector.get_table_names(schema)
            if not any(context.run_name_filters(name, "table", {"schema_name": schema}) for name in there):
                schemas.discard(schema)
    return PriorityDispatchResult.CONTINUE


def read_tables(inspector: Inspector, schema: str | None, names: Collection[str]) -> dict[str, Shown]:
    """Return those of the tables ``names`` that are in ``schema``, by name, in few queries."""
    listed = list(names)
    columns = inspector.get_multi_columns(schema, listed)
    primary_keys = inspector.get_multi_pk_constraint(schema, listed)
    indexes = inspector.get_multi_indexes(schema, listed)
    unique_constraints = inspector.get_multi_unique_constraints(schema, listed)
    foreign_keys = inspector.get_multi_foreign_keys(schema, listed)
    comments = inspector.get_multi_table_comment(schema, listed)
    return {
        key[1]: Shown(
            columns[key],
            primary_keys[key]["constrained_columns"] if key in primary_keys else (),
            indexes.get(key, ()),
            unique_constraints.get(key, ()),
            foreign_keys.get(key, ()),
            comments[key]["text"] if key in comments else None,
        )
        for key in columns
    }


def is_same(table: Table, shown: Shown, texts: Texts) -> bool:
    """Tell whether ``shown`` certainly is ``table``. False means that it is not known."""
    return (
        (table.comment or None) == (shown.comment or None)
        and _same_columns(table, shown.columns, texts)
        and [column.name for column in table.primary_key] == [*shown.primary_key]
        and _same_indexes(table.indexes, shown.indexes)
        and _same_unique_constraints(table, shown.unique_constraints)
        and _same_foreign_keys(table, shown.foreign_keys, texts.dialect)
    )


def _same_columns(table: Table, shown: Sequence[ReflectedColumn], texts: Texts) -> bool:
    wanted = {column.name: column for column in table.columns}
    found = {column["name"]: column for column in shown}
    return wanted.keys() == found.keys() and all(_same_column(c, found[name], texts) for name, c in wanted.items())


def _same_column(wanted: Column[Any], found: ReflectedColumn, texts: Texts) -> bool:
    return (
        wanted.nullable is found["nullable"]
        and (wanted.comment or None) == (found.get("comment") or None)
        and _same_default(wanted, found, texts)
        and (text := texts.of_type(wanted.type)) is not None
        and text == texts.of_type(found["type"])
    )


def _same_default(wanted: Column[Any], found: ReflectedColumn, texts: Texts) -> bool:
    if found.get("computed") or found.get("identity") or wanted.system:
        return False
    default = found.get("default")
    if wanted.server_default is None:
        return default is None or wanted.table.autoincrement_column is wanted  # it is of a SERIAL
    if default is None or not isinstance(wanted.server_default, sa.DefaultClause):
        return False
    return texts.of_sql(default) == texts.of_default(wanted.server_default)


def _same_indexes(indexes: Collection[Index], shown: Sequence[ReflectedIndex]) -> bool:
    wanted = {str(index.name): index for index in indexes}
    found = {index["name"]: index for index in shown if "duplicates_constraint" not in index}
    return wanted.keys() == found.keys() and all(_same_index(index, found[name]) for name, index in wanted.items())


def _same_index(wanted: Index, found: ReflectedIndex) -> bool:
    # Anything more than columns is left to the comparison.
    if wanted.dialect_kwargs or "expressions" in found or "column_sorting" in found or _has_options(found):
        return False
    names = [part.name if isinstance(part, sa.Column) else None for part in wanted.expressions]
    return names == found["column_names"] and bool(wanted.unique) is bool(found["unique"])


def _same_unique_constraints(table: Table, shown: Sequence[ReflectedUniqueConstraint]) -> bool:
    wanted = [constraint for constraint in table.constraints if isinstance(constraint, sa.UniqueConstraint)]
    found = {tuple(sorted(constraint["column_names"])): constraint for constraint in shown}
    if len(wanted) != len(shown) or len(found) != len(shown) or any(map(_has_options, shown)):
        return False
    return all(_same_unique_constraint(constraint, found) for constraint in wanted)


def _same_unique_constraint(
    wanted: sa.UniqueConstraint, found: Mapping[tuple[str, ...], ReflectedUniqueConstraint]
) -> bool:
    shown = found.get(tuple(sorted(column.name for column in wanted.columns)))
    if shown is None or (isinstance(wanted.name, str) and wanted.name != shown["name"]):
        return False
    same_order = [column.name for column in wanted.columns] == shown["column_names"]
    return same_order and not wanted.dialect_kwargs and rules_of(wanted) == Rules()


def _same_foreign_keys(table: Table, shown: Sequence[ReflectedForeignKeyConstraint], dialect: Dialect) -> bool:
    default = dialect.default_schema_name
    if any(rules_of(key).match for key in table.foreign_key_constraints):
        return False
    try:
        wanted = Counter(foreign_key_spec(key, default) for key in table.foreign_key_constraints)
    except SQLAlchemyError:  # it refers to a table that is in no model
        return False
    return wanted == Counter(_of_database(key, default) for key in shown)


def _of_database(key: ReflectedForeignKeyConstraint, default: str | None) -> tuple[object, ...]:
    return (
        tuple(key["constrained_columns"]),
        TableName(key["referred_schema"], key["referred_table"]).shown(default),
        tuple(key["referred_columns"]),
        *key_rules(key["options"]),
    )


def has_same_constraints(context: AutogenContext, name: TableName, table: Table) -> bool:
    """Tell whether no CHECK or EXCLUDE constraint of ``table`` came, went or changed, and no key has rules."""
    stored = stored_constraints(context, name)
    if any(one.kind in ("u", "f") for one in stored):
        return False
    if not stored and not has_constraints(table):
        return True
    changes = (constraint_changes(context, name, table, kind) for kind in ("c", "x"))
    return not any(one.gone or one.new for one in changes)


def _has_options(found: ReflectedIndex | ReflectedUniqueConstraint) -> bool:
    return any(found.get("dialect_options", {}).values()) or bool(found.get("include_columns"))


def setup(plugin: Plugin) -> None:
    """Register :func:`find_unchanged` with ``plugin``, the one of the name :data:`PLUGIN`."""
    first = DispatchPriority.FIRST
    plugin.add_autogenerate_comparator(find_unchanged, "schema", "unchanged", qualifier="postgresql", priority=first)
