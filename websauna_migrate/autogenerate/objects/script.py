"""Where the changes of objects stand in a script, among those of tables.

What reads a table comes after the changes of tables and goes before them. An extension, and a function that names no
table which the script changes, come first and go last: columns may use them. A view over a column that changes its type
is dropped before and created again after it, with what is over the view.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import sqlalchemy as sa
from alembic.operations import ops
from sqlalchemy.schema import CreateSchema

from websauna_migrate.autogenerate.objects.dependents import changed_tables
from websauna_migrate.autogenerate.objects.found import Change, Found
from websauna_migrate.autogenerate.objects.kept import kept_with, privileges_given, privileges_read
from websauna_migrate.autogenerate.objects.names import (
    EXTENSION,
    FUNCTION,
    in_order,
    names_of,
    needs,
    object_name,
)
from websauna_migrate.autogenerate.objects.recreated import with_recreated
from websauna_migrate.autogenerate.objects.undeclared import Undeclared, dropped_and_made
from websauna_migrate.autogenerate.script_ops import SqlOfPostgresql, commits
from websauna_migrate.packages.package import TableName

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from alembic.operations.ops import MigrateOperation
    from sqlalchemy.engine import Connection

    _Ways: TypeAlias = tuple[list[MigrateOperation], list[MigrateOperation]]

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
    put_off: Callable[[Sequence[Change]], Collection[str]],
) -> tuple[Undeclared, ...]:
    """Put the changes that were ``found`` into ``script``, and drop and create again what stands in their way.

    ``put_off`` takes the changes that wait for another script and returns the identities of their objects. Return what
    no package declares and is created again.
    """
    upgrade, downgrade = script.upgrade_ops_list[0], script.downgrade_ops_list[0]
    later = put_off(found.created)
    created = [change for change in found.created if change.entity.identity not in later]
    remaining = replace(found, changes=(*created, *found.dropped))
    around = with_recreated(remaining, upgrade.ops, downgrade.ops, connection)
    before, after = _placed(around.found, upgrade.ops, connection)
    alone = [op for op in upgrade.ops if commits(op)]
    rest = [op for op in upgrade.ops if op not in alone]
    back = _Steps()
    for change in reversed(around.aside):
        back.add(*_Objects(connection, frozenset({change.before.identity})).dropped(change, is_after=True))
    notes_back = [*(op.reverse() for op in around.notes), *around.notes_back]
    upgrade.ops[:] = [*alone, *around.notes, *before.up, *rest, *after.up]
    downgrade.ops[:] = [*notes_back, *after.down, *back.up, *downgrade.ops, *back.down, *before.down]
    again = (change.before for change in (*around.found.dropped, *around.aside))
    return tuple(entity for entity in again if isinstance(entity, Undeclared))


def plain(change: Change) -> MigrateOperation:
    """Return the operation of ``change`` alone, of an object that a package declares."""
    from websauna_migrate.autogenerate.objects.operations import (  # imports alembic-utils
        CreateObject,
        DropObject,
        ReplaceObject,
    )

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
    change_of = {change.before.identity: change for change in found.dropped}
    again = change_of.keys() & {change.after.identity for change in found.created if change.before is None}
    objects = _Objects(connection, frozenset(again))
    before, after = _Steps(), _Steps()
    named = {object_name(change.after) for change in found.created if change.after.type_ == FUNCTION}
    apart = [e for e in drops if e.type_ == FUNCTION and object_name(e) in named]
    in_reverse = [entity for entity in reversed(in_order(drops, default)) if entity not in apart]
    for entity in in_reverse:
        if entity.identity not in last:
            before.add(*objects.dropped(change_of[entity.identity]))
    _make_schemas(before, found, connection)
    for change in found.created:
        steps = before if change.after.identity in first else after
        for entity in [e for e in apart if object_name(e) == object_name(change.after)]:
            apart.remove(entity)
            steps.add(*objects.dropped(change_of[entity.identity]))
        steps.add(*objects.made(change))
    for entity in in_reverse:
        if entity.identity in last:
            after.add(*objects.dropped(change_of[entity.identity]))
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
class _Objects:
    """Operations on objects, with what belongs to a view and comes and goes with it.

    Those that are made ``again`` in the script keep their owner and their privileges, both ways.
    """

    connection: Connection
    again: frozenset[str]

    def dropped(self, change: Change, *, is_after: bool = False) -> _Ways:
        """Return what drops an object, as it was before the script or as it is after it, and what makes it again."""
        entity = change.before
        ops_ = [plain(replace(change, after=None))]
        if isinstance(entity, Undeclared):
            ops_ = [dropped_and_made(entity, self.connection.dialect, is_after=is_after)[0]]
        return [*self._read(entity), *ops_], [ops_[0].reverse(), *self._made_with(entity)]

    def made(self, change: Change) -> _Ways:
        """Return what makes an object as it is now, and what undoes that."""
        entity = change.after
        if isinstance(entity, Undeclared):
            drop, make = dropped_and_made(entity, self.connection.dialect, is_after=True)
            return [make, *self._made_with(entity)], [*self._read(entity), drop]
        op = _operation(change)
        if change.before is not None:
            return [op], [op.reverse()]
        return [op, *self._made_with(entity)], [*self._read(entity), op.reverse()]

    def _read(self, entity: Any) -> Iterator[MigrateOperation]:
        if entity.identity in self.again:
            yield from privileges_read(entity, self.connection.dialect)

    def _made_with(self, entity: Any) -> Iterator[MigrateOperation]:
        yield from kept_with(self.connection, entity)
        if entity.identity in self.again:
            yield from privileges_given(entity, self.connection.dialect)
