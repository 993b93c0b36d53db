"""From registered packages to histories: where each package keeps its revisions.

Reads which folders exist, and imports no Alembic.
"""

from __future__ import annotations

import importlib.util
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from websauna_migrate.exceptions import RegistrationError, SettingsError, listed
from websauna_migrate.ordering import dependency_groups
from websauna_migrate.packages.errors import InvalidScriptLocation, UnwritableHistory
from websauna_migrate.packages.package import History, history_table_name, named_table
from websauna_migrate.packages.selection import closest, current_package, project_folder
from websauna_migrate.packages.template import script_location_files
from websauna_migrate.settings import ALEMBIC_SECTION

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from websauna_migrate.packages.package import MigrationPackage, TableName
    from websauna_migrate.settings.app import AppSettings

FOREIGN = "websauna_migrate.foreign_histories"
SETTING = "websauna_migrate.script_location."
DEFAULT_FOLDER = "alembic"
_LEGACY_SEPARATOR = re.compile(r", *|(?: +)")
_SEPARATORS = {"space": " ", "newline": "\n", "os": os.pathsep, ":": ":", ";": ";"}


def make_histories(
    packages: Mapping[str, MigrationPackage], app_package: str, ini: AppSettings, section: str = ALEMBIC_SECTION
) -> dict[str, History]:
    """Return the histories by the name of their package, in registration order.

    ``section`` is the section of the INI with Alembic's options.

    :raises RegistrationError: a script location is invalid, or two packages have the same
    :raises SettingsError: a setting names a package or a folder that does not exist
    """
    _refuse_unknown_packages(packages, ini)
    located = {name: find_script_location(package, app_package, ini, section) for name, package in packages.items()}
    own = {name: location for name, location in located.items() if location is not None}
    adopted = tuple(name for name in packages if name not in own)
    _refuse_shared_locations(own)
    everywhere = ini.sections.get(section, {})
    recursive = everywhere.get("recursive_version_locations") == "true"
    sourceless = everywhere.get("sourceless") == "true"
    histories = {}
    for name, location in own.items():
        _require_folder(name, location)
        is_app = name == app_package
        options = everywhere if is_app else {}
        held = (name, *adopted) if is_app else (name,)
        versions = _version_locations(location, options, ini)
        for folder in versions:
            _require_folder(name, folder)
        histories[name] = History(name, held, location, versions, history_table_name(name), recursive, sourceless)
    return histories


def foreign_histories(settings: Mapping[str, str]) -> frozenset[TableName]:
    """Return the history tables that belong to other applications in the same database, as ``settings`` name them."""
    return frozenset(map(named_table, settings.get(FOREIGN, "").replace(",", " ").split()))


def order_histories(
    histories: Mapping[str, History], dependencies: Mapping[str, Collection[str]]
) -> tuple[tuple[str, ...], ...]:
    """Order the histories by the ``dependencies`` of their packages; those that depend on each other are one group."""
    home = {package: history.package for history in histories.values() for package in history.packages}
    needs = {
        name: {home[needed] for package in history.packages for needed in dependencies.get(package, ())} - {name}
        for name, history in histories.items()
    }
    return dependency_groups(tuple(histories), needs)


def find_script_location(
    package: MigrationPackage, app_package: str, ini: AppSettings, section: str = ALEMBIC_SECTION
) -> Path | None:
    """Return the absolute script location of the package, which need not exist; None when the package is adopted."""
    base = ini.path.parent
    configured = ini.settings.get(SETTING + package.name) or package.script_location
    if configured:
        return resolve_location(package.name, configured, base)
    inside = next((f / DEFAULT_FOLDER for f in package_folders(package.name) if (f / DEFAULT_FOLDER).is_dir()), None)
    if inside is not None or package.name != app_package:
        return inside
    of_alembic = ini.sections.get(section, {}).get("script_location")
    if of_alembic:
        return resolve_location(package.name, of_alembic, base)
    return next((f for f in _usual_folders(package.name, base) if f.is_dir()), base / DEFAULT_FOLDER)


def resolve_location(package: str, spec: str, base: Path) -> Path:
    """Return the folder that ``spec`` names: ``pkg:folder``, or a path relative to ``base``.

    As in Alembic, a path with a drive is only what is absolute: ``h:migrations`` is a folder of the package ``h``.

    :raises InvalidScriptLocation: it names a package that does not exist
    """
    owner, colon, folder = spec.partition(":")
    if not colon or Path(spec).is_absolute():
        return Path(os.path.abspath(base / spec))  # noqa: PTH100 - resolve() would follow links
    folders = package_folders(owner)
    if not folders:
        raise InvalidScriptLocation(package, spec, f"there is no package {owner!r}")
    return next((f / folder for f in folders if (f / folder).is_dir()), folders[0] / folder)


def package_folders(name: str) -> tuple[Path, ...]:
    """Return the folders of the Python package ``name``: several of a namespace package, none of a missing one.

    Of a module that is not a package, that is the folder of its file.
    """
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return ()
    if spec is None:
        return ()
    if spec.submodule_search_locations is not None:
        return tuple(Path(folder) for folder in spec.submodule_search_locations)
    return (Path(spec.origin).parent,) if spec.origin else ()


def project_of(package: str) -> Path:
    """Return the project folder of ``package``, else the folder of the package; of none, the working directory."""
    folder = next(iter(package_folders(package)), None)
    return Path.cwd() if folder is None else project_folder(folder) or folder


def place_for_revisions(package: str, history: History, base: Path) -> Path:
    """Return the folder where revisions of ``package`` alone would be looked for; ``history`` holds its tables now.

    ``base`` is the folder for a package that is nowhere, usually that of the INI.
    """
    if history.package == package:
        return history.script_location
    folders = package_folders(package)
    return (folders[0] if folders else base) / DEFAULT_FOLDER


def package_here(packages: Iterable[str], app_package: str) -> str:
    """Return the one of ``packages`` that a command is about when ``-x packages=`` is absent."""
    folders = {name: found[0] for name in packages if (found := package_folders(name))}
    try:
        here = Path.cwd()
    except FileNotFoundError:  # it was removed
        return app_package
    return current_package(folders, app_package, here)


def write_scaffold(folder: Path, package: str, *, importable: bool = False) -> tuple[Path, ...]:
    """Write the missing files of ``env.py``, ``script.py.mako`` and ``versions/`` for ``package``; return their paths.

    Existing files are not changed. With ``importable`` the folders become Python packages.

    :raises UnwritableHistory: the folder cannot be created, or is not writable
    """
    files = {folder / name: text for name, text in script_location_files(package).items()}
    if importable:
        files.update({folder / "__init__.py": "", folder / "versions" / "__init__.py": ""})
    written = tuple(path for path in files if not path.exists())
    try:
        (folder / "versions").mkdir(parents=True, exist_ok=True)
        for path in written:
            path.write_text(files[path], encoding="utf-8")
    except OSError as error:
        raise UnwritableHistory(package, str(folder), error) from error
    return written


def _usual_folders(package: str, base: Path) -> Iterable[Path]:
    yield base / DEFAULT_FOLDER
    for folder in package_folders(package):
        project = project_folder(folder)
        if project is not None:
            yield project / DEFAULT_FOLDER


def import_paths(options: Mapping[str, str], base: Path) -> tuple[Path, ...]:
    """Return the folders of Alembic's option ``prepend_sys_path``; relative ones are relative to ``base``."""
    return tuple((base / part).resolve() for part in _parts(options, "prepend_sys_path"))


def _version_locations(location: Path, options: Mapping[str, str], ini: AppSettings) -> tuple[Path, ...]:
    usual = location / "versions"
    parts = _parts(options, "version_locations")
    folders = tuple(resolve_location("version_locations", part, ini.path.parent) for part in parts)
    for folder in folders:
        # Only the usual folder may be missing: ``init`` creates it.
        if folder != usual and not os.path.lexists(folder):
            raise SettingsError(
                f"{ini.path}: version_locations names {folder}, which does not exist",
                f"create the folder, or correct version_locations{for_blanks(options)}",
            )
    return folders or (usual,)


def _require_folder(package: str, place: Path) -> None:
    """Refuse a file, a link to nowhere and the like where the revisions of ``package`` should be."""
    if os.path.lexists(place) and not place.is_dir():
        raise InvalidScriptLocation(package, str(place))


def _refuse_unknown_packages(packages: Mapping[str, MigrationPackage], ini: AppSettings) -> None:
    for setting in ini.settings:
        name = setting.removeprefix(SETTING)
        if name != setting and name not in packages:
            similar = closest(name, packages)
            raise SettingsError(
                f"{ini.path}: {setting}: no package {name!r} is registered; registered are: {listed(tuple(packages))}",
                f"did you mean {SETTING}{similar}?" if similar else "remove the setting, or register the package",
            )


def for_blanks(options: Mapping[str, str]) -> str:
    """Return what to do about a path with a blank, as the end of a remedy, where ``options`` split at blanks."""
    separator = options.get("path_separator") or options.get("version_path_separator")
    return "" if separator in _SEPARATORS.keys() - {"space"} else ", and set path_separator = os if a path has a blank"


def _parts(options: Mapping[str, str], name: str) -> list[str]:
    """Split an option that holds several paths as Alembic does.

    :raises SettingsError: ``path_separator`` is none that Alembic knows
    """
    text = options.get(name, "")
    separator = options.get("path_separator") or options.get("version_path_separator")
    if text and separator and separator not in _SEPARATORS:
        known = listed(tuple(_SEPARATORS))
        raise SettingsError(f"[alembic]: path_separator = {separator} is not valid", f"write one of {known}")
    parts = text.split(_SEPARATORS[separator]) if separator in _SEPARATORS else _LEGACY_SEPARATOR.split(text)
    return [part.strip() for part in parts if part.strip()]


def _refuse_shared_locations(locations: Mapping[str, Path]) -> None:
    owners: dict[Path, str] = {}
    for name, location in locations.items():
        first = owners.setdefault(location, name)
        if first != name:
            raise RegistrationError(
                f"{first} and {name} have the same script location {location}",
                f"give each its own, with script_location= or the setting websauna_migrate.script_location.{name}",
            )
