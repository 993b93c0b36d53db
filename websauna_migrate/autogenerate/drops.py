"""An order for what is dropped, by a generated revision or by hand, and what is lost with it.

In a revision it works on the operations of the script: a removed table goes after all that is changed in the
tables that stay, as those may refer to it, and before the tables that it refers to. What stands in the way goes first,
and comes back last on the way back: a foreign key where removed tables refer to each other in a circle, and an index or
constraint whose name is to be that of another table's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import ForeignKeyConstraint, UniqueConstraint, inspect

from websauna_migrate.packages.package import TableName, constraint_name, referred_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from alembic.operations.ops import DowngradeOps, MigrationScript, ModifyTableOps, UpgradeOps
    from sqlalchemy.engine import Connection

Link = tuple[TableName, TableName]

# The constraints whose name no other table of the schema may use.
_NAMED_IN_SCHEMA: dict[str, type[ForeignKeyConstraint] | type[UniqueConstraint]] = {
    "postgresql": UniqueConstraint,  # its index has the name
    **dict.fromkeys(("mysql", "mariadb"), ForeignKeyConstraint),
}


def order_drops(script: MigrationScript, dialect: str) -> None:
    """Put what ``script`` drops into an order that foreign keys and names allow, upward and downward.

    SQLite needs no foreign key to be dropped for it: none is in force while a revision runs.
    """
    for upgrade, downgrade in zip(script.upgrade_ops_list, script.downgrade_ops_list, strict=True):
        dropped: dict[TableName, Any] = {_table(op): op for op in upgrade.ops if _is(op, "DropTableOp")}
        names = made_names(upgrade.ops, dialect)
        indexes = _take_indexes(upgrade, names)
        if not dropped and not indexes:
            continue
        found = {table: list(_constraints(op.to_table().constraints)) for table, op in dropped.items()}
        order, cut = drop_order({table: {_target(c) for c in of if _is_key(c)} for table, of in found.items()})
        early = {
            table: [c for c in of if _is_in(cut, table, c) or _is_in_the_way(table, c, names, dialect)]
            for table, of in (found.items() if dialect != "sqlite" else ())
        }
        _write(upgrade, order, [*indexes, *_drops_of(early)])
        upgrade.reverse_into(downgrade)
        _take_out(downgrade, early)


def made_names(operations: Iterable[Any], dialect: str) -> dict[TableName, set[TableName]]:
    """Return the tables that get an index or a constraint from ``operations``, by its name.

    They are those names that no other table of the schema may use.
    """
    made: dict[TableName, set[TableName]] = {}
    for op in (inner for outer in operations for inner in (outer, *getattr(outer, "ops", ()))):
        for name, table in _made_by(op, dialect):
            if isinstance(name, str):
                made.setdefault(TableName(table.schema, name), set()).add(table)
    return made


def is_taken(table: TableName, name: object, made: Mapping[TableName, Collection[TableName]]) -> bool:
    """Tell whether another table is to have an index or a constraint of the ``name`` that one of ``table`` has."""
    return isinstance(name, str) and bool({*made.get(TableName(table.schema, name), ())} - {table})


def is_index_drop(op: Any) -> bool:
    """Tell whether ``op`` drops an index; one over expressions on SQLite is dropped by SQL."""
    return _is(op, "DropIndexOp") or (_is(op, "Sql") and str(op.sqltext).startswith("DROP INDEX "))


def name_of_index(op: Any) -> str:
    """Return the name of the index that ``op`` drops."""
    name = op.index_name if _is(op, "DropIndexOp") else str(op.sqltext).removeprefix("DROP INDEX ").strip('"')
    return str(name)


def give_name(op: Any) -> None:
    """Name the unique constraint or foreign key that ``op`` makes or drops, where the models give it no name.

    Databases would give it one that the way back does not know.
    """
    if getattr(op, "constraint_name", "") is not None:
        return
    made = op.reverse() if _is(op, "DropConstraintOp") else op
    if _is(made, "CreateUniqueConstraintOp"):
        op.constraint_name = constraint_name("uq", made.table_name, made.columns)
    elif _is(made, "CreateForeignKeyOp"):
        op.constraint_name = constraint_name("fk", made.source_table, made.local_cols, made.referent_table)


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


def losses(script: MigrationScript) -> Iterator[str]:
    """Yield what the rows lose when ``script`` is run upward, a line for each table and column."""
    for upgrade in script.upgrade_ops_list:
        for op in upgrade.ops:
            if _is(op, "DropTableOp"):
                yield f"drops table {_table(op)} with all its rows"
            for inner in getattr(op, "ops", ()):
                if _is(inner, "DropColumnOp"):
                    yield f"drops column {_table(inner)}.{inner.column_name} with all its values"


def _in_a_circle(referrers: Mapping[TableName, Collection[TableName]]) -> TableName:
    table = next(iter(referrers))
    seen: set[TableName] = set()
    while table not in seen:
        seen.add(table)
        table = min(referrers[table], key=str)
    return table


def _made_by(op: Any, dialect: str) -> Iterator[tuple[object, TableName]]:
    kind = _NAMED_IN_SCHEMA.get(dialect)
    if _is(op, "CreateTableOp") and kind is not None:
        yield from ((item.name, _table(op)) for item in op.columns if isinstance(item, kind))
    elif _is(op, "CreateIndexOp") and kind is not ForeignKeyConstraint:
        yield op.index_name, _table(op)
    elif _is(op, "CreateUniqueConstraintOp") and kind is UniqueConstraint:
        yield op.constraint_name, _table(op)
    elif _is(op, "CreateForeignKeyOp") and kind is ForeignKeyConstraint:
        yield op.constraint_name, TableName(op.kw.get("source_schema"), op.source_table)


def _take_indexes(upgrade: UpgradeOps, names: Mapping[TableName, Collection[TableName]]) -> list[ModifyTableOps]:
    """Take the drops of indexes whose names are taken out of ``upgrade``, and return them."""
    from alembic.operations.ops import ModifyTableOps

    taken = []
    for modify in upgrade.ops:
        if not isinstance(modify, ModifyTableOps):
            continue
        drops = [op for op in modify.ops if is_index_drop(op) and is_taken(_table(modify), name_of_index(op), names)]
        if drops:
            taken.append(ModifyTableOps(modify.table_name, drops, schema=modify.schema))
            modify.ops = [op for op in modify.ops if op not in drops]
    return taken


def _is_in(cut: Collection[Link], table: TableName, constraint: Any) -> bool:
    return _is_key(constraint) and (table, _target(constraint)) in cut


def _is_in_the_way(
    table: TableName, constraint: Any, names: Mapping[TableName, Collection[TableName]], dialect: str
) -> bool:
    kind = _NAMED_IN_SCHEMA.get(dialect)
    return kind is not None and isinstance(constraint, kind) and is_taken(table, constraint.name, names)


def _write(upgrade: UpgradeOps, order: list[TableName], first: list[ModifyTableOps]) -> None:
    """Put ``first`` at the start of ``upgrade`` and the tables in ``order`` at the end.

    Each comes after what is dropped of it, as its indexes.
    """
    of_table: dict[TableName, list[Any]] = {table: [] for table in order}
    stays: list[Any] = []
    for op in upgrade.ops:
        drops = _is(op, "DropTableOp") or (_is(op, "ModifyTableOps") and _table(op) in of_table)
        (of_table[_table(op)] if drops else stays).append(op)
    upgrade.ops[:] = [*first, *stays, *(op for table in order for op in of_table[table])]


def _drops_of(constraints: Mapping[TableName, list[Any]]) -> Iterator[ModifyTableOps]:
    from alembic.operations.ops import ModifyTableOps

    for table, found in constraints.items():
        drops: list[Any] = [_as_operation(table, constraint).reverse() for constraint in found]
        if drops:
            yield ModifyTableOps(table.name, drops, schema=table.schema)


def _as_operation(table: TableName, key: Any) -> Any:
    """Return the operation that makes ``key``. It was reflected, so it has a name, and leads nowhere in Python."""
    from alembic.operations.ops import CreateForeignKeyOp, CreateUniqueConstraintOp

    if not _is_key(key):
        return CreateUniqueConstraintOp.from_constraint(key)
    target = _target(key)
    rules = {rule: getattr(key, rule) for rule in ("onupdate", "ondelete", "deferrable", "initially", "match")}
    return CreateForeignKeyOp(
        str(key.name),
        table.name,
        target.name,
        list(key.column_keys),
        [element.target_fullname.rpartition(".")[2] for element in key.elements],
        source_schema=table.schema,
        referent_schema=target.schema,
        **{rule: value for rule, value in rules.items() if value is not None},
    )


def _take_out(downgrade: DowngradeOps, later: Mapping[TableName, list[Any]]) -> None:
    """Let the tables be created without the constraints that come after them."""
    for op in downgrade.ops:
        if _is(op, "CreateTableOp"):
            created: Any = op
            names = {constraint.name for constraint in later.get(_table(created), ())}
            gone = {id(item) for item in _constraints(created.columns) if item.name in names}
            created.columns = [item for item in created.columns if id(item) not in gone]


def _constraints(items: Any) -> Iterator[Any]:
    """Yield the foreign keys and unique constraints of ``items``."""
    found = [item for item in items if isinstance(item, (ForeignKeyConstraint, UniqueConstraint))]
    yield from sorted(found, key=lambda constraint: str(constraint.name))


def _is_key(constraint: object) -> bool:
    return isinstance(constraint, ForeignKeyConstraint)


def _target(key: ForeignKeyConstraint) -> TableName:
    return referred_name(key.elements[0])


def _table(op: Any) -> TableName:
    return TableName(op.schema, op.table_name)


def _is(op: object, kind: str) -> bool:
    """Tell whether ``op`` is an operation of this kind, without importing Alembic for it."""
    return type(op).__name__ == kind
