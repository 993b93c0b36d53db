"""What PostgreSQL keeps over tables, views and types, which stands in the way of their changes.

A view has to be dropped before a column of it changes its type, and before a view that it reads is created anew. So
have a policy, a trigger and a rule that name the column. A function and a publication are left to the user.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import sqlalchemy as sa
from alembic.operations import ops

from websauna_migrate.autogenerate.script_ops import (
    RecreateColumn,
    RenameColumn,
    Retype,
    StatementsOp,
    table_of,
    walk_ops,
)
from websauna_migrate.packages.package import ColumnName, TableName, TypeName, named_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from alembic.operations.ops import MigrateOperation
    from sqlalchemy.engine import Connection

# What each rule of a view, policy, trigger and other user depends on: columns, whole relations, functions and types.
# A trigger that a partition has from its table comes and goes with that.
_USES = sa.text(
    "WITH users AS ("
    "SELECT CASE v.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized_view' ELSE 'rule' END AS kind,"
    " v.relnamespace AS namespace, CASE WHEN v.relkind IN ('v', 'm') THEN v.relname ELSE w.rulename END AS name,"
    " CASE WHEN v.relkind IN ('v', 'm') THEN '' ELSE v.relname END AS on_table,"
    " 'pg_rewrite'::regclass AS class, w.oid, v.oid AS own"
    " FROM pg_rewrite AS w JOIN pg_class AS v ON v.oid = w.ev_class AND (v.relkind IN ('v', 'm') OR w.ev_type <> '1')"
    " UNION ALL SELECT 'policy', r.relnamespace, p.polname, r.relname, 'pg_policy'::regclass, p.oid, 0"
    " FROM pg_policy AS p JOIN pg_class AS r ON r.oid = p.polrelid"
    " UNION ALL SELECT 'trigger', r.relnamespace, t.tgname, r.relname, 'pg_trigger'::regclass, t.oid, 0"
    " FROM pg_trigger AS t JOIN pg_class AS r ON r.oid = t.tgrelid WHERE NOT t.tgisinternal AND NOT EXISTS"
    " (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_trigger'::regclass AND d.objid = t.oid"
    " AND d.refclassid = 'pg_trigger'::regclass)"
    " UNION ALL SELECT 'function', f.pronamespace, f.proname, '', 'pg_proc'::regclass, f.oid, 0 FROM pg_proc AS f"
    " UNION ALL SELECT 'publication', r.relnamespace, p.pubname, r.relname, 'pg_publication_rel'::regclass, l.oid, 0"
    " FROM pg_publication_rel AS l JOIN pg_publication AS p ON p.oid = l.prpubid"
    " JOIN pg_class AS r ON r.oid = l.prrelid)"
    " SELECT DISTINCT u.kind, n.nspname, u.name, u.on_table, un.nspname,"
    " CASE WHEN r.oid IS NOT NULL THEN r.relname WHEN f.oid IS NOT NULL THEN f.proname || '()'"
    " ELSE 'type ' || e.typname END, a.attname FROM users AS u JOIN pg_namespace AS n ON n.oid = u.namespace"
    " AND n.nspname NOT IN ('pg_catalog', 'information_schema')"
    " JOIN pg_depend AS d ON d.classid = u.class AND d.objid = u.oid"
    " LEFT JOIN pg_type AS t ON d.refclassid = 'pg_type'::regclass AND t.oid = d.refobjid"
    " LEFT JOIN pg_type AS e ON e.oid = CASE WHEN t.typelem <> 0 THEN t.typelem ELSE t.oid END"
    " LEFT JOIN pg_class AS r ON r.oid <> u.own"
    " AND r.oid = CASE WHEN d.refclassid = 'pg_class'::regclass THEN d.refobjid ELSE nullif(e.typrelid, 0) END"
    " LEFT JOIN pg_proc AS f ON d.refclassid = 'pg_proc'::regclass AND f.oid = d.refobjid"
    " LEFT JOIN pg_attribute AS a ON a.attrelid = r.oid AND a.attnum = d.refobjsubid AND a.attnum > 0"
    " AND d.refclassid = 'pg_class'::regclass"
    " JOIN pg_namespace AS un ON un.oid = coalesce(r.relnamespace, f.pronamespace, e.typnamespace)"
    " WHERE r.oid IS NOT NULL OR f.oid IS NOT NULL OR e.typtype = 'e' ORDER BY 1, 2, 3, 4, 5, 6, 7"
)
_FUNCTION = "function"

Read: TypeAlias = "ColumnName | TypeName"


@dataclass(frozen=True, slots=True)
class Over:
    """A view or a function, or a policy, trigger, rule or publication ``on`` a table, in the database."""

    kind: str
    name: TableName
    on: str = ""

    def __str__(self) -> str:
        kind = self.kind.replace("_", " ")
        return f"{kind} {self.name.name} on {self.name.schema}.{self.on}" if self.on else f"{kind} {self.name}"

    @property
    def key(self) -> TableName | None:
        """What stands for it among the names of relations, None for what nothing reads."""
        if self.on:
            return None
        return function_key(self.name) if self.kind == _FUNCTION else self.name


@dataclass(frozen=True, slots=True)
class InTheWay:
    """What has to go before a change: each with those of the columns and types that change which it reads.

    ``readers`` are what reads a relation, a function or a type; ``tables`` what each reads.
    """

    over: dict[Over, frozenset[Read]] = field(default_factory=dict)
    readers: dict[TableName, dict[Over, None]] = field(default_factory=dict)
    tables: dict[Over, frozenset[TableName]] = field(default_factory=dict)

    def readers_of(self, one: Over) -> list[Over]:
        """Return what reads ``one``, or stands on it."""
        return list(self.readers.get(one.key, ())) if one.key is not None else []


@dataclass(frozen=True, slots=True)
class Changed:
    """What operations change that something may be over. Names have their schema.

    ``columns`` and ``types`` are changed, ``dropped`` are those of the columns that are not there after it.
    """

    columns: frozenset[ColumnName]
    types: frozenset[TypeName]
    dropped: frozenset[ColumnName]


def function_key(name: TableName) -> TableName:
    """Return what stands for a function among the names of relations."""
    return TableName(name.schema, f"{name.name}()")


def in_the_way(connection: Connection, changed: Changed, gone: Collection[TableName] = ()) -> InTheWay:
    """Return what has to go before something is ``changed``, and before ``gone`` views and functions go.

    One that is over another of them is among them.
    """
    if not (changed.columns or changed.types or gone):
        return InTheWay()
    readers: defaultdict[TableName, dict[Over, None]] = defaultdict(dict)
    tables: defaultdict[Over, set[TableName]] = defaultdict(set)
    found: dict[Over, frozenset[Read]] = {}
    for kind, schema, name, on, of_schema, of, column in connection.execute(_USES):
        one, read = Over(kind, TableName(schema, name), on), TableName(of_schema, of)
        readers[read][one] = None
        tables[one].add(read)
        place = ColumnName(read, column or "")
        type_ = TypeName(of_schema, of.removeprefix("type "))
        if place in changed.columns:
            found[one] = found.get(one, frozenset()) | {place}
        elif type_ in changed.types and of.startswith("type ") and kind != _FUNCTION:
            found[one] = found.get(one, frozenset()) | {type_}
    waiting = [*gone, *(one.key for one in found if one.key is not None)]
    while waiting:
        new = [one for one in readers[waiting.pop()] if one not in found]
        found |= dict.fromkeys(new, frozenset())
        waiting += [one.key for one in new if one.key is not None]
    return InTheWay(found, dict(readers), {one: frozenset(of) for one, of in tables.items()})


def changed_tables(operations: Iterable[MigrateOperation], default: str | None) -> Iterator[TableName]:
    """Yield the tables that ``operations`` create, change, rename or drop, with their schema."""
    for op in operations:
        if isinstance(op, (ops.CreateTableOp, ops.DropTableOp, ops.ModifyTableOps)):
            yield full(table_of(op), default)
        elif isinstance(op, ops.RenameTableOp):
            yield from (full(TableName(op.schema, name), default) for name in (op.table_name, op.new_table_name))


def changed_by(operations: Iterable[MigrateOperation], default: str | None, stored: StoredNames) -> Changed:
    """Return what ``operations`` change: columns that get another type, are dropped or made anew, and types."""
    columns: set[ColumnName] = set()
    types: set[TypeName] = set()
    dropped: set[ColumnName] = set()
    added: set[ColumnName] = set()
    for op in walk_ops(operations):
        if isinstance(op, ops.AlterColumnOp) and op.modify_type is not None:
            columns.add(_column(op, op.column_name, default))
        elif isinstance(op, ops.DropColumnOp):
            dropped.add(_column(op, op.column_name, default))
        elif isinstance(op, RecreateColumn):
            columns.add(_column(op, op.column.name, default))
        elif isinstance(op, ops.AddColumnOp):
            added.add(_column(op, op.column.name, default))
        elif isinstance(op, ops.DropTableOp):
            dropped |= {_column(op, column.name, default) for column in op.to_table().columns}
        elif isinstance(op, StatementsOp):
            converted = [column for one in op.statements if isinstance(one, Retype) for column in one.columns]
            columns |= {ColumnName(full(column.table, default), column.name) for column in converted}
            types |= {full(type_, default) for type_ in _made_anew(op) if converted}
    return Changed(
        frozenset(map(stored.column, columns | dropped)),
        frozenset(map(stored.type, types)),
        frozenset(map(stored.column, dropped - added)),
    )


def _made_anew(op: StatementsOp) -> Iterator[TypeName]:
    match op.diff:
        case ("modify_enum", name, *_) | ("undo", "modify_enum", name, *_):
            yield named_table(name)


@dataclass(frozen=True, slots=True)
class StoredNames:
    """The names in the database of what a script renames first, by those after it; all with their schema."""

    tables: dict[TableName, TableName] = field(default_factory=dict)
    columns: dict[ColumnName, str] = field(default_factory=dict)
    types: dict[TypeName, TypeName] = field(default_factory=dict)

    def column(self, column: ColumnName) -> ColumnName:
        """Return ``column`` as the database has it."""
        table = self.tables.get(column.table, column.table)
        return ColumnName(table, self.columns.get(ColumnName(table, column.name), column.name))

    def type(self, type_: TypeName) -> TypeName:
        """Return ``type_`` as the database has it."""
        return self.types.get(type_, type_)

    @property
    def renamed(self) -> frozenset[TableName]:
        """The tables that get another name, or of which a column does."""
        return frozenset({*self.tables.values(), *(column.table for column in self.columns)})


def stored_names(upgrade: Iterable[MigrateOperation], default: str | None) -> StoredNames:
    """Return the names in the database of what the operations of ``upgrade`` rename."""
    found = StoredNames()
    operations = list(upgrade)
    for op in operations:
        if isinstance(op, ops.RenameTableOp):
            new, old = (full(TableName(op.schema, name), default) for name in (op.new_table_name, op.table_name))
            found.tables[new] = old
        elif isinstance(op, StatementsOp) and op.diff[0] == "rename_enum":
            old, new = (full(named_table(str(name)), default) for name in op.diff[1:3])
            found.types[new] = old
    for op in operations:
        if isinstance(op, RenameColumn):
            table = full(op.column.table, default)
            found.columns[ColumnName(found.tables.get(table, table), op.new)] = op.column.name
    return found


def _column(op: ops.AlterTableOp | ops.DropTableOp, name: str, default: str | None) -> ColumnName:
    return ColumnName(full(TableName(op.schema, op.table_name), default), name)


def full(table: TableName, default: str | None) -> TableName:
    """Return ``table`` with its schema."""
    return TableName(table.schema or default, table.name)
