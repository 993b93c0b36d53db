"""From an INI file to the application's packages, their tables and their histories.

The one place that runs code of the application.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError

from websauna_migrate.database.connection import Database, read_database
from websauna_migrate.exceptions import MigrateError, RevisionError, SettingsError, listed, reason_of
from websauna_migrate.later import pkg_resources_later
from websauna_migrate.ordering import dependency_groups
from websauna_migrate.packages.directives import get_migration_packages, register_package
from websauna_migrate.packages.histories import (
    for_blanks,
    import_paths,
    make_histories,
    package_folders,
    project_of,
)
from websauna_migrate.packages.initializer import REGISTRY_KEY as INITIALIZER_KEY
from websauna_migrate.packages.metadata import steps_metadata
from websauna_migrate.packages.models import Models
from websauna_migrate.packages.ownership import owning_package
from websauna_migrate.packages.package import History, MigrationPackage
from websauna_migrate.packages.selection import Selected, closest, histories_of, select
from websauna_migrate.revisions.graph import Graph, Scripts, required_packages
from websauna_migrate.revisions.plan import Plan, make_plan
from websauna_migrate.settings import ALEMBIC_SECTION
from websauna_migrate.settings.app import AppSettings, app_factory_module, load_app, read_app, running_app
from websauna_migrate.settings.errors import (
    TO_IMPORT,
    ApplicationDidNotStart,
    SectionMissing,
)
from websauna_migrate.settings.started import kept_global_config, loading

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from pyramid.registry import Registry
    from sqlalchemy import MetaData
    from sqlalchemy.engine import URL, Connection

    from websauna_migrate.packages.ownership import Ownership
    from websauna_migrate.packages.package import TableName
    from websauna_migrate.revisions.scripts import Direction

INITIALIZER = "websauna.init"
APP = "websauna_migrate.app"


@dataclass(frozen=True)
class Application:
    """What an INI file stands for.

    ``section`` is the part of the INI with Alembic's options. ``models``, ``scripts`` and ``database`` are read when
    they are first needed, and once: load the application again to see what changed.
    ``moved_to`` is a database in place of that of the settings.
    """

    ini: AppSettings
    section: str
    registry: Registry
    app_package: str
    packages: Mapping[str, MigrationPackage]
    models: Models
    scripts: Scripts
    moved_to: Database | None = None

    @property
    def ownership(self) -> Ownership:
        """The owner of each table.

        :raises SettingsError: models cannot be imported
        :raises RegistrationError: a package is registered with a wrong name of its metadata
        """
        return self.models.ownership

    def owned(self, packages: Collection[str]) -> frozenset[TableName]:
        """Return the tables that ``packages`` own."""
        return self.ownership.of(packages)

    @cached_property
    def histories(self) -> tuple[History, ...]:
        """The histories in the order of the foreign keys between their packages.

        Where the models are not imported, what the scripts require of other packages tells the order.
        """
        by_name = {history.package: history for history in self.scripts.histories}
        groups = self.models.groups if self.models.are_imported else self._groups_of_scripts()
        return tuple(by_name[name] for group in groups for name in group)

    def _groups_of_scripts(self) -> tuple[tuple[str, ...], ...]:
        names = [history.package for history in self.scripts.histories]
        try:
            needs = required_packages(self.graph()) if len(names) > 1 else {}
        except RevisionError:  # told where the scripts are needed
            needs = {}
        return dependency_groups(names, needs)

    def history(self, package: str) -> History:
        """Return the history that holds the tables of ``package``."""
        return next(history for history in self.histories if package in history.packages)

    def selected(self, packages: Sequence[str]) -> tuple[str, ...]:
        """Return the packages whose histories hold the tables of ``packages``, in dependency order."""
        return histories_of(select(self.histories, packages))

    def steps_metadata(self, history: History) -> MetaData:
        """Return the metadata whose naming convention holds for the scripts of ``history``."""
        self.models.import_all()
        return steps_metadata(history, self.packages)

    @cached_property
    def database(self) -> Database:
        """The database of the settings.

        :raises SettingsError: there is no URL, or it cannot be parsed
        """
        return self.moved_to or read_database(self.ini.settings, str(self.ini.path))

    @property
    def url(self) -> URL:
        """The URL of the database.

        :raises SettingsError: there is none, or it cannot be parsed
        """
        return self.database.url

    def connected(self, *, writes: bool) -> AbstractContextManager[Connection]:
        """Return a context with a connection to the database, for a run that ``writes`` or only reads."""
        return self.database.connected(writes=writes)

    def graph(self) -> Graph:
        """Return what follows what among the revisions of all histories.

        :raises RevisionError: a script is broken, or a history is inconsistent
        """
        return self.scripts.graph

    def plan(
        self,
        rows: Mapping[str, Sequence[str]],
        packages: Sequence[str],
        target: str = "heads",
        *,
        direction: Direction = "up",
        cascade: bool = False,
        expand: bool = False,
    ) -> Plan:
        """Return the steps that take the histories of ``packages`` to ``target`` when their tables hold ``rows``."""
        selected = select(self.histories, packages)
        return self.plan_selected(rows, selected, target, direction=direction, cascade=cascade, expand=expand)

    def plan_selected(
        self,
        rows: Mapping[str, Sequence[str]],
        selected: Iterable[Selected],
        target: str = "heads",
        *,
        direction: Direction = "up",
        cascade: bool = False,
        expand: bool = False,
    ) -> Plan:
        """Return what :meth:`plan` returns, for histories that are selected already."""
        names = histories_of(selected)
        return make_plan(
            self.graph(),
            rows,
            names,
            target,
            direction=direction,
            ties=lambda: self.models.groups,
            cascade=cascade,
            expand=expand,
        )


def load_application(config_uri: str, section: str = ALEMBIC_SECTION, *, complete: bool = True) -> Application:
    """Start the application of ``config_uri`` as far as its models need it, and return what it registered.

    With the setting ``websauna.init`` only the models are registered; without it the whole application is loaded.
    Where nothing compares the models, ``complete=False`` is quicker: models with a dotted name are imported when they
    are needed, and the mappers are left as they are where that is possible.

    :raises SettingsError: a setting is wrong, or the application does not start
    :raises RegistrationError: its packages cannot be what they say
    """
    ini = read_app(config_uri)
    if section != ALEMBIC_SECTION and section not in ini.sections:
        raise SectionMissing(str(ini.path), "section", section, tuple(ini.sections))
    options = ini.sections.get(section, {})
    folders = import_paths(options, ini.path.parent)
    sys.path[:0] = map(str, folders)
    try:
        registry, module = _start(ini)
    except SettingsError as error:
        missing = tuple(str(folder) for folder in folders if not folder.is_dir())
        if not missing or error.remedy != TO_IMPORT:
            raise
        what = f"{error.what}; prepend_sys_path names {listed(missing)}, which does not exist"
        raise SettingsError(what, f"correct prepend_sys_path{for_blanks(options)}") from error
    return _application(ini, section, registry, module, complete=complete)


def running_application(registry: Registry) -> Application:
    """Return the running application of ``registry``: what :func:`load_application` returns for its INI.

    The INI is known where an :class:`~websauna_migrate.Initializer` or ``ws://`` started the application. Without it
    there are no options of Alembic, and the revisions of the application are looked for in the folder of its package
    and of its project. The scripts are read when they are first needed, nothing is started, and nothing is created.

    :raises SettingsError: a setting is wrong
    :raises RegistrationError: its packages cannot be what they say
    """
    settings = registry.settings or {}
    module = registry.get(INITIALIZER_KEY) or registry.package_name
    base = project_of(str(settings.get(APP) or module))
    ini = running_app(settings, kept_global_config(registry), base)
    return _application(ini, ALEMBIC_SECTION, registry, module, complete=False)


def _application(
    ini: AppSettings, section: str, registry: Registry, module: str | None, *, complete: bool
) -> Application:
    """Return what the packages of ``registry`` mean; the application is the one that ``module`` belongs to."""
    registered = get_migration_packages(registry)
    app_package = _app_package(ini, registered, module)
    if app_package not in registered:
        register_package(registry, MigrationPackage(app_package, ()))
    histories = tuple(make_histories(registered, app_package, ini, section).values())
    models = Models(registered, histories, partial(_importing, ini), complete)
    if complete:
        models.import_all()
    return Application(ini, section, registry, app_package, registered, models, Scripts(histories))


def _start(ini: AppSettings) -> tuple[Registry, str | None]:
    """Start the application and return its registry and the module that it is defined in."""
    with loading(), _explaining(ini):
        if ini.settings.get(INITIALIZER):
            return _register_models(ini, ini.settings[INITIALIZER])
        return _start_all(ini)


@contextmanager
def _importing(ini: AppSettings) -> Iterator[None]:
    """Return the context in which a command imports models after the start; what they print is no result of it."""
    with redirect_stdout(sys.stderr), loading(), _explaining(ini):
        yield


@contextmanager
def _explaining(ini: AppSettings) -> Iterator[None]:
    """Return a context that explains what the code of the application raises."""
    try:
        yield
    except (MigrateError, KeyboardInterrupt):
        raise
    except BaseException as error:  # whatever the application's own code raises
        raise _explained(ini, error) from error


def _register_models(ini: AppSettings, dotted_name: str) -> tuple[Registry, str | None]:
    with pkg_resources_later():
        import pyramid.config  # noqa: F401 - what it imports is then there without pkg_resources
        from pyramid.path import DottedNameResolver

    from websauna_migrate.packages.initializer import Initializer, for_models_only

    try:
        initializer = DottedNameResolver(None).resolve(dotted_name)
    except (ImportError, AttributeError, ValueError) as error:
        what = f"{ini.path}: websauna.init = {dotted_name}: it cannot be imported: {error}"
        raise SettingsError(what, TO_IMPORT) from error
    if not (isinstance(initializer, type) and issubclass(initializer, Initializer)):
        what = f"{ini.path}: websauna.init = {dotted_name}: it is not an Initializer"
        raise SettingsError(what, "name a subclass of websauna_migrate.Initializer")
    with for_models_only():
        registry = initializer(dict(ini.global_config), ini.settings).register_models()
    return registry, initializer.__module__


def _start_all(ini: AppSettings) -> tuple[Registry, str | None]:
    from pyramid.config import global_registries

    load_app(ini.config_uri)
    registry = global_registries.last
    if registry is None:
        raise _unknown_application(ini, ())
    return registry, app_factory_module(ini.config_uri)


def _explained(ini: AppSettings, error: BaseException) -> MigrateError:
    """Return the error that explains ``error``, which the application raised while it started."""
    from pyramid.exceptions import ConfigurationExecutionError

    if isinstance(error, ConfigurationExecutionError):
        error = error.evalue
    if isinstance(error, MigrateError):
        return error
    if isinstance(error, DBAPIError) and _names_missing_table(error):
        what = f"the application of {ini.path} queries the database while it starts, and a table is missing"
        return SettingsError(
            f"{what} ({reason_of(error)})",
            "set websauna.init to its Initializer: migrations then only run its include_addons() and "
            "configure_models(), which must not query the database",
        )
    return ApplicationDidNotStart(str(ini.path), error)


def _names_missing_table(error: DBAPIError) -> bool:
    """Return whether ``error`` says that a table is missing, in the way of each database."""
    from websauna_migrate.database.remedies import codes_of

    return not {"42P01", 1146}.isdisjoint(codes_of(error)) or "no such table" in str(error.orig)


def _app_package(ini: AppSettings, registered: Mapping[str, MigrationPackage], module: str | None) -> str:
    named = ini.settings.get(APP)
    if named:
        if named not in registered and not package_folders(named):
            similar = closest(named, registered)
            raise SettingsError(
                f"{ini.path}: {APP} = {named}: there is no such package; registered are: {listed(tuple(registered))}",
                f"did you mean {similar}?" if similar else "name one of these, or a package that is installed",
            )
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
