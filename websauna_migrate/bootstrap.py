"""From an INI file to the application's packages, their tables and their histories.

The one place that runs code of the application.
"""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import DBAPIError

from websauna_migrate.autogenerate.comparison import Comparison, make_comparison
from websauna_migrate.database.connection import connected, database_url, parse_url
from websauna_migrate.database.lock import DEFAULT_TIMEOUT, run_lock
from websauna_migrate.exceptions import MigrateError, SettingsError, listed, reason_of
from websauna_migrate.packages.directives import get_migration_packages, register_package
from websauna_migrate.packages.histories import (
    DEFAULT_FOLDER,
    import_paths,
    make_histories,
    order_histories,
    package_folders,
)
from websauna_migrate.packages.ownership import Ownership, find_owners, owning_package, package_dependencies
from websauna_migrate.packages.package import History, MigrationPackage
from websauna_migrate.packages.selection import current_package, select
from websauna_migrate.revisions.graph import Graph, build_graph
from websauna_migrate.revisions.plan import Plan, make_plan
from websauna_migrate.revisions.scripts import read_revisions
from websauna_migrate.settings.app import AppSettings, app_factory_module, load_app, read_app
from websauna_migrate.settings.errors import (
    TO_IMPORT,
    ApplicationDidNotStart,
    QueriedWhileStarting,
    SectionMissing,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from pyramid.registry import Registry
    from sqlalchemy import MetaData
    from sqlalchemy.engine import URL, Connection

    from websauna_migrate.database.lock import LockHolder, RunLock
    from websauna_migrate.revisions.scripts import Direction

SECTION = "alembic"  # with Alembic's options, unless another one is named
INITIALIZER = "websauna.init"
APP = "websauna_migrate.app"
LOCK_URL = "websauna_migrate.lock_url"
LOCK_TIMEOUT = "websauna_migrate.lock_timeout"


@dataclass(frozen=True, slots=True)
class Application:
    """What an INI file stands for.

    ``histories`` are in dependency order; ``groups`` are the names of their packages in that order, those that need
    each other in a circle together. ``section`` is the part of the INI with Alembic's options.
    """

    ini: AppSettings
    section: str
    registry: Registry
    app_package: str
    packages: Mapping[str, MigrationPackage]
    ownership: Ownership
    histories: tuple[History, ...]
    groups: tuple[tuple[str, ...], ...]

    def history(self, package: str) -> History:
        """Return the history that holds the tables of ``package``."""
        return next(history for history in self.histories if package in history.packages)

    def selected(self, packages: Sequence[str]) -> tuple[str, ...]:
        """Return the packages whose histories hold the tables of ``packages``, in dependency order."""
        return tuple(one.history.package for one in select(self.histories, packages))

    def metadata(self, packages: Collection[str]) -> tuple[MetaData, ...]:
        """Return the metadata of ``packages``, each once."""
        return tuple(dict.fromkeys(m for name in packages for m in self.packages[name].metadata))

    def comparison(self, packages: Sequence[str], history: History) -> Comparison:
        """Return what autogenerate may see for ``packages`` of ``history``.

        :raises OwnershipError: the owner of a table is not known
        """
        return make_comparison(packages, history, self.packages, self.ownership)

    @property
    def url(self) -> URL:
        """The URL of the database.

        :raises SettingsError: there is none, or it cannot be parsed
        """
        return database_url(self.ini.settings, str(self.ini.path))

    def place_for_revisions(self, package: str) -> Path:
        """Return the folder where the revisions of ``package`` are looked for, or would be."""
        history = self.history(package)
        if history.package == package:
            return history.script_location
        folders = package_folders(package)
        return (folders[0] if folders else self.ini.path.parent) / DEFAULT_FOLDER

    def current_package(self) -> str:
        """Return the package that a command is about when ``-x packages=`` is absent."""
        folders = {name: found[0] for name in self.packages if (found := package_folders(name))}
        try:
            here = Path.cwd()
        except FileNotFoundError:  # it was removed
            return self.app_package
        return current_package(folders, self.app_package, here)

    def graph(self) -> Graph:
        """Read the revision scripts of all histories and return what follows what."""
        return build_graph({history.package: read_revisions(history) for history in self.histories})

    def plan(
        self,
        rows: Mapping[str, Sequence[str]],
        packages: Sequence[str],
        target: str = "heads",
        *,
        direction: Direction = "up",
        cascade: bool = False,
        graph: Graph | None = None,
    ) -> Plan:
        """Return the steps that take the histories of ``packages`` to ``target`` when their tables hold ``rows``.

        ``graph`` is what :meth:`graph` returned, where somebody asked already.
        """
        graph, selected = graph or self.graph(), self.selected(packages)
        return make_plan(graph, rows, selected, target, direction=direction, ties=self.groups, cascade=cascade)

    def lock(
        self, connection: Connection, on_wait: Callable[[LockHolder | None, float], None] | None = None
    ) -> AbstractContextManager[RunLock]:
        """Return the lock that keeps runs on the database and the schema of ``connection`` apart."""
        url = self.ini.settings.get(LOCK_URL)
        return run_lock(
            connection.engine,
            schema=connection.dialect.default_schema_name,
            timeout=_seconds(self.ini, LOCK_TIMEOUT, DEFAULT_TIMEOUT),
            lock_url=parse_url(url, str(self.ini.path), LOCK_URL) if url else None,
            on_wait=on_wait,
        )

    def connected(self, *, writes: bool) -> AbstractContextManager[Connection]:
        """Return a context with a connection to the database of the settings, for a run that ``writes`` or reads."""
        return connected(self.ini.settings, str(self.ini.path), writes=writes)


def load_application(config_uri: str, section: str = SECTION, *, complete: bool = True) -> Application:
    """Start the application of ``config_uri`` as far as its models need it, and return what it registered.

    With the setting ``websauna.init`` only the models are registered; without it the whole application is loaded.
    Where nothing compares the models, ``complete=False`` is quicker: it leaves the mappers as they are where it can.

    :raises SettingsError: a setting is wrong, or the application does not start
    :raises RegistrationError: its packages cannot be what they say
    """
    ini = read_app(config_uri)
    if section != SECTION and section not in ini.sections:
        raise SectionMissing(str(ini.path), "section", section, tuple(ini.sections))
    sys.path[:0] = map(str, import_paths(ini.sections.get(section, {}), ini.path.parent))
    registry, module = _start(ini)
    registered = get_migration_packages(registry)
    app_package = _app_package(ini, registered, module)
    if app_package not in registered:
        register_package(registry, MigrationPackage(app_package, ()))
    ownership = find_owners(registered.values(), complete=complete)
    histories = make_histories(registered, app_package, ini, section)
    groups = order_histories(histories, package_dependencies(ownership))
    in_order = tuple(histories[name] for group in groups for name in group)
    return Application(ini, section, registry, app_package, registered, ownership, in_order, groups)


def _start(ini: AppSettings) -> tuple[Registry, str | None]:
    """Start the application and return its registry and the module that it is defined in."""
    try:
        if ini.settings.get(INITIALIZER):
            return _register_models(ini, ini.settings[INITIALIZER])
        return _start_all(ini)
    except MigrateError:
        raise
    except (SystemExit, Exception) as error:  # whatever the application's own code raises
        raise _explained(ini, error) from error


def _register_models(ini: AppSettings, dotted_name: str) -> tuple[Registry, str | None]:
    from pyramid.path import DottedNameResolver

    from websauna_migrate.packages.initializer import Initializer

    try:
        initializer = DottedNameResolver(None).resolve(dotted_name)
    except (ImportError, AttributeError, ValueError) as error:
        what = f"{ini.path}: websauna.init = {dotted_name}: it cannot be imported: {error}"
        raise SettingsError(what, TO_IMPORT) from error
    if not (isinstance(initializer, type) and issubclass(initializer, Initializer)):
        what = f"{ini.path}: websauna.init = {dotted_name}: it is not an Initializer"
        raise SettingsError(what, "name a subclass of websauna_migrate.Initializer")
    return initializer(dict(ini.global_config), ini.settings).register_models(), initializer.__module__


def _start_all(ini: AppSettings) -> tuple[Registry, str | None]:
    from pyramid.config import global_registries

    load_app(ini.config_uri)
    registry = global_registries.last
    if registry is None:
        raise _unknown_application(ini, ())
    return registry, app_factory_module(ini.config_uri)


def _explained(ini: AppSettings, error: BaseException) -> MigrateError:
    """Return the error that tells what ``error`` of the application's start means."""
    from pyramid.exceptions import ConfigurationExecutionError

    if isinstance(error, ConfigurationExecutionError):
        error = error.evalue
    if isinstance(error, MigrateError):
        return error
    if isinstance(error, DBAPIError) and _names_missing_table(error):
        return QueriedWhileStarting(str(ini.path), reason_of(error))
    return ApplicationDidNotStart(str(ini.path), error)


def _names_missing_table(error: DBAPIError) -> bool:
    """Tell whether the database said that a table is missing, each in its own way."""
    original: Any = error.orig
    if getattr(original, "pgcode", None) == "42P01" or getattr(original, "sqlstate", None) == "42P01":
        return True
    return "no such table" in str(original) or (getattr(original, "args", None) or (None,))[0] == 1146


def _seconds(ini: AppSettings, name: str, default: float) -> float:
    value = ini.settings.get(name, "").strip()
    try:
        seconds = float(value) if value else default
    except ValueError:
        seconds = -1
    if not seconds >= 0:
        raise SettingsError(f"{ini.path}: {name} = {value} is not valid", "write a number of seconds, 0 or more")
    return seconds


def _app_package(ini: AppSettings, registered: Mapping[str, MigrationPackage], module: str | None) -> str:
    named = ini.settings.get(APP)
    if named:
        if named not in registered and not package_folders(named):
            raise _unknown_application(ini, registered)
        return str(named)
    found = owning_package(registered, module) if module else None
    if found is None and module is None:
        raise _unknown_application(ini, registered)
    return found or _package_of(str(module))


def _unknown_application(ini: AppSettings, registered: Iterable[str]) -> SettingsError:
    return SettingsError(
        f"{ini.path}: cannot tell which package is the application (registered: {listed(tuple(registered))})",
        f"set {APP} to its dotted name",
    )


def _package_of(module: str) -> str:
    """Return the package that ``module`` is or lies in."""
    if module not in sys.modules or hasattr(sys.modules[module], "__path__"):
        return module
    return module.rpartition(".")[0] or module
