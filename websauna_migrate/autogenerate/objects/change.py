"""The pass over a script that compares the objects of packages: alembic-utils is imported only where there are any."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from websauna_migrate.autogenerate.objects.found import Found
from websauna_migrate.autogenerate.objects.script import difference_ops, place_changes, plain
from websauna_migrate.autogenerate.orphans import has_orphans
from websauna_migrate.exceptions import escaped

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from alembic.operations.ops import MigrationScript
    from sqlalchemy.engine import Connection

    from websauna_migrate.autogenerate.comparison import Comparison, Writing
    from websauna_migrate.autogenerate.declarations import Objects
    from websauna_migrate.autogenerate.objects.found import Change
    from websauna_migrate.autogenerate.objects.undeclared import Undeclared

log = logging.getLogger(__name__)


def change_objects(
    script: MigrationScript,
    connection: Connection,
    comparison: Comparison,
    user: Mapping[str, Any],
    writing: Writing | None,
) -> None:
    """Put into ``script`` what changes the objects of packages, on PostgreSQL; elsewhere they are left out.

    ``user`` are the options of the user's ``env.py``, whose filters are asked as alembic-utils asks them.

    :raises MigrateError: objects cannot be imported, are declared twice, or PostgreSQL refuses their SQL
    """
    objects = comparison.objects
    if objects is None or not _concerns(objects):
        if writing is not None and connection.dialect.name == "postgresql":
            _tell(place_changes(script, Found(()), connection, lambda _: ()))
        return
    if connection.dialect.name != "postgresql":
        log.warning("the views, functions and other objects of %s are left out: this is not PostgreSQL", objects.home)
        return
    from websauna_migrate.autogenerate.objects.changes import find_changes

    upgrade = script.upgrade_ops_list[0]
    found = find_changes(
        connection,
        objects,
        include=_filter(user),
        may_wait=lambda entity: not upgrade.is_empty() or _reads_others(entity, comparison, connection),
        may_drop=lambda: not has_orphans(comparison, connection),
    )
    if writing is None:
        upgrade.ops += difference_ops(found)
    else:
        _tell(place_changes(script, found, connection, _put_off(found, comparison, connection, writing)))


def _tell(again: Iterable[Undeclared]) -> None:
    for one in again:
        what = escaped(str(one.over))
        log.warning("%s is in the way: the script drops it, and creates it again as this database has it", what)


def _reads_others(entity: Any, comparison: Comparison, connection: Connection) -> bool:
    """Tell whether ``entity`` reads a table of another package, which may change too."""
    from websauna_migrate.autogenerate.objects.uses import used_tables

    owners = comparison.ownership.owners if comparison.ownership is not None else {}
    used = used_tables(entity, owners, connection.dialect.default_schema_name)
    return any(one.package not in comparison.packages for one in used)


def _concerns(objects: Objects) -> bool:
    return bool(objects.made) or any(name in objects.registered for name in objects.packages)


def _filter(user: Mapping[str, Any]) -> Callable[[Any, bool], bool]:
    include_name, include_object = user.get("include_name"), user.get("include_object")

    def include(entity: Any, is_reflected: bool) -> bool:
        name = f"{entity.schema}.{entity.signature}"
        parents = {"schema_name": entity.schema, "table_name": None, "schema_qualified_table_name": None}
        if is_reflected and include_name is not None and not include_name(name, entity.type_, parents):
            return False
        return include_object is None or bool(include_object(entity, name, entity.type_, is_reflected, None))

    return include


def _put_off(
    found: Found, comparison: Comparison, connection: Connection, writing: Writing
) -> Callable[[Sequence[Change]], Collection[str]]:
    """Return what takes the objects over tables that another history is still to create, and those over them."""
    from websauna_migrate.autogenerate.objects.names import names_of, needs
    from websauna_migrate.autogenerate.objects.uses import used_tables

    requirements, default = writing.requirements, connection.dialect.default_schema_name
    owners = comparison.ownership.owners if comparison.ownership is not None else {}
    coming = {package for name in requirements.coming for package in requirements.histories[name].packages}

    def waits_for_others(change: Change) -> bool:
        used = list(used_tables(change.after, owners, default))
        is_new = change.before is None and any(requirements.is_coming(one.name) for one in used)
        return is_new or (change.waits and any(one.package in coming for one in used))

    def put_off(changes: Sequence[Change]) -> Collection[str]:
        later: dict[str, Change] = {}
        for change in changes:
            names = names_of(change.after)
            if waits_for_others(change) or any(
                needs(change.after, other.after, names, default) for other in later.values()
            ):
                later[change.after.identity] = change
        requirements.put_off += [plain(change) for change in later.values()]
        return later.keys()

    return put_off
