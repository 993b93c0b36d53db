"""The sequences of ``SERIAL`` columns on PostgreSQL, each of which has a width of its own.

Alembic changes the type of the column only: a sequence that stays ``AS integer`` ends at 2,147,483,647. Where the
models have an identity in place of a ``SERIAL``, the identity gets the name of the sequence, and goes on where it is.
A column that is to count and was part of a longer primary key gets an identity.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa
from alembic.operations import ops

from websauna_migrate.autogenerate.constraints.key_ops import CreateKey
from websauna_migrate.autogenerate.script_ops import Do, StatementsOp, table_of
from websauna_migrate.database.sql import quoted_table, quoted_text
from websauna_migrate.dialects.numbering import altered, numbering, width_of
from websauna_migrate.packages.package import ColumnName, TableName

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from sqlalchemy.engine import Connection, Dialect

    from websauna_migrate.autogenerate.tables.renamed import Renames

_OWNED = sa.text(
    "SELECT tn.nspname, t.relname, a.attname, sn.nspname, s.relname, format_type(q.seqtypid, NULL),"
    " a.atthasdef AND a.attidentity = ''"
    " FROM pg_sequence AS q JOIN pg_class AS s ON s.oid = q.seqrelid JOIN pg_namespace AS sn ON sn.oid = s.relnamespace"
    " JOIN pg_depend AS d ON d.objid = s.oid AND d.classid = 'pg_class'::regclass AND d.deptype = 'a'"
    " AND d.refclassid = 'pg_class'::regclass JOIN pg_class AS t ON t.oid = d.refobjid"
    " JOIN pg_namespace AS tn ON tn.oid = t.relnamespace"
    " JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid"
    " ORDER BY 1, 2, 3"
)
_NOT_COUNTING = sa.text(
    "SELECT n.nspname, c.relname, a.attname FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid"
    " JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p') AND NOT a.attisdropped"
    " AND NOT a.atthasdef AND a.attidentity = '' AND c.relname = ANY (:tables) AND a.attname = ANY (:columns)"
    " ORDER BY 1, 2, 3"
)


@dataclass(frozen=True, slots=True)
class _Owned:
    """The ``sequence`` that ``column`` owns, how wide it is, and whether the column may have its numbers from it."""

    column: ColumnName
    sequence: TableName
    width: str
    is_default: bool


def change_sequences(
    script: ops.MigrationScript,
    connection: Connection,
    tables: Collection[sa.Table],
    renames: Renames,
    *,
    with_identities: bool,
) -> None:
    """Add to ``script`` what makes the sequence of each ``SERIAL`` column of ``tables`` what the models say.

    That is as wide as the column, or an identity, which counts only ``with_identities``. The columns have their names
    after the ``renames``.
    """
    dialect = connection.dialect
    wanted = dict(_serials(tables, dialect))
    identities = dict(_identities(tables, dialect)) if with_identities else {}
    changes = []
    there = _owned(connection, renames)
    for owned in there:
        if owned.is_default and owned.column in identities:
            changes.append(_becomes_identity(owned, identities[owned.column], dialect))
        elif wanted.get(owned.column, owned.width) != owned.width:
            changes.append(_change(owned, wanted[owned.column], dialect))
    new_keys = _tables_with_new_keys(script, dialect)
    of_new_keys = {column for column in wanted if column.table in new_keys}
    missing = _not_counting(connection, of_new_keys - {owned.column for owned in there}, renames)
    changes += [_counts(column, dialect) for column in missing]
    for upgrade, downgrade in zip(script.upgrade_ops_list, script.downgrade_ops_list, strict=True):
        upgrade.ops += changes
        downgrade.ops[:0] = [change.reverse() for change in reversed(changes)]


def _tables_with_new_keys(script: ops.MigrationScript, dialect: Dialect) -> set[TableName]:
    changed = [op for upgrade in script.upgrade_ops_list for op in upgrade.ops if isinstance(op, ops.ModifyTableOps)]
    keyed = (modify for modify in changed if any(isinstance(op, CreateKey) for op in modify.ops))
    return {table_of(modify).shown(dialect.default_schema_name) for modify in keyed}


def _serials(tables: Iterable[sa.Table], dialect: Dialect) -> Iterator[tuple[ColumnName, str]]:
    """Yield the columns that are made as ``SERIAL``, and the width that their sequence then has."""
    for table in tables:
        column = table.autoincrement_column
        if column is None or column.server_default is not None or column.default is not None:
            continue
        width = width_of(column.type, dialect)
        if width:
            name = TableName(table.schema, table.name).shown(dialect.default_schema_name)
            yield ColumnName(name, column.name), width


def _identities(tables: Iterable[sa.Table], dialect: Dialect) -> Iterator[tuple[ColumnName, sa.Identity]]:
    for table in tables:
        name = TableName(table.schema, table.name).shown(dialect.default_schema_name)
        for column in table.columns:
            if column.identity is not None:
                yield ColumnName(name, column.name), column.identity


def _owned(connection: Connection, renames: Renames) -> list[_Owned]:
    default = connection.dialect.default_schema_name
    return [
        _Owned(_place(row[:3], renames, default), TableName(*row[3:5]).shown(default), *row[5:])
        for row in connection.execute(_OWNED)
    ]


def _not_counting(connection: Connection, columns: Collection[ColumnName], renames: Renames) -> list[ColumnName]:
    """Return those of ``columns`` that are in the database, and get no number of their own there."""
    if not columns:
        return []
    stored = [renames.stored_column(column) for column in columns]
    names = {"tables": sorted({one.table.name for one in stored}), "columns": sorted({one.name for one in stored})}
    default = connection.dialect.default_schema_name
    found = (_place(row, renames, default) for row in connection.execute(_NOT_COUNTING, names))
    return [column for column in found if column in columns]


def _place(row: Sequence[str], renames: Renames, default: str | None) -> ColumnName:
    return ColumnName(*renames.place(TableName(*row[:2]).shown(default), row[2]))


def _change(owned: _Owned, width: str, dialect: Dialect) -> StatementsOp:
    def altered(to: str) -> list[Do]:
        return [Do(f"ALTER SEQUENCE {quoted_table(owned.sequence, dialect)} AS {to}")]

    table, column = owned.column
    diff: tuple[object, ...] = ("modify_sequence", table.schema, table.name, column, {}, owned.width, width)
    return StatementsOp(diff, altered(width), altered(owned.width))


def _counts(column: ColumnName, dialect: Dialect) -> StatementsOp:
    """Return what makes an identity of ``column``, which goes on after the largest number that is there."""
    table, name = quoted_table(column.table, dialect), quoted_table(TableName(None, column.name), dialect)
    alter = f"ALTER TABLE {table} ALTER COLUMN {name}"
    sequence = f"pg_get_serial_sequence({quoted_text(table, dialect)}, {quoted_text(column.name, dialect)})"
    there = [
        f"{alter} ADD GENERATED BY DEFAULT AS IDENTITY",
        f"SELECT setval({sequence}, max({name})) FROM {table} HAVING max({name}) > 0",
    ]
    kind: tuple[object, ...] = ("no sequence", "GENERATED BY DEFAULT")
    diff = ("modify_identity", column.table.schema, column.table.name, column.name, {}, *kind)
    return StatementsOp(diff, [Do(sql) for sql in there], [Do(f"{alter} DROP IDENTITY")])


def _becomes_identity(owned: _Owned, identity: sa.Identity, dialect: Dialect) -> StatementsOp:
    """Return what makes an identity of a ``SERIAL``, with its name and its last number; the way back does so too."""
    name = owned.sequence
    aside = TableName(name.schema, f"{name.name.encode()[:59].decode(errors='ignore')}_old")
    table, column = quoted_table(owned.column.table, dialect), quoted_table(TableName(None, owned.column.name), dialect)
    kept, used = quoted_table(aside, dialect), quoted_table(name, dialect)
    alter = f"ALTER TABLE {table} ALTER COLUMN {column}"
    go_on = f"SELECT setval({quoted_text(used, dialect)}, last_value, is_called) FROM {kept}"
    put_aside = f"ALTER SEQUENCE {used} RENAME TO {quoted_table(TableName(None, aside.name), dialect)}"
    kind = "ALWAYS" if identity.always else "BY DEFAULT"
    counted, usual = (numbering(one, "bigint", dialect.name) for one in (identity, sa.Identity()))
    options = " ".join((f"SEQUENCE NAME {used}", *altered(usual, counted)))
    there = [
        put_aside,
        f"{alter} DROP DEFAULT",
        f"{alter} ADD GENERATED {kind} AS IDENTITY ({options})",
        go_on,
        f"DROP SEQUENCE {kept}",
    ]
    back = [
        put_aside,
        f"CREATE SEQUENCE {used} AS {owned.width}",
        go_on,
        f"{alter} DROP IDENTITY",
        f"{alter} SET DEFAULT nextval({quoted_text(used, dialect)})",
        f"ALTER SEQUENCE {used} OWNED BY {table}.{column}",
    ]
    (schema, of_table), of_column = owned.column
    diff: tuple[object, ...] = ("modify_identity", schema, of_table, of_column, {}, "SERIAL", f"GENERATED {kind}")
    return StatementsOp(diff, [Do(sql) for sql in there], [Do(sql) for sql in back])
