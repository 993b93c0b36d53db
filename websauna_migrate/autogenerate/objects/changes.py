"""Which objects a package has to create, replace and drop: what it declares compared with what the database has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from alembic_utils.pg_extension import PGExtension
from alembic_utils.pg_function import PGFunction
from alembic_utils.pg_grant_table import PGGrantTable
from alembic_utils.pg_materialized_view import PGMaterializedView
from alembic_utils.pg_policy import PGPolicy
from alembic_utils.pg_trigger import PGTrigger
from alembic_utils.pg_view import PGView
from alembic_utils.statement import normalize_whitespace

from websauna_migrate.autogenerate.errors import ObjectNotCreated
from websauna_migrate.autogenerate.objects.declared import Declared, declared_objects
from websauna_migrate.autogenerate.objects.found import Change, Found
from websauna_migrate.autogenerate.objects.names import FUNCTION, in_order, object_name
from websauna_migrate.autogenerate.objects.names import shown as shown_name
from websauna_migrate.autogenerate.objects.stored import Failed, Stored

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy.engine import Connection

    from websauna_migrate.autogenerate.declarations import Objects
    from websauna_migrate.revisions.entities import MadeEntity

_KINDS: tuple[Any, ...] = (
    PGExtension,
    PGFunction,
    PGGrantTable,
    PGMaterializedView,
    PGPolicy,
    PGTrigger,
    PGView,
)


Include = Callable[[Any, bool], bool]


def find_changes(
    connection: Connection,
    objects: Objects,
    *,
    include: Include,
    may_wait: Callable[[Any], bool],
    may_drop: Callable[[], bool],
) -> Found:
    """Return how the objects of the selected packages differ from those in the database.

    ``include`` tells whether an entity is considered, which the database has or not, and ``may_wait`` whether it may
    need what is not there yet, because something else changes. ``may_drop`` is asked before anything is dropped.

    :raises ObjectNotCreated: PostgreSQL refuses the SQL of an object
    """
    declared = declared_objects(objects.registered.values())
    ours = {key: one for key, one in declared.items() if one.package in objects.packages and include(one.entity, False)}
    default = connection.dialect.default_schema_name
    entities = in_order([one.entity for one in ours.values()], default)
    gone = [entity for entity in _made(objects.made.values(), declared) if entity.identity not in declared]
    comparison = _Comparison(Stored(connection), ours)
    functions = [e for e in gone if e.type_ == FUNCTION and e.definition and comparison.stored.same(e) is None]
    shown = comparison.stored.shown(entities, functions)
    for entity in entities:
        comparison.compare(entity, shown[entity.identity])
    for entity, reason in comparison.failed:
        if not comparison.changes and not may_wait(entity):
            raise ObjectNotCreated(shown_name(entity), ours[entity.identity].package, reason)
    dropped = comparison.gone([shown.get(e.identity, e) for e in gone])
    kept = [one for one in dropped if include(one, True)]
    changes = [Change(objects.home, one, None) for one in kept] if kept and may_drop() else []
    others = (Change(one.package, None, one.entity) for key, one in declared.items() if key not in ours)
    return Found((*comparison.all_changes(entities), *changes), tuple(comparison.unchanged), tuple(others))


@dataclass(slots=True)
class _Comparison:
    """The comparison of one history: what was found until now."""

    stored: Stored
    ours: Mapping[str, Declared]
    changes: dict[str, Change] = field(default_factory=dict)
    waiting: dict[str, Change] = field(default_factory=dict)
    unchanged: list[Change] = field(default_factory=list)
    failed: list[tuple[Any, str]] = field(default_factory=list)
    known: set[str] = field(default_factory=set)

    def compare(self, entity: Any, shown: Any) -> None:
        """Compare ``entity`` with what the database has; ``shown`` is how the database shows it."""
        package = self.ours[entity.identity].package
        if isinstance(shown, Failed):
            if not shown.is_missing:
                raise ObjectNotCreated(shown_name(entity), package, shown.reason, is_refused=shown.is_refused)
            self.failed.append((entity, shown.reason))
            before = self.stored.same(entity) or self._only_function(entity)
            self.waiting[entity.identity] = Change(package, before, entity, waits=True)
        else:
            before = self.stored.same(shown)
            change = Change(package, before, entity)
            if before is not None and _is_same(before, shown):
                self.unchanged.append(change)
            else:
                self.changes[entity.identity] = change
        self.known |= {one.identity for one in (entity, shown, before) if one is not None and hasattr(one, "identity")}

    def all_changes(self, entities: Iterable[Any]) -> list[Change]:
        """Return what is created and replaced, in the order of ``entities``."""
        found = self.changes | self.waiting
        return [found[entity.identity] for entity in entities if entity.identity in found]

    def gone(self, entities: Iterable[Any]) -> list[Any]:
        """Return those of ``entities`` that the database has and that are not declared, as the database shows them."""
        found = [self.stored.same(entity) for entity in entities if not isinstance(entity, Failed)]
        return list({one.identity: one for one in found if one is not None and one.identity not in self.known}.values())

    def _only_function(self, entity: Any) -> Any | None:
        """Return the only function with the name of ``entity``, whatever its arguments."""
        if entity.type_ != FUNCTION:
            return None
        named = [o for o in self.stored.of(type(entity), entity.schema) if object_name(o) == object_name(entity)]
        return named[0] if len(named) == 1 else None


def _is_same(before: Any, shown: Any) -> bool:
    return bool(normalize_whitespace(before.definition) == normalize_whitespace(shown.definition))


def _made(made: Iterable[MadeEntity], declared: Mapping[str, Declared]) -> list[Any]:
    """Return the entities that scripts made, as far as their text tells them."""
    kinds = {kind.__name__: kind for kind in (*_KINDS, *(type(one.entity) for one in declared.values()))}
    found = []
    for one in made:
        arguments: dict[str, Any] = dict(one.arguments)
        if one.kind in kinds and one.kind not in ("PGExtension", "PGGrantTable"):
            arguments.setdefault("definition", "")
        try:
            found.append(kinds[one.kind](**arguments))
        except Exception:  # written by hand: what it is, only a run of the script tells
            continue
    return found
