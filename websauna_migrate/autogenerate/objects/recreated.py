"""Objects that are dropped before a script changes what they are over, and created again after it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from alembic.operations import ops

from websauna_migrate.autogenerate.objects.dependents import (
    InTheWay,
    Over,
    changed_by,
    full,
    function_key,
    in_the_way,
    stored_names,
)
from websauna_migrate.autogenerate.objects.names import FUNCTION, RELATIONS, in_order, object_name, on_relation
from websauna_migrate.autogenerate.objects.undeclared import REMADE, undeclared
from websauna_migrate.autogenerate.script_ops import Note, StatementsOp, by_hand, table_of
from websauna_migrate.exceptions import escaped
from websauna_migrate.packages.package import ColumnName, TableName, TypeName

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from alembic.operations.ops import MigrateOperation
    from sqlalchemy.engine import Connection

    from websauna_migrate.autogenerate.objects.dependents import StoredNames
    from websauna_migrate.autogenerate.objects.found import Change, Found

_RETURNS = re.compile(r"\s*returns\s+(.*?)\s+language\s", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Around:
    """Objects around the changes of tables: ``found`` with what is made again, ``aside`` on the way back alone.

    ``notes`` name for each way what is left to the user.
    """

    found: Found
    aside: tuple[Change, ...]
    notes: tuple[StatementsOp, ...]
    notes_back: tuple[StatementsOp, ...]


@dataclass(frozen=True, slots=True)
class Left:
    """What stands in the way and is left to the user: ``what``, and which column or type that changes it reads."""

    what: str
    reads: ColumnName | TypeName | None

    def note(self) -> StatementsOp:
        """Return the comment for the way there, which is warned of."""
        changes = "" if self.reads is None else ", which changes"
        text = f"{self._used()}{changes}: drop it before and create it again after that in the script"
        return by_hand(("drop_dependent", str(self.reads or "")), text)

    def note_back(self) -> StatementsOp:
        """Return the comment for the way back alone."""
        text = f"This fails while {self._used()}: drop it before, and create it again after"
        return StatementsOp(("drop_dependent", str(self.reads or "")), [Note(text)])

    def _used(self) -> str:
        if self.reads is None:
            return f"{escaped(self.what)} uses a view that is dropped and created again"
        verb = "reads column" if isinstance(self.reads, ColumnName) else "uses type"
        return escaped(f"{self.what} {verb} {self.reads}")


def with_recreated(
    found: Found,
    upgrade: Sequence[MigrateOperation],
    downgrade: Sequence[MigrateOperation],
    connection: Connection,
) -> Around:
    """Return ``found`` with a drop and a creation in place of what would stand in the way of the others.

    That is what reads a column or a type that ``upgrade`` changes, a view that is replaced, or a function that is
    dropped; and what belongs to such a view. What stands in the way of ``downgrade`` alone is aside in the meantime.
    """
    default = connection.dialect.default_schema_name
    stored = stored_names(upgrade, default)
    left, whole = _there(found, upgrade, stored, connection)
    left_back, aside = _aside(found, whole, (upgrade, downgrade), stored, connection)
    notes = tuple(one.note() for one in left)
    return Around(whole, aside, notes, tuple(one.note_back() for one in left_back if one not in left))


def _there(
    found: Found, upgrade: Sequence[MigrateOperation], stored: StoredNames, connection: Connection
) -> tuple[list[Left], Found]:
    """Return what is left to the user, with what it reads, and ``found`` with what is made again."""
    default = connection.dialect.default_schema_name
    replaced = [change for change in found.created if change.before is not None]
    there = {_over(change.before): change for change in (*found.unchanged, *replaced)}
    anew = [change for change in replaced if _cannot_be_replaced(change)]
    views = [change for change in replaced if change.before.type_ in RELATIONS]
    gone = [*anew, *found.dropped, *views]
    ways = in_the_way(connection, changed_by(upgrade, default, stored), {_key(change.before) for change in gone})
    known = {*there, *(_over(change.before) for change in found.dropped)}
    there |= undeclared(connection, ways, known, upgrade, stored)
    again = [*anew, *(there[one] for one in ways.over if one in there)]
    names = {object_name(change.before) for change in (*again, *views) if change.before.type_ in RELATIONS}
    again += [change for change in there.values() if on_relation(change.before) in names]
    whole = _recreated(found, {change.before.identity: change for change in again}, default)
    dropped = {full(table_of(op), default) for op in upgrade if isinstance(op, ops.DropTableOp)}
    return list(_left(ways, {*known, *there}, found, dropped)), whole


def _aside(
    found: Found,
    whole: Found,
    ways: tuple[Sequence[MigrateOperation], Sequence[MigrateOperation]],
    stored: StoredNames,
    connection: Connection,
) -> tuple[list[Left], tuple[Change, ...]]:
    """Return what is left to the user on the way back, and what has to be away there, as it is created.

    That is where columns are converted that the way there leaves as they are. ``whole`` is what was made of ``found``.
    """
    default = connection.dialect.default_schema_name
    upgrade, downgrade = ways
    converted = [op for op in downgrade if isinstance(op, StatementsOp)]
    in_way = in_the_way(connection, changed_by(converted, default, stored))
    made = {change.after.identity for change in whole.created if change.before is None}
    stay = {_over(change.before): change for change in found.unchanged if change.after.identity not in made}
    away = [change for change in found.created if change.before is not None and change.after.identity in made]
    gone = {_over(change.before) for change in (*away, *whole.dropped)}
    stay |= undeclared(connection, in_way, {*stay, *gone}, (*upgrade, *downgrade), stored)
    aside = {one: stay[one] for one in in_way.over if one in stay}
    names = {object_name(change.before) for change in aside.values() if change.before.type_ in RELATIONS}
    aside |= {one: change for one, change in stay.items() if on_relation(change.before) in names}
    changes = {change.before.identity: change for change in aside.values()}
    entities = in_order([change.before for change in aside.values()], default)
    left = list(_left(in_way, {*aside, *gone}, found, ()))
    return left, tuple(changes[entity.identity] for entity in entities)


def _left(ways: InTheWay, handled: Collection[Over], found: Found, dropped: Collection[TableName]) -> Iterator[Left]:
    """Yield those ``ways`` that are not ``handled``; what is on a table that is ``dropped`` goes with it."""
    for one, reads in ways.over.items():
        is_used = bool(reads) or one.kind not in REMADE
        if one not in handled and is_used and TableName(one.name.schema, one.on) not in dropped:
            owner = next((f" of {other.package}" for other in found.others if _over(other.after) == one), "")
            yield Left(f"{one}{owner}", min(reads, key=_columns_first, default=None))


def _columns_first(read: ColumnName | TypeName) -> tuple[bool, str]:
    return not isinstance(read, ColumnName), str(read)


def _recreated(found: Found, again: dict[str, Change], default: str | None) -> Found:
    made = {change.after.identity: change for change in found.created}
    made |= {change.after.identity: replace(change, before=None) for change in again.values()}
    entities = in_order([change.after for change in made.values()], default)
    drops = (replace(change, after=None) for change in again.values())
    return replace(found, changes=(*(made[entity.identity] for entity in entities), *found.dropped, *drops))


def _cannot_be_replaced(change: Change) -> bool:
    """Tell whether an object has to be dropped to become another.

    One that needs what is not there yet may have had a name that is not there any more: the way back creates it after
    that has come back.
    """
    if change.before.type_ == FUNCTION:
        return _returned(change.before) != _returned(change.after)
    return change.waits or change.before.type_ == "materialized_view"


def _returned(function: Any) -> str:
    found = _RETURNS.match(f"{function.definition} language ")
    return " ".join(found[1].lower().split()) if found else ""


def _key(entity: Any) -> TableName:
    name = object_name(entity)
    return function_key(name) if entity.type_ == FUNCTION else name


def _over(entity: Any) -> Over:
    on = on_relation(entity)
    name = object_name(entity)
    return Over(entity.type_, TableName(on.schema, name.name), on.name) if on else Over(entity.type_, name)
