"""Where the changes of objects stand in a script, among those of tables.

What reads a table comes after the changes of tables and goes before them. An extension, and a function that names no
table which the script changes, come first and go last: columns may use them. A view over a column that changes its type
is dropped before and created again after it, with what is over the view.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic.operations import ops
from sqlalchemy.schema import CreateSchema

from websauna_migrate.autogenerate.objects.changes import Change, Found
from websauna_migrate.autogenerate.objects.dependents import Over, changed_tables, indexes_of, over_changes
from websauna_migrate.autogenerate.objects.names import (
    EXTENSION,
    FUNCTION,
    in_order,
    names_of,
    needs,
    object_name,
    on_relation,
)
from websauna_migrate.autogenerate.objects.operations import CreateObject, DropObject, ReplaceObject
from websauna_migrate.autogenerate.script_ops import SqlOfPostgresql, commits, table_of
from websauna_migrate.database.sql import escape_colons
from websauna_migrate.packages.package import TableName

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from alembic.operations.ops import MigrateOperation
    from sqlalchemy.engine import Connection

_RETURNS = re.compile(r"\s*returns\s+(.*?)\s+language\s", re.IGNORECASE | re.DOTALL)
_FIRST = frozenset({EXTENSION, FUNCTION})


@dataclass(slots=True)
class _Steps:
    """Operations, and those that undo them: the ways there and back."""

    up: list[MigrateOperation] = field(default_factory=list)
    down: list[MigrateOperation] = field(default_factory=list)

    def add(self, up: Sequence[MigrateOperation], down: Sequence[MigrateOperation]) -> None:
        """Add what is done next, which is undone before all others."""
        self.up += up
        self.down[:0] = down


def difference_ops(found: Found) -> list[MigrateOperation]:
    """Return an operation for each difference, for a command that writes no script."""
    return [_plain(change) for change in (*found.created, *found.dropped)]


def place_changes(
    script: ops.MigrationScript,
    found: Found,
    connection: Connection,
    warn: Callable[[str], None],
    put_off: Callable[[Sequence[Change]], Collection[str]],
) -> None:
    """Put the changes that were ``found`` into ``script``, and drop and create again what stands in their way.

    ``put_off`` takes the changes that wait for another script and returns the identities of their objects.
    """
    upgrade, downgrade = script.upgrade_ops_list[0], script.downgrade_ops_list[0]
    later = put_off(found.created)
    created = [change for change in found.created if change.entity.identity not in later]
    whole = _with_recreated(replace_found(found, created), upgrade.ops, connection, warn)
    before, after = _placed(whole, upgrade.ops, connection)
    alone = [op for op in upgrade.ops if commits(op)]
    upgrade.ops[:] = [*alone, *before.up, *(op for op in upgrade.ops if op not in alone), *after.up]
    downgrade.ops[:] = [*after.down, *downgrade.ops, *before.down]


def replace_found(found: Found, created: Sequence[Change]) -> Found:
    """Return ``found`` with other changes that make something."""
    return replace(found, changes=(*created, *found.dropped))


def _plain(change: Change) -> MigrateOperation:
    if change.after is None:
        return DropObject(change.before, change.package)
    if change.before is None:
        return CreateObject(change.after, change.package)
    return ReplaceObject(change.before, change.after, change.package)


# --- what is dropped and created again -------------------------------------------------------------------------


def _with_recreated(
    found: Found, operations: Sequence[MigrateOperation], connection: Connection, warn: Callable[[str], None]
) -> Found:
    """Return ``found`` with a drop and a creation in place of each object that would stand in the way of the others."""
    default = connection.dialect.default_schema_name
    replaced = [change for change in found.created if change.before is not None]
    anew = [change.before for change in (*replaced, *found.dropped) if change.before.type_ in _RELATIONS]
    over = over_changes(connection, operations, {object_name(entity) for entity in anew})
    there = {_over(change.before): change for change in (*found.unchanged, *replaced)}
    of_dropped = {table for op in operations if isinstance(op, ops.DropTableOp) for table in _full(op, default)}
    for one, reason in over.items():
        known = one in there or one in {_over(change.before) for change in found.dropped}
        gone = one.on and TableName(one.name.schema, one.on) in of_dropped
        if not known and not gone and reason.startswith("column "):
            warn(f"{one} reads {reason}, which changes, and is not declared here: drop and create it in the script")
    again = {there[one].before.identity for one in over if one in there}
    again |= {change.before.identity for change in replaced if change.before.type_ == "materialized_view"}
    again |= {change.before.identity for change in replaced if _returns_another_type(change)}
    views = {object_name(change.before) for change in there.values() if change.before.identity in again}
    again |= {change.before.identity for change in there.values() if on_relation(change.before) in views}
    recreated = [change for change in there.values() if change.before.identity in again]
    kept = [change for change in found.created if change not in recreated]
    entities = in_order([change.after for change in (*kept, *recreated)], default)
    by_identity = {change.after.identity: change for change in (*kept, *recreated)}
    created = [_new(by_identity[e.identity], again) for e in entities]
    return replace(found, changes=(*created, *found.dropped, *(replace(change, after=None) for change in recreated)))


_RELATIONS = frozenset({"view", "materialized_view"})


def _new(change: Change, again: Collection[str]) -> Change:
    return replace(change, before=None) if change.before is not None and change.before.identity in again else change


def _over(entity: Any) -> Over:
    on = on_relation(entity)
    name = object_name(entity)
    return Over(entity.type_, TableName(on.schema, name.name), on.name) if on else Over(entity.type_, name)


def _full(op: ops.DropTableOp, default: str | None) -> Iterator[TableName]:
    yield TableName(op.schema or default, table_of(op).name)


def _returns_another_type(change: Change) -> bool:
    """Tell whether a function returns another type than before, which PostgreSQL does not replace."""
    if change.entity.type_ != FUNCTION:
        return False
    before, after = (_RETURNS.match(f"{one.definition} language ") for one in (change.before, change.after))
    types = [" ".join(found[1].lower().split()) if found else "" for found in (before, after)]
    return types[0] != types[1]


# --- the order -------------------------------------------------------------------------------------------------


def _placed(found: Found, operations: Sequence[MigrateOperation], connection: Connection) -> tuple[_Steps, _Steps]:
    """Return what stands before and what stands after the changes of tables."""
    default = connection.dialect.default_schema_name
    tables = set(changed_tables(operations, default))
    first = _first([change.after for change in found.created], tables, default)
    drops = [change.before for change in found.dropped]
    last = _first(drops, tables, default)
    package = {change.before.identity: change.package for change in found.dropped}
    indexes = _Indexes(connection)
    before, after = _Steps(), _Steps()
    named = {object_name(change.after) for change in found.created if change.after.type_ == FUNCTION}
    apart = [e for e in drops if e.type_ == FUNCTION and object_name(e) in named]
    in_reverse = [entity for entity in reversed(in_order(drops, default)) if entity not in apart]
    for entity in in_reverse:
        if entity.identity not in last:
            before.add(*indexes.with_drop(DropObject(entity, package[entity.identity])))
    _make_schemas(before, found, connection)
    for change in found.created:
        steps = before if change.after.identity in first else after
        for entity in [e for e in apart if object_name(e) == object_name(change.after)]:
            apart.remove(entity)
            steps.add(*indexes.with_drop(DropObject(entity, package[entity.identity])))
        steps.add(*indexes.with_made(_operation(change)))
    for entity in in_reverse:
        if entity.identity in last:
            after.add(*indexes.with_drop(DropObject(entity, package[entity.identity])))
    return before, after


def _first(entities: Sequence[Any], tables: Collection[TableName], default: str | None) -> set[str]:
    """Return the identities of extensions, and of functions that neither read one of ``tables`` nor need what does."""
    first: set[str] = set()
    for entity in in_order(entities, default):
        names = names_of(entity)
        needed = [other for other in entities if needs(entity, other, names, default)]
        reads = any(names.has_relation(table, default) for table in tables)
        if entity.type_ == EXTENSION or (
            entity.type_ in _FIRST and not reads and all(other.identity in first for other in needed)
        ):
            first.add(entity.identity)
    return first


def _operation(change: Change) -> MigrateOperation:
    if change.entity.type_ == EXTENSION and change.before is not None:
        name = change.after.signature.replace('"', '""')
        move = 'ALTER EXTENSION "{}" SET SCHEMA {}'
        there, back = (move.format(name, one.literal_schema) for one in (change.after, change.before))
        return SqlOfPostgresql(there, back)
    return _plain(change)


def _make_schemas(steps: _Steps, found: Found, connection: Connection) -> None:
    """Create the schemas that an object is the first in. The way back leaves them, as those of tables."""
    there = sa.inspect(connection).get_schema_names() if any(c.before is None for c in found.created) else []
    for schema in dict.fromkeys(change.after.schema for change in found.created if change.before is None):
        if schema not in there:
            sql = str(CreateSchema(schema, if_not_exists=True).compile(dialect=connection.dialect))
            steps.add([SqlOfPostgresql(sql, "")], [])


@dataclass(frozen=True, slots=True)
class _Indexes:
    """The indexes of materialized views, which go and come with them."""

    connection: Connection

    def with_drop(self, drop: DropObject) -> tuple[list[MigrateOperation], list[MigrateOperation]]:
        """Return what drops an object, and what makes it again with its indexes."""
        return [drop], [drop.reverse(), *self._made(drop.target)]

    def with_made(self, op: MigrateOperation) -> tuple[list[MigrateOperation], list[MigrateOperation]]:
        """Return what makes an object with the indexes that it has now, and what undoes that."""
        target = getattr(op, "target", None)
        return [op, *self._made(target)], [op.reverse()]

    def _made(self, entity: Any) -> Iterable[MigrateOperation]:
        if entity is None or entity.type_ != "materialized_view":
            return []
        return [SqlOfPostgresql(escape_colons(sql), "") for sql in indexes_of(self.connection, object_name(entity))]
