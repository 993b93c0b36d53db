"""Two revisions of one comparison: what running code tolerates, and what contracts after it.

What breaks running code takes along what cannot come before it: later operations on the same column, table or type,
and those that drop what is over it. All others run with ``upgrade --expand``.
"""

from __future__ import annotations

import re
import warnings
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from alembic.autogenerate import render_op_text
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops

from websauna_migrate.autogenerate.columns.fills import column_of_op, comment_on_filling, made_nullable, restricted
from websauna_migrate.autogenerate.contract.breaks import what_breaks
from websauna_migrate.autogenerate.script_ops import (
    Comment,
    RecreateColumn,
    RenameColumn,
    RenameTable,
    Sql,
    StatementsOp,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence

    from alembic.operations.ops import MigrateOperation
    from alembic.runtime.migration import MigrationContext

_Key = tuple["Hashable", ...]
_TEXT = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""")


@dataclass(frozen=True, slots=True)
class Contract:
    """The operations of a contract revision, there and back."""

    upgrade: tuple[MigrateOperation, ...]
    downgrade: tuple[MigrateOperation, ...]


@dataclass(slots=True)
class _Item:
    """One operation on its way into one of two revisions; ``table`` and ``schema`` are those that it is inside of.

    ``texts`` are those in its code, ``names`` what an operation has to mention to depend on it: one, or all of
    several words. One that is ``shared`` adds a column that the rows have no value for: it is added before, nullable,
    and becomes NOT NULL in the contract.
    """

    op: MigrateOperation
    table: str | None
    schema: str | None
    texts: str
    key: _Key | None
    names: tuple[tuple[str, ...], ...]
    contracts: bool = False
    shared: bool = False
    notes: list[Comment] = field(default_factory=list)


def split(script: ops.MigrationScript, migration: MigrationContext) -> Contract | None:
    """Take what breaks running code out of ``script``, and return it; None where there is nothing.

    Where nothing else is left in ``script``, it keeps its operations: they are those of the contract that is returned.
    """
    upgrade, downgrade = script.upgrade_ops_list[0], script.downgrade_ops_list[0]
    there, back = (_items(container, migration) for container in (upgrade, downgrade))
    _mark(there, migration)
    if not any(item.contracts or item.shared for item in there):
        return None
    if all(item.contracts for item in there):
        return Contract(tuple(upgrade.ops), tuple(downgrade.ops))
    _mark_back(back, there)
    restrictions = [one for item in there for one in _restrictions(item, migration)]
    fills = [item for item in there if not item.contracts and _fills(item, there)]
    contract = Contract(
        (*restrictions, *_operations([*fills, *(item for item in there if item.contracts)])),
        (*_operations(item for item in back if item.contracts), *_undone(restrictions)),
    )
    upgrade.ops[:] = _operations(_loosened(item) for item in there if not item.contracts)
    downgrade.ops[:] = _operations(item for item in back if not item.contracts)
    return contract


def is_all_of(script: ops.MigrationScript, contract: Contract) -> bool:
    """Tell whether ``script`` is nothing but ``contract``."""
    return tuple(script.upgrade_ops_list[0].ops) == contract.upgrade


# --- what goes where -------------------------------------------------------------------------------------------


def _mark(items: Sequence[_Item], migration: MigrationContext) -> None:
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


def _goes_along(place: int, items: Sequence[_Item]) -> bool:
    item = items[place]
    in_any_order = _takes_away(item.op) or isinstance(item.op, (ops.CreateForeignKeyOp, ops.CreateTableOp))
    for other_place, other in enumerate(items):
        if not other.contracts:
            continue
        if item.key is not None and item.key == other.key:
            return True
        if (other_place < place or in_any_order) and _mentions(item.texts, other.names):
            return True
    return _is_under_recreated(place, items)


def _is_under_recreated(place: int, items: Sequence[_Item]) -> bool:
    """Tell whether an item changes a type that an object reads which is dropped for the contract, and made after it."""
    item = items[place]
    if not isinstance(item.op, ops.AlterColumnOp) or item.op.modify_type is None:
        return False
    made = {other.key for other in items[place:] if other.contracts and _is_object(other)}
    before = [other for other in items[:place] if other.contracts and _is_object(other)]
    return any(other.key in made and _mentions(other.texts, item.names) for other in before)


def _is_object(item: _Item) -> bool:
    return item.key is not None and item.key[0] == "object"


def _mark_back(back: Sequence[_Item], there: Sequence[_Item]) -> None:
    """Mark what undoes a contract; what undoes nothing that is known goes with what it mentions."""
    contracting = [item for item in there if item.contracts]
    keys = {item.key for item in there}
    contract_keys = {item.key for item in contracting}
    for item in back:
        if item.key is not None and item.key in keys:
            item.contracts = item.key in contract_keys
        else:
            item.contracts = any(_mentions(item.texts, other.names) for other in contracting)


def _mentions(texts: str, names: Iterable[tuple[str, ...]]) -> bool:
    return any(all(re.search(rf"(?<!\w){re.escape(word)}(?!\w)", texts) for word in words) for words in names)


def _takes_away(op: MigrateOperation) -> bool:
    """Tell whether ``op`` drops what is over a column or a table."""
    if isinstance(op, (ops.DropIndexOp, ops.DropConstraintOp)):
        return True
    if isinstance(op, StatementsOp):
        return str(op.diff[0]).startswith(("drop_", "remove_"))
    if isinstance(op, Sql):
        return str(op.sqltext).startswith("DROP ")
    return type(op).__name__ == "DropObject"  # of alembic-utils, which need not be installed


# --- a column that is not to be NULL ---------------------------------------------------------------------------


def _loosened(item: _Item) -> _Item:
    if item.shared:
        assert isinstance(item.op, ops.AddColumnOp)
        item.op = ops.AddColumnOp(item.op.table_name, made_nullable(item.op.column), schema=item.op.schema)
        item.notes = []
    return item


def _restrictions(item: _Item, migration: MigrationContext) -> Iterator[MigrateOperation]:
    """Yield what makes a column NOT NULL that was added nullable."""
    if item.shared:
        assert isinstance(item.op, ops.AddColumnOp)
        alter = restricted(item.op)
        if item.notes:
            yield comment_on_filling(alter, migration)
        yield ops.ModifyTableOps(item.op.table_name, [alter], schema=item.op.schema)


def _undone(operations: Sequence[MigrateOperation]) -> list[MigrateOperation]:
    return [op.reverse() for op in reversed(operations) if not isinstance(op, Comment)]


def _fills(item: _Item, there: Sequence[_Item]) -> bool:
    """Tell whether ``item`` gives the rows a value of a column that contracts: rows may have come since then."""
    alters = [other for other in there if other.contracts and isinstance(other.op, ops.AlterColumnOp)]
    return type(item.op) is ops.ExecuteSQLOp and any(_mentions(item.texts, other.names) for other in alters)


# --- operations one by one -------------------------------------------------------------------------------------


def _items(container: ops.OpContainer, migration: MigrationContext) -> list[_Item]:
    """Return the operations one by one, each with the comments that stand before it."""
    items: list[_Item] = []
    notes: list[Comment] = []
    for outer in container.ops:
        if isinstance(outer, Comment):
            notes.append(outer)
            continue
        if isinstance(outer, ops.ModifyTableOps):
            found = [_item(op, outer, migration) for op in outer.ops]
        else:
            found = [_item(outer, None, migration)]
        for note in notes if found else ():
            about = next((item for item in found if _is_about(note, item.op, migration)), found[0])
            about.notes.append(note)
        notes = [] if found else notes
        items += found
    return items


def _item(op: MigrateOperation, place: ops.ModifyTableOps | None, migration: MigrationContext) -> _Item:
    # What drops an index or a constraint does not say what that is over.
    texts = "\n".join(_texts(one, migration) for one in (op, *_made_again(op)))
    if place is None:
        return _Item(op, None, None, texts, _key(op), _names(op))
    return _Item(op, place.table_name, place.schema, f"{place.table_name}\n{texts}", _key(op), _names(op))


def _made_again(op: MigrateOperation) -> list[MigrateOperation]:
    """Return what undoes the drop of an index or of a constraint."""
    with suppress(ValueError):  # it knows no way back
        return [op.reverse()] if isinstance(op, (ops.DropIndexOp, ops.DropConstraintOp)) else []
    return []


def _is_about(note: Comment, op: MigrateOperation, migration: MigrationContext) -> bool:
    if not isinstance(op, (ops.AddColumnOp, ops.AlterColumnOp)):
        return False
    return f" {column_of_op(op, migration.dialect)} " in note.text


def _texts(op: MigrateOperation, migration: MigrationContext) -> str:
    """Return the texts in the code of ``op``: all that it names is in one of them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that are still to be given
        code = render_op_text(AutogenContext(migration, autogenerate=False), op)
    return "\n".join(_TEXT.findall(code))


def _operations(items: Iterable[_Item]) -> list[MigrateOperation]:
    """Return the operations of ``items``, those on one table that follow each other together again."""
    operations: list[MigrateOperation] = []
    for item in items:
        operations += item.notes
        last = operations[-1] if operations else None
        if item.table is None:
            operations.append(item.op)
        elif isinstance(last, ops.ModifyTableOps) and (last.table_name, last.schema) == (item.table, item.schema):
            last.ops.append(item.op)
        else:
            operations.append(ops.ModifyTableOps(item.table, [item.op], schema=item.schema))
    return operations


# --- what an operation is about --------------------------------------------------------------------------------


def _key(op: MigrateOperation) -> _Key | None:
    """Return what ``op`` has in common with what undoes it, and with what else is about the same thing."""
    found = next((key(op) for kind, key in _KEYS if isinstance(op, kind)), None)
    if found is None and hasattr(op, "target"):  # an object of alembic-utils
        return ("object", op.target.identity)
    return found


_KEYS: tuple[tuple[Any, Callable[[Any], _Key]], ...] = (
    ((ops.CreateTableOp, ops.DropTableOp), lambda op: ("table", op.schema, op.table_name)),
    (ops.RenameTableOp, lambda op: ("rename", op.schema, frozenset({op.table_name, op.new_table_name}))),
    (ops.AddColumnOp, lambda op: ("column", op.schema, op.table_name, op.column.name)),
    (ops.DropColumnOp, lambda op: ("column", op.schema, op.table_name, op.column_name)),
    (
        ops.AlterColumnOp,
        lambda op: ("alter", op.schema, op.table_name, frozenset({op.column_name, op.modify_name or op.column_name})),
    ),
    ((ops.CreateIndexOp, ops.DropIndexOp), lambda op: ("index", op.schema, op.table_name, op.index_name)),
    (
        ops.CreateForeignKeyOp,
        lambda op: ("constraint", op.kw.get("source_schema"), op.source_table, op.constraint_name),
    ),
    ((ops.AddConstraintOp, ops.DropConstraintOp), lambda op: _key_of_constraint(op)),
    (StatementsOp, lambda op: ("statements", str(op.diff[1:] if op.diff[0] == "undo" else op.diff))),
    (Sql, lambda op: ("sql", frozenset({str(op.sqltext), op.undo}))),
)


def _key_of_constraint(op: Any) -> _Key:
    if isinstance(op, ops.CreatePrimaryKeyOp) or getattr(op, "constraint_type", None) == "primary":
        return ("primary key", op.schema, op.table_name)
    made = next(iter(_made_again(op)), op)
    about = getattr(made, "columns", getattr(made, "condition", ""))
    return ("constraint", op.schema, op.table_name, op.constraint_name or str(about))


def _names(op: MigrateOperation) -> tuple[tuple[str, ...], ...]:
    """Return what another operation mentions that depends on ``op``."""
    match op:
        case RenameColumn(column=(table, old), new=new):
            return (table.name, old), (table.name, new)
        case RenameTable() | ops.RenameTableOp():
            return (str(op.table_name),), (str(op.new_table_name),)
        case ops.DropTableOp() | ops.CreateTableOp():
            return ((op.table_name,),)
        case ops.CreatePrimaryKeyOp() | ops.CreateUniqueConstraintOp():  # a foreign key needs it
            return ((op.table_name, *map(str, op.columns)),)
        case ops.DropColumnOp():
            return ((op.table_name, op.column_name),)
        case ops.AddColumnOp():
            return ((op.table_name, op.column.name),)
        case ops.AlterColumnOp():
            return tuple((op.table_name, str(name)) for name in (op.column_name, op.modify_name) if name)
        case ops.DropIndexOp() | ops.CreateIndexOp() if op.index_name:
            return ((str(op.index_name),),)
        case ops.DropConstraintOp() if op.constraint_name:
            return ((op.table_name, str(op.constraint_name)),)
        case StatementsOp():
            return tuple(_words(str(part)) for part in op.diff[1:2])
    return ()


def _words(name: str) -> tuple[str, ...]:
    """Return the words of a name such as ``schema.table.column``; the last two of them."""
    return tuple(name.split(".")[-2:])
