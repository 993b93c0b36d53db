"""Domains as PostgreSQL shows them, and what it makes of those of the models."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from websauna_migrate.database.sql import escape_colons, plain_dialect
from websauna_migrate.dialects.temporary import TEMPORARY, undone
from websauna_migrate.packages.package import TypeName

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sqlalchemy.engine import Connection

_DOMAINS = sa.text(
    "SELECT CASE WHEN n.oid = pg_my_temp_schema() THEN 'pg_temp' ELSE n.nspname END, t.typname,"
    " format_type(t.typbasetype, t.typtypmod) || coalesce(' COLLATE ' || quote_ident(o.collname), ''),"
    " t.typdefault, t.typnotnull, coalesce(json_object_agg(k.conname, pg_get_constraintdef(k.oid))"
    " FILTER (WHERE k.conname IS NOT NULL), '{}')"
    " FROM pg_type AS t JOIN pg_namespace AS n ON n.oid = t.typnamespace JOIN pg_type AS b ON b.oid = t.typbasetype"
    " LEFT JOIN pg_collation AS o ON o.oid = t.typcollation AND t.typcollation <> b.typcollation"
    " LEFT JOIN pg_constraint AS k ON k.contypid = t.oid AND k.contype = 'c'"
    " WHERE t.typtype = 'd' AND t.typname = ANY (:names) GROUP BY 1, 2, 3, 4, 5"
).columns(sa.column("a"), sa.column("b"), sa.column("c"), sa.column("d"), sa.column("e"), sa.column("f", sa.JSON))


@dataclass(frozen=True, slots=True)
class Domain:
    """A domain as the database shows it: the type below it, and its ``checks`` by name."""

    base: str
    default: str | None
    not_null: bool
    checks: Mapping[str, str]


def read_domains(connection: Connection, names: Collection[TypeName]) -> dict[TypeName, Domain]:
    """Return those of the domains ``names`` that are there."""
    default = connection.dialect.default_schema_name
    rows = connection.execute(_DOMAINS, {"names": sorted({name.name for name in names})})
    found = {TypeName(*row[:2]).shown(default): Domain(*row[2:]) for row in rows}
    return {name: found[name] for name in names if name in found}


def made_domain(connection: Connection, domain: Any) -> Domain | None:
    """Return what the database makes of a ``domain`` of the models, None where it cannot be asked."""
    from sqlalchemy.dialects.postgresql import CreateDomainType

    beside = copy.copy(domain)
    beside.name, beside.schema = TEMPORARY, "pg_temp"
    create = str(CreateDomainType(beside).compile(dialect=plain_dialect(connection.dialect)))
    name = TypeName("pg_temp", TEMPORARY)
    try:
        with undone(connection):
            connection.execute(sa.text(escape_colons(create)))
            return read_domains(connection, [name]).get(name)
    except SQLAlchemyError:  # the user may make nothing temporary
        return None
