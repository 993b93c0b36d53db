"""Objects that are dropped before a script changes what they are over, and created again after it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from websauna_migrate.autogenerate.objects.changes import Change, Found
from websauna_migrate.autogenerate.objects.dependents import Over, function_key, obstacles, over_changes
from websauna_migrate.autogenerate.objects.names import FUNCTION, RELATIONS, in_order, object_name, on_relation
from websauna_migrate.autogenerate.script_ops import StatementsOp
from websauna_migrate.packages.package import ColumnName, TableName

if TYPE_CHECKING:
    from alembic.operations.ops import MigrateOperation
    from sqlalchemy.engine import Connection

_RETURNS = re.compile(r"\s*returns\s+(.*?)\s+language\s", re.IGNORECASE | re.DOTALL)


def with_recreated(
    found: Found, operations: Sequence[MigrateOperation], connection: Connection, warn: Callable[[str], None]
) -> tuple[Found, frozenset[ColumnName]]:
    """Return ``found`` with a drop and a creation in place of what would stand in the way of the others.

    That is what reads a column that ``operations`` change, a view that is replaced, or a function that is dropped;
    and what belongs to such a view. What no package declares is left to the user, by ``warn``. The columns that nothing
    is in the way of any more come with it.
    """
    replaced = [change for change in found.created if change.before is not None]
    there = {_over(change.before): change for change in (*found.unchanged, *replaced)}
    anew = [change for change in replaced if _cannot_be_replaced(change)]
    views = [change for change in replaced if change.before.type_ in RELATIONS]
    gone = [*anew, *found.dropped, *views]
    over = over_changes(connection, operations, {_key(change.before) for change in gone})
    default = connection.dialect.default_schema_name
    known = {*there, *(_over(change.before) for change in found.dropped)}
    for one, why in obstacles(over, operations, default):
        if one not in known:
            owner = next((f" of {other.package}" for other in found.others if _over(other.after) == one), "")
            warn(f"{one}{owner} {why}")
    again = [*anew, *(there[one] for one in over if one in there)]
    names = {object_name(change.before) for change in (*again, *views) if change.before.type_ in RELATIONS}
    again += [change for change in there.values() if on_relation(change.before) in names]
    whole = _recreated(found, {change.before.identity: change for change in again}, default)
    left = frozenset().union(*(columns for one, columns in over.items() if one not in known))
    handled = frozenset().union(*over.values()) - left
    return whole, _shown(handled, default)


def aside_on_way_back(
    found: Found, whole: Found, downgrade: Sequence[MigrateOperation], connection: Connection
) -> tuple[list[Change], frozenset[ColumnName]]:
    """Return what has to be away while ``downgrade`` converts columns that the way there leaves as they are.

    It is unchanged otherwise, and in the order in which it is created. ``whole`` is what :func:`with_recreated` made of
    ``found``. The columns that nothing is in the way of any more come with it.
    """
    over = over_changes(connection, [op for op in downgrade if isinstance(op, StatementsOp)], ())
    made = {change.after.identity for change in whole.created if change.before is None}
    stay = {_over(change.before): change for change in found.unchanged if change.after.identity not in made}
    away = [change for change in found.created if change.before is not None and change.after.identity in made]
    aside = {one: stay[one] for one in over if one in stay}
    names = {object_name(change.before) for change in aside.values() if change.before.type_ in RELATIONS}
    aside |= {one: change for one, change in stay.items() if on_relation(change.before) in names}
    gone = {_over(change.before) for change in (*away, *whole.dropped)}
    left = frozenset().union(*(columns for one, columns in over.items() if one not in aside and one not in gone))
    default = connection.dialect.default_schema_name
    changes = {change.before.identity: change for change in aside.values()}
    entities = in_order([change.before for change in aside.values()], default)
    return [changes[entity.identity] for entity in entities], _shown(frozenset().union(*over.values()) - left, default)


def _shown(columns: frozenset[ColumnName], default: str | None) -> frozenset[ColumnName]:
    return frozenset(ColumnName(column.table.shown(default), column.name) for column in columns)


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
