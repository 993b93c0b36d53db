"""An order in which tables can be dropped, whatever foreign keys are between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from sqlalchemy import inspect

from websauna_migrate.packages.package import TableName

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sqlalchemy.engine import Connection

# A foreign key: the table that has it, and the one that it refers to.
Link: TypeAlias = tuple[TableName, TableName]


def drop_order(references: Mapping[TableName, Collection[TableName]]) -> tuple[list[TableName], set[Link]]:
    """Return the tables, each after those that refer to it, and the references to cut before that is so.

    ``references`` are the tables that each refers to. What it refers to outside of them, and itself, counts for
    nothing. The order is the same for any order of input.
    """
    referrers: dict[TableName, set[TableName]] = {table: set() for table in sorted(references, key=str)}
    for table, targets in references.items():
        for target in set(targets) & references.keys() - {table}:
            referrers[target].add(table)
    order: list[TableName] = []
    cut: set[Link] = set()
    while referrers:
        free = [table for table, found in referrers.items() if not found]
        table = free[0] if free else _in_a_circle(referrers)
        cut |= {(referrer, table) for referrer in referrers[table]}
        order.append(table)
        del referrers[table]
        for found in referrers.values():
            found.discard(table)
    return order, cut


def drop_statements(connection: Connection, tables: Collection[TableName]) -> list[str]:
    """Return the SQL that drops ``tables`` of the database, in an order that the foreign keys between them allow."""
    inspector, dialect = inspect(connection), connection.dialect
    quote = dialect.identifier_preparer.quote
    keys = [
        (
            TableName(key["referred_schema"], key["referred_table"]).shown(dialect.default_schema_name),
            table,
            key["name"],
        )
        for table in tables
        for key in inspector.get_foreign_keys(table.name, table.schema)
    ]
    order, cut = drop_order({table: [target for target, of, _ in keys if of == table] for table in tables})
    shown = {table: ".".join(quote(part) for part in table if part is not None) for table in tables}
    kind = "FOREIGN KEY" if dialect.name in ("mysql", "mariadb") else "CONSTRAINT"
    early = [(table, name) for target, table, name in keys if (table, target) in cut and dialect.name != "sqlite"]
    return [
        *(f"ALTER TABLE {shown[table]} DROP {kind} {quote(str(name))};" for table, name in early),
        *(f"DROP TABLE {shown[table]};" for table in order),
    ]


def _in_a_circle(referrers: Mapping[TableName, Collection[TableName]]) -> TableName:
    table = next(iter(referrers))
    seen: set[TableName] = set()
    while table not in seen:
        seen.add(table)
        table = min(referrers[table], key=str)
    return table
