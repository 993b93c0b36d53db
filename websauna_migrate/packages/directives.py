"""The Pyramid directive ``config.add_migration_package``, and what it registers.

The directive validates at once and registers later, in an action, so that Pyramid detects conflicts and shows
both call sites.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from sqlalchemy import MetaData

from websauna_migrate.exceptions import RegistrationError
from websauna_migrate.packages.errors import InvalidScriptLocation
from websauna_migrate.packages.package import MigrationPackage, history_table_name
from websauna_migrate.settings.started import keep_global_config

if TYPE_CHECKING:
    from pyramid.config import Configurator
    from pyramid.registry import Registry

CATEGORY = "migration packages"
DISCRIMINATOR = "migration package"
SUBSCRIBER = "migration subscriber"
REGISTRY_KEY = "websauna_migrate.packages"
DIRECTIVE = "add_migration_package"

_DOTTED_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


def includeme(config: Configurator) -> None:
    """Add the directive ``config.add_migration_package`` to ``config``."""
    config.add_directive(DIRECTIVE, add_migration_package)
    keep_global_config(config.registry)


def add_migration_package(
    config: Configurator, name: str, metadata: object, *, script_location: str | None = None
) -> None:
    """Register the Python package ``name`` with the metadata of its models.

    ``metadata`` is a :class:`~sqlalchemy.MetaData`, a declarative base, a sequence of those, or a dotted name of one
    (``pkg.models:Base``). ``script_location`` is the folder with the package's revisions, ``pkg:folder`` or a path;
    without it the folder ``alembic`` inside the package is used, if it exists.

    :raises RegistrationError: the name, the metadata or the script location is invalid
    :raises pyramid.exceptions.ConfigurationConflictError: on commit, when ``name`` is registered twice
    """
    if not isinstance(name, str) or not _DOTTED_NAME.fullmatch(name):
        raise RegistrationError(
            f"add_migration_package({name!r}): this is not the dotted name of a Python package",
            "write it as in 'my.app'",
        )
    if script_location is not None and not (isinstance(script_location, str) and script_location.strip()):
        raise InvalidScriptLocation(name, script_location)
    package = MigrationPackage(name, tuple(dict.fromkeys(_metadata(config, name, metadata))), script_location)
    introspectable = config.introspectable(CATEGORY, name, name, "migration package")
    introspectable.update(
        package=package,
        metadata=package.metadata,
        script_location=script_location,
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


def _metadata(config: Configurator, name: str, value: object) -> list[MetaData]:
    resolved = _resolve(config, name, value)
    if isinstance(resolved, MetaData):
        return [resolved]
    base_metadata = getattr(resolved, "metadata", None)
    if isinstance(base_metadata, MetaData):
        return [base_metadata]
    if isinstance(resolved, Iterable) and not isinstance(resolved, (Mapping, str, bytes)):
        items = list(resolved)
        if items:
            return [metadata for item in items for metadata in _metadata(config, name, item)]
    raise _invalid_metadata(name, f"{value!r} is not one")


def _resolve(config: Configurator, name: str, value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return config.maybe_dotted(value)
    except (ImportError, AttributeError, ValueError, IndexError) as error:
        raise _invalid_metadata(name, f"{value!r} cannot be imported: {error}") from error


def _invalid_metadata(name: str, reason: str) -> RegistrationError:
    return RegistrationError(
        f"add_migration_package({name!r}): metadata: {reason}",
        "give a MetaData, a declarative base, a sequence of those, or a dotted name like 'my.app.models:Base'",
    )
