"""The Pyramid directive ``config.add_migration_package``, and what it registers.

The directive validates at once and registers later, in an action, so that Pyramid detects conflicts and shows
both call sites.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from websauna_migrate.exceptions import RegistrationError
from websauna_migrate.packages.errors import InvalidObjects, InvalidScriptLocation
from websauna_migrate.packages.named_metadata import registered_metadata
from websauna_migrate.packages.package import MigrationPackage, history_table_name
from websauna_migrate.settings.started import is_loading, keep_global_config

if TYPE_CHECKING:
    from pyramid.config import Configurator
    from pyramid.registry import Registry

CATEGORY = "migration packages"
DISCRIMINATOR = "migration package"
SUBSCRIBER = "migration subscriber"
REGISTRY_KEY = "websauna_migrate.packages"
DIRECTIVE = "add_migration_package"

_DOTTED_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_DOTTED_OBJECT = re.compile(rf"[.:]?{_DOTTED_NAME.pattern}(:{_DOTTED_NAME.pattern})?")


def includeme(config: Configurator) -> None:
    """Add the directive ``config.add_migration_package`` to ``config``."""
    config.add_directive(DIRECTIVE, add_migration_package)
    keep_global_config(config.registry)


def add_migration_package(
    config: Configurator, name: str, metadata: object, *, script_location: str | None = None, objects: object = None
) -> None:
    """Register the Python package ``name`` with the metadata of its models.

    ``metadata`` is a :class:`~sqlalchemy.MetaData`, a declarative base, a sequence of those, or a dotted name of one
    (``pkg.models:Base``). ``script_location`` is the folder with the package's revisions, ``pkg:folder`` or a path;
    without it the folder ``alembic`` inside the package is used, if it exists. ``objects`` are its views, functions,
    triggers and the like: a sequence of entities of alembic-utils, or the dotted name of one (``pkg.objects:ALL``),
    which is imported only when models are compared.

    A dotted name is imported at once where an application starts. A command of ours imports it when it needs tables.

    :raises RegistrationError: the name, the metadata, the script location or the objects are invalid
    :raises pyramid.exceptions.ConfigurationConflictError: on commit, when ``name`` is registered twice
    """
    if not isinstance(name, str) or not _DOTTED_NAME.fullmatch(name):
        raise RegistrationError(
            f"add_migration_package({name!r}): this is not the dotted name of a Python package",
            "write it as in 'my.app'",
        )
    if script_location is not None and not (isinstance(script_location, str) and script_location.strip()):
        raise InvalidScriptLocation(name, script_location)
    given = _objects(config, name, objects)
    registered = tuple(registered_metadata(name, metadata, config.maybe_dotted))
    package = MigrationPackage(name, registered, script_location, given)
    if not is_loading():
        package = MigrationPackage(name, package.metadata, script_location, given)
    introspectable = config.introspectable(CATEGORY, name, name, "migration package")
    introspectable.update(
        package=package,
        metadata=package.registered,
        script_location=script_location,
        objects=package.objects,
        history_table=history_table_name(name),
    )
    config.action(
        (DISCRIMINATOR, name),
        register_package,
        args=(config.registry, package),
        introspectables=(introspectable,),
    )


def register_package(registry: Registry, package: MigrationPackage) -> None:
    """Add ``package`` to ``registry``.

    :raises RegistrationError: another registered package has a history table of the same name
    """
    packages = registry.setdefault(REGISTRY_KEY, {})
    for other in packages:
        if other != package.name and history_table_name(other) == history_table_name(package.name):
            raise RegistrationError(
                f"{other} and {package.name} would share the history table {history_table_name(other)!r}",
                "rename one of the packages, or register only one of them",
            )
    packages[package.name] = package


def get_migration_packages(registry: Registry) -> Mapping[str, MigrationPackage]:
    """Return the registered packages by name, in registration order. The mapping is read-only."""
    return MappingProxyType(registry.get(REGISTRY_KEY, {}))


def _objects(config: Configurator, name: str, value: object) -> object:
    """Return ``value`` as a full dotted name or a tuple; None stays None."""
    if isinstance(value, str) and _DOTTED_OBJECT.fullmatch(value):
        return f"{config.package.__name__}{value}" if value[0] in ".:" else value
    if value is None:
        return None
    if isinstance(value, Iterable) and not isinstance(value, (Mapping, str, bytes)):
        return tuple(value)
    raise InvalidObjects(name, f"{value!r} is neither a dotted name nor a sequence")
