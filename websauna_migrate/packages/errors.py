"""Errors of a registration, of a table whose owner is not known, and of a selection of packages."""

from __future__ import annotations

from websauna_migrate.exceptions import OwnershipError, RegistrationError, RevisionError, UsageError, command, listed


class UnknownPackage(UsageError):
    """``-x packages=`` names a package that is not registered."""

    def __init__(self, package: str, registered: tuple[str, ...], closest: str | None) -> None:
        self.package = package
        self.registered = registered
        self.closest = closest
        hint = f"; did you mean {closest}?" if closest else ""
        super().__init__(
            f"-x packages: no package {package!r} is registered; registered are: {listed(registered)}{hint}"
        )


class EmptySelection(UsageError):
    """``-x packages=`` names no package."""

    def __init__(self, registered: tuple[str, ...]) -> None:
        self.registered = registered
        super().__init__(f"-x packages= names no package; name some of {listed(registered)}, or say all")


class InvalidPackageName(RegistrationError):
    """The name of a migration package is no dotted name."""

    def __init__(self, name: object) -> None:
        self.name = name
        super().__init__(
            f"add_migration_package({name!r}): not the dotted name of a Python package; write it as in 'my.app'"
        )


class InvalidMetadata(RegistrationError):
    """What was given as metadata holds none."""

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        self.reason = reason
        super().__init__(
            f"add_migration_package({name!r}): metadata: {reason}; "
            f"give a MetaData, a declarative base, a sequence of those, or a dotted name like 'my.app.models:Base'"
        )


class InvalidScriptLocation(RegistrationError):
    """A script location names no folder that could be."""

    def __init__(self, name: str, script_location: object, reason: str = "not a folder") -> None:
        self.name = name
        self.script_location = script_location
        super().__init__(
            f"script location {script_location!r} of {name}: {reason}; write 'my.app:alembic' or the path of a folder"
        )


class ScriptLocationTaken(RegistrationError):
    """Two packages would keep their revisions in one folder."""

    def __init__(self, script_location: str, first: str, second: str) -> None:
        self.script_location = script_location
        self.packages = (first, second)
        super().__init__(
            f"{first} and {second} have the same script location {script_location}; give each its own, "
            f"with script_location= or the setting websauna_migrate.script_location.{second}"
        )


class HistoryTableTaken(RegistrationError):
    """Two packages would keep their revisions in one history table."""

    def __init__(self, history_table: str, first: str, second: str) -> None:
        self.history_table = history_table
        self.packages = (first, second)
        super().__init__(
            f"{first} and {second} would share the history table {history_table!r}; "
            f"rename one of the packages, or register only one of them"
        )


class TableWithoutOwner(OwnershipError):
    """No rule gives the table to a registered package."""

    def __init__(self, table: str) -> None:
        self.table = table
        super().__init__(
            f"table {table!r} belongs to no registered migration package; register the package of its model with "
            f"config.add_migration_package(), or set Table.info['package'] to the name of a registered one"
        )


class TableWithTwoOwners(OwnershipError):
    """Several packages have an equal claim to the table."""

    def __init__(self, table: str, packages: tuple[str, ...]) -> None:
        self.table = table
        self.packages = packages
        super().__init__(
            f"table {table!r} belongs to several migration packages: {', '.join(packages)}; "
            f"set Table.info['package'] to the one that owns it"
        )


class UnregisteredOwner(OwnershipError):
    """``Table.info["package"]`` names a package that is not registered."""

    def __init__(self, table: str, package: str, registered: tuple[str, ...]) -> None:
        self.table = table
        self.package = package
        self.registered = registered
        super().__init__(
            f"table {table!r} has info['package'] = {package!r}, which is not a registered migration package; "
            f"registered are: {listed(registered)}"
        )


class TableDefinedTwice(OwnershipError):
    """Two packages each have a table of one name, in different metadata."""

    def __init__(self, table: str, first: str, second: str) -> None:
        self.table = table
        self.packages = (first, second)
        super().__init__(
            f"table {table!r} is defined by {first} and again by {second}; rename one, "
            f"or give both definitions the same Table.info['package']"
        )


class UnresolvedForeignKey(OwnershipError):
    """A foreign key leads to a table that no registered package has."""

    def __init__(self, table: str, target: str) -> None:
        self.table = table
        self.target = target
        super().__init__(
            f"a foreign key of table {table!r} leads to {target!r}, which is in no registered metadata; "
            f"register the package that has it, or mend the name"
        )


class BrokenModels(OwnershipError):
    """The mappers of the application cannot be configured."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        super().__init__(
            f"the models cannot be read, so no table has a known owner: {type(error).__name__}: "
            f"{' '.join(str(error).split())}; mend the model named there"
        )


class MissingScriptLocation(RevisionError):
    """The folder for a package's revisions does not exist."""

    def __init__(self, package: str, folder: str) -> None:
        self.package = package
        self.folder = folder
        super().__init__(
            f"the folder for the revisions of {package} does not exist: {folder}",
            ("create it with: ", command(package, "init")),
        )


class UnwritableHistory(RevisionError):
    """No file can be written into the folder of a package's revisions."""

    def __init__(self, package: str, folder: str, reason: str) -> None:
        self.package = package
        self.folder = folder
        self.reason = reason
        super().__init__(
            f"no revision of {package} can be written into {folder}: {reason}; "
            f"make it a folder that this user may write into"
        )


class MissingTemplate(RevisionError):
    """A script location has an ``env.py`` and no ``script.py.mako``."""

    def __init__(self, package: str, path: str) -> None:
        self.package = package
        self.path = path
        super().__init__(
            f"the template for the revisions of {package} does not exist: {path}",
            ("create it with: ", command(package, "init")),
        )


class InstalledHistory(RevisionError):
    """A revision would be written into an installed package."""

    def __init__(self, package: str, folder: str) -> None:
        self.package = package
        self.folder = folder
        super().__init__(
            f"{package} is installed in {folder}, where no revision is written; "
            f"work in a source checkout of it (pip install -e), or set websauna_migrate.script_location.{package}"
        )
