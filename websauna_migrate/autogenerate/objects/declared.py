"""The objects that packages declare: imported, checked, and each of one package."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from websauna_migrate.autogenerate.objects.names import shown
from websauna_migrate.exceptions import cause_of
from websauna_migrate.packages.errors import InvalidObjects, ObjectDeclaredTwice
from websauna_migrate.private import forget_comparators

if TYPE_CHECKING:
    from websauna_migrate.packages.package import MigrationPackage


@dataclass(frozen=True, slots=True)
class Declared:
    """An ``entity`` of alembic-utils that ``package`` declares."""

    package: str
    entity: Any


def declared_objects(packages: Iterable[MigrationPackage]) -> dict[str, Declared]:
    """Return what ``packages`` declare, by identity.

    :raises InvalidObjects: the objects of a package cannot be imported, or are no entities
    :raises ObjectDeclaredTwice: two packages declare the same object
    """
    found: dict[str, Declared] = {}
    for package in packages:
        for entity in _entities(package):
            other = found.setdefault(entity.identity, Declared(package.name, entity))
            if other.package != package.name or other.entity.definition != entity.definition:
                raise ObjectDeclaredTwice(shown(entity), other.package, package.name)
    return found


def _entities(package: MigrationPackage) -> Iterable[Any]:
    if package.objects is None:
        return ()
    value = _imported(package.name, package.objects) if isinstance(package.objects, str) else package.objects
    if not isinstance(value, Iterable) or isinstance(value, (str, bytes, Mapping)):
        raise InvalidObjects(package.name, f"{package.objects!r} is no sequence of entities")
    entities = tuple(value)
    if entities:
        _require_entities(package.name, entities)
    return entities


def _imported(package: str, dotted_name: str) -> object:
    from pyramid.path import DottedNameResolver

    try:
        return DottedNameResolver(None).resolve(dotted_name)
    except Exception as error:  # whatever the module of the user raises
        _require_alembic_utils(package, error)
        raise InvalidObjects(package, f"{dotted_name!r} cannot be imported: {cause_of(error)}") from error


def _require_entities(package: str, entities: Iterable[object]) -> None:
    try:
        from alembic_utils.replaceable_entity import ReplaceableEntity
    except ImportError as error:
        _require_alembic_utils(package, error)
        raise
    forget_comparators("alembic_utils")  # this import would let it drop what is not registered with itself
    for entity in entities:
        if not isinstance(entity, ReplaceableEntity):
            raise InvalidObjects(package, f"{entity!r} is no entity of alembic-utils")


def _require_alembic_utils(package: str, error: Exception) -> None:
    """Raise the error that says what to install, if it is alembic-utils that could not be imported."""
    if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] == "alembic_utils":
        remedy = "pip install 'websauna_migrate[objects]'"
        raise InvalidObjects(package, "alembic-utils is not installed", remedy) from error
