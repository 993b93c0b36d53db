"""The options that make Alembic compare as a :class:`~websauna_migrate.autogenerate.comparison.Comparison` says.

One function gives them, for ``revision --autogenerate``, for ``check`` and for tests. The user's own hooks in
``env.py`` are called after ours: they narrow what is considered, they never widen it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sqlalchemy import Table

from websauna_migrate.autogenerate.comparators import plugins
from websauna_migrate.autogenerate.constraints.expressions import require_expressions
from websauna_migrate.autogenerate.orphans import without_orphans
from websauna_migrate.autogenerate.passes import Draft, apply
from websauna_migrate.autogenerate.rendering import make_render_item
from websauna_migrate.autogenerate.unchanged import OPTION, PLUGIN, may_leave_out
from websauna_migrate.packages.ownership import table_name
from websauna_migrate.packages.package import TableName
from websauna_migrate.private import forget_comparators

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from alembic.operations.ops import MigrationScript
    from alembic.runtime.migration import MigrationContext
    from sqlalchemy.engine import Connection

    from websauna_migrate.autogenerate.comparison import Comparison


def comparison_options(
    comparison: Comparison, connection: Connection | None, user: Mapping[str, Any]
) -> dict[str, object]:
    """Return the options for ``context.configure()``, composed with those of the ``user``."""
    comparison = without_orphans(comparison, connection)
    # Enums are compared here; imported once, it would compare them again wherever Alembic compares.
    forget_comparators("alembic_postgresql_enum")
    if comparison.objects is not None or not _registered_with_alembic_utils():
        # It would drop all that is not registered with itself, also where only a script imports it.
        forget_comparators("alembic_utils")
    default_schema = connection.dialect.default_schema_name if connection is not None else None
    tables = {table.shown(default_schema) for table in comparison.tables}
    if connection is not None:
        require_expressions(_models(comparison), connection.dialect)
    schemas = {key.schema for key in tables} | {None}
    is_sqlite = connection is not None and connection.dialect.name == "sqlite"
    unchanged: set[TableName] = set()
    return {
        "compare_type": True,
        "compare_server_default": True,
        "render_as_batch": is_sqlite,
        **user,
        "target_metadata": comparison.metadata,
        "include_schemas": schemas != {None},
        "autogenerate_plugins": [*plugins(user), *([PLUGIN] if may_leave_out(user) else [])],
        OPTION: unchanged,
        "render_item": make_render_item(user.get("render_item")),
        "include_name": _both(_name_filter(tables, unchanged, schemas), user.get("include_name")),
        "include_object": _both(_object_filter(tables, unchanged, default_schema), user.get("include_object")),
        "process_revision_directives": _process(comparison, user),
    }


def _registered_with_alembic_utils() -> bool:
    """Tell whether an ``env.py`` registered entities with alembic-utils itself."""
    module = sys.modules.get("alembic_utils.replaceable_entity")
    return module is not None and bool(module.registry.entities())


def _models(comparison: Comparison) -> Iterator[Table]:
    for metadata in comparison.metadata:
        yield from (table for table in metadata.tables.values() if table_name(table) in comparison.tables)


def _process(comparison: Comparison, user: Mapping[str, object]) -> Callable[..., None]:
    def process(migration: MigrationContext, heads: object, scripts: list[MigrationScript]) -> None:
        apply(Draft(scripts, migration, heads, comparison, user))

    return process


def _name_filter(tables: set[TableName], unchanged: set[TableName], schemas: set[str | None]) -> Callable[..., bool]:
    def include_name(name: str | None, type_: str, parent_names: Mapping[str, str | None]) -> bool:
        if type_ == "schema":
            return name in schemas
        if type_ == "table":
            table = TableName(parent_names.get("schema_name"), name or "")
            return table in tables and table not in unchanged
        return True

    return include_name


def _object_filter(
    tables: set[TableName], unchanged: set[TableName], default_schema: str | None
) -> Callable[..., bool]:
    def include_object(item: object, _name: str | None, type_: str, _reflected: bool, _other: object) -> bool:
        if type_ != "table" or not isinstance(item, Table):
            return True
        table = table_name(item).shown(default_schema)
        return table in tables and table not in unchanged

    return include_object


def _both(ours: Callable[..., bool], theirs: Callable[..., bool] | None) -> Callable[..., bool]:
    if theirs is None:
        return ours
    return lambda *arguments: ours(*arguments) and theirs(*arguments)
