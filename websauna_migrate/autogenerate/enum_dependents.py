"""What stands in the way of a PostgreSQL enum that is made anew: it is dropped, and made again afterwards.

PostgreSQL converts a column with its indexes and constraints, but not one that compares two columns of the enum, or a
column with a value of it: for a moment one side would have the old type. A foreign key, a CHECK, an EXCLUDE and an
index over an expression or with a condition can be made again from what the database shows.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from websauna_migrate.database.sql import quoted_table
from websauna_migrate.packages.package import TableName, TypeName

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlalchemy.engine import Connection, Dialect

# Those of partitions come and go with those of their table.
_DEPENDENTS = sa.text(
    "WITH enums AS (SELECT t.oid, t.typarray, n.nspname, t.typname FROM pg_type AS t"
    " JOIN pg_namespace AS n ON n.oid = t.typnamespace WHERE t.typtype = 'e'),"
    " uses AS (SELECT e.nspname, e.typname, d.classid, d.objid FROM enums AS e"
    " JOIN pg_depend AS d ON d.refclassid = 'pg_type'::regclass AND d.refobjid IN (e.oid, e.typarray)),"
    " constraints AS (SELECT u.nspname, u.typname, k.oid FROM uses AS u JOIN pg_constraint AS k"
    " ON u.classid = 'pg_constraint'::regclass AND k.oid = u.objid AND k.contype IN ('c', 'x')"
    " UNION SELECT e.nspname, e.typname, k.oid FROM enums AS e"
    " JOIN pg_attribute AS a ON a.atttypid IN (e.oid, e.typarray)"
    " JOIN pg_constraint AS k ON k.contype = 'f' AND k.conrelid = a.attrelid AND a.attnum = ANY (k.conkey))"
    " SELECT s.nspname, s.typname, n.nspname, c.relname, k.contype::text, k.conname, pg_get_constraintdef(k.oid)"
    " FROM constraints AS s JOIN pg_constraint AS k ON k.oid = s.oid AND k.coninhcount = 0 AND k.conparentid = 0"
    " JOIN pg_class AS c ON c.oid = k.conrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace"
    " UNION SELECT u.nspname, u.typname, n.nspname, c.relname, 'i', c.relname, pg_get_indexdef(c.oid)"
    " FROM uses AS u JOIN pg_class AS c ON u.classid = 'pg_class'::regclass AND c.oid = u.objid"
    " AND c.relkind IN ('i', 'I') AND NOT c.relispartition JOIN pg_namespace AS n ON n.oid = c.relnamespace"
    " WHERE NOT EXISTS (SELECT FROM pg_constraint AS k WHERE k.conindid = c.oid)"
    " ORDER BY 1, 2, 3, 4, 5, 6"
)


@dataclass(frozen=True, slots=True)
class Dependent:
    """A constraint of ``table``, ``kind`` as in ``pg_constraint``, or an index, kind ``i``, which ``table`` names."""

    table: TableName
    kind: str
    name: str
    definition: str

    def dropped(self, dialect: Dialect) -> str:
        """Return the statement that drops it."""
        if self.kind == "i":
            return f"DROP INDEX {quoted_table(self.table, dialect)}"
        return f"ALTER TABLE {quoted_table(self.table, dialect)} DROP CONSTRAINT {self._quoted(dialect)}"

    def made(self, dialect: Dialect) -> str:
        """Return the statement that makes it again."""
        if self.kind == "i":
            return self.definition
        table = quoted_table(self.table, dialect)
        return f"ALTER TABLE {table} ADD CONSTRAINT {self._quoted(dialect)} {self.definition}"

    def _quoted(self, dialect: Dialect) -> str:
        return quoted_table(TableName(None, self.name), dialect)


def read_dependents(connection: Connection) -> dict[TypeName, tuple[Dependent, ...]]:
    """Return what compares columns or values of each enum in a PostgreSQL database, foreign keys last."""
    found: defaultdict[TypeName, list[Dependent]] = defaultdict(list)
    default = connection.dialect.default_schema_name
    for schema, type_, in_schema, table, kind, name, definition in connection.execute(_DEPENDENTS):
        place = TableName(in_schema, table).shown(default)
        found[TypeName(schema, type_).shown(default)].append(Dependent(place, kind, name, definition))
    return {type_: tuple(sorted(of, key=lambda one: one.kind == "f")) for type_, of in found.items()}


def around(statements: Iterable[str], dependents: tuple[Dependent, ...], dialect: Dialect) -> Iterator[str]:
    """Yield ``statements`` with those before that drop the ``dependents``, and those after that make them again."""
    yield from (one.dropped(dialect) for one in reversed(dependents))
    yield from statements
    yield from (one.made(dialect) for one in dependents)
