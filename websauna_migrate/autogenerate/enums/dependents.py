"""What stands in the way of a column of PostgreSQL that gets another enum, or whose enum is made anew.

PostgreSQL converts a column with its indexes and constraints, but not one that compares two columns of the enum, or a
column with a value of it: for a moment one side would have the old type. A foreign key, a CHECK, an EXCLUDE and an
index over an expression or with a condition are dropped before, and made again from what the database shows, or as
the models have it. So is a generated column, with the constraints and indexes over it. Views and the like are in
``objects.dependents``.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from websauna_migrate.autogenerate.script_ops import Do, Retype
from websauna_migrate.autogenerate.tables.renamed import Renames, renamed_sql
from websauna_migrate.database.sql import quoted_table, quoted_text
from websauna_migrate.packages.package import ColumnName, TableName, TypeName

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from sqlalchemy.engine import Connection, Dialect

# Those of partitions come and go with those of their table.
_CONSTRAINT = (
    "n.nspname, c.relname, k.contype::text, k.conname, pg_get_constraintdef(k.oid), rn.nspname, r.relname"
    " FROM {found} AS s JOIN pg_constraint AS k ON k.oid = s.oid AND k.coninhcount = 0 AND k.conparentid = 0"
    " JOIN pg_class AS c ON c.oid = k.conrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace"
    " LEFT JOIN pg_class AS r ON r.oid = k.confrelid LEFT JOIN pg_namespace AS rn ON rn.oid = r.relnamespace"
)
_INDEX = (
    "n.nspname, c.relname, 'i', x.relname, pg_get_indexdef(x.oid), NULL, NULL"
    " FROM {found} AS s JOIN pg_class AS x ON x.oid = s.oid AND x.relkind IN ('i', 'I') AND NOT x.relispartition"
    " JOIN pg_index AS i ON i.indexrelid = x.oid JOIN pg_class AS c ON c.oid = i.indrelid"
    " JOIN pg_namespace AS n ON n.oid = c.relnamespace"
    " WHERE NOT EXISTS (SELECT FROM pg_constraint AS k WHERE k.conindid = x.oid)"
)
_GENERATED = (
    "n.nspname, c.relname, 'g', g.attname, format('%I %s%s GENERATED ALWAYS AS (%s) %s%s', g.attname,"
    " format_type(g.atttypid, g.atttypmod), CASE WHEN g.attcollation <> t.typcollation THEN"
    " (SELECT format(' COLLATE %I.%I', cn.nspname, cl.collname) FROM pg_collation AS cl JOIN pg_namespace AS cn"
    " ON cn.oid = cl.collnamespace WHERE cl.oid = g.attcollation) END, pg_get_expr(f.adbin, f.adrelid),"
    " CASE g.attgenerated WHEN 's' THEN 'STORED' ELSE 'VIRTUAL' END, CASE WHEN g.attnotnull THEN ' NOT NULL' END),"
    " col_description(c.oid, g.attnum), NULL"
    " FROM {found} AS s JOIN pg_attribute AS g ON g.attrelid = s.attrelid AND g.attnum = s.attnum"
    " JOIN pg_attrdef AS f ON f.adrelid = g.attrelid AND f.adnum = g.attnum JOIN pg_type AS t ON t.oid = g.atttypid"
    " JOIN pg_class AS c ON c.oid = g.attrelid AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
    " JOIN pg_namespace AS n ON n.oid = c.relnamespace"
)
# What is over a generated column goes with it.
_OVER_GENERATED = (
    " UNION SELECT {names}, k.oid FROM generated AS g JOIN pg_constraint AS k ON k.contype IN ('c', 'x', 'u', 'p', 'f')"
    " AND k.conrelid = g.attrelid AND g.attnum = ANY (k.conkey)"
    " OR k.contype = 'f' AND k.confrelid = g.attrelid AND g.attnum = ANY (k.confkey)"
)
_INDEXES_OVER_GENERATED = (
    " UNION SELECT {names}, d.objid FROM generated AS g JOIN pg_depend AS d ON d.classid = 'pg_class'::regclass"
    " AND d.refclassid = 'pg_class'::regclass AND d.refobjid = g.attrelid AND d.refobjsubid = g.attnum"
)
_OF_TYPES = sa.text(
    "WITH enums AS (SELECT t.oid, t.typarray, n.nspname, t.typname FROM pg_type AS t"
    " JOIN pg_namespace AS n ON n.oid = t.typnamespace WHERE t.typtype = 'e'),"
    " uses AS (SELECT e.nspname, e.typname, d.classid, d.objid AS oid FROM enums AS e"
    " JOIN pg_depend AS d ON d.refclassid = 'pg_type'::regclass AND d.refobjid IN (e.oid, e.typarray)),"
    " generated AS (SELECT u.nspname, u.typname, f.adrelid AS attrelid, f.adnum AS attnum FROM uses AS u"
    " JOIN pg_attrdef AS f ON u.classid = 'pg_attrdef'::regclass AND f.oid = u.oid JOIN pg_attribute AS a"
    " ON a.attrelid = f.adrelid AND a.attnum = f.adnum AND a.attgenerated <> ''),"
    " constraints AS (SELECT u.nspname, u.typname, k.oid FROM uses AS u JOIN pg_constraint AS k"
    " ON u.classid = 'pg_constraint'::regclass AND k.oid = u.oid AND k.contype = 'c'"
    " OR u.classid = 'pg_class'::regclass AND k.conindid = u.oid AND k.contype = 'x'"
    " UNION SELECT e.nspname, e.typname, k.oid FROM enums AS e"
    " JOIN pg_attribute AS a ON a.atttypid IN (e.oid, e.typarray)"
    " JOIN pg_constraint AS k ON k.contype = 'f' AND k.conrelid = a.attrelid AND a.attnum = ANY (k.conkey)"
    f"{_OVER_GENERATED.format(names='g.nspname, g.typname')}),"
    " indexes AS (SELECT nspname, typname, oid FROM uses WHERE classid = 'pg_class'::regclass"
    f"{_INDEXES_OVER_GENERATED.format(names='g.nspname, g.typname')})"
    f" SELECT s.nspname, s.typname, {_CONSTRAINT.format(found='constraints')}"
    f" UNION SELECT s.nspname, s.typname, {_INDEX.format(found='indexes')}"
    f" UNION SELECT s.nspname, s.typname, {_GENERATED.format(found='generated')} ORDER BY 1, 2, 3, 4, 5, 6"
)
_OF_COLUMNS = sa.text(
    "WITH columns AS (SELECT a.attrelid, a.attnum, n.nspname, c.relname, a.attname FROM pg_attribute AS a"
    " JOIN pg_class AS c ON c.oid = a.attrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace"
    " WHERE a.attname = ANY (:columns) AND c.relname = ANY (:tables)),"
    " generated AS (SELECT o.nspname, o.relname, o.attname, f.adrelid AS attrelid, f.adnum AS attnum"
    " FROM columns AS o JOIN pg_depend AS d ON d.classid = 'pg_attrdef'::regclass AND d.refobjid = o.attrelid"
    " AND d.refobjsubid = o.attnum JOIN pg_attrdef AS f ON f.oid = d.objid AND f.adnum <> o.attnum),"
    " constraints AS (SELECT o.nspname, o.relname, o.attname, k.oid FROM columns AS o JOIN pg_constraint AS k"
    " ON k.contype IN ('c', 'x', 'f') AND k.conrelid = o.attrelid AND o.attnum = ANY (k.conkey)"
    " OR k.contype = 'f' AND k.confrelid = o.attrelid AND o.attnum = ANY (k.confkey)"
    f"{_OVER_GENERATED.format(names='g.nspname, g.relname, g.attname')}),"
    " indexes AS (SELECT o.nspname, o.relname, o.attname, i.indexrelid AS oid FROM columns AS o JOIN pg_index AS i"
    " ON i.indrelid = o.attrelid AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL) JOIN pg_depend AS d"
    " ON d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid AND d.refobjid = o.attrelid"
    f" AND d.refobjsubid = o.attnum{_INDEXES_OVER_GENERATED.format(names='g.nspname, g.relname, g.attname')})"
    f" SELECT s.nspname, s.relname, s.attname, {_CONSTRAINT.format(found='constraints')}"
    f" UNION SELECT s.nspname, s.relname, s.attname, {_INDEX.format(found='indexes')}"
    f" UNION SELECT s.nspname, s.relname, s.attname, {_GENERATED.format(found='generated')}"
    " ORDER BY 1, 2, 3, 4, 5, 6, 7"
)


@dataclass(frozen=True, slots=True)
class Dependent:
    """A constraint of ``table`` of a ``kind`` as in ``pg_constraint``, an index, ``i``, or a generated column, ``g``.

    ``definition`` is what the database shows of it; ``becomes`` what it is made as after the script, where it differs.
    That of a column begins with its name. ``comment`` is that of a column.
    """

    table: TableName
    kind: str
    name: str
    definition: str
    becomes: str | None = None
    comment: str | None = None

    @property
    def key(self) -> tuple[TableName, str]:
        """What tells it from others."""
        return self.table, column_key(self.name) if self.kind == "g" else self.name

    def dropped(self, dialect: Dialect) -> Do:
        """Return the statement that drops it."""
        if self.kind == "i":
            return Do(f"DROP INDEX {quoted_table(TableName(self.table.schema, self.name), dialect)}")
        alter = f"ALTER TABLE {quoted_table(self.table, dialect)} DROP"
        if self.kind == "g":  # views over it are in the way too
            return Retype(f"{alter} COLUMN {self._quoted(dialect)}", (ColumnName(self.table, self.name),))
        return Do(f"{alter} CONSTRAINT {self._quoted(dialect)}")

    def made(self, dialect: Dialect) -> list[Do]:
        """Return the statements that make it as it was."""
        return self._making(self.definition, dialect)

    def made_after(self, dialect: Dialect) -> list[Do]:
        """Return the statements that make it as it is after the script."""
        return self._making(self.becomes or self.definition, dialect)

    def _making(self, definition: str, dialect: Dialect) -> list[Do]:
        if self.kind == "i":
            return [Do(definition)]
        table, name = quoted_table(self.table, dialect), self._quoted(dialect)
        if self.kind != "g":
            return [Do(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")]
        comment = f"COMMENT ON COLUMN {table}.{name} IS {quoted_text(self.comment or '', dialect)}"
        return [Do(f"ALTER TABLE {table} ADD COLUMN {definition}"), *([Do(comment)] if self.comment else [])]

    def _quoted(self, dialect: Dialect) -> str:
        return quoted_table(TableName(None, self.name), dialect)


def column_key(name: str) -> str:
    """Return what stands for the column ``name`` among the names of constraints and indexes."""
    return f"column {name}"


def dependents_of_types(connection: Connection, renames: Renames) -> dict[TypeName, tuple[Dependent, ...]]:
    """Return what compares columns or values of each enum in a PostgreSQL database, in the order in which it is made.

    Tables, columns and constraints have the names that they have after the ``renames``.
    """
    found: defaultdict[TypeName, list[Dependent]] = defaultdict(list)
    dialect = connection.dialect
    for schema, type_, *row in connection.execute(_OF_TYPES):
        dependent = _dependent(row, renames, dialect)
        found[TypeName(schema, type_).shown(dialect.default_schema_name)].append(dependent)
    return {type_: tuple(sorted(of, key=place_of)) for type_, of in found.items()}


def dependents_of_columns(
    connection: Connection, columns: Collection[ColumnName], renames: Renames
) -> dict[ColumnName, tuple[Dependent, ...]]:
    """Return what says something of the values of each of ``columns``, in the order in which it is made."""
    found: defaultdict[ColumnName, list[Dependent]] = defaultdict(list)
    for column, row in _rows_of(connection, _OF_COLUMNS, columns, renames):
        found[column].append(_dependent(row, renames, connection.dialect))
    return {column: tuple(sorted(of, key=place_of)) for column, of in found.items()}


def _rows_of(
    connection: Connection, query: sa.TextClause, columns: Collection[ColumnName], renames: Renames
) -> Iterator[tuple[ColumnName, list[str]]]:
    """Yield the rows of ``query`` that are about one of ``columns``, without what names it."""
    if not columns:
        return
    stored = {renames.stored_column(column): column for column in columns}
    names = {"tables": sorted({c.table.name for c in stored}), "columns": sorted({c.name for c in stored})}
    default = connection.dialect.default_schema_name
    for schema, table, column, *row in connection.execute(query, names):
        place = stored.get(ColumnName(TableName(schema, table).shown(default), column))
        if place is not None:
            yield place, row


def _dependent(row: list[str], renames: Renames, dialect: Dialect) -> Dependent:
    schema, table, kind, name, definition, target_schema, target = row
    comment = target_schema if kind == "g" else None
    stored = TableName(schema, table).shown(dialect.default_schema_name)
    refers_to = TableName(target_schema, target).shown(dialect.default_schema_name) if target else None
    new_table = renames.table(stored)
    new_name = renames.names.get(new_table, {}).get(name, name)
    if kind == "i" and new_name != name:
        definition = renamed_sql(definition, {name: new_name}, dialect)
    if kind == "g":
        new_name = renames.columns.get(new_table, {}).get(name, name)
    new_definition = renames.definition(stored, refers_to, definition, dialect)
    return Dependent(new_table, kind, new_name, new_definition, comment=comment)


def place_of(one: Dependent) -> int:
    """Return where ``one`` comes: columns before what is over them, foreign keys after what they refer to."""
    return {"g": 0, "p": 1, "u": 1, "f": 3}.get(one.kind, 2)
