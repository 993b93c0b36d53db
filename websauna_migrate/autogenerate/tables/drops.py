"""An order for what a generated revision drops, and what is lost with it.

Works on the operations of the script: a removed table goes after all that is changed in the tables that stay,
as those may refer to it, and before the tables that it refers to. What stands in the way goes first, and comes back
last on the way back: a foreign key where removed tables refer to each other in a circle, and an index or constraint
whose name another table is to have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from alembic.operations import ops
from sqlalchemy import ForeignKeyConstraint, UniqueConstraint

from websauna_migrate.autogenerate.script_ops import RecreateColumn, Sql, table_of, walk_ops
from websauna_migrate.database.drop_order import drop_order
from websauna_migrate.packages.package import TableName, constraint_name, referred_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from typing import TypeAlias, TypeGuard

    from alembic.operations.ops import MigrateOperation

    from websauna_migrate.database.drop_order import Link

    # What a table has and has no name for anybody else.
    Named: TypeAlias = ForeignKeyConstraint | UniqueConstraint

# The constraints whose name no other table of the schema may use.
_NAMED_IN_SCHEMA: dict[str, type[ForeignKeyConstraint] | type[UniqueConstraint]] = {
    "postgresql": UniqueConstraint,  # its index has the name
    **dict.fromkeys(("mysql", "mariadb"), ForeignKeyConstraint),
}


def order_drops(script: ops.MigrationScript, dialect: str) -> None:
    """Put what ``script`` drops into an order that foreign keys and names allow, upward and downward.

    SQLite needs no foreign key to be dropped for it: none is in force while a revision runs.
    """
    for upgrade, downgrade in zip(script.upgrade_ops_list, script.downgrade_ops_list, strict=True):
        dropped = {table_of(op): op for op in upgrade.ops if isinstance(op, ops.DropTableOp)}
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


def made_names(operations: Iterable[MigrateOperation], dialect: str) -> dict[TableName, set[TableName]]:
    """Return the tables that get an index or a constraint from ``operations``, by its name.

    They are those names that no other table of the schema may use.
    """
    made: dict[TableName, set[TableName]] = {}
    for op in walk_ops(operations):
        for name, table in _made_by(op, dialect):
            if isinstance(name, str):
                made.setdefault(TableName(table.schema, name), set()).add(table)
    return made


def is_taken(table: TableName, name: object, made: Mapping[TableName, Collection[TableName]]) -> bool:
    """Tell whether another table is to have an index or a constraint of the ``name`` that one of ``table`` has."""
    return isinstance(name, str) and bool({*made.get(TableName(table.schema, name), ())} - {table})


def is_index_drop(op: MigrateOperation) -> TypeGuard[ops.DropIndexOp | Sql]:
    """Tell whether ``op`` drops an index; one over expressions on SQLite is dropped by SQL."""
    return isinstance(op, ops.DropIndexOp) or (isinstance(op, Sql) and str(op.sqltext).startswith("DROP INDEX "))


def name_of_index(op: ops.DropIndexOp | Sql) -> str:
    """Return the name of the index that ``op`` drops."""
    if isinstance(op, ops.DropIndexOp):
        return str(op.index_name)
    return str(op.sqltext).removeprefix("DROP INDEX ").strip('"')


def give_name(op: MigrateOperation) -> None:
    """Name the unique constraint or foreign key that ``op`` makes or drops, where the models give it no name.

    Databases would give it one that the way back does not know.
    """
    kinds = (ops.DropConstraintOp, ops.CreateUniqueConstraintOp, ops.CreateForeignKeyOp)
    if not isinstance(op, kinds) or op.constraint_name is not None:
        return
    made = op.reverse() if isinstance(op, ops.DropConstraintOp) else op
    if isinstance(made, ops.CreateUniqueConstraintOp):
        op.constraint_name = constraint_name("uq", made.table_name, made.columns)
    elif isinstance(made, ops.CreateForeignKeyOp):
        op.constraint_name = constraint_name("fk", made.source_table, made.local_cols, made.referent_table)


def losses(script: ops.MigrationScript) -> Iterator[str]:
    """Yield what the rows lose when ``script`` is run upward, a line for each table and column."""
    for op in walk_ops(op for upgrade in script.upgrade_ops_list for op in upgrade.ops):
        if isinstance(op, ops.DropTableOp):
            yield f"drops table {table_of(op)} with all its rows"
        elif isinstance(op, RecreateColumn) and op.old.computed is None:
            yield f"computes column {table_of(op)}.{op.column.name}, whose values are lost"
        elif isinstance(op, ops.DropColumnOp) and op.to_column().computed is None:
            yield f"drops column {table_of(op)}.{op.column_name} with all its values"


def _made_by(op: MigrateOperation, dialect: str) -> Iterator[tuple[object, TableName]]:
    kind = _NAMED_IN_SCHEMA.get(dialect)
    if isinstance(op, ops.CreateTableOp) and kind is not None:
        yield from ((item.name, table_of(op)) for item in op.columns if isinstance(item, kind))
    elif isinstance(op, ops.CreateIndexOp) and kind is not ForeignKeyConstraint:
        yield op.index_name, table_of(op)
    elif isinstance(op, ops.CreateUniqueConstraintOp) and kind is UniqueConstraint:
        yield op.constraint_name, table_of(op)
    elif isinstance(op, ops.CreateForeignKeyOp) and kind is ForeignKeyConstraint:
        yield op.constraint_name, TableName(op.kw.get("source_schema"), op.source_table)


def _take_indexes(
    upgrade: ops.UpgradeOps, names: Mapping[TableName, Collection[TableName]]
) -> list[ops.ModifyTableOps]:
    """Take the drops of indexes whose names are taken out of ``upgrade``, and return them."""
    taken = []
    for modify in upgrade.ops:
        if not isinstance(modify, ops.ModifyTableOps):
            continue
        table = table_of(modify)
        drops = [op for op in modify.ops if is_index_drop(op) and is_taken(table, name_of_index(op), names)]
        if drops:
            taken.append(ops.ModifyTableOps(modify.table_name, drops, schema=modify.schema))
            modify.ops = [op for op in modify.ops if op not in drops]
    return taken


def _is_in(cut: Collection[Link], table: TableName, constraint: Named) -> bool:
    return _is_key(constraint) and (table, _target(constraint)) in cut


def _is_in_the_way(
    table: TableName, constraint: Named, names: Mapping[TableName, Collection[TableName]], dialect: str
) -> bool:
    kind = _NAMED_IN_SCHEMA.get(dialect)
    return kind is not None and isinstance(constraint, kind) and is_taken(table, constraint.name, names)


def _write(upgrade: ops.UpgradeOps, order: list[TableName], first: list[ops.ModifyTableOps]) -> None:
    """Put ``first`` at the start of ``upgrade`` and the tables in ``order`` at the end.

    Each comes after what is dropped of it, as its indexes.
    """
    of_table: dict[TableName, list[MigrateOperation]] = {table: [] for table in order}
    stays: list[MigrateOperation] = []
    for op in upgrade.ops:
        table = table_of(op) if isinstance(op, (ops.DropTableOp, ops.ModifyTableOps)) else None
        (stays if table is None else of_table.get(table, stays)).append(op)
    upgrade.ops[:] = [*first, *stays, *(op for table in order for op in of_table[table])]


def _drops_of(constraints: Mapping[TableName, list[Named]]) -> Iterator[ops.ModifyTableOps]:
    for table, found in constraints.items():
        drops = [as_operation(table, constraint).reverse() for constraint in found]
        if drops:
            yield ops.ModifyTableOps(table.name, drops, schema=table.schema)


def as_operation(table: TableName, constraint: Named) -> ops.AddConstraintOp:
    """Return the operation that makes it. It was reflected: it has a name, and refers to no ``Table``."""
    if not _is_key(constraint):
        return ops.CreateUniqueConstraintOp.from_constraint(constraint)
    target = _target(constraint)
    rules = {rule: getattr(constraint, rule) for rule in ("onupdate", "ondelete", "deferrable", "initially", "match")}
    return ops.CreateForeignKeyOp(
        str(constraint.name),
        table.name,
        target.name,
        list(constraint.column_keys),
        [element.target_fullname.rpartition(".")[2] for element in constraint.elements],
        source_schema=table.schema,
        referent_schema=target.schema,
        **{rule: value for rule, value in rules.items() if value is not None},
    )


def _take_out(downgrade: ops.DowngradeOps, later: Mapping[TableName, list[Named]]) -> None:
    """Let the tables be created without the constraints that come after them."""
    for op in downgrade.ops:
        if isinstance(op, ops.CreateTableOp):
            names = {constraint.name for constraint in later.get(table_of(op), ())}
            gone = {id(item) for item in _constraints(op.columns) if item.name in names}
            op.columns = [item for item in op.columns if id(item) not in gone]


def _constraints(items: Iterable[object]) -> Iterator[Named]:
    """Yield the foreign keys and unique constraints of ``items``."""
    found = [item for item in items if isinstance(item, (ForeignKeyConstraint, UniqueConstraint))]
    yield from sorted(found, key=lambda constraint: str(constraint.name))


def _is_key(constraint: Named) -> TypeGuard[ForeignKeyConstraint]:
    return isinstance(constraint, ForeignKeyConstraint)


def _target(key: ForeignKeyConstraint) -> TableName:
    return referred_name(key.elements[0])
