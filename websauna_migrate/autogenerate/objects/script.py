"""Where the changes of objects stand in a script, among those of tables.

What reads a table comes after the changes of tables and goes before them. An extension, and a function that names no
table which the script changes, come first and go last: columns may use them. A view over a column that changes its type
is dropped before and created again after it, with what is over the view.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic.operations import ops
from sqlalchemy.schema import CreateSchema

from websauna_migrate.autogenerate.objects.changes import Change, Found
from websauna_migrate.autogenerate.objects.dependents import changed_tables, kept_with
from websauna_migrate.autogenerate.objects.names import (
    EXTENSION,
    FUNCTION,
    RELATIONS,
    in_order,
    names_of,
    needs,
    object_name,
)
from websauna_migrate.autogenerate.objects.operations import CreateObject, DropObject, ReplaceObject
from websauna_migrate.autogenerate.objects.recreated import aside_on_way_back, with_recreated
from websauna_migrate.autogenerate.script_ops import SqlOfPostgresql, commits, leave_out_notes
from websauna_migrate.database.sql import escape_colons
from websauna_migrate.packages.package import TableName

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from alembic.operations.ops import MigrateOperation
    from sqlalchemy.engine import Connection

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
    return [plain(change) for change in (*found.created, *found.dropped)]


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
    remaining = replace(found, changes=(*created, *found.dropped))
    whole, handled = with_recreated(remaining, upgrade.ops, connection, warn)
    for container in (upgrade, downgrade):
        leave_out_notes(container, handled)
    before, after = _placed(whole, upgrade.ops, connection)
    alone = [op for op in upgrade.ops if commits(op)]
    upgrade.ops[:] = [*alone, *before.up, *(op for op in upgrade.ops if op not in alone), *after.up]
    aside, cleared = aside_on_way_back(remaining, whole, downgrade.ops, connection)
    leave_out_notes(downgrade, cleared)
    back = _Steps()
    for change in reversed(aside):
        back.add(*_Kept(connection).with_drop(DropObject(change.before, change.package)))
    downgrade.ops[:] = [*after.down, *back.up, *downgrade.ops, *back.down, *before.down]


def plain(change: Change) -> MigrateOperation:
    """Return the operation of ``change`` alone."""
    if change.after is None:
        return DropObject(change.before, change.package)
    if change.before is None:
        return CreateObject(change.after, change.package)
    return ReplaceObject(change.before, change.after, change.package)


# --- the order -------------------------------------------------------------------------------------------------


def _placed(found: Found, operations: Sequence[MigrateOperation], connection: Connection) -> tuple[_Steps, _Steps]:
    """Return what stands before and what stands after the changes of tables."""
    default = connection.dialect.default_schema_name
    tables = set(changed_tables(operations, default))
    first = _first([change.after for change in found.created], tables, default)
    drops = [change.before for change in found.dropped]
    last = _first(drops, tables, default)
    package = {change.before.identity: change.package for change in found.dropped}
    kept = _Kept(connection)
    before, after = _Steps(), _Steps()
    named = {object_name(change.after) for change in found.created if change.after.type_ == FUNCTION}
    apart = [e for e in drops if e.type_ == FUNCTION and object_name(e) in named]
    in_reverse = [entity for entity in reversed(in_order(drops, default)) if entity not in apart]
    for entity in in_reverse:
        if entity.identity not in last:
            before.add(*kept.with_drop(DropObject(entity, package[entity.identity])))
    _make_schemas(before, found, connection)
    for change in found.created:
        steps = before if change.after.identity in first else after
        for entity in [e for e in apart if object_name(e) == object_name(change.after)]:
            apart.remove(entity)
            steps.add(*kept.with_drop(DropObject(entity, package[entity.identity])))
        steps.add(*kept.with_made(_operation(change)))
    for entity in in_reverse:
        if entity.identity in last:
            after.add(*kept.with_drop(DropObject(entity, package[entity.identity])))
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
    return plain(change)


def _make_schemas(steps: _Steps, found: Found, connection: Connection) -> None:
    """Create the schemas that an object is the first in. The way back leaves them, as those of tables."""
    there = sa.inspect(connection).get_schema_names() if any(c.before is None for c in found.created) else []
    for schema in dict.fromkeys(change.after.schema for change in found.created if change.before is None):
        if schema not in there:
            sql = str(CreateSchema(schema, if_not_exists=True).compile(dialect=connection.dialect))
            steps.add([SqlOfPostgresql(sql, "")], [])


@dataclass(frozen=True, slots=True)
class _Kept:
    """What alembic-utils does not know of views: it goes with them, and comes back with them."""

    connection: Connection

    def with_drop(self, drop: DropObject) -> tuple[list[MigrateOperation], list[MigrateOperation]]:
        """Return what drops an object, and what makes it again as it is."""
        return [drop], [drop.reverse(), *self._made(drop.target)]

    def with_made(self, op: MigrateOperation) -> tuple[list[MigrateOperation], list[MigrateOperation]]:
        """Return what makes an object as it is now, and what undoes that."""
        made = self._made(op.target) if isinstance(op, CreateObject) else []
        return [op, *made], [op.reverse()]

    def _made(self, entity: Any) -> Iterable[MigrateOperation]:
        if entity.type_ not in RELATIONS:
            return []
        return [SqlOfPostgresql(escape_colons(sql), "") for sql in kept_with(self.connection, object_name(entity))]
