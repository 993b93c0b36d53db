"""The operations of a script one by one, with what tells which of them belong together."""

from __future__ import annotations

import re
import warnings
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from alembic.autogenerate import render_op_text
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops

from websauna_migrate.autogenerate.columns.fills import column_of_op
from websauna_migrate.autogenerate.columns.retyped import is_computed_drop
from websauna_migrate.autogenerate.objects.undeclared import DropUndeclared
from websauna_migrate.autogenerate.script_ops import (
    Comment,
    RenameColumn,
    RenameTable,
    Retype,
    Sql,
    StatementsOp,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable

    from alembic.operations.ops import MigrateOperation
    from alembic.runtime.migration import MigrationContext

Key = tuple["Hashable", ...]
_TEXT = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""")


@dataclass(slots=True)
class Item:
    """One operation on its way into one of two revisions; ``table`` and ``schema`` are those that it is inside of.

    ``texts`` are those in its code, ``names`` what an operation has to mention to depend on it: one, or all of
    several words. One that is ``shared`` adds a column that the rows have no value for: it is added before, nullable,
    and becomes NOT NULL in the contract.
    """

    op: MigrateOperation
    table: str | None
    schema: str | None
    texts: str
    key: Key | None
    names: tuple[tuple[str, ...], ...]
    contracts: bool = False
    shared: bool = False
    notes: list[Comment] = field(default_factory=list)


def split_items(container: ops.OpContainer, migration: MigrationContext) -> list[Item]:
    """Return the operations one by one, each with the comments that stand before it."""
    items: list[Item] = []
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


def _item(op: MigrateOperation, place: ops.ModifyTableOps | None, migration: MigrationContext) -> Item:
    # What drops an index or a constraint does not say what that is over.
    texts = "\n".join(_texts(one, migration) for one in (op, *_made_again(op)))
    if isinstance(op, StatementsOp) and op.diff[0] == "drop_dependent":  # a comment alone
        texts += str(op.diff[1])
    if place is None:
        return Item(op, None, None, texts, _key(op), _names(op))
    return Item(op, place.table_name, place.schema, f"{place.table_name}\n{texts}", _key(op), _names(op))


def _made_again(op: MigrateOperation) -> list[MigrateOperation]:
    """Return what undoes the drop of an index, of a constraint, or of another thing over columns."""
    drops = isinstance(op, (ops.DropIndexOp, ops.DropConstraintOp, DropUndeclared)) or is_computed_drop(op)
    with suppress(ValueError):  # it knows no way back
        return [op.reverse()] if drops else []
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


def joined(items: Iterable[Item]) -> list[MigrateOperation]:
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


def _key(op: MigrateOperation) -> Key | None:
    """Return what ``op`` has in common with what undoes it, and with what else is about the same thing."""
    if hasattr(op, "target"):  # an object
        return ("object", op.target.identity)
    return next((key(op) for kind, key in _KEYS if isinstance(op, kind)), None)


_KEYS: tuple[tuple[Any, Callable[[Any], Key]], ...] = (
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


def _key_of_constraint(op: Any) -> Key:
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


# --- what depends on what --------------------------------------------------------------------------------------


def mentions(texts: str, names: Iterable[tuple[str, ...]]) -> bool:
    """Tell whether one of ``names`` is in ``texts``, each with all its words."""
    return any(all(re.search(rf"(?<!\w){re.escape(word)}(?!\w)", texts) for word in words) for words in names)


def converted_columns(op: MigrateOperation) -> tuple[tuple[str, ...], ...]:
    """Return the columns that ``op`` converts to another type, each with its table."""
    if isinstance(op, ops.AlterColumnOp):
        return _names(op) if op.modify_type is not None else ()
    statements = op.statements if isinstance(op, StatementsOp) else ()
    columns = [column for one in statements if isinstance(one, Retype) for column in one.columns]
    return tuple((column.table.name, column.name) for column in columns)


def is_object(item: Item) -> bool:
    """Tell whether ``item`` is about a view, a function or another object."""
    return hasattr(item.op, "target")


def is_over(item: Item, other: Item) -> bool:
    """Tell whether ``item`` is an object that reads the view ``other``, or belongs to it."""
    if not (is_object(item) and is_object(other)) or item.key == other.key:
        return False
    return mentions(item.texts, [_name_of_object(other)])


def _name_of_object(item: Item) -> tuple[str, ...]:
    assert item.key is not None
    return (str(item.key[1]).rpartition(".")[2],)  # of PGView: public.costs
