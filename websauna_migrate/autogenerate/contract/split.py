"""Two revisions of one comparison: what running code tolerates, and what contracts after it.

What breaks running code takes along what cannot come before it: later operations on the same column, table or type,
and those that drop what is over it. All others run with ``upgrade --expand``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from alembic.operations import ops

from websauna_migrate.autogenerate.columns.fills import comment_on_filling, made_nullable, restricted
from websauna_migrate.autogenerate.columns.retyped import is_computed_drop
from websauna_migrate.autogenerate.contract.breaks import what_breaks
from websauna_migrate.autogenerate.contract.items import (
    converted_columns,
    is_object,
    is_over,
    joined,
    mentions,
    split_items,
)
from websauna_migrate.autogenerate.objects.kept import ReadPrivileges
from websauna_migrate.autogenerate.objects.undeclared import DropUndeclared, MakeUndeclared
from websauna_migrate.autogenerate.script_ops import (
    Comment,
    RecreateColumn,
    Sql,
    StatementsOp,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from alembic.operations.ops import MigrateOperation
    from alembic.runtime.migration import MigrationContext

    from websauna_migrate.autogenerate.contract.items import Item, Key


@dataclass(frozen=True, slots=True)
class Contract:
    """The operations of a contract revision, there and back."""

    upgrade: tuple[MigrateOperation, ...]
    downgrade: tuple[MigrateOperation, ...]


def split(script: ops.MigrationScript, migration: MigrationContext) -> Contract | None:
    """Take what breaks running code out of ``script``, and return it; None where there is nothing.

    Where nothing else is left in ``script``, it keeps its operations: they are those of the contract that is returned.
    """
    upgrade, downgrade = script.upgrade_ops_list[0], script.downgrade_ops_list[0]
    there, back = (split_items(container, migration) for container in (upgrade, downgrade))
    _mark(there, migration)
    if not any(item.contracts or item.shared for item in there):
        return None
    if all(item.contracts for item in there):
        return Contract(tuple(upgrade.ops), tuple(downgrade.ops))
    _mark_back(back, there)
    restrictions = [one for item in there for one in _restrictions(item, migration)]
    fills = [item for item in there if not item.contracts and _fills(item, there)]
    contract = Contract(
        (*restrictions, *joined([*fills, *(item for item in there if item.contracts)])),
        (*joined(item for item in back if item.contracts), *_undone(restrictions)),
    )
    upgrade.ops[:] = joined(_loosened(item) for item in there if not item.contracts)
    away = _away_on_way_back(back)
    downgrade.ops[:] = [
        *(item.op for item in away if isinstance(item.op, ReadPrivileges)),
        *(item.op.reverse() for item in reversed(away) if _is_made(item)),
        *joined(item for item in back if not item.contracts),
        *joined(item for item in away if not isinstance(item.op, ReadPrivileges)),
    ]
    return contract


def is_all_of(script: ops.MigrationScript, contract: Contract) -> bool:
    """Tell whether ``script`` is nothing but ``contract``."""
    return tuple(script.upgrade_ops_list[0].ops) == contract.upgrade


# --- what goes where -------------------------------------------------------------------------------------------


def _mark(items: Sequence[Item], migration: MigrationContext) -> None:
    """Mark what contracts, and what cannot be on the other side of it."""
    for item in items:
        breaks = what_breaks(item.op, migration.dialect) is not None
        item.shared = breaks and isinstance(item.op, ops.AddColumnOp) and not isinstance(item.op, RecreateColumn)
        item.contracts = breaks and not item.shared
    if migration.dialect.name in ("mysql", "mariadb") and any(item.contracts for item in items):
        # They want the columns of a foreign key to have one type and an index at any time: only what is new expands.
        for item in items:
            item.contracts |= not isinstance(item.op, (ops.CreateTableOp, ops.AddColumnOp, ops.CreateIndexOp))
    changed = True
    while changed:
        changed = False
        for place, item in enumerate(items):
            if not item.contracts and _goes_along(place, items):
                item.contracts, item.shared = True, False
                changed = True


def _goes_along(place: int, items: Sequence[Item]) -> bool:
    item = items[place]
    in_any_order = _takes_away(item.op) or isinstance(item.op, (ops.CreateForeignKeyOp, ops.CreateTableOp))
    for other_place, other in enumerate(items):
        if not other.contracts:
            continue
        if item.key is not None and item.key == other.key:
            return True
        if (other_place < place or in_any_order) and mentions(item.texts, other.names):
            return True
        if is_over(item, other):
            return True
    return _is_under_recreated(place, items)


def _is_under_recreated(place: int, items: Sequence[Item]) -> bool:
    """Tell whether an item changes a type that something reads which only the contract drops.

    That is an object which is made again after it, or a computed column.
    """
    converted = converted_columns(items[place].op)
    if not converted:
        return False
    made = {other.key for other in items[place:] if other.contracts and is_object(other)}
    before = [other for other in items[:place] if other.contracts and is_object(other)]
    gone = [other for other in items if other.contracts and is_computed_drop(other.op)]
    readers = [*gone, *(other for other in before if other.key in made)]
    return any(mentions(other.texts, converted) for other in readers)


def _away_on_way_back(back: Sequence[Item]) -> list[Item]:
    """Return what makes the objects that read a column which the way back of the expand part converts.

    They go and come there too: around the contract part they do so on its own way back. That is so where a value was
    added to an enum, which nothing has to go for on the way there.
    """
    converted = [name for item in back if not item.contracts for name in converted_columns(item.op)]
    made = [item for item in back if item.contracts and _is_made(item)]
    keys: set[Key | None] = set()
    for place, item in enumerate(made):  # those over others come later
        over = any(other.key in keys and is_over(item, other) for other in made[:place])
        if over or mentions(item.texts, converted):
            keys.add(item.key)
    return [item for item in back if item.key in keys and not _takes_away(item.op)]


def _is_made(item: Item) -> bool:
    return isinstance(item.op, MakeUndeclared) or type(item.op).__name__ == "CreateObject"


def _mark_back(back: Sequence[Item], there: Sequence[Item]) -> None:
    """Mark what undoes a contract; what undoes nothing that is known goes with what it mentions."""
    contracting = [item for item in there if item.contracts]
    keys = {item.key for item in there}
    contract_keys = {item.key for item in contracting}
    for item in back:
        if item.key is not None and item.key in keys:
            item.contracts = item.key in contract_keys
        else:
            item.contracts = any(mentions(item.texts, other.names) for other in contracting)


def _takes_away(op: MigrateOperation) -> bool:
    """Tell whether ``op`` drops what is over a column or a table."""
    if isinstance(op, (ops.DropIndexOp, ops.DropConstraintOp)):
        return True
    if isinstance(op, StatementsOp):
        return str(op.diff[0]).startswith(("drop_", "remove_"))
    if isinstance(op, Sql):
        return str(op.sqltext).startswith("DROP ")
    return isinstance(op, DropUndeclared) or type(op).__name__ == "DropObject"  # alembic-utils need not be installed


# --- a column that is not to be NULL ---------------------------------------------------------------------------


def _loosened(item: Item) -> Item:
    if item.shared:
        assert isinstance(item.op, ops.AddColumnOp)
        item.op = ops.AddColumnOp(item.op.table_name, made_nullable(item.op.column), schema=item.op.schema)
        item.notes = []
    return item


def _restrictions(item: Item, migration: MigrationContext) -> Iterator[MigrateOperation]:
    """Yield what makes a column NOT NULL that was added nullable."""
    if item.shared:
        assert isinstance(item.op, ops.AddColumnOp)
        alter = restricted(item.op)
        if item.notes:
            yield comment_on_filling(alter, migration)
        yield ops.ModifyTableOps(item.op.table_name, [alter], schema=item.op.schema)


def _undone(operations: Sequence[MigrateOperation]) -> list[MigrateOperation]:
    return [op.reverse() for op in reversed(operations) if not isinstance(op, Comment)]


def _fills(item: Item, there: Sequence[Item]) -> bool:
    """Tell whether ``item`` gives the rows a value of a column that contracts: rows may have come since then."""
    alters = [other for other in there if other.contracts and isinstance(other.op, ops.AlterColumnOp)]
    return type(item.op) is ops.ExecuteSQLOp and any(mentions(item.texts, other.names) for other in alters)
