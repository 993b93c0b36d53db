"""The statements of a script that change an enum type of PostgreSQL, for each of the changes in ``changes``.

Plain SQL that runs without this package. A value is added by ``ALTER TYPE ... ADD VALUE``; any other change makes the
type anew and converts the columns, all in the transaction of the revision.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from websauna_migrate.autogenerate.enums.changes import Add, Convert, Create, Drop, Remake, Rename, aside, shown
from websauna_migrate.autogenerate.enums.columns import refuse_rows
from websauna_migrate.autogenerate.enums.facts import User
from websauna_migrate.autogenerate.script_ops import Do, DoAlone, Note, Retype, StatementsOp
from websauna_migrate.database.sql import quoted_table, quoted_text
from websauna_migrate.packages.package import TableName, TypeName

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect

    from websauna_migrate.autogenerate.enums.changes import TypeChange
    from websauna_migrate.autogenerate.script_ops import Statement


def written(change: TypeChange, dialect: Dialect) -> StatementsOp:
    """Return the operation that makes ``change``, and on the way back undoes it."""
    match change:
        case Create(name, values):
            create, drop = _create_and_drop(name, values, dialect)
            return StatementsOp(("add_enum", str(name), values), [create], [drop])
        case Drop(name, values):
            create, drop = _create_and_drop(name, values, dialect)
            return StatementsOp(("remove_enum", str(name), values), [drop], [create])
        case Rename(old, new):
            there, back = list(_move(old, new, dialect)), list(_move(new, old, dialect))
            return StatementsOp(("rename_enum", str(old), str(new)), there, back)
        case Add():
            return _written_add(change, dialect)
        case Remake():
            return _written_remake(change, dialect)
        case Convert():
            return _written_convert(change, dialect)


def _create_and_drop(name: TypeName, values: Sequence[str], dialect: Dialect) -> tuple[Do, Do]:
    return Do(_create_type(name, values, dialect)), Do(f"DROP TYPE {quoted_table(name, dialect)}")


def _create_type(name: TypeName, values: Sequence[str], dialect: Dialect) -> str:
    listed = ", ".join(quoted_text(value, dialect) for value in values)
    return f"CREATE TYPE {quoted_table(name, dialect)} AS ENUM ({listed})"


def _move(old: TypeName, new: TypeName, dialect: Dialect) -> Iterator[Do]:
    if old.name != new.name:
        yield Do(f"ALTER TYPE {quoted_table(old, dialect)} RENAME TO {quoted_table(TypeName(None, new.name), dialect)}")
    if old.schema != new.schema:
        schema = quoted_table(TypeName(None, new.schema or dialect.default_schema_name or "public"), dialect)
        yield Do(f"ALTER TYPE {quoted_table(TypeName(old.schema, new.name), dialect)} SET SCHEMA {schema}")


def _written_add(change: Add, dialect: Dialect) -> StatementsOp:
    name, before, after = change.name, change.before, change.after
    undo: Sequence[Statement] = [Note(f"{shown(change.added)} stays in {name}: others use it.")]
    if not change.shared:
        undo = remade(aside(name, change.taken), name, after, before, change.users, (), dialect)
    return StatementsOp(("modify_enum", str(name), before, after), added(change, dialect), undo)


def added(change: Add, dialect: Dialect) -> list[Statement]:
    """Return the statements that add the values, by themselves where the script uses one of them."""
    statements = list(_add_values(change, dialect))
    if change.needed:
        reason = f"PostgreSQL can use a new value only after a commit: {shown(change.needed)}."
        return [DoAlone(reason, tuple(statements))]
    return [Do(sql) for sql in statements]


def _add_values(change: Add, dialect: Dialect) -> Iterator[str]:
    for number, value in enumerate(change.after):
        if value in change.before:
            continue
        # IF NOT EXISTS: a downgrade may have left it, and what is committed alone outlives a failure.
        sql = f"ALTER TYPE {quoted_table(change.name, dialect)} ADD VALUE IF NOT EXISTS {quoted_text(value, dialect)}"
        if number:
            sql += f" AFTER {quoted_text(change.after[number - 1], dialect)}"
        elif change.before:
            sql += f" BEFORE {quoted_text(change.before[0], dialect)}"
        yield sql


def _written_remake(change: Remake, dialect: Dialect) -> StatementsOp:
    name, before, after = change.name, change.before, change.after
    kept = aside(name, change.taken)
    there = remade(kept, name, before, after, change.staying, change.leaving, dialect)
    back = remade(kept, name, after, before, change.users, (), dialect)
    return StatementsOp(("modify_enum", str(name), before, after), there, back)


def remade(
    kept: TypeName,
    name: TypeName,
    old: tuple[str, ...],
    new: tuple[str, ...],
    users: Sequence[User],
    going: Sequence[User],
    dialect: Dialect,
) -> list[Statement]:
    """Return the statements that make a type anew and convert the columns of ``users``; ``going`` become text.

    The old type has the name ``kept`` until no column is left in it.
    """
    lost = tuple(value for value in old if value not in new)
    refusals: list[Statement] = [refuse_rows(user, lost, new, dialect) for user in users if lost]
    return [
        *refusals,
        *_move(name, kept, dialect),
        Do(_create_type(name, new, dialect)),
        *_converted(name, users, going, dialect),
        Do(f"DROP TYPE {quoted_table(kept, dialect)}"),
    ]


def _converted(name: TypeName, users: Sequence[User], going: Sequence[User], dialect: Dialect) -> Iterator[Retype]:
    """Yield a statement for each table: ``users`` get the type ``name``, ``going`` become text."""
    type_ = quoted_table(name, dialect)
    types = {user: type_ + "[]" * user.is_array for user in users} | dict.fromkeys(going, "text")
    for table in dict.fromkeys(user.column.table for user in types):
        yield _alter_table({u: t for u, t in types.items() if u.column.table == table}, dialect)


def _retyped(user: User, type_: str, dialect: Dialect) -> Iterator[str]:
    """Yield the clauses of ``ALTER TABLE`` that give a column a type and its default."""
    column = quoted_table(TableName(None, user.column.name), dialect)
    text = "text[]" if user.is_array and type_ != "text" else "text"
    yield f"ALTER COLUMN {column} DROP DEFAULT"
    yield f"ALTER COLUMN {column} TYPE {type_} USING {column}::{text}" + (f"::{type_}" if type_ != "text" else "")
    if user.default is not None and type_ != "text":
        yield f"ALTER COLUMN {column} SET DEFAULT {user.default}"


def _alter_table(types: Mapping[User, str], dialect: Dialect) -> Retype:
    """Return the statement that gives columns of one table their ``types``."""
    columns = tuple(user.column for user in types)
    clauses = [clause for user, type_ in types.items() for clause in _retyped(user, type_, dialect)]
    return Retype(f"ALTER TABLE {quoted_table(columns[0].table, dialect)} {', '.join(clauses)}", columns)


def _written_convert(change: Convert, dialect: Dialect) -> StatementsOp:
    there, back = (
        _alter_table({user: type_.compile(dialect)}, dialect)
        for user, type_ in ((change.after, change.new_type), (change.before, change.old_type))
    )
    return StatementsOp(("convert_enum", change.before.column, change.old_type, change.new_type), [there], [back])
