"""An order for what a generated revision drops, and what is lost with it.

Floor 2. Works on the operations of a script. A removed table goes after all that is changed in the tables that stay,
as those may refer to it, and before the tables that it refers to. Where removed tables refer to each other in a
circle, a foreign key goes first, and comes back last on the way back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import ForeignKeyConstraint

from websauna_migrate.package import TableName

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from alembic.operations.ops import DowngradeOps, MigrationScript, ModifyTableOps, UpgradeOps

Link = tuple[TableName, TableName]


def order_drops(script: MigrationScript, dialect: str) -> None:
    """Put what ``script`` drops into an order that foreign keys allow, upward and downward.

    SQLite needs no foreign key to be dropped for it: none is in force while a revision runs.
    """
    for upgrade, downgrade in zip(script.upgrade_ops_list, script.downgrade_ops_list, strict=True):
        dropped: dict[TableName, Any] = {_table(op): op for op in upgrade.ops if _is(op, "DropTableOp")}
        if not dropped:
            continue
        keys = {table: list(_foreign_keys(op.to_table().constraints)) for table, op in dropped.items()}
        order, cut = drop_order({table: {_target(key) for key in found} for table, found in keys.items()})
        first = [] if dialect == "sqlite" else list(_drops_of_keys(keys, cut))
        _write(upgrade, order, first)
        upgrade.reverse_into(downgrade)
        if first:
            _take_out(downgrade, cut)


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


def _write(upgrade: UpgradeOps, order: list[TableName], first: list[ModifyTableOps]) -> None:
    """Put the tables in ``order`` at the end of ``upgrade``, each after what is dropped of it, as its indexes."""
    of_table: dict[TableName, list[Any]] = {table: [] for table in order}
    stays: list[Any] = []
    for op in upgrade.ops:
        drops = _is(op, "DropTableOp") or (_is(op, "ModifyTableOps") and _table(op) in of_table)
        (of_table[_table(op)] if drops else stays).append(op)
    upgrade.ops[:] = [*stays, *first, *(op for table in order for op in of_table[table])]


def _drops_of_keys(
    keys: Mapping[TableName, list[ForeignKeyConstraint]], cut: Collection[Link]
) -> Iterator[ModifyTableOps]:
    from alembic.operations.ops import ModifyTableOps

    for table, found in keys.items():
        drops: list[Any] = [_as_operation(table, key).reverse() for key in found if (table, _target(key)) in cut]
        if drops:
            yield ModifyTableOps(table.name, drops, schema=table.schema)


def _as_operation(table: TableName, key: ForeignKeyConstraint) -> Any:
    """Return the operation that makes ``key``. It was reflected, so it has a name, and leads nowhere in Python."""
    from alembic.operations.ops import CreateForeignKeyOp

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


def _take_out(downgrade: DowngradeOps, cut: Collection[Link]) -> None:
    """Let the tables be created without the foreign keys that come after them."""
    for op in downgrade.ops:
        if _is(op, "CreateTableOp"):
            created: Any = op
            later = {id(key) for key in _foreign_keys(created.columns) if (_table(created), _target(key)) in cut}
            created.columns = [item for item in created.columns if id(item) not in later]


def _foreign_keys(items: Any) -> Iterator[ForeignKeyConstraint]:
    keys = [item for item in items if isinstance(item, ForeignKeyConstraint)]
    yield from sorted(keys, key=lambda key: str(key.name))


def _target(key: ForeignKeyConstraint) -> TableName:
    path = key.elements[0].target_fullname.split(".")
    return TableName(".".join(path[:-2]) or None, path[-2])


def _table(op: Any) -> TableName:
    return TableName(op.schema, op.table_name)


def _is(op: object, kind: str) -> bool:
    """Tell whether ``op`` is an operation of this kind, without importing Alembic for it."""
    return type(op).__name__ == kind
