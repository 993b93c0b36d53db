"""The parts of a domain of PostgreSQL: its default, whether it is NOT NULL, and its CHECK."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from websauna_migrate.autogenerate.script_ops import Do, StatementsOp, by_hand
from websauna_migrate.database.sql import may_be_named, named_types, quoted_table
from websauna_migrate.dialects.domains import Domain, made_domain, read_domains
from websauna_migrate.packages.package import TypeName

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from alembic.operations import ops
    from sqlalchemy import Table
    from sqlalchemy.engine import Connection, Dialect


def change_domains(
    script: ops.MigrationScript, connection: Connection, tables: Iterable[Table], others: Iterable[Table]
) -> None:
    """Add to ``script`` what the domains of ``tables`` need, both ways; those of ``others`` too are left alone."""
    wanted = dict(_domains(tables, connection.dialect))
    for name in dict(_domains(others, connection.dialect)) if wanted else ():
        wanted.pop(name, None)
    if not wanted:
        return
    changes: list[StatementsOp] = []
    for name, found in sorted(read_domains(connection, wanted).items(), key=lambda one: str(one[0])):
        made = made_domain(connection, wanted[name])
        if made is not None:
            changes += domain_changes(name, found, made, wanted[name].constraint_name, connection.dialect)
    for upgrade, downgrade in zip(script.upgrade_ops_list, script.downgrade_ops_list, strict=True):
        upgrade.ops[:0] = changes
        downgrade.ops += [change.reverse() for change in reversed(changes)]


def _domains(tables: Iterable[Table], dialect: Dialect) -> Iterator[tuple[TypeName, Any]]:
    from sqlalchemy.dialects.postgresql import DOMAIN

    for table in tables:
        for column in table.columns:
            for type_ in named_types(column.type, dialect) if may_be_named(column.type) else ():
                if isinstance(type_, DOMAIN):
                    yield TypeName(type_.schema, str(type_.name)).shown(dialect.default_schema_name), type_


def domain_changes(
    name: TypeName, found: Domain, made: Domain, check_name: str | None, dialect: Dialect
) -> Iterator[StatementsOp]:
    """Yield what makes the domain ``found`` as the one ``made`` of the models, whose CHECK has the name or none."""
    if found.base != made.base:
        text = f"domain {name} is {found.base}, and the models have {made.base}: make a new domain, convert the columns"
        yield by_hand(("modify_domain", str(name), found.base, made.base), text)
        return
    wanted = Domain(made.base, made.default, made.not_null, _named(name, found, made, check_name))
    there, back = (list(_clauses(*pair, dialect)) for pair in ((found, wanted), (wanted, found)))
    if there:
        alter = f"ALTER DOMAIN {quoted_table(name, dialect)}"
        done, undone = ([Do(f"{alter} {clause}") for clause in clauses] for clauses in (there, back))
        yield StatementsOp(("modify_domain", str(name), "; ".join(there)), done, undone)


def _named(name: TypeName, found: Domain, made: Domain, check_name: str | None) -> dict[str, str]:
    """Return the CHECK of the models with the name that it has, or has in the database, or gets there."""
    checks = {}
    for check in made.checks.values():
        there = [key for key, one in found.checks.items() if one == check]
        checks[check_name or next(iter(there), f"{name.name}_check")] = check
    return checks


def _clauses(before: Domain, after: Domain, dialect: Dialect) -> Iterator[str]:
    quote = dialect.identifier_preparer.quote
    for key in sorted(before.checks):
        if after.checks.get(key) != before.checks[key]:
            yield f"DROP CONSTRAINT {quote(key)}"
    if before.default != after.default:
        yield f"SET DEFAULT {after.default}" if after.default is not None else "DROP DEFAULT"
    if before.not_null is not after.not_null:
        yield f"{'SET' if after.not_null else 'DROP'} NOT NULL"
    for key in sorted(after.checks):
        if before.checks.get(key) != after.checks[key]:
            yield f"ADD CONSTRAINT {quote(key)} {after.checks[key]}"
