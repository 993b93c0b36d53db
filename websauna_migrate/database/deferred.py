"""Constraints of PostgreSQL that are checked when a transaction is committed, checked before that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

from websauna_migrate.database.sql import escape_colons

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection

_DEFERRABLE = text(
    "SELECT n.nspname, c.conname, c.condeferred FROM pg_constraint c JOIN pg_namespace n ON n.oid = c.connamespace"
    " WHERE c.condeferrable AND n.nspname !~ '^pg_' ORDER BY 1, 2"
)


def check_deferred(connection: Connection) -> None:
    """Check now what a commit would check, and leave each constraint as a new transaction has it.

    Those are named one by one: ``SET CONSTRAINTS ALL`` would also rule over constraints that are made later.
    """
    if connection.dialect.name != "postgresql":
        return
    found = connection.execute(_DEFERRABLE).all()
    _set(connection, [(schema, name) for schema, name, _ in found], "IMMEDIATE")
    _set(connection, [(schema, name) for schema, name, is_deferred in found if is_deferred], "DEFERRED")


def _set(connection: Connection, names: Sequence[tuple[str, str]], when: str) -> None:
    if names:
        quote = connection.dialect.identifier_preparer.quote_identifier
        shown = ", ".join(dict.fromkeys(f"{quote(schema)}.{quote(name)}" for schema, name in names))
        connection.execute(text(escape_colons(f"SET CONSTRAINTS {shown} {when}")))
