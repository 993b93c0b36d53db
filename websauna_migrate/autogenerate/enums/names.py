"""The new names of enum types that a script renames, in what PostgreSQL showed before.

A rename comes first, and is undone last: all between has the new names, on the way there and on the way back.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from websauna_migrate.autogenerate.script_ops import alterations, made_columns
from websauna_migrate.database.sql import quoted_table
from websauna_migrate.packages.package import TypeName

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alembic.operations import ops
    from sqlalchemy.engine import Dialect

    from websauna_migrate.autogenerate.enums.facts import StoredEnum

    Renamed = Mapping[TypeName, TypeName]


def with_new_names(sql: str, renamed: Renamed, dialect: Dialect) -> str:
    """Return ``sql`` of PostgreSQL with the types that it casts to by their new names."""
    names = {f"::{quoted_table(old, dialect)}": f"::{quoted_table(new, dialect)}" for old, new in renamed.items()}
    if not names:
        return sql
    casts = "|".join(rf"{re.escape(name)}(?![\w$.\"])" for name in names)
    return re.sub(rf"'(?:[^']|'')*'|{casts}", lambda match: names.get(match[0], match[0]), sql)


def stored_after(enum: StoredEnum, renamed: Renamed, dialect: Dialect) -> StoredEnum:
    """Return ``enum`` as the database shows it when types are ``renamed``."""
    users = (
        replace(user, default=user.default and with_new_names(user.default, renamed, dialect)) for user in enum.users
    )
    return replace(enum, users=tuple(users))


def say_new_names(downgrade: ops.OpContainer, renamed: Renamed, dialect: Dialect) -> None:
    """Let ``downgrade``, which brings back what was read from the database, use the new names."""
    for _, column in made_columns(downgrade):
        column.server_default = _default(column.server_default, renamed, dialect)
        type_ = column.type.item_type if isinstance(column.type, sa.ARRAY) else column.type
        if isinstance(type_, sa.Enum):
            old = TypeName(type_.schema, str(type_.name))
            type_.schema, type_.name = renamed.get(old.shown(dialect.default_schema_name), old)
    for op in alterations(downgrade):
        op.modify_server_default = _default(op.modify_server_default, renamed, dialect)


def _default(default: Any, renamed: Renamed, dialect: Dialect) -> Any:
    if not isinstance(default, sa.DefaultClause) or not isinstance(default.arg, sa.TextClause):
        return default
    text = with_new_names(default.arg.text, renamed, dialect)
    return default if text == default.arg.text else sa.DefaultClause(sa.text(text))
