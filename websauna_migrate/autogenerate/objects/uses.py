"""The tables and objects of other packages that the objects of a script read, as far as their SQL names them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from websauna_migrate.autogenerate.creators import Used
from websauna_migrate.autogenerate.objects.declared import declared_objects
from websauna_migrate.autogenerate.objects.names import FUNCTION, RELATIONS, names_of, object_name, shown
from websauna_migrate.autogenerate.objects.operations import CreateObject, ReplaceObject

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from alembic.operations.ops import MigrateOperation

    from websauna_migrate.autogenerate.declarations import Objects
    from websauna_migrate.packages.package import TableName


def used_by(
    operations: Iterable[MigrateOperation], objects: Objects, owners: Mapping[TableName, str], default: str | None
) -> Iterator[Used]:
    """Yield the tables, by ``owners``, and the declared objects that are used by those which ``operations`` make."""
    declared = declared_objects(objects.registered.values())
    for op in operations:
        if not isinstance(op, (CreateObject, ReplaceObject)):
            continue
        yield from used_tables(op.target, owners, default)
        names = names_of(op.target)
        for one in declared.values():
            name = object_name(one.entity)
            is_relation = one.entity.type_ in RELATIONS and names.has_relation(name, default)
            if is_relation or (one.entity.type_ == FUNCTION and names.has_function(name, default)):
                yield Used(shown(op.target), one.package, name, type(one.entity).__name__)


def used_tables(entity: Any, owners: Mapping[TableName, str], default: str | None) -> Iterator[Used]:
    """Yield the tables that the SQL of ``entity`` names."""
    names = names_of(entity)
    for table, owner in owners.items():
        if names.has_relation(table, default):
            yield Used(shown(entity), owner, table)
